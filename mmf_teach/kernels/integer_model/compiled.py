"""From tokens to scores in one compiled function: between two layers nothing returns to Python.

Course    notebook 04, "Fast kernels"
Equation  model/integer.py, number for number

Several threads may call it together, each with its own number `me`. They share one token's rows of every matrix, or,
when there are enough tokens, the tokens; what each of them needs whole it makes for itself.
"""

from numba import njit

from mmf_teach.kernels.fixed_point import compiled as fixed
from mmf_teach.kernels.integer_model.team import share, wait_for_all
from mmf_teach.kernels.ternary_matmul.any_batch import product_into
from mmf_teach.ternary import fixed_point as fp

STREAM, NARROW = fixed.smallest_square(fp.ACTIVATION), fixed.smallest_square(fp.MEMORY)
TILE, COLUMNS = 128, 16                      # rows of a product, columns of numbers, at which a thread's part may begin
TOKENS_EACH = 8                              # so many tokens a thread, and the tokens are shared and not the rows


@njit(cache=True, nogil=True)
def _product(words, codes, sums, scratches, r0, r1, me, threads):
    """My part of a product: all rows for my tokens, or where every thread has all tokens, some of the rows."""
    first, last = (0, sums.shape[1]) if r1 - r0 < len(sums) else share(sums.shape[1], TILE, me, threads)
    product_into(words, codes[r0:r1], sums[r0:r1], scratches, first, last)


@njit(cache=True, nogil=True)
def read(tokens, state, embedding, words, starts, scales, biases, shared, own, scores, me, threads):
    """`tokens` [b, t] through all blocks into `scores` [b, 1 or t, v]; `state` is the memory before and after.

    False, and nothing done, when a token is none of the vocabulary's. Each thread brings its own arrays to work in,
    `own`, and all the same others.
    """
    stream, shown, inner, sums, worth, arrivals = shared
    codes, inner_codes, scratches = own
    batch, time = tokens.shape
    rows, width, deep, vocabulary = batch * time, embedding.shape[1], inner.shape[1], scores.shape[2]
    for b in range(batch):
        for t in range(time):
            if not 0 <= tokens[b, t] < len(embedding):
                return False
    by_tokens = threads > 1 and rows >= TOKENS_EACH * threads
    r0, r1 = share(rows, 1, me, threads) if by_tokens else (0, rows)                 # my tokens, and their columns
    c0, c1 = (0, width) if by_tokens else share(width, COLUMNS, me, threads)
    d0, d1 = (0, deep) if by_tokens else share(deep, COLUMNS, me, threads)
    h0, h1 = share(width, COLUMNS, me, threads)              # a memory goes through all tokens: its columns are shared
    x, mine = stream[:rows], stream[r0:r1]
    for r in range(r0, r1):
        x[r, c0:c1] = embedding[tokens[r // time, r % time], c0:c1]
    wait_for_all(arrivals, threads)
    for n in range(len(state)):
        scale, bias, at = scales[n], biases[n], starts[n]
        mixed = sums[:rows * 3 * width].reshape(rows, 3 * width)
        fixed.quantise(mine, STREAM, codes[r0:r1], worth[r0:r1])
        _product(words[at[0]:at[1]], codes[:rows], mixed, scratches, r0, r1, me, threads)
        wait_for_all(arrivals, threads)
        for b in range(batch):
            first, last = b * time, (b + 1) * time
            fixed.remember(
                mixed[first:last], worth[first:last], scale[:3], bias[:3 * width], state[n, b], shown[first:last],
                h0, h1)
        wait_for_all(arrivals, threads)
        narrow = sums[:rows * width].reshape(rows, width)
        fixed.quantise(shown[r0:r1], NARROW, codes[r0:r1], worth[r0:r1])
        _product(words[at[1]:at[2]], codes[:rows], narrow, scratches, r0, r1, me, threads)
        wait_for_all(arrivals, threads)
        fixed.add_rescaled(mine, narrow[r0:r1], worth[r0:r1], scale[3], bias[3 * width:4 * width], c0, c1)
        wait_for_all(arrivals, threads)
        wide = sums[:rows * 2 * deep].reshape(rows, 2 * deep)
        fixed.quantise(mine, STREAM, codes[r0:r1], worth[r0:r1])
        _product(words[at[2]:at[3]], codes[:rows], wide, scratches, r0, r1, me, threads)
        wait_for_all(arrivals, threads)
        fixed.gate_up(
            wide[r0:r1], worth[r0:r1], scale[4:6], bias[4 * width:4 * width + 2 * deep], inner[r0:r1], d0, d1)
        wait_for_all(arrivals, threads)
        fixed.quantise(inner[r0:r1], NARROW, inner_codes[r0:r1], worth[r0:r1])
        _product(words[at[3]:at[4]], inner_codes[:rows], narrow, scratches, r0, r1, me, threads)
        wait_for_all(arrivals, threads)
        fixed.add_rescaled(mine, narrow[r0:r1], worth[r0:r1], scale[6], bias[4 * width + 2 * deep:], c0, c1)
        wait_for_all(arrivals, threads)
    asked = scores.shape[1]                  # scores after every token, or after the last alone
    if asked < time and me == 0:
        for b in range(batch):
            x[b] = x[(b + 1) * time - 1]
    wait_for_all(arrivals, threads)
    rows = batch * asked
    last_sums, flat = sums[:rows * vocabulary].reshape(rows, vocabulary), scores.reshape(rows, vocabulary)
    first, last = share(vocabulary, COLUMNS, me, threads)
    fixed.quantise(x[:rows], STREAM, codes[:rows], worth)
    _product(words[starts[-1, 0]:], codes[:rows], last_sums, scratches, 0, rows, me, threads)
    wait_for_all(arrivals, threads)
    flat[:, first:last] = 0
    fixed.add_rescaled(flat, last_sums, worth, scales[-1, 0], biases[-1], first, last)
    return True
