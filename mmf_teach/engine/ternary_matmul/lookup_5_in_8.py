"""Five trits are one byte, and a byte is looked up: 1.6 bits a weight, as close to log2(3) = 1.58 as bytes come.

Course    notebook 04, "Fast kernels"
Packing   8 bits for 5 trits of a row: v = t0 + 3 t1 + 9 t2 + 27 t3 + 81 t4 lies in -121 to 121 and is written as a
          sign bit and |v|
Order     chunk of 51 bytes (255 inputs) -> tile of 128 rows -> byte of each row: one stream, read from front to back.
          Rows are filled up to a multiple of 128, inputs to a multiple of 5, both with trits 0.
Idea      five trits a byte: ggml's TQ1_0 (Compilade 2024, llama.cpp pull request 8151); a table of half the values,
          whose other half has the other sign, is T-MAC's (Wei et al. 2024, arXiv 2407.00088). Nothing is multiplied
Measured  one token times 4096 x 4096, one thread of an AMD EPYC (Zen 5), weights in the last-level cache:
          58 us, 290 weights a nanosecond

The sums ±a±b±c±d±e for |v| from 0 to 121 need 16 bits, so low and high bytes stand in two tables of 128 bytes, each in
two vectors, and `vpermi2b` looks up 64 rows at a time. A negative v turns round all bits of its sum, which makes
-sum - 1 of it; the ones are counted and put back after each chunk.

No sum overflows, whatever the codes: an entry is at most 5 · 128 = 640, a chunk 51 · 640 = 32,640, and the 51 ones that
may be missing make it 32,691 < 32,768. The counters of bytes reach 51 at most.
"""

import numpy as np
from numba import njit, prange
from numpy import ndarray

from mmf_teach.engine.intrinsics.simd import (
    add,
    add_shorts,
    aligned_empty,
    count_negative,
    fetch_soon,
    first_halves,
    inverted_where_negative,
    load,
    look_up_byte,
    second_halves,
    spread,
    store,
    store_bytes,
    subtract,
    sums_of_three,
    zero,
)
from mmf_teach.engine.ternary_matmul.kernel import Compiled

TRITS = 5                                    # in a byte
CHUNK = 51                                   # bytes whose sums fit into 16 bits
VECTOR = 64                                  # rows in a vector of bytes
TILE = 2 * VECTOR                            # rows whose sums stay in registers
AHEAD = 8192                                 # bytes that are asked for before they are needed
ZERO, HALF = 40, 41                          # of the 81 sums of four inputs, number 40 is 0; so many are from it up
SHORTS = CHUNK * 128                         # of the tables of one chunk: 128 low bytes and 128 high bytes for each
VALUES = SHORTS                              # where the workspace holds a chunk of inputs as shorts
WORK = VALUES + 256                          # where tables are made
WORKSPACE = WORK + 320


def count(outputs: int, inputs: int) -> int:
    """Bytes of a packed matrix."""
    return -(-outputs // TILE) * TILE * -(-inputs // TRITS)


def workspace(inputs: int) -> ndarray:
    """Memory for the tables: the same for all sizes."""
    return aligned_empty(WORKSPACE, np.int16)


KERNEL = Compiled(
    name="tables of five", idea="look up the sums of five inputs by one byte", bits=1.6, multiplies=False,
    needs=("avx512f", "avx512bw", "avx512vbmi"), module=__name__, word=np.uint8, count=count, workspace=workspace)


@njit(cache=True, nogil=True)
def _place(row, byte, height, all_bytes):
    """Where in a packed matrix a byte is. Within 64 rows eight of the first half take turns with eight of the second:

    so the rows are in order again when low and high bytes are put together.
    """
    start = byte // CHUNK * CHUNK
    width = min(CHUNK, all_bytes - start)
    half, r = row % VECTOR // 32, row % 32
    lane = row % TILE // VECTOR * VECTOR + r // 8 * 16 + half * 8 + r % 8
    return start * height + row // TILE * TILE * width + (byte - start) * TILE + lane


@njit(cache=True, nogil=True)
def pack_rows(trits, weights, outputs, first):
    """Write rows of trits into a packed matrix from row `first` on; after the last row come the rows of zeros."""
    inputs, height = trits.shape[1], -(-outputs // TILE) * TILE
    all_bytes = -(-inputs // TRITS)
    for r in range(len(trits)):
        row = trits[r]
        for g in range(all_bytes):
            v, weight = 0, 1
            for k in range(g * TRITS, min(g * TRITS + TRITS, inputs)):
                v += weight * row[k]
                weight *= 3
            weights[_place(first + r, g, height, all_bytes)] = v if v >= 0 else 128 - v
    if first + len(trits) == outputs:
        for r in range(outputs, height):
            for g in range(all_bytes):
                weights[_place(r, g, height, all_bytes)] = 0


@njit(cache=True, nogil=True)
def unpack_rows(weights, trits, outputs, first):
    """Read rows of trits out of a packed matrix from row `first` on."""
    inputs, height = trits.shape[1], -(-outputs // TILE) * TILE
    all_bytes = -(-inputs // TRITS)
    for r in range(len(trits)):
        row = trits[r]
        for g in range(all_bytes):
            byte = np.int64(weights[_place(first + r, g, height, all_bytes)])
            v = 121 + (byte if byte < 128 else 128 - byte)
            for k in range(g * TRITS, min(g * TRITS + TRITS, inputs)):
                row[k] = v % 3 - 1
                v //= 3


@njit(cache=True, nogil=True)
def _make_tables(codes, start, count, workspace, tables):
    """The tables of `count` bytes, for inputs from `start` on; beyond the last input there are zeros."""
    filled = min(len(codes) - start, count * TRITS)
    values, work = workspace[VALUES:VALUES + 256], workspace[WORK:]
    for k in range(filled):
        values[k] = codes[start + k]
    for k in range(filled, 256):
        values[k] = 0
    for g in range(count):
        three, x3, x4 = sums_of_three(values, g * TRITS), spread(values, g * TRITS + 3), spread(values, g * TRITS + 4)
        store(work, 0, subtract(three, x3))                  # all 81 sums of four inputs; each store covers the idle
        store(work, 27, three)                               # end of the one before
        store(work, 54, add(three, x3))
        s0, s1, s2 = load(work, 0), load(work, 32), load(work, 64)
        store(work, 128, load(work, ZERO))                   # those from 0 up, then all of them and the fifth input:
        store(work, 160, load(work, ZERO + 32))              # 122 sums
        store(work, 128 + HALF, add(s0, x4))
        store(work, 160 + HALF, add(s1, x4))
        store(work, 192 + HALF, add(s2, x4))
        for part in range(0, 128, 32):
            sums = load(work, 128 + part)
            store_bytes(tables, g * 256 + part, sums, 0)
            store_bytes(tables, g * 256 + 128 + part, sums, 8)


@njit(cache=True, nogil=True)
def product_into(weights, codes, sums, workspace, first, last):
    """Rows `first` to `last` of the product, where `first` is a multiple of 128."""
    outputs = sums.shape[1]
    height, all_bytes = -(-outputs // TILE) * TILE, -(-codes.shape[1] // TRITS)
    last = min(last, outputs)
    tables = workspace[:SHORTS].view(np.uint8)
    sums[:, first:last] = 0
    for b in range(codes.shape[0]):
        for g0 in range(0, all_bytes, CHUNK):
            width = min(CHUNK, all_bytes - g0)
            _make_tables(codes[b], g0 * TRITS, width, workspace, tables)
            for row in range(first, last, TILE):
                at, table = g0 * height + row * width, 0
                ahead = AHEAD if row + TILE < last else AHEAD + (height - (last - first)) * width    # to our next chunk
                s0 = s1 = s2 = s3 = n0 = n1 = zero()
                for _ in range(width):
                    fetch_soon(weights, at + ahead)
                    fetch_soon(weights, at + ahead + VECTOR)
                    low0, low1 = load(tables, table), load(tables, table + 64)
                    high0, high1 = load(tables, table + 128), load(tables, table + 192)
                    x0, x1 = load(weights, at), load(weights, at + 64)
                    low = inverted_where_negative(look_up_byte(low0, x0, low1), x0)
                    high = inverted_where_negative(look_up_byte(high0, x0, high1), x0)
                    s0, s1 = add(s0, first_halves(low, high)), add(s1, second_halves(low, high))
                    low = inverted_where_negative(look_up_byte(low0, x1, low1), x1)
                    high = inverted_where_negative(look_up_byte(high0, x1, high1), x1)
                    s2, s3 = add(s2, first_halves(low, high)), add(s3, second_halves(low, high))
                    n0, n1 = count_negative(n0, x0), count_negative(n1, x1)
                    at, table = at + TILE, table + 256
                to, left, nothing = b * outputs + row, outputs - row, zero()
                add_shorts(sums, to, left, add(s0, first_halves(n0, nothing)))
                add_shorts(sums, to + 32, left - 32, add(s1, second_halves(n0, nothing)))
                add_shorts(sums, to + 64, left - 64, add(s2, first_halves(n1, nothing)))
                add_shorts(sums, to + 96, left - 96, add(s3, second_halves(n1, nothing)))


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
