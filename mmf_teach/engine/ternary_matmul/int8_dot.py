"""Four products of bytes and their sum in one instruction: what industry does with two bits a weight.

Course    notebook 04, "Fast kernels"
Packing   2 bits a weight, t + 1 as 0, 1 or 2: 64 bytes hold 256 trits of a row, byte j those at j, j + 64, j + 128 and
          j + 192. Four rows take turns, 64 bytes each, so that they share the codes and the memory is read in order.
          Rows are filled up to a multiple of 4, inputs to a multiple of 256, with trits 0
Idea      bitnet.cpp's I2_S (Wang et al. 2025, arXiv 2502.11880) and the rows side by side of ik_llama.cpp, with
          AVX-512 VNNI
Honestly  it multiplies: `vpdpbusd` wants one factor without a sign, so Σ (t+1)·x - Σ x. It has no rounding and no
          saturation: four products are at most 4 · 2 · 128 in size, and 32 bits hold 2**31 / 256 inputs of them
Measured  one token times 4096 x 4096, one thread of an AMD EPYC (Zen 5), weights in the last-level cache:
          67 us, 250 weights a nanosecond
"""

import numpy as np
from numba import njit, prange
from numpy import ndarray

from mmf_teach.engine.intrinsics.simd import (
    add_products,
    aligned_empty,
    fetch_soon,
    load,
    low_pairs,
    shifted_right,
    total,
    zero,
)
from mmf_teach.engine.ternary_matmul.kernel import Compiled

GROUP = 256                                  # trits of a row in one vector
VECTOR = 64                                  # bytes
AHEAD = 8192                                 # bytes that are asked for before they are needed
TILE = 4                                     # rows that take turns


def count(outputs: int, inputs: int) -> int:
    """Bytes of a packed matrix."""
    return -(-outputs // TILE) * TILE * -(-inputs // GROUP) * VECTOR


def workspace(inputs: int) -> ndarray:
    """Memory for the codes of one token, filled up."""
    return aligned_empty(-(-inputs // GROUP) * GROUP, np.int8)


KERNEL = Compiled(
    name="VNNI", idea="unpack two bits a trit for the processor's dot product of bytes", bits=2.0, multiplies=True,
    needs=("avx512f", "avx512bw", "avx512vnni"), module=__name__, word=np.uint8, count=count, workspace=workspace)


@njit(cache=True, nogil=True)
def _place(row, group, groups):
    """Where in a packed matrix 256 trits of a row are."""
    return ((row // TILE * groups + group) * TILE + row % TILE) * VECTOR


@njit(cache=True, nogil=True)
def pack_rows(trits, weights, outputs, first):
    """Write rows of trits into a packed matrix from row `first` on; after the last row come the rows of zeros."""
    inputs = trits.shape[1]
    groups = -(-inputs // GROUP)
    end = first + len(trits)
    if end == outputs:
        end = -(-outputs // TILE) * TILE
    for r in range(first, end):
        for group in range(groups):
            at = _place(r, group, groups)
            for j in range(VECTOR):
                byte = 0
                for part in range(4):
                    k = group * GROUP + part * VECTOR + j
                    trit = trits[r - first, k] if r < outputs and k < inputs else 0
                    byte |= (trit + 1) << (2 * part)
                weights[at + j] = byte


@njit(cache=True, nogil=True)
def unpack_rows(weights, trits, outputs, first):
    """Read rows of trits out of a packed matrix from row `first` on; the code 3 comes out as 0."""
    inputs = trits.shape[1]
    groups = -(-inputs // GROUP)
    for r in range(len(trits)):
        for k in range(inputs):
            at = _place(first + r, k // GROUP, groups) + k % VECTOR
            code = (np.int64(weights[at]) >> (2 * (k % GROUP // VECTOR))) & 3
            trits[r, k] = code - 1 if code < 3 else 0


@njit(cache=True, nogil=True)
def product_into(weights, codes, sums, workspace, first, last):
    """Rows `first` to `last` of the product, where `first` is a multiple of 4."""
    inputs, outputs = codes.shape[1], sums.shape[1]
    groups = -(-inputs // GROUP)
    for b in range(codes.shape[0]):
        workspace[:inputs] = codes[b]
        workspace[inputs:groups * GROUP] = 0
        everything = np.int32(0)
        for k in range(inputs):
            everything += np.int32(workspace[k])
        for row in range(first, min(last, outputs), TILE):
            at = row * groups * VECTOR
            s0 = s1 = s2 = s3 = zero()
            for group in range(groups):
                for line in range(TILE):
                    fetch_soon(weights, at + AHEAD + line * VECTOR)
                w0, w1 = load(weights, at), load(weights, at + 64)
                w2, w3 = load(weights, at + 128), load(weights, at + 192)
                for part in range(4):
                    x = load(workspace, group * GROUP + part * VECTOR)
                    s0 = add_products(s0, low_pairs(shifted_right(w0, 2 * part)), x)
                    s1 = add_products(s1, low_pairs(shifted_right(w1, 2 * part)), x)
                    s2 = add_products(s2, low_pairs(shifted_right(w2, 2 * part)), x)
                    s3 = add_products(s3, low_pairs(shifted_right(w3, 2 * part)), x)
                at += TILE * VECTOR
            mine, left = sums[b], outputs - row
            mine[row] = total(s0) - everything
            if left > 1:
                mine[row + 1] = total(s1) - everything
            if left > 2:
                mine[row + 2] = total(s2) - everything
            if left > 3:
                mine[row + 3] = total(s3) - everything


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
