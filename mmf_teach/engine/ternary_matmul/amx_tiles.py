"""Many tokens: sixteen of them meet sixteen rows in one instruction. It multiplies, on units made for nothing else.

Course    notebook 04, "Fast kernels"
Packing   that of lookup_9_in_16.py, so a matrix is stored once for one token and for many
Idea      AMX, with weights unpacked where they are used: a number below 27 looks up its three trits as bytes (and a
          zero, since AMX takes bytes by four: a quarter of its products is thrown away). 32 rows times 288 inputs are
          12 KB, which 128 tokens find in the innermost cache
Honestly  it multiplies, trits and codes as bytes with a sign. Exact: a sum holds 2**31 / 128 inputs
Measured  4096 x 4096, one thread of an Intel Xeon (Sapphire Rapids), weights in the last-level cache, against torch's
          int8 product, which uses AMX as well: 32 tokens 0.5 ms against 2.3, 512 tokens 7.1 ms against 9.3
"""

import numpy as np
from numba import njit, prange
from numba.extending import register_jitable
from numpy import ndarray

from mmf_teach.engine.intrinsics.amx import (
    FEATURES,
    LINES,
    TILE,
    add_products,
    begin,
    clear,
    end,
    load_tile,
    store_tile,
)
from mmf_teach.engine.intrinsics.simd import (
    LINE,
    aligned_empty,
    fetch_soon,
    fours_of_threes,
    load,
    load_widened,
    look_up_integer,
    shifted_right,
    store,
    zero,
)
from mmf_teach.engine.ternary_matmul import lookup_9_in_16 as nine
from mmf_teach.engine.ternary_matmul.kernel import Compiled

pack_rows, unpack_rows = nine.pack_rows, nine.unpack_rows
STRIP = 2 * LINES                            # rows of the matrix whose weights are unpacked together, and tokens
INPUTS = LINE // 4 * 3                       # that fill a tile's line
STEPS = 6                                    # such lines that are unpacked together
WORDS = STEPS * LINES // 3                   # of a row, for these
HALF = STEPS * TILE                          # bytes: where the weights of the strip's other 16 rows begin
SUMS = 2 * HALF                              # where the sums of so many tokens begin,
TOKENS = 128                                 # that meet what was unpacked
CODES = SUMS + 4 * STRIP * TOKENS            # and where the codes begin
LARGEST = 1 << 20                            # bytes of codes: they stay in the second cache


def trits_of_numbers() -> ndarray:
    """For each number below 27, and five more, its three trits as the lowest bytes of an integer."""
    bytes_of = np.zeros((32, 4), np.int8)
    for number in range(27):
        bytes_of[number, :3] = number % 3 - 1, number // 3 % 3 - 1, number // 9 - 1
    return bytes_of.view(np.int32).ravel()


TRITS = trits_of_numbers()


@register_jitable
def lines(inputs: int) -> int:
    """Of 64 bytes, for the codes of one token."""
    return -(-inputs // INPUTS)


@register_jitable
def tokens_at_once(inputs: int) -> int:
    """Whose codes are kept together: 128, or fewer of a wide model."""
    return max(STRIP, min(TOKENS, LARGEST // (LINE * max(1, lines(inputs))) // STRIP * STRIP))


def workspace(inputs: int) -> ndarray:
    """Memory for unpacked weights, for the sums of 32 rows, and for codes."""
    return aligned_empty(CODES + tokens_at_once(inputs) * lines(inputs) * LINE, np.int8)


KERNEL = Compiled(
    name="tiles", idea="multiply sixteen tokens and sixteen rows at once", bits=nine.KERNEL.bits, multiplies=True,
    needs=("avx512f", "avx512bw", "avx512vbmi", *sorted(FEATURES)), module=__name__, word=np.uint16, count=nine.count,
    workspace=workspace, packing=nine.KERNEL.name)


@njit(cache=True, nogil=True)
def _gather(codes, all_lines, workspace):
    """All codes as tiles of 16 tokens: three codes, a zero, three codes, and so on.

    Where there is no input, weights are 0, and where there is no token, nobody asks: any bytes may stand there.
    """
    tokens, inputs = codes.shape
    flat = codes.reshape(-1)
    for token in range(tokens):
        at = CODES + token // LINES * all_lines * TILE + token % LINES * LINE
        for first in range(0, inputs, INPUTS):
            if first + LINE <= inputs:
                store(workspace, at, fours_of_threes(flat, token * inputs + first))
            else:
                for k in range(min(INPUTS, inputs - first)):
                    workspace[at + k // 3 * 4 + k % 3] = flat[token * inputs + first + k]
            at += TILE


@njit(cache=True, nogil=True)
def _unpack(weights, row, first, last, height, all_words, workspace):
    """The words `first` to `last` of 32 rows as tiles: each word becomes three lines for either half of the rows."""
    low, high = load(TRITS, 0), load(TRITS, LINES)
    to = word = 0
    while first + word < last:
        start = (first + word) // nine.CHUNK * nine.CHUNK
        at = nine.place_of(row, first + word, height, all_words)
        for _ in range(min(start + nine.CHUNK, last) - first - word):
            fetch_soon(weights, at + nine.CHUNK * height)                      # the same rows' next chunk
            x0, x1 = load_widened(weights, at), load_widened(weights, at + LINES)
            for third in range(3):
                line = to + third * LINE
                store(workspace, line, look_up_integer(low, shifted_right(x0, 5 * third), high))
                store(workspace, HALF + line, look_up_integer(low, shifted_right(x1, 5 * third), high))
            at, to, word = at + nine.ROWS, to + 3 * LINE, word + 1
    while to % TILE:
        store(workspace, to, zero())
        store(workspace, HALF + to, zero())
        to += LINE
    return to // TILE


@njit(cache=True, nogil=True)
def _add_tiles(workspace, codes, steps, next_codes, to, begins):
    """Add what `steps` lines of weights contribute to the sums of 32 tokens, or of 16 where no next codes are given."""
    if begins:
        clear(0)
        clear(1)
        clear(2)
        clear(3)
    else:
        load_tile(0, workspace, to)
        load_tile(1, workspace, to + TILE)
        load_tile(2, workspace, to + 2 * TILE)
        load_tile(3, workspace, to + 3 * TILE)
    for at in range(0, steps * TILE, TILE):
        load_tile(4, workspace, codes + at)
        load_tile(6, workspace, at)
        load_tile(7, workspace, HALF + at)
        add_products(0, 4, 6)
        add_products(1, 4, 7)
        if next_codes:
            load_tile(5, workspace, next_codes + at)
            add_products(2, 5, 6)
            add_products(3, 5, 7)
    store_tile(0, workspace, to)
    store_tile(1, workspace, to + TILE)
    store_tile(2, workspace, to + 2 * TILE)
    store_tile(3, workspace, to + 3 * TILE)


@njit(cache=True, nogil=True)
def _write(workspace, sums, row):
    """The sums of a strip of rows, from tiles of 16 tokens and 16 rows into their places."""
    tokens, outputs = sums.shape
    done, flat = workspace[SUMS:CODES].view(np.int32), sums.reshape(-1)
    for token in range(tokens):
        at = token // LINES * 2 * TILE // 4 + token % LINES * LINES
        for half in range(2):
            first, left = row + half * LINES, min(LINES, outputs - row - half * LINES)
            if left == LINES:
                store(flat, token * outputs + first, load(done, at))
            else:
                for r in range(left):
                    sums[token, first + r] = done[at + r]
            at += TILE // 4


@njit(cache=True, nogil=True)
def product_into(weights, codes, sums, workspace, first, last):
    """Rows `first` to `last` of the product, where both are multiples of 128 or the end."""
    inputs, outputs = codes.shape[1], sums.shape[1]
    height, all_words, all_lines = -(-outputs // nine.ROWS) * nine.ROWS, -(-inputs // nine.TRITS), lines(inputs)
    if inputs == 0:
        sums[:, first:last] = 0
        return
    at_once = tokens_at_once(inputs)
    begin()
    for b in range(0, len(codes), at_once):
        mine = codes[b:b + at_once]
        _gather(mine, all_lines, workspace)
        for row in range(first, min(last, outputs), STRIP):
            for line in range(0, all_lines, STEPS):
                word = line * LINES // 3
                steps = _unpack(weights, row, word, min(word + WORDS, all_words), height, all_words, workspace)
                for token in range(0, len(mine), STRIP):
                    at = CODES + (token // LINES * all_lines + line) * TILE
                    other = at + all_lines * TILE if token + LINES < len(mine) else 0
                    _add_tiles(workspace, at, steps, other, SUMS + token * STRIP * 4, line == 0)
            _write(workspace, sums[b:b + at_once], row)
    end()


@njit(cache=True, nogil=True, parallel=True)
def product_threads(weights, codes, sums, workspaces, by_rows):
    """The product, its rows shared among as many threads as there are rows of `workspaces`, however many the tokens."""
    threads, parts = len(workspaces), -(-sums.shape[1] // STRIP)
    for t in prange(threads):
        first, last = t * parts // threads * STRIP, (t + 1) * parts // threads * STRIP
        product_into(weights, codes, sums, workspaces[t], first, last)
