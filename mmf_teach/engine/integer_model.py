"""From tokens to scores in one compiled function: between two layers nothing returns to Python.

Course    notebook 04, "Fast kernels"
Equation  reference/integer_model.py, number for number

Several threads may call it together, each with its own number `me`. They share one token's columns, or, when there
are enough tokens, the tokens. The weights lie in as many parts, or in a single one: a part holds the same columns of
all maps, so that a thread alone reads on what it wrote. Only codes go from thread to thread, a byte a number.
"""

import numpy as np
from numba import carray, njit

from mmf_teach.engine import fixed_point as fixed
from mmf_teach.engine.barrier import LINE, linger, pointer, ring, share, wait_for_all
from mmf_teach.engine.intrinsics.simd import fetch_next
from mmf_teach.engine.ternary_matmul.any_batch import fetch_first, product_into
from mmf_teach.ternary import fixed_point as fp

STREAM, NARROW = fixed.smallest_square(fp.ACTIVATION), fixed.smallest_square(fp.MEMORY)
TILE, COLUMNS = 128, 64                      # rows of a product, columns of numbers, at which a thread's part may begin
TOKENS_EACH = 8                              # so many tokens a thread, and the tokens are shared and not the columns


@njit(cache=True, nogil=True)
def _room(own, rows, columns):
    """Where the sums of a part stand: [rows, columns]. Parts keep apart, or one's processor fetches another's sums."""
    return own[:rows * columns].reshape(rows, columns)


@njit(cache=True, nogil=True)
def _quantise(x, smallest, codes, worth, seen, mate, first, last, words, outputs, team):
    """The codes of columns `first` to `last`, when all threads have done all before; `seen` is what each measured.

    While threads wait for each other, memory need not: it is asked for `words`, which the next product reads for so
    many `outputs`. Measured for the 370M model on two cores: 1.60 ms a token instead of 1.63.
    """
    together = len(seen) > 1
    if together:
        fetch_first(words, outputs, codes.shape[1], 0)
    fixed.measure(x, seen[mate], first, last)
    wait_for_all(*team)
    if together:
        fetch_first(words, outputs, codes.shape[1], 1)
    fixed.quantise(x, smallest, seen, codes, worth, first, last)
    if together:
        fetch_first(words, outputs, codes.shape[1], 2)
    wait_for_all(*team)
    if together:                             # others wrote some: ask for all at once, and not for each when it is due
        flat = codes.reshape(-1)
        for at in range(0, len(flat), 8 * LINE):
            fetch_next(flat, at)


@njit(cache=True, nogil=True)
def _read(tokens, before, state, scores, embedding, words, starts, scales, biases, shared, scratches, me, threads):
    """`tokens` through all blocks; each thread does its part of everything."""
    stream, shown, inner, all_codes, inner_codes, sums, worths, all_seen, arrivals, _ = shared
    batch, time = tokens.shape
    rows, width, deep, vocabulary = batch * time, embedding.shape[1], inner.shape[1], scores.shape[2]
    parts, by_tokens = len(starts), threads > 1 and rows >= TOKENS_EACH * threads
    if by_tokens:                            # mine are: parts, tokens, columns, and what was seen of my tokens
        p0, p1, (r0, r1), (c0, c1), (d0, d1) = 0, parts, share(rows, 1, me, threads), (0, width), (0, deep)
        mate, worth, seen = 0, worths[0], all_seen[me:me + 1]
    else:
        p0, p1 = (0, parts) if threads == 1 else (me, me + 1)
        r0, r1, (c0, c1), (d0, d1) = 0, rows, share(width, COLUMNS, me, threads), share(deep, COLUMNS, me, threads)
        mate, worth, seen = me, worths[me], all_seen[:threads]
    x, codes = stream[r0:r1], all_codes[r0:r1]
    my_worth, begins, team = worth[r0:r1], starts[p0], (arrivals, me, threads)
    (w0, w1), (i0, i1) = share(width, COLUMNS, p0, parts), share(deep, COLUMNS, p0, parts)
    fcg, one, gate_up = 3 * (w1 - w0), w1 - w0, 2 * (i1 - i0)        # rows of this thread's part of a product
    for r in range(r0, r1):
        stream[r, c0:c1] = embedding[tokens[r // time, r % time], c0:c1]
    for n in range(len(state)):
        scale, bias = scales[n], biases[n]
        _quantise(x, STREAM, codes, my_worth, seen, mate, c0, c1, words[begins[n, 0]:], fcg, team)
        for p in range(p0, p1):
            f0, f1 = share(width, COLUMNS, p, parts)
            mixed = _room(sums[p], rows, 3 * (f1 - f0))
            product_into(words[starts[p, n, 0]:starts[p, n, 1]], codes, mixed[r0:r1], scratches, 0, 3 * (f1 - f0))
        if by_tokens:                        # a memory goes through all tokens: now columns are shared
            wait_for_all(*team)
        for p in range(p0, p1):
            f0, f1 = share(width, COLUMNS, p, parts)
            first, last = share(f1 - f0, COLUMNS, me, threads) if by_tokens else (0, f1 - f0)
            mixed = _room(sums[p], rows, 3 * (f1 - f0))
            for b in range(batch):
                own = slice(b * time, (b + 1) * time)
                state[n, b, f0 + first:f0 + last] = before[n, b, f0 + first:f0 + last]
                fixed.remember(
                    mixed[own], worth[own], scale[:3], bias[:3 * width], state[n, b], shown[own], f0, first, last)
        if by_tokens:
            wait_for_all(*team)
        _quantise(shown[r0:r1], NARROW, codes, my_worth, seen, mate, c0, c1, words[begins[n, 1]:], one, team)
        for p in range(p0, p1):
            f0, f1 = share(width, COLUMNS, p, parts)
            narrow = _room(sums[p], rows, f1 - f0)[r0:r1]
            product_into(words[starts[p, n, 1]:starts[p, n, 2]], codes, narrow, scratches, 0, f1 - f0)
            fixed.add_rescaled(x, narrow, my_worth, scale[3], bias[3 * width:4 * width], f0, 0, f1 - f0)
        _quantise(x, STREAM, codes, my_worth, seen, mate, c0, c1, words[begins[n, 2]:], gate_up, team)
        for p in range(p0, p1):
            f0, f1 = share(deep, COLUMNS, p, parts)
            wide = _room(sums[p], rows, 2 * (f1 - f0))[r0:r1]
            product_into(words[starts[p, n, 2]:starts[p, n, 3]], codes, wide, scratches, 0, 2 * (f1 - f0))
            fixed.gate_up(
                wide, my_worth, scale[4:6], bias[4 * width:4 * width + 2 * deep], inner[r0:r1], f0, 0, f1 - f0)
        _quantise(
            inner[r0:r1], NARROW, inner_codes[r0:r1], my_worth, seen, mate, d0, d1, words[begins[n, 3]:], one, team)
        for p in range(p0, p1):
            f0, f1 = share(width, COLUMNS, p, parts)
            narrow = _room(sums[p], rows, f1 - f0)[r0:r1]
            product_into(words[starts[p, n, 3]:starts[p, n, 4]], inner_codes[r0:r1], narrow, scratches, 0, f1 - f0)
            fixed.add_rescaled(x, narrow, my_worth, scale[6], bias[4 * width + 2 * deep:], f0, 0, f1 - f0)
    asked = scores.shape[1]                  # scores after every token, or after the last alone
    c0, c1 = share(width, COLUMNS, me, threads)
    if by_tokens:
        wait_for_all(*team)
    if asked < time:
        for b in range(batch):
            stream[b, c0:c1] = stream[(b + 1) * time - 1, c0:c1]
    rows = batch * asked
    codes, worth, flat = all_codes[:rows], worths[me, :rows], scores.reshape(rows, vocabulary)
    _quantise(
        stream[:rows], STREAM, codes, worth, all_seen[:threads], me, c0, c1, words[begins[-1, 0]:], vocabulary // parts,
        team)
    for p in range(parts) if threads == 1 else range(me % parts, me % parts + 1):
        f0, f1 = share(vocabulary, COLUMNS, p, parts)
        first, last = share(f1 - f0, TILE, me, threads) if parts == 1 else (0, f1 - f0)
        last_sums = _room(sums[p], rows, f1 - f0)
        product_into(words[starts[p, -1, 0]:starts[p, -1, 1]], codes, last_sums, scratches, first, last)
        fixed.scores_into(flat, last_sums, worth, scales[-1, 0], biases[-1], f0, first, last)
    wait_for_all(*team)


@njit(cache=True, nogil=True)
def read(tokens, before, state, scores, embedding, words, starts, scales, biases, shared, scratches, job, me, threads):
    """`tokens` [b, t] through all blocks into `scores` [b, 1 or t, v], and the memory `before` them into `state`.

    Returns 0, and has done nothing, when a token is none of the vocabulary's; else the number of the last job that is
    done. That is `job`, or for a helper (`me` > 0) a later one: it looks out for the next for a while, and finds beside
    the bell how large and where its arrays are. Each thread brings its own `scratches`, and all the same other arrays.
    Where `starts` [parts, blocks + 1, 5] knows a single part, threads share tokens and what comes after the last block.
    When the first thread returns, all have done their part.
    """
    for b in range(len(tokens)):
        for t in range(tokens.shape[1]):
            if not 0 <= tokens[b, t] < len(embedding):
                return 0 if me == 0 else job
    bell = shared[-1]
    if me == 0 and threads > 1:
        bell[1:4] = len(tokens), tokens.shape[1], scores.shape[1]
        bell[4:8] = tokens.ctypes.data, before.ctypes.data, state.ctypes.data, scores.ctypes.data
        ring(bell, job)
    _read(tokens, before, state, scores, embedding, words, starts, scales, biases, shared, scratches, me, threads)
    while me > 0 and linger(bell, job) == job + 1:
        job += 1
        batch, time, asked = bell[1:4]
        memory = len(state), batch, embedding.shape[1]
        _read(
            carray(pointer(bell[4]), (batch, time), np.int64), carray(pointer(bell[5]), memory, np.int64),
            carray(pointer(bell[6]), memory, np.int64),
            carray(pointer(bell[7]), (batch, asked, scores.shape[2]), np.float64),
            embedding, words, starts, scales, biases, shared, scratches, me, threads)
    return job
