"""Two products of bytes and their sum in one instruction: two bits a weight for processors with AVX2.

Course    notebook 04, "Fast kernels"
Packing   as in int8_dot.py
Idea      bitnet.cpp's I2_S (Wang et al. 2025, arXiv 2502.11880), with four rows side by side
Honestly  it multiplies: `vpmaddubsw` wants one factor without a sign, so Σ (t+1)·x - Σ x
Measured  one token times 4096 x 4096, one thread of an AMD EPYC (Zen 5), weights in the last-level cache:
          81 us, 207 weights a nanosecond; compiled for AVX2 only 168 us, where it is the fastest there is

No sum overflows, whatever the codes: two products are at most 2 · 2 · 128 = 512 in size, four such pairs for each 256
inputs and 15 times those 30,720 < 32,767; then the shorts are added to a 32-bit integer. Nothing is saturated.
"""

import numpy as np
from numba import njit, prange
from numpy import ndarray

from mmf_teach.engine.intrinsics.simd import (
    add,
    load,
    low_pairs,
    pair_products,
    shifted_right,
    total_of_shorts,
    zero,
)
from mmf_teach.engine.ternary_matmul import int8_dot
from mmf_teach.engine.ternary_matmul.int8_dot import GROUP, TILE, VECTOR
from mmf_teach.engine.ternary_matmul.kernel import Compiled

GROUPS = 15                                  # of 256 inputs whose sums fit into 16 bits
pack_rows, unpack_rows = int8_dot.pack_rows, int8_dot.unpack_rows


def workspace(inputs: int) -> ndarray:
    """Memory for the codes of one token, filled up. Of another type than in int8_dot.py (see kernel.py)."""
    return int8_dot.workspace(inputs).view(np.uint8)


KERNEL = Compiled(
    name="pairs", idea="unpack two bits a trit for the processor's products of pairs of bytes", bits=2.0,
    multiplies=True, needs=("avx2",), module=__name__, word=np.uint8, count=int8_dot.count, workspace=workspace)


@njit(cache=True, nogil=True)
def product_into(weights, codes, sums, workspace, first, last):
    """Rows `first` to `last` of the product, where `first` is a multiple of 4."""
    inputs, outputs = codes.shape[1], sums.shape[1]
    groups = -(-inputs // GROUP)
    for b in range(codes.shape[0]):
        x, everything = codes[b], np.int32(0)
        for k in range(inputs):
            workspace[k] = x[k]
            everything += np.int32(x[k])
        workspace[inputs:groups * GROUP] = 0
        for row in range(first, min(last, outputs), TILE):
            at = row * groups * VECTOR
            t0 = t1 = t2 = t3 = -everything
            for start in range(0, groups, GROUPS):
                s0 = s1 = s2 = s3 = zero()
                for group in range(start, min(start + GROUPS, groups)):
                    w0, w1 = load(weights, at), load(weights, at + 64)
                    w2, w3 = load(weights, at + 128), load(weights, at + 192)
                    for part in range(4):
                        own = load(workspace, group * GROUP + part * VECTOR)
                        s0 = add(s0, pair_products(low_pairs(shifted_right(w0, 2 * part)), own))
                        s1 = add(s1, pair_products(low_pairs(shifted_right(w1, 2 * part)), own))
                        s2 = add(s2, pair_products(low_pairs(shifted_right(w2, 2 * part)), own))
                        s3 = add(s3, pair_products(low_pairs(shifted_right(w3, 2 * part)), own))
                    at += TILE * VECTOR
                t0, t1 = t0 + total_of_shorts(s0), t1 + total_of_shorts(s1)
                t2, t3 = t2 + total_of_shorts(s2), t3 + total_of_shorts(s3)
            mine, left = sums[b], outputs - row
            mine[row] = t0
            if left > 1:
                mine[row + 1] = t1
            if left > 2:
                mine[row + 2] = t2
            if left > 3:
                mine[row + 3] = t3


@njit(cache=True, nogil=True, parallel=True)
def product_threads(weights, codes, sums, workspaces, by_rows):
    """The product, shared among as many threads as there are rows of `workspaces`: rows of the matrix, or tokens."""
    threads, batch, outputs = len(workspaces), codes.shape[0], sums.shape[1]
    tiles = -(-outputs // TILE)
    for t in prange(threads):
        if by_rows:
            first, last = t * tiles // threads * TILE, (t + 1) * tiles // threads * TILE
            product_into(weights, codes, sums, workspaces[t], first, last)
        else:
            b0, b1 = t * batch // threads, (t + 1) * batch // threads
            product_into(weights, codes[b0:b1], sums[b0:b1], workspaces[t], 0, outputs)
