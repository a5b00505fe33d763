"""Fixed-point arithmetic over rows, compiled: what stands between the ternary products of the integer engine.

Course    notebook 04, "Fast kernels"
Equation  as in ternary/fixed_point.py, which defines every number here; these must equal them bit for bit

Each function works on plain arrays that its caller reserved, so that a whole model can be one compiled function.
"""

import numpy as np
from numba import njit

from mmf_teach.ternary import fixed_point as fp

# What the compiler takes as constants: the formats, and the sigmoid's table, each entry with the rise to the next: both
# in one number, because to gather numbers from a table is what a gate takes longest for.
HALF = 32                                    # bits
SIGMOID = (fp.SIGMOID[:-1] << HALF) + np.diff(fp.SIGMOID)
BETWEEN = fp.ACTIVATION - (fp.TABLE_STEPS.bit_length() - 1)
REACH = fp.TABLE_REACH << fp.ACTIVATION
ONE, UNIT = 1 << fp.GATE, 1 / (1 << fp.ACTIVATION)
LARGEST, INVERSE, SCALE, ROOT, LARGEST_MEAN = fp.LARGEST_CODE, fp.INVERSE, fp.SCALE, fp.ROOT, fp.LARGEST_MEAN
ACTIVATION, GATE, MEMORY = fp.ACTIVATION, fp.GATE, fp.MEMORY


def smallest_square(bits: int) -> int:
    """The ε under the root of a mean square of numbers with `bits` bits behind the point."""
    return int(fp.to_fixed(fp.SMALLEST_SQUARE, 2 * bits))


@njit(cache=True, nogil=True, inline="always")
def shift(x, bits):
    return (x + (1 << (bits - 1))) >> bits


@njit(cache=True, nogil=True, inline="always")
def rescale(total, multiplier):
    return shift(total * multiplier, SCALE - ACTIVATION)


@njit(cache=True, nogil=True)
def root(n):
    r = np.int64(np.sqrt(np.float64(n)))
    if r * r > n:
        r -= 1
    return r + 1 if (r + 1) * (r + 1) <= n else r


@njit(cache=True, nogil=True, inline="always")
def sigmoid(z):
    place = min(max(z, -REACH), REACH - 1) + REACH
    entry, rest = SIGMOID[place >> BETWEEN], place & ((1 << BETWEEN) - 1)
    return (entry >> HALF) + shift((entry & ((1 << HALF) - 1)) * rest, BETWEEN)


@njit(cache=True, nogil=True, inline="always")
def silu(z):
    return shift(z * sigmoid(z), GATE)


@njit(cache=True, nogil=True)
def measure(x, seen, first, last):
    """Into `seen` [rows, 2 or more]: what columns `first` to `last` of each row add to its maximum and its squares."""
    for r in range(len(x)):
        row, largest, squares = x[r, first:last], np.int64(1), np.int64(0)
        for i in range(len(row)):
            value = np.int64(row[i])
            largest = max(largest, abs(value))
            squares += value * value
        seen[r, 0], seen[r, 1] = largest, squares


@njit(cache=True, nogil=True, error_model="numpy")
def quantise(x, smallest, seen, codes, worth, first, last):
    """Norm and absmax of each row of `x`: its int8 codes in columns `first` to `last`, and what one code is worth.

    `seen` [parts, rows, 2 or more] is what was measured of all its columns, some in each part.
    """
    for r in range(len(x)):
        row, out, largest, squares = x[r, first:last], codes[r, first:last], np.int64(1), np.int64(0)
        for part in range(len(seen)):
            largest = max(largest, seen[part, r, 0])
            squares += seen[part, r, 1]
        inverse = (LARGEST << INVERSE) // largest
        for i in range(len(row)):
            out[i] = shift(row[i] * inverse, INVERSE)
        mean = squares // x.shape[1] + smallest
        rms = root(mean << (2 * ROOT)) if mean < LARGEST_MEAN else root(mean) << ROOT
        worth[r] = (largest << (SCALE + ROOT)) // (LARGEST * rms)


@njit(cache=True, nogil=True)
def add_rescaled(x, sums, worth, scale, bias, column, first, last):
    """x += the sums as activations, and the bias.

    `sums` holds the columns from `column` on; of these only those from `first` to `last` are added, here and below.
    """
    own_bias = bias[column + first:column + last]
    for r in range(len(x)):
        row, added = x[r, column + first:column + last], sums[r, first:last]
        multiplier = (worth[r] * scale) >> SCALE
        for i in range(len(row)):
            row[i] += rescale(added[i], multiplier) + own_bias[i]


@njit(cache=True, nogil=True)
def scores_into(scores, sums, worth, scale, bias, column, first, last):
    """The same sums and bias as floats, exactly: whole activations, divided by a power of two."""
    own_bias = bias[column + first:column + last]
    for r in range(len(scores)):
        row, own = scores[r, column + first:column + last], sums[r, first:last]
        multiplier = (worth[r] * scale) >> SCALE
        for i in range(len(row)):
            row[i] = (rescale(own[i], multiplier) + own_bias[i]) * UNIT


@njit(cache=True, nogil=True)
def remember(sums, worth, scales, biases, memory, shown, column, first, last):
    """One sequence through the recurrence: rows of `sums` hold f, c and g; `memory` is that before and after.

    `shown` is what the output gate lets through of each memory.
    """
    width, own, start, end = len(memory), sums.shape[1] // 3, column + first, column + last
    h, b_f = memory[start:end], biases[start:end]
    b_c, b_g = biases[width + start:width + end], biases[2 * width + start:2 * width + end]
    for t in range(len(sums)):
        f_sum, c_sum = sums[t, first:last], sums[t, own + first:own + last]
        g_sum = sums[t, 2 * own + first:2 * own + last]
        m_f, m_c = (worth[t] * scales[0]) >> SCALE, (worth[t] * scales[1]) >> SCALE
        m_g = (worth[t] * scales[2]) >> SCALE
        out = shown[t, start:end]
        for i in range(len(h)):
            f = sigmoid(rescale(f_sum[i], m_f) + b_f[i])
            c = silu(rescale(c_sum[i], m_c) + b_c[i])
            g = sigmoid(rescale(g_sum[i], m_g) + b_g[i])
            h[i] = shift(f * h[i] + (ONE - f) * (c << (MEMORY - ACTIVATION)), GATE)
            out[i] = shift(g * h[i], GATE)


@njit(cache=True, nogil=True)
def gate_up(sums, worth, scales, biases, inner, column, first, last):
    """The gated unit's inside: rows of `sums` hold gate and up."""
    width, own, start, end = inner.shape[1], sums.shape[1] // 2, column + first, column + last
    b_gate, b_up = biases[start:end], biases[width + start:width + end]
    for r in range(len(inner)):
        gate, up, out = sums[r, first:last], sums[r, own + first:own + last], inner[r, start:end]
        m_gate, m_up = (worth[r] * scales[0]) >> SCALE, (worth[r] * scales[1]) >> SCALE
        for i in range(len(out)):
            wide = silu(rescale(gate[i], m_gate) + b_gate[i])
            wide *= rescale(up[i], m_up) + b_up[i]
            out[i] = shift(wide, 2 * ACTIVATION - MEMORY)
