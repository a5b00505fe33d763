"""From tokens to scores in one compiled function: between two layers nothing returns to Python.

Course    notebook 04, "Fast kernels"
Equation  model/integer.py, number for number
"""

import importlib

from numba import njit
from numba.np.ufunc.parallel import _launch_threads

from mmf_teach.kernels.fixed_point import compiled as fixed
from mmf_teach.kernels.ternary_matmul.fastest import best
from mmf_teach.kernels.ternary_matmul.way import WORTH_SHARING
from mmf_teach.ternary import fixed_point as fp

_launch_threads()                            # numba issue 8578: a cached function that calls a parallel one would crash
WAY = best()                                 # the compiled code knows its way: another processor compiles anew
product_into = importlib.import_module(WAY.module).product_into
product_threads = importlib.import_module(WAY.module).product_threads
STREAM, NARROW = fixed.smallest_square(fp.ACTIVATION), fixed.smallest_square(fp.MEMORY)


@njit(cache=True, nogil=True)
def _product(words, codes, sums, scratches):
    """One thread where the product is small, else one for each scratch."""
    if len(scratches) == 1 or codes.shape[0] * codes.shape[1] * sums.shape[1] < WORTH_SHARING:
        product_into(words, codes, sums, scratches[0], 0, sums.shape[1])
    else:
        product_threads(words, codes, sums, scratches, codes.shape[0] < 8 * len(scratches))


@njit(cache=True, nogil=True)
def read(tokens, state, embedding, words, starts, scales, biases, work, scores):
    """`tokens` [b, t] through all blocks into `scores` [b, 1 or t, v]; `state` is the memory before and after.

    False, and nothing done, when a token is none of the vocabulary's.
    """
    stream, shown, inner, codes, inner_codes, sums, worth, scratches = work
    batch, time = tokens.shape
    rows, width, deep, vocabulary = batch * time, embedding.shape[1], inner.shape[1], scores.shape[2]
    x, shown, inner = stream[:rows], shown[:rows], inner[:rows]
    codes, inner_codes = codes[:rows], inner_codes[:rows]
    for b in range(batch):
        for t in range(time):
            if not 0 <= tokens[b, t] < len(embedding):
                return False
            x[b * time + t] = embedding[tokens[b, t]]
    for n in range(len(state)):
        own, bias, at = scales[n], biases[n], starts[n]
        mixed = sums[:rows * 3 * width].reshape(rows, 3 * width)
        fixed.quantise(x, STREAM, codes, worth)
        _product(words[at[0]:at[1]], codes, mixed, scratches)
        for b in range(batch):
            first, last = b * time, (b + 1) * time
            fixed.remember(
                mixed[first:last], worth[first:last], own[:3], bias[:3 * width], state[n, b], shown[first:last])
        narrow = sums[:rows * width].reshape(rows, width)
        fixed.quantise(shown, NARROW, codes, worth)
        _product(words[at[1]:at[2]], codes, narrow, scratches)
        fixed.add_rescaled(x, narrow, worth, own[3], bias[3 * width:4 * width])
        wide = sums[:rows * 2 * deep].reshape(rows, 2 * deep)
        fixed.quantise(x, STREAM, codes, worth)
        _product(words[at[2]:at[3]], codes, wide, scratches)
        fixed.gate_up(wide, worth, own[4:6], bias[4 * width:4 * width + 2 * deep], inner)
        fixed.quantise(inner, NARROW, inner_codes, worth)
        _product(words[at[3]:at[4]], inner_codes, narrow, scratches)
        fixed.add_rescaled(x, narrow, worth, own[6], bias[4 * width + 2 * deep:])
    asked = scores.shape[1]                  # scores after every token, or after the last alone
    for b in range(batch):
        for t in range(asked):
            x[b * asked + t] = x[(b + 1) * time - asked + t]
    rows = batch * asked
    last_sums, flat = sums[:rows * vocabulary].reshape(rows, vocabulary), scores.reshape(rows, vocabulary)
    fixed.quantise(x[:rows], STREAM, codes[:rows], worth)
    _product(words[starts[-1, 0]:], codes[:rows], last_sums, scratches)
    flat[:] = 0
    fixed.add_rescaled(flat, last_sums, worth, scales[-1, 0], biases[-1])
    return True
