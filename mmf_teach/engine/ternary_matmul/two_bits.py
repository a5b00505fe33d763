"""Two bits a trit, unpacked as they are used, and then a multiplication: what a compiler makes of it by itself.

Course    notebook 04, "Fast kernels"
Packing   2 bits a weight, the codes of ternary/packing.py (0 -> 00, 1 -> 01, -1 -> 11). A row takes a quarter of its
          length in bytes, and byte j holds the trits j, j + quarter, j + 2 quarters and j + 3 quarters: so 64 bytes
          side by side meet 64 inputs side by side
Honestly  it multiplies: the processor's product of 16-bit numbers, which adds two of them in one instruction, is faster
          than choosing between adding, subtracting and skipping
Measured  one token times 4096 x 4096, one thread of an AMD EPYC (Zen 5), weights in the last-level cache:
          380 us, 44 weights a nanosecond
"""

import numpy as np
from numba import njit, prange
from numpy import ndarray

from mmf_teach.engine.intrinsics.simd import aligned_empty
from mmf_teach.engine.ternary_matmul.kernel import Compiled

TILE = 8                                     # rows that threads share out


def count(outputs: int, inputs: int) -> int:
    """Bytes of a packed matrix."""
    return outputs * -(-inputs // 4)


def scratch(inputs: int) -> ndarray:
    """Room for the codes of one token as 16-bit numbers."""
    return aligned_empty(4 * -(-inputs // 4), np.int16)


WAY = Compiled(
    name="two bits", idea="unpack two bits a trit and multiply", bits=2.0, multiplies=True, needs=(),
    module=__name__, word=np.uint8, count=count, scratch=scratch)


@njit(cache=True, nogil=True)
def pack_rows(trits, words, outputs, first):
    """Write rows of trits into a packed matrix from row `first` on."""
    inputs = trits.shape[1]
    quarter = -(-inputs // 4)
    for r in range(len(trits)):
        row, start = trits[r], (first + r) * quarter
        for j in range(quarter):
            byte = 0
            for part in range(4):
                if j + part * quarter < inputs:
                    byte |= (row[j + part * quarter] & 3) << (2 * part)
            words[start + j] = byte


@njit(cache=True, nogil=True)
def unpack_rows(words, trits, outputs, first):
    """Read rows of trits out of a packed matrix from row `first` on; the code 10 comes out as 0."""
    inputs = trits.shape[1]
    quarter = -(-inputs // 4)
    for r in range(len(trits)):
        row, start = trits[r], (first + r) * quarter
        for k in range(inputs):
            code = (np.int64(words[start + k % quarter]) >> (2 * (k // quarter))) & 3
            row[k] = (code & 1) - (code & 2) * (code & 1)


@njit(cache=True, nogil=True)
def product_into(words, codes, sums, scratch, first, last):
    """Rows `first` to `last` of the product."""
    inputs = codes.shape[1]
    quarter = -(-inputs // 4)
    x0, x1 = scratch[:quarter], scratch[quarter:2 * quarter]
    x2, x3 = scratch[2 * quarter:3 * quarter], scratch[3 * quarter:4 * quarter]
    for b in range(codes.shape[0]):
        scratch[:inputs] = codes[b]
        scratch[inputs:4 * quarter] = 0
        for row in range(first, min(last, sums.shape[1])):
            packed = words[row * quarter:(row + 1) * quarter]
            total = np.int32(0)
            for j in range(quarter):
                byte = packed[j]                             # the two bits go to the top and come back with their sign
                total += np.int32(x0[j]) * np.int32(np.int8(byte << np.uint8(6)) >> np.int8(6))
                total += np.int32(x1[j]) * np.int32(np.int8(byte << np.uint8(4)) >> np.int8(6))
                total += np.int32(x2[j]) * np.int32(np.int8(byte << np.uint8(2)) >> np.int8(6))
                total += np.int32(x3[j]) * np.int32(np.int8(byte) >> np.int8(6))
            sums[b, row] = total


@njit(cache=True, nogil=True, parallel=True)
def product_threads(words, codes, sums, scratches, by_rows):
    """The product, shared among as many threads as there are rows of `scratches`: rows of the matrix, or tokens."""
    threads, batch, outputs = len(scratches), codes.shape[0], sums.shape[1]
    tiles = -(-outputs // TILE)
    for t in prange(threads):
        if by_rows:
            first, last = t * tiles // threads * TILE, (t + 1) * tiles // threads * TILE
            product_into(words, codes, sums, scratches[t], first, last)
        else:
            b0, b1 = t * batch // threads, (t + 1) * batch // threads
            product_into(words, codes[b0:b1], sums[b0:b1], scratches[t], 0, outputs)
