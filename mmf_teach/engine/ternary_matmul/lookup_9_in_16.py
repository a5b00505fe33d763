"""Nine trits are three numbers below 27, each of which looks up a sum that is already there. Nothing is multiplied.

Course    notebook 04, "Fast kernels"
Packing   16 bits for 9 trits of a row, 1.78 bits a weight: three numbers of base 3, five bits each,
          (t0+1) + 3(t1+1) + 9(t2+1) for trits 0-2, the same for 3-5 shifted by 5, for 6-8 shifted by 10, bit 15 zero
Order     chunk of 28 words (252 inputs) -> 32 rows -> word -> row. Rows are filled up to a multiple of 32, inputs to
          a multiple of 9, both with trits 0
Idea      look-up tables instead of products: T-MAC (Wei et al. 2024, arXiv 2407.00088) and bitnet.cpp's TL kernels
          (Wang et al. 2025, arXiv 2502.11880); the table of 27 in one vector register, read by `vpermw`, is ours
Measured  one token times 4096 x 4096, one thread of an Intel Xeon (AMX): weights in the last-level cache 128 us, 131
          a nanosecond; from memory 210 us, 1.05 times the time of reading alone

For three inputs a, b, c the 27 sums ±a±b±c fit into one vector of 32 shorts. One `vpermw` then looks up 32 rows at a
time: 8 instructions for 288 weights. The tables of a chunk, 5 KB, stay in the innermost cache, and the weights pass
by once: the rows in four runs side by side, so that memory is asked for four places at a time. (Row after row, as one
stream, took 250 us of the same memory.)

No sum overflows, whatever the codes: an entry is at most 3 · 128 = 384, a word adds three entries, a chunk
28 · 3 · 384 = 32,256 < 32,767; after each chunk the shorts are added to 32-bit integers, which hold 2**31 / 128, that
is 16 million inputs.
"""

import numpy as np
from numba import njit, prange
from numpy import ndarray

from mmf_teach.engine.intrinsics.simd import (
    add,
    add_shorts,
    aligned_empty,
    fetch_next,
    load,
    look_up,
    shifted_right,
    store_sums_of_threes,
    zero,
)
from mmf_teach.engine.ternary_matmul.kernel import Compiled

TRITS = 9                                    # in a word
CHUNK = 28                                   # words whose sums fit into 16 bits
ROWS = 32                                    # in a vector
RUNS, NEAR = 4, 2                            # parts of the rows read side by side; vectors of each asked for ahead
TABLES = CHUNK * 3 * 32                      # shorts in the tables of one chunk
COLUMNS = 4                                  # inputs whose tables fit into the innermost cache together
LAST = COLUMNS * TABLES                      # where the workspace holds the last codes of all, twice nine bytes
LOADED = 16                                  # codes read at once for a word's tables
NOTHING = 13 * (1 + 32 + 1024)               # the word of nine zeros: 13 = 1 + 3 + 9
WORKSPACE = LAST + 16                        # shorts


def count(outputs: int, inputs: int) -> int:
    """Words of a packed matrix."""
    return -(-outputs // ROWS) * ROWS * -(-inputs // TRITS)


def workspace(inputs: int) -> ndarray:
    """Memory for the tables: the same for all sizes."""
    return aligned_empty(WORKSPACE, np.int16)


@njit(cache=True, nogil=True)
def apart(outputs, inputs):
    """Words from where the first run of a matrix begins to where the second does, and so on."""
    return -(-outputs // ROWS) // RUNS * ROWS * min(CHUNK, -(-inputs // TRITS))


KERNEL = Compiled(
    name="tables of nine", idea="look up the sums of three inputs in a register", bits=16 / 9, multiplies=False,
    needs=("avx512f", "avx512bw"), module=__name__, word=np.uint16, count=count, workspace=workspace, apart=apart)


@njit(cache=True, nogil=True)
def place_of(row, word, height, all_words):
    """Where in a packed matrix a word is; the next one of the same row and chunk comes `ROWS` words later."""
    start = word // CHUNK * CHUNK
    return start * height + row // ROWS * ROWS * min(CHUNK, all_words - start) + (word - start) * ROWS + row % ROWS


@njit(cache=True, nogil=True)
def pack_rows(trits, weights, outputs, first):
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
            weights[place_of(first + r, w, height, all_words)] = word
    if first + len(trits) == outputs:
        for r in range(outputs, height):
            for w in range(all_words):
                weights[place_of(r, w, height, all_words)] = NOTHING


@njit(cache=True, nogil=True)
def unpack_rows(weights, trits, outputs, first):
    """Read rows of trits out of a packed matrix from row `first` on."""
    inputs, height = trits.shape[1], -(-outputs // ROWS) * ROWS
    all_words = -(-inputs // TRITS)
    for r in range(len(trits)):
        row = trits[r]
        for w in range(all_words):
            word = np.int64(weights[place_of(first + r, w, height, all_words)])
            for place in range(3):
                number = (word >> (5 * place)) & 31
                for k in range(w * TRITS + place * 3, w * TRITS + place * 3 + 3):
                    if k < inputs:
                        row[k] = number % 3 - 1
                    number //= 3


@njit(cache=True, nogil=True)
def _make_tables(codes, first, count, workspace, at):
    """The tables of `count` words, for codes from `first` on. Beyond a row's end weights are 0, and codes any bytes."""
    inside = max(0, min(count, (len(codes) - first - LOADED) // TRITS + 1))          # of them load no byte beyond
    for word in range(inside):
        store_sums_of_threes(workspace, at + word * 96, codes, first + word * TRITS)
    if inside < count:
        last = workspace[LAST:].view(np.int8)
        for k in range(len(codes) - first - inside * TRITS):
            last[k] = codes[first + inside * TRITS + k]
        for word in range(inside, count):
            store_sums_of_threes(workspace, at + word * 96, last, (word - inside) * TRITS)


@njit(cache=True, nogil=True)
def _add_chunks(weights, codes, sums, workspace, first, last, w_first, w_last):
    """Add to rows `first` to `last` of the sums what the words `w_first` to `w_last` of these rows contribute."""
    outputs = sums.shape[1]
    height = -(-outputs // ROWS) * ROWS
    all_words = -(-codes.shape[1] // TRITS)
    vectors = -(-(min(last, outputs) - first) // ROWS)
    length = max(0, vectors // RUNS)         # of a run, in vectors of rows
    near = min(NEAR, length)
    run, flat = length * ROWS, codes.reshape(-1)
    for b0 in range(0, codes.shape[0], COLUMNS):
        columns = min(COLUMNS, codes.shape[0] - b0)
        for w0 in range(w_first, w_last, CHUNK):
            count = min(CHUNK, all_words - w0)
            start, far = w0 * height + first * count, run * count
            for b in range(columns):
                _make_tables(flat, (b0 + b) * codes.shape[1] + w0 * TRITS, count, workspace, b * TABLES)
            for n in range(length):
                ahead = near * ROWS * count          # words, to what comes after this; at the end of a run that is
                if n + near >= length:       # the next chunk's
                    ahead += (height - run) * count
                for b in range(columns):
                    at, table = start + n * ROWS * count, b * TABLES
                    s0 = s1 = s2 = s3 = zero()
                    for _ in range(count):
                        x0, x1 = load(weights, at), load(weights, at + far)
                        x2, x3 = load(weights, at + 2 * far), load(weights, at + 3 * far)
                        for each in range(RUNS):
                            fetch_next(weights, at + each * far + ahead)
                        sums_of = load(workspace, table)
                        s0, s1 = add(s0, look_up(sums_of, x0)), add(s1, look_up(sums_of, x1))
                        s2, s3 = add(s2, look_up(sums_of, x2)), add(s3, look_up(sums_of, x3))
                        for place in (1, 2):
                            sums_of = load(workspace, table + 32 * place)
                            s0 = add(s0, look_up(sums_of, shifted_right(x0, 5 * place)))
                            s1 = add(s1, look_up(sums_of, shifted_right(x1, 5 * place)))
                            s2 = add(s2, look_up(sums_of, shifted_right(x2, 5 * place)))
                            s3 = add(s3, look_up(sums_of, shifted_right(x3, 5 * place)))
                        at, table = at + ROWS, table + 96
                    row = first + n * ROWS
                    to, left = (b0 + b) * outputs + row, outputs - row
                    add_shorts(sums, to, left, s0)
                    add_shorts(sums, to + run, left - run, s1)
                    add_shorts(sums, to + 2 * run, left - 2 * run, s2)
                    add_shorts(sums, to + 3 * run, left - 3 * run, s3)
            for n in range(RUNS * length, vectors):
                for b in range(columns):
                    at, table = start + n * ROWS * count, b * TABLES
                    s0 = s1 = s2 = zero()
                    for _ in range(count):
                        x0 = load(weights, at)
                        s0 = add(s0, look_up(load(workspace, table), x0))
                        s1 = add(s1, look_up(load(workspace, table + 32), shifted_right(x0, 5)))
                        s2 = add(s2, look_up(load(workspace, table + 64), shifted_right(x0, 10)))
                        at, table = at + ROWS, table + 96
                    row = first + n * ROWS
                    add_shorts(sums, (b0 + b) * outputs + row, outputs - row, add(s0, add(s1, s2)))


@njit(cache=True, nogil=True)
def product_into(weights, codes, sums, workspace, first, last):
    """Rows `first` to `last` of the product, where both are multiples of 128 or the end."""
    sums[:, first:last] = 0
    _add_chunks(weights, codes, sums, workspace, first, last, 0, -(-codes.shape[1] // TRITS))


@njit(cache=True, nogil=True)
def _start(part, weights, codes, workspace, w_first, w_last):
    """What some words contribute to all rows."""
    part[:] = 0
    _add_chunks(weights, codes, part, workspace, 0, part.shape[1], w_first, w_last)


@njit(cache=True, nogil=True)
def _add_up(parts, sums):
    """The sums of all threads together. In a function of its own it is not made parallel, which would take longer."""
    sums[:] = parts[0, :len(sums)]
    for t in range(1, len(parts)):
        for b in range(len(sums)):
            total, part = sums[b], parts[t, b]
            for row in range(len(total)):
                total[row] += part[row]


@njit(cache=True, nogil=True, parallel=True)
def product_threads(weights, codes, sums, workspaces, by_rows):
    """The product, shared among as many threads as there are rows of `workspaces`: parts of the matrix, or tokens.

    A part of the matrix is first of all some of its chunks, so that no table is made twice and what a thread reads
    lies together; of the chunks that are left over each thread takes some rows. Then their sums are added up. An empty
    row keeps the sums of two threads apart: a processor fetches what comes next, and would take it from the other.
    """
    threads, batch, outputs = len(workspaces), codes.shape[0], sums.shape[1]
    vectors, all_words = -(-outputs // ROWS), -(-codes.shape[1] // TRITS)
    each = all_words // CHUNK // threads * CHUNK
    parts = np.empty((threads if by_rows else 0, batch + 1, outputs), np.int32)
    for t in prange(threads):
        if by_rows:
            _start(parts[t, :batch], weights, codes, workspaces[t], t * each, (t + 1) * each)
            first, last = t * vectors // threads * ROWS, (t + 1) * vectors // threads * ROWS
            _add_chunks(weights, codes, parts[t, :batch], workspaces[t], first, last, threads * each, all_words)
        else:
            b0, b1 = t * batch // threads, (t + 1) * batch // threads
            product_into(weights, codes[b0:b1], sums[b0:b1], workspaces[t], 0, outputs)
    if by_rows:
        _add_up(parts, sums)
