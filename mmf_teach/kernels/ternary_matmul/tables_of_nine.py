"""Nine trits are three numbers below 27, each of which looks up a sum that is already there. Nothing is multiplied.

Course    notebook 04, "Fast kernels"
Packing   16 bits for 9 trits of a row, 1.78 bits a weight: three numbers of base 3, five bits each,
          (t0+1) + 3(t1+1) + 9(t2+1) for trits 0-2, the same for 3-5 shifted by 5, for 6-8 shifted by 10, bit 15 zero
Order     chunk of 28 words (252 inputs) -> tile of 128 rows -> word -> row: one stream, read from front to back.
          Rows are filled up to a multiple of 32, inputs to a multiple of 9, both with trits 0.
Idea      look-up tables instead of products: T-MAC (Wei et al. 2024, arXiv 2407.00088) and bitnet.cpp's TL kernels
          (Wang et al. 2025, arXiv 2502.11880); the table of 27 in one vector register, read by `vpermw`, is ours
Measured  one token times 4096 x 4096, one thread, weights in the last-level cache: 41 us on an AMD EPYC (Zen 5), 410
          weights a nanosecond; 138 us on an Intel Xeon (Sapphire Rapids), 122. From memory, asking for the weights
          some KB ahead takes a tenth off the time on both; the Xeon wants them in its second cache (1.2 times the
          time of reading alone, 1.4 when they are asked into the first). On Zen 4 such requests were found to cost

For three inputs a, b, c the 27 sums ±a±b±c fit into one vector of 32 shorts, made by masked adding. One `vpermw`
then looks up 32 rows at a time: 8 instructions for 288 weights. The tables of a chunk, 5 KB, stay in the
innermost cache, and the weights pass by once.

No sum overflows, whatever the codes: an entry is at most 3 · 128 = 384, a word adds three entries, a chunk
28 · 3 · 384 = 32,256 < 32,767; after each chunk the shorts are added to 32-bit integers, which hold 2**31 / 128, that
is 16 million inputs.
"""

import numpy as np
from numba import njit, prange
from numpy import ndarray

from mmf_teach.kernels.ternary_matmul.simd import (
    add,
    add_shorts,
    aligned_empty,
    fetch_soon,
    load,
    look_up,
    shifted_right,
    store,
    sums_of_three,
    zero,
)
from mmf_teach.kernels.ternary_matmul.way import Compiled

TRITS = 9                                    # in a word
CHUNK = 28                                   # words whose sums fit into 16 bits
ROWS = 32                                    # in a vector
TILE = 4 * ROWS                              # rows whose sums stay in registers
TABLES = CHUNK * 3 * 32                      # shorts in the tables of one chunk
AHEAD = 12288 // 2                           # words that are asked for before they are needed
COLUMNS = 4                                  # inputs whose tables fit into the innermost cache together
VALUES = COLUMNS * TABLES                    # where the scratch array holds a chunk of inputs as shorts
NOTHING = 13 * (1 + 32 + 1024)               # the word of nine zeros: 13 = 1 + 3 + 9
SCRATCH = VALUES + CHUNK * TRITS


def count(outputs: int, inputs: int) -> int:
    """Words of a packed matrix."""
    return -(-outputs // ROWS) * ROWS * -(-inputs // TRITS)


def scratch(inputs: int) -> ndarray:
    """Room for the tables: the same for all sizes."""
    return aligned_empty(SCRATCH, np.int16)


WAY = Compiled(
    name="tables of nine", idea="look up the sums of three inputs in a register", bits=16 / 9, multiplies=False,
    needs=("avx512f", "avx512bw"), module=__name__, word=np.uint16, count=count, scratch=scratch)


@njit(cache=True, nogil=True)
def _place(row, word, height, all_words):
    """Where in a packed matrix a word is, and how far away the next one of the same row and chunk."""
    start = word // CHUNK * CHUNK
    width = min(CHUNK, all_words - start)
    step = TILE if row < height // TILE * TILE else ROWS
    return start * height + row // step * step * width + (word - start) * step + row % step


@njit(cache=True, nogil=True)
def pack_rows(trits, words, outputs, first):
    """Write rows of trits into a packed matrix from row `first` on; after the last row come the rows of zeros."""
    inputs, height = trits.shape[1], -(-outputs // ROWS) * ROWS
    all_words = -(-inputs // TRITS)
    for r in range(len(trits)):
        row = trits[r]
        for w in range(all_words):
            word = 0
            for place in range(3):
                number, weight = 0, 1
                for k in range(w * TRITS + place * 3, w * TRITS + place * 3 + 3):
                    number += weight * ((row[k] if k < inputs else 0) + 1)
                    weight *= 3
                word |= number << (5 * place)
            words[_place(first + r, w, height, all_words)] = word
    if first + len(trits) == outputs:
        for r in range(outputs, height):
            for w in range(all_words):
                words[_place(r, w, height, all_words)] = NOTHING


@njit(cache=True, nogil=True)
def unpack_rows(words, trits, outputs, first):
    """Read rows of trits out of a packed matrix from row `first` on."""
    inputs, height = trits.shape[1], -(-outputs // ROWS) * ROWS
    all_words = -(-inputs // TRITS)
    for r in range(len(trits)):
        row = trits[r]
        for w in range(all_words):
            word = np.int64(words[_place(first + r, w, height, all_words)])
            for place in range(3):
                number = (word >> (5 * place)) & 31
                for k in range(w * TRITS + place * 3, w * TRITS + place * 3 + 3):
                    if k < inputs:
                        row[k] = number % 3 - 1
                    number //= 3


@njit(cache=True, nogil=True)
def _make_tables(codes, start, count, scratch, at):
    """The tables of `count` words, for inputs from `start` on; beyond the last input there are zeros."""
    filled = min(len(codes) - start, count * TRITS)
    for k in range(filled):
        scratch[VALUES + k] = codes[start + k]
    for k in range(filled, count * TRITS):
        scratch[VALUES + k] = 0
    for third in range(count * 3):
        store(scratch, at + third * 32, sums_of_three(scratch, VALUES + third * 3))


@njit(cache=True, nogil=True)
def _add_chunks(words, codes, sums, scratch, first, last, w_first, w_last):
    """Add to rows `first` to `last` of the sums what the words `w_first` to `w_last` of these rows contribute."""
    outputs = sums.shape[1]
    height = -(-outputs // ROWS) * ROWS
    all_words = -(-codes.shape[1] // TRITS)
    last = min(last, outputs)
    whole = min(-(-last // TILE), height // TILE) * TILE
    for b0 in range(0, codes.shape[0], COLUMNS):
        columns = min(COLUMNS, codes.shape[0] - b0)
        for w0 in range(w_first, w_last, CHUNK):
            count = min(CHUNK, all_words - w0)
            for b in range(columns):
                _make_tables(codes[b0 + b], w0 * TRITS, count, scratch, b * TABLES)
            for row in range(first, whole, TILE):
                ahead = AHEAD if row + TILE < last else AHEAD + (height - (last - first)) * count    # to our next chunk
                for b in range(columns):
                    at, table = w0 * height + row * count, b * TABLES
                    s0 = s1 = s2 = s3 = zero()
                    for _ in range(count):
                        x0, x1 = load(words, at), load(words, at + 32)
                        x2, x3 = load(words, at + 64), load(words, at + 96)
                        for line in range(4):
                            fetch_soon(words, at + ahead + line * 32)
                        sums_of = load(scratch, table)
                        s0, s1 = add(s0, look_up(sums_of, x0)), add(s1, look_up(sums_of, x1))
                        s2, s3 = add(s2, look_up(sums_of, x2)), add(s3, look_up(sums_of, x3))
                        for place in (1, 2):
                            sums_of = load(scratch, table + 32 * place)
                            s0 = add(s0, look_up(sums_of, shifted_right(x0, 5 * place)))
                            s1 = add(s1, look_up(sums_of, shifted_right(x1, 5 * place)))
                            s2 = add(s2, look_up(sums_of, shifted_right(x2, 5 * place)))
                            s3 = add(s3, look_up(sums_of, shifted_right(x3, 5 * place)))
                        at, table = at + TILE, table + 96
                    to, left = (b0 + b) * outputs + row, outputs - row
                    add_shorts(sums, to, left, s0)
                    add_shorts(sums, to + 32, left - 32, s1)
                    add_shorts(sums, to + 64, left - 64, s2)
                    add_shorts(sums, to + 96, left - 96, s3)
            for row in range(max(first, whole), last, ROWS):
                for b in range(columns):
                    at, table = w0 * height + row * count, b * TABLES
                    s0 = s1 = s2 = zero()
                    for _ in range(count):
                        x0 = load(words, at)
                        s0 = add(s0, look_up(load(scratch, table), x0))
                        s1 = add(s1, look_up(load(scratch, table + 32), shifted_right(x0, 5)))
                        s2 = add(s2, look_up(load(scratch, table + 64), shifted_right(x0, 10)))
                        at, table = at + ROWS, table + 96
                    add_shorts(sums, (b0 + b) * outputs + row, outputs - row, add(s0, add(s1, s2)))


@njit(cache=True, nogil=True)
def product_into(words, codes, sums, scratch, first, last):
    """Rows `first` to `last` of the product, where both are multiples of 128 or the end."""
    sums[:, first:last] = 0
    _add_chunks(words, codes, sums, scratch, first, last, 0, -(-codes.shape[1] // TRITS))


@njit(cache=True, nogil=True)
def _start(part, words, codes, scratch, w_first, w_last):
    """What some words contribute to all rows."""
    part[:] = 0
    _add_chunks(words, codes, part, scratch, 0, part.shape[1], w_first, w_last)


@njit(cache=True, nogil=True)
def _add_up(parts, sums):
    """The sums of all threads together. In a function of its own it is not made parallel, which would take longer."""
    sums[:] = parts[0]
    for t in range(1, len(parts)):
        for b in range(len(sums)):
            total, part = sums[b], parts[t, b]
            for row in range(len(total)):
                total[row] += part[row]


@njit(cache=True, nogil=True, parallel=True)
def product_threads(words, codes, sums, scratches, by_rows):
    """The product, shared among as many threads as there are rows of `scratches`: parts of the matrix, or tokens.

    A part of the matrix is first of all some of its chunks, so that no table is made twice and each thread reads
    one stream; of the chunks that are left over each thread takes some rows. Then their sums are added up.
    """
    threads, batch, outputs = len(scratches), codes.shape[0], sums.shape[1]
    tiles, all_words = -(-outputs // TILE), -(-codes.shape[1] // TRITS)
    each = all_words // CHUNK // threads * CHUNK
    parts = np.empty((threads if by_rows else 0, batch, outputs), np.int32)
    for t in prange(threads):
        if by_rows:
            _start(parts[t], words, codes, scratches[t], t * each, (t + 1) * each)
            first, last = t * tiles // threads * TILE, (t + 1) * tiles // threads * TILE
            _add_chunks(words, codes, parts[t], scratches[t], first, last, threads * each, all_words)
        else:
            b0, b1 = t * batch // threads, (t + 1) * batch // threads
            product_into(words, codes[b0:b1], sums[b0:b1], scratches[t], 0, outputs)
    if by_rows:
        _add_up(parts, sums)
