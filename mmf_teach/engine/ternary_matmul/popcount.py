"""Count bits: codes as eight planes, trits as two, and the sum of a row is a handful of population counts.

Course    notebook 04, "Fast kernels"
Equation  Σ w·x = |N| + Σ_b c_b · popcount((x_b ⊕ s) ∧ z),   c_b = 1, 2, 4, ..., 64, -128,   |N| = how many w are -1
          x_b is bit b of all codes, s the sign bits of the trits, z their bits "not zero"
          why     under a -1 the bits are inverted, which is -x - 1 in two's complement: |N| puts the ones back
Packing   2 bits a weight: 64 trits of a row in a word of z and a word of s, which take turns: one stream, read from
          front to back. (With all of z before all of s there were two streams, and memory took four times as long.)
Idea      bit-serial arithmetic, as in T-MAC (Wei et al. 2024, arXiv 2407.00088); nothing is multiplied: the c_b
          are shifts
Measured  one token times 4096 x 4096, one thread, weights in the last-level cache: AMD EPYC (Zen 5) 100 us, 165
          weights a nanosecond; compiled for AVX2 only, without the instruction for counting, 490 us. Intel Xeon (AMX)
          180 us, in vectors half as wide 300; from memory 320, without asking for it ahead 540

Ten lines without a single instruction of a certain processor, and so the kernel that runs everywhere; with AVX-512 the
compiler finds three instructions for 512 bits, one of them a population count.
"""

import numpy as np
from numba import njit, prange, types
from numba.extending import intrinsic
from numpy import ndarray

from mmf_teach.engine.intrinsics.simd import aligned_empty, fetch_next, in_widest_vectors
from mmf_teach.engine.ternary_matmul.kernel import Compiled

BITS = 64                                    # trits in a word of either plane
PLANES = 8                                   # bits of a code
TILE = 8                                     # rows that threads share out
LINE, AHEAD = 8, 192                         # words of a cache line; how far ahead memory is asked: 24 lines


def count(outputs: int, inputs: int) -> int:
    """Words of a packed matrix."""
    return outputs * 2 * -(-inputs // BITS)


def workspace(inputs: int) -> ndarray:
    """Memory for the planes of one token's codes."""
    return aligned_empty(PLANES * -(-inputs // BITS), np.uint64)


KERNEL = Compiled(
    name="bit planes", idea="count bits instead of adding numbers", bits=2.0, multiplies=False,
    needs=(), module=__name__, word=np.uint64, count=count, workspace=workspace)


@intrinsic
def ones(typing_context, word):
    """How many bits of a word are 1: LLVM's `ctpop`, which every processor has in some form."""
    return types.uint64(word), lambda context, builder, signature, arguments: builder.ctpop(arguments[0])


@njit(cache=True, nogil=True)
def pack_rows(trits, weights, outputs, first):
    """Write rows of trits into a packed matrix from row `first` on."""
    inputs = trits.shape[1]
    width = -(-inputs // BITS)
    for r in range(len(trits)):
        row, start = trits[r], (first + r) * 2 * width
        for k in range(width):
            z = s = np.uint64(0)
            for bit in range(min(BITS, inputs - k * BITS)):
                trit = row[k * BITS + bit]
                z |= np.uint64(trit & 1) << np.uint64(bit)   # 1 and -1 are odd
                s |= np.uint64(trit < 0) << np.uint64(bit)
            weights[start + 2 * k], weights[start + 2 * k + 1] = z, s


@njit(cache=True, nogil=True)
def unpack_rows(weights, trits, outputs, first):
    """Read rows of trits out of a packed matrix from row `first` on."""
    inputs = trits.shape[1]
    width = -(-inputs // BITS)
    for r in range(len(trits)):
        row, start = trits[r], (first + r) * 2 * width
        for k in range(inputs):
            word, bit = k // BITS, np.uint64(k % BITS)
            z, s = weights[start + 2 * word] >> bit, weights[start + 2 * word + 1] >> bit
            row[k] = np.int8(z & np.uint64(1)) - np.int8(2) * np.int8(z & s & np.uint64(1))


@njit(cache=True, nogil=True)
def _make_planes(codes, width, planes):
    """Bit b of the codes as words b·width to (b+1)·width - 1."""
    for word in range(width):
        some = codes[word * BITS:(word + 1) * BITS]
        for b in range(PLANES):
            bits, place = np.uint64(0), np.uint64(b)
            for k in range(len(some)):
                bits |= ((np.uint64(some[k]) >> place) & np.uint64(1)) << np.uint64(k)
            planes[b * width + word] = bits


@njit(cache=True, nogil=True)
def product_into(weights, codes, sums, workspace, first, last):
    """Rows `first` to `last` of the product."""
    in_widest_vectors()
    width = -(-codes.shape[1] // BITS)
    planes = workspace[:PLANES * width]
    x0, x1, x2, x3 = planes[:width], planes[width:2 * width], planes[2 * width:3 * width], planes[3 * width:4 * width]
    x4, x5 = planes[4 * width:5 * width], planes[5 * width:6 * width]
    x6, x7 = planes[6 * width:7 * width], planes[7 * width:]
    for b in range(codes.shape[0]):
        _make_planes(codes[b], width, planes)
        for row in range(first, min(last, sums.shape[1])):
            start, end = 2 * row * width, 2 * (row + 1) * width
            both = weights[start:end]
            for at in range(start, end, LINE):
                fetch_next(weights, at + AHEAD)
            c0 = c1 = c2 = c3 = c4 = c5 = c6 = c7 = negative = np.uint64(0)
            for k in range(width):
                z, s = both[2 * k], both[2 * k + 1]
                c0 += ones((x0[k] ^ s) & z)
                c1 += ones((x1[k] ^ s) & z)
                c2 += ones((x2[k] ^ s) & z)
                c3 += ones((x3[k] ^ s) & z)
                c4 += ones((x4[k] ^ s) & z)
                c5 += ones((x5[k] ^ s) & z)
                c6 += ones((x6[k] ^ s) & z)
                c7 += ones((x7[k] ^ s) & z)
                negative += ones(s)
            low = c0 + (c1 << 1) + (c2 << 2) + (c3 << 3) + (c4 << 4) + (c5 << 5) + (c6 << 6)
            sums[b, row] = np.int64(negative + low) - np.int64(c7 << 7)


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
