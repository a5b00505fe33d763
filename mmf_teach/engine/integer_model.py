"""From tokens to scores in one compiled function: between two layers nothing returns to Python.

Course    notebook 04, "Fast kernels"
Equation  reference/integer_model.py, number for number

Several threads may call it together, each with its own number `me`. They share one token's columns, or, when there
are enough tokens, the tokens. The weights lie in as many parts, or in a single one: a part holds the same columns of
all maps, so that a thread alone reads on what it wrote. Only codes go from thread to thread, a byte a number.

Axes: b sequences, t tokens of each, rows = b · t, d width, l inner width, v vocabulary, blocks.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int8, Int32, Int64
from numba import carray, njit
from numpy import ndarray

from mmf_teach.engine import fixed_point as fixed
from mmf_teach.engine.barrier import LINE, pointer, ring, spin_wait, wait_for_all
from mmf_teach.engine.intrinsics import simd
from mmf_teach.engine.intrinsics.simd import fetch_next, fetch_soon
from mmf_teach.engine.ternary_matmul.any_batch import KERNEL, product_into
from mmf_teach.ternary import fixed_point as fp

OF_ACTIVATIONS, OF_MEMORIES = fixed.smallest_square(fp.ACTIVATION), fixed.smallest_square(fp.MEMORY)     # ε of a norm
TILE, COLUMNS = 128, 64                      # rows of a product, columns of numbers, at which a thread's part may begin
TOKENS_EACH = 8                              # so many tokens a thread, and the tokens are shared and not the columns
PLACES, LINES = 4, 16                        # where a product begins to read, and lines asked for of each in one turn
_apart = KERNEL.apart


class Weights(NamedTuple):
    """A model as compiled code reads it."""

    embedding: Int32[ndarray, "v d"]
    packed: ndarray                          # all matrices, part after part, as the kernel wants them
    starts: Int64[ndarray, "parts blocks+1 5"]       # where in it the groups of a block begin, and where the last ends
    scales: Int64[ndarray, "blocks+1 7"]     # of f, c, g; o; gate, up; down; in the last row that of the head
    biases: Int32[ndarray, "blocks+1 widest"]        # of the same maps, one after the other


class Workspace(NamedTuple):
    """What all threads write into; no cache line holds two threads' columns. Whatever stands in it is overwritten."""

    x: Int64[ndarray, "rows d"]              # the residual stream
    gated: Int64[ndarray, "rows d"]          # what the output gate lets through of the memory
    inner: Int64[ndarray, "rows l"]
    codes: Int8[ndarray, "rows d"]
    inner_codes: Int8[ndarray, "rows l"]
    sums: Int32[ndarray, "parts numbers"]    # parts apart, or one's processor fetches another's sums
    code_scale: Int64[ndarray, "threads rows"]       # what a code of each row stands for, as each thread found it
    row_stats: Int64[ndarray, "threads rows 8"]      # what each thread measured of each row: fixed_point.measure
    arrivals: Int64[ndarray, "threads*8"]    # of wait_for_all
    doorbell: Int64[ndarray, "8"]            # number of the last job; b, t, t of the scores; addresses of its arrays


class Call(NamedTuple):
    """What is read, and where to the results go."""

    tokens: Int64[ndarray, "b t"]
    before: Int64[ndarray, "blocks b d"]     # the memories
    after: Int64[ndarray, "blocks b d"]
    scores: Float64[ndarray, "b asked v"]    # after every token, or after the last alone


class Barrier(NamedTuple):
    """Where threads that work together wait for each other, as one of them sees it."""

    arrivals: Int64[ndarray, "threads*8"]
    me: int
    threads: int


@njit(cache=True, nogil=True)
def share(size, step, me, threads):
    """First and last of what is mine among `size` things, where a part may begin at each multiple of `step`."""
    parts = -(-size // step)
    return min(size, me * parts // threads * step), min(size, (me + 1) * parts // threads * step)


@njit(cache=True, nogil=True)
def _fetch_first(weights, outputs, inputs, turn):
    """Ask for some of what a product begins to read, into the second cache; turn 0 for the first lines, and so on.

    Measured in three turns between the 370M model's products, on two cores of an Intel Xeon: 16 lines a turn save most,
    8 or 24 save two thirds of that, 48 nothing.
    """
    line, far = simd.LINE // weights.itemsize, _apart(outputs, inputs)
    for n in range(turn * LINES, (turn + 1) * LINES):
        for place in range(PLACES):
            fetch_soon(weights, place * far + n * line)


@njit(cache=True, nogil=True)
def _quantise(x, epsilon, row_stats, codes, code_scale, columns, ahead, barrier):
    """The codes of my columns, when all threads have done all before; each measures its own, then all are added up.

    While threads wait for each other, memory need not: it is asked for what comes `ahead`, the weights that the next
    product reads and how many outputs it has. Measured for the 370M model on two cores: 1.60 ms a token instead of
    1.63. The arrays are the rows of a Workspace that these threads share; eight arguments, because they differ.
    """
    together, (weights, outputs) = len(row_stats) > 1, ahead
    if together:
        _fetch_first(weights, outputs, codes.shape[1], 0)
    fixed.measure(x, row_stats[barrier.me % len(row_stats)], columns)
    wait_for_all(*barrier)
    if together:
        _fetch_first(weights, outputs, codes.shape[1], 1)
    fixed.quantise(x, epsilon, row_stats, codes, code_scale, columns)
    if together:
        _fetch_first(weights, outputs, codes.shape[1], 2)
    wait_for_all(*barrier)
    if together:                             # others wrote some: ask for all at once, and not for each when it is due
        flat = codes.reshape(-1)
        for at in range(0, len(flat), 8 * LINE):
            fetch_next(flat, at)


@njit(cache=True, nogil=True)
def forward(call, weights, workspace, kernel_workspaces, me, threads):
    """The tokens of a call through all blocks; each thread does its part of everything."""
    tokens, before, after, _ = call
    embedding, packed, starts, scales, biases = weights
    batch, time = tokens.shape
    rows, width, inner_width = batch * time, embedding.shape[1], workspace.inner.shape[1]
    parts, by_tokens = len(starts), threads > 1 and rows >= TOKENS_EACH * threads
    barrier = Barrier(workspace.arrivals, me, threads)
    if by_tokens:                            # mine are: parts, tokens, columns, and the stats of my tokens
        first_part, last_part, (r0, r1) = 0, parts, share(rows, 1, me, threads)
        columns, inner_columns = (0, width), (0, inner_width)
        all_scales, row_stats = workspace.code_scale[0], workspace.row_stats[me:me + 1]
    else:
        first_part, last_part = (0, parts) if threads == 1 else (me, me + 1)
        r0, r1 = 0, rows
        columns, inner_columns = share(width, COLUMNS, me, threads), share(inner_width, COLUMNS, me, threads)
        all_scales, row_stats = workspace.code_scale[me], workspace.row_stats[:threads]
    x, gated, inner = workspace.x[r0:r1], workspace.gated[r0:r1], workspace.inner[r0:r1]
    codes, inner_codes, code_scale = workspace.codes[r0:r1], workspace.inner_codes[r0:r1], all_scales[r0:r1]
    begins, (w0, w1), (i0, i1) = (
        starts[first_part], share(width, COLUMNS, first_part, parts), share(inner_width, COLUMNS, first_part, parts))
    fcg, one, two = 3 * (w1 - w0), w1 - w0, 2 * (i1 - i0)    # outputs of this thread's part of each group
    for r in range(r0, r1):
        workspace.x[r, columns[0]:columns[1]] = embedding[tokens[r // time, r % time], columns[0]:columns[1]]
    for n in range(len(after)):
        scale, bias = scales[n], biases[n]
        _quantise(
            x, OF_ACTIVATIONS, row_stats, codes, code_scale, columns, (packed[begins[n, 0]:], fcg), barrier)
        for p in range(first_part, last_part):
            start, end = share(width, COLUMNS, p, parts)
            sums = workspace.sums[p, :rows * 3 * (end - start)].reshape(rows, 3 * (end - start))
            product_into(
                packed[starts[p, n, 0]:starts[p, n, 1]], codes, sums[r0:r1], kernel_workspaces, 0, 3 * (end - start))
        if by_tokens:                        # a memory goes through all tokens: now columns are shared
            wait_for_all(*barrier)
        for p in range(first_part, last_part):
            start, end = share(width, COLUMNS, p, parts)
            first, last = share(end - start, COLUMNS, me, threads) if by_tokens else (0, end - start)
            sums = workspace.sums[p, :rows * 3 * (end - start)].reshape(rows, 3 * (end - start))
            for b in range(batch):
                own = slice(b * time, (b + 1) * time)
                after[n, b, start + first:start + last] = before[n, b, start + first:start + last]
                fixed.remember(
                    sums[own], all_scales[own], scale[:3], bias[:3 * width], after[n, b], workspace.gated[own], start,
                    (start + first, start + last))
        if by_tokens:
            wait_for_all(*barrier)
        _quantise(
            gated, OF_MEMORIES, row_stats, codes, code_scale, columns, (packed[begins[n, 1]:], one), barrier)
        for p in range(first_part, last_part):
            start, end = share(width, COLUMNS, p, parts)
            sums = workspace.sums[p, :rows * (end - start)].reshape(rows, end - start)[r0:r1]
            product_into(packed[starts[p, n, 1]:starts[p, n, 2]], codes, sums, kernel_workspaces, 0, end - start)
            fixed.add_rescaled(x, sums, code_scale, scale[3], bias[3 * width:4 * width], start, (start, end))
        _quantise(
            x, OF_ACTIVATIONS, row_stats, codes, code_scale, columns, (packed[begins[n, 2]:], two), barrier)
        for p in range(first_part, last_part):
            start, end = share(inner_width, COLUMNS, p, parts)
            sums = workspace.sums[p, :rows * 2 * (end - start)].reshape(rows, 2 * (end - start))[r0:r1]
            product_into(packed[starts[p, n, 2]:starts[p, n, 3]], codes, sums, kernel_workspaces, 0, 2 * (end - start))
            fixed.gate_up(
                sums, code_scale, scale[4:6], bias[4 * width:4 * width + 2 * inner_width], inner, start, (start, end))
        _quantise(
            inner, OF_MEMORIES, row_stats, inner_codes, code_scale, inner_columns, (packed[begins[n, 3]:], one),
            barrier)
        for p in range(first_part, last_part):
            start, end = share(width, COLUMNS, p, parts)
            sums = workspace.sums[p, :rows * (end - start)].reshape(rows, end - start)[r0:r1]
            product_into(packed[starts[p, n, 3]:starts[p, n, 4]], inner_codes, sums, kernel_workspaces, 0, end - start)
            fixed.add_rescaled(x, sums, code_scale, scale[6], bias[4 * width + 2 * inner_width:], start, (start, end))
    _head(call, weights, workspace, kernel_workspaces, barrier)


@njit(cache=True, nogil=True)
def _head(call, weights, workspace, kernel_workspaces, barrier):
    """The scores of the tokens that are asked for: now threads share columns, however many the tokens."""
    (batch, time), (_, asked, vocabulary) = call.tokens.shape, call.scores.shape
    me, threads, starts = barrier.me, barrier.threads, weights.starts
    parts, rows, columns = len(starts), batch * asked, share(workspace.x.shape[1], COLUMNS, me, threads)
    if batch * time >= TOKENS_EACH * threads:        # the tokens were shared: others may not be done with theirs
        wait_for_all(*barrier)
    if asked < time:
        for b in range(batch):
            workspace.x[b, columns[0]:columns[1]] = workspace.x[(b + 1) * time - 1, columns[0]:columns[1]]
    codes, code_scale = workspace.codes[:rows], workspace.code_scale[me, :rows]
    scores = call.scores.reshape(rows, vocabulary)
    first_part, last_part = (0, parts) if threads == 1 else (me % parts, me % parts + 1)
    _quantise(
        workspace.x[:rows], OF_ACTIVATIONS, workspace.row_stats[:threads], codes, code_scale, columns,
        (weights.packed[starts[first_part, -1, 0]:], vocabulary // parts), barrier)
    for p in range(first_part, last_part):
        start, end = share(vocabulary, COLUMNS, p, parts)
        first, last = share(end - start, TILE, me, threads) if parts == 1 else (0, end - start)
        sums = workspace.sums[p, :rows * (end - start)].reshape(rows, end - start)
        product_into(
            weights.packed[starts[p, -1, 0]:starts[p, -1, 1]], codes, sums, kernel_workspaces, first, last)
        fixed.scores_into(
            scores, sums, code_scale, weights.scales[-1, 0], weights.biases[-1], start, (start + first, start + last))
    wait_for_all(*barrier)


@njit(cache=True, nogil=True)
def read(call, weights, workspace, kernel_workspaces, job, me, threads):
    """Read the tokens of a call: scores, and the memories after them.

    The arrays of Call, Weights and Workspace come as plain tuples, which numba takes over 1.5 us sooner each.
    Returns 0, and has done nothing, when a token is none of the vocabulary's; else the number of the last job that is
    done. That is `job`, or for a worker (`me` > 0) a later one: it waits at the doorbell for the next for a while, and
    finds beside it how large and where its arrays are. Each thread brings the memory its kernels work in, and all the
    same other arrays; the last three arguments are what a thread pool hands on. Where there is a single part, threads
    share tokens and what comes after the last block. When the first thread returns, all have done their part.
    """
    tokens, before, after, scores = call
    model, shared = Weights(*weights), Workspace(*workspace)
    for b in range(len(tokens)):
        for t in range(tokens.shape[1]):
            if not 0 <= tokens[b, t] < len(model.embedding):
                return 0 if me == 0 else job
    doorbell = shared.doorbell
    if me == 0 and threads > 1:
        doorbell[1:4] = len(tokens), tokens.shape[1], scores.shape[1]
        doorbell[4:8] = tokens.ctypes.data, before.ctypes.data, after.ctypes.data, scores.ctypes.data
        ring(doorbell, job)
    forward(Call(tokens, before, after, scores), model, shared, kernel_workspaces, me, threads)
    while me > 0 and spin_wait(doorbell, job) == job + 1:
        job += 1
        batch, time, asked = doorbell[1:4]
        memory = len(after), batch, model.embedding.shape[1]
        forward(
            Call(
                carray(pointer(doorbell[4]), (batch, time), np.int64), carray(pointer(doorbell[5]), memory, np.int64),
                carray(pointer(doorbell[6]), memory, np.int64),
                carray(pointer(doorbell[7]), (batch, asked, scores.shape[2]), np.float64)),
            model, shared, kernel_workspaces, me, threads)
    return job
