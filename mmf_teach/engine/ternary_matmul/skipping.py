"""The naive loop, compiled: for each trit add, subtract or skip. Nothing is multiplied.

Course    notebook 04, "Fast kernels"
Packing   none: a byte a trit, 8 bits a weight
Measured  one token times 4096 x 4096, one thread of an AMD EPYC (Zen 5), weights in the last-level cache:
          670 us, 25 weights a nanosecond; the compiler turns the choice into masks of its vectors
"""

import numpy as np
from numba import njit, prange
from numpy import ndarray

from mmf_teach.engine.intrinsics.simd import aligned_empty
from mmf_teach.engine.ternary_matmul.kernel import Compiled

TILE = 8                                     # rows that threads share out


def count(outputs: int, inputs: int) -> int:
    """Words of a packed matrix."""
    return outputs * inputs


def workspace(inputs: int) -> ndarray:
    """None is needed."""
    return aligned_empty(1, np.int8)


KERNEL = Compiled(
    name="skipping", idea="compile the loop that adds, subtracts or skips", bits=8.0, multiplies=False, needs=(),
    module=__name__, word=np.int8, count=count, workspace=workspace)


@njit(cache=True, nogil=True)
def pack_rows(trits, weights, outputs, first):
    """Write rows of trits from row `first` on."""
    inputs = trits.shape[1]
    for r in range(len(trits)):
        for k in range(inputs):
            weights[(first + r) * inputs + k] = min(max(trits[r, k], -1), 1)


@njit(cache=True, nogil=True)
def unpack_rows(weights, trits, outputs, first):
    """Read rows of trits from row `first` on."""
    inputs = trits.shape[1]
    for r in range(len(trits)):
        trits[r] = weights[(first + r) * inputs:(first + r + 1) * inputs]


@njit(cache=True, nogil=True)
def product_into(weights, codes, sums, workspace, first, last):
    """Rows `first` to `last` of the product."""
    inputs = codes.shape[1]
    for b in range(codes.shape[0]):
        x = codes[b]
        for row in range(first, min(last, sums.shape[1])):
            trits = weights[row * inputs:(row + 1) * inputs]
            total = np.int32(0)
            for k in range(inputs):
                if trits[k] > 0:
                    total += np.int32(x[k])
                elif trits[k] < 0:
                    total -= np.int32(x[k])
            sums[b, row] = total


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
