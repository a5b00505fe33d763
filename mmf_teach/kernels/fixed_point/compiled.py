"""Fixed-point arithmetic over rows, compiled: what stands between the ternary products of the integer engine.

Course    notebook 04, "Fast kernels"
Equation  as in ternary/fixed_point.py, which defines every number here; these must equal them bit for bit

Each function works on plain arrays that its caller reserved, so that a whole model can be one compiled function.
"""

import numpy as np
from numba import njit

from mmf_teach.ternary import fixed_point as fp

# What the compiler takes as constants: the formats, and the sigmoid's table with the rise to each next entry.
SIGMOID = fp.SIGMOID[:-1].copy()
RISES = np.diff(fp.SIGMOID)
BETWEEN = fp.ACTIVATION - (fp.TABLE_STEPS.bit_length() - 1)
REACH = fp.TABLE_REACH << fp.ACTIVATION
ONE = 1 << fp.GATE
LARGEST, INVERSE, SCALE, ROOT, LARGEST_MEAN = fp.LARGEST_CODE, fp.INVERSE, fp.SCALE, fp.ROOT, fp.LARGEST_MEAN
ACTIVATION, GATE, MEMORY = fp.ACTIVATION, fp.GATE, fp.MEMORY


def smallest_square(bits: int) -> int:
    """The ε under the root of a mean square of numbers with `bits` bits behind the point."""
    return int(fp.to_fixed(fp.SMALLEST_SQUARE, 2 * bits))


@njit(cache=True, nogil=True, inline="always")
def shift(x, bits):
    return (x + (1 << (bits - 1))) >> bits


@njit(cache=True, nogil=True)
def root(n):
    r = np.int64(np.sqrt(np.float64(n)))
    if r * r > n:
        r -= 1
    return r + 1 if (r + 1) * (r + 1) <= n else r


@njit(cache=True, nogil=True, inline="always")
def sigmoid(z):
    place = min(max(z, -REACH), REACH - 1) + REACH
    entry, rest = place >> BETWEEN, place & ((1 << BETWEEN) - 1)
    return SIGMOID[entry] + shift(RISES[entry] * rest, BETWEEN)


@njit(cache=True, nogil=True, inline="always")
def silu(z):
    return shift(z * sigmoid(z), GATE)


@njit(cache=True, nogil=True, error_model="numpy")
def quantise(x, smallest, codes, worth):
    """Norm and absmax of each row of `x`: int8 codes, and what one code is worth after the norm."""
    for r in range(len(x)):
        row, out = x[r], codes[r]
        largest, squares = np.int64(1), np.int64(0)
        for i in range(len(row)):
            value = np.int64(row[i])
            largest = max(largest, abs(value))
            squares += value * value
        inverse = (LARGEST << INVERSE) // largest
        for i in range(len(row)):
            out[i] = shift(row[i] * inverse, INVERSE)
        mean = squares // len(row) + smallest
        rms = root(mean << (2 * ROOT)) if mean < LARGEST_MEAN else root(mean) << ROOT
        worth[r] = (largest << (SCALE + ROOT)) // (LARGEST * rms)


@njit(cache=True, nogil=True)
def add_rescaled(x, sums, worth, scale, bias, first, last):
    """x += the sums as activations, and the bias, in columns `first` to `last`."""
    own_bias = bias[first:last]
    for r in range(len(x)):
        row, added, multiplier = x[r, first:last], sums[r, first:last], (worth[r] * scale) >> SCALE
        for i in range(len(row)):
            row[i] += shift(added[i] * multiplier, SCALE - ACTIVATION) + own_bias[i]


@njit(cache=True, nogil=True)
def remember(sums, worth, scales, biases, memory, shown, first, last):
    """One sequence through the recurrence: rows of `sums` hold f, c and g; `memory` is that before and after.

    `shown` is what the output gate lets through of each memory. Only columns `first` to `last` are worked on.
    """
    width, h = len(memory), memory[first:last]
    b_f, b_c, b_g = biases[first:last], biases[width + first:width + last], biases[2 * width + first:2 * width + last]
    for t in range(len(sums)):
        f_sum, c_sum = sums[t, first:last], sums[t, width + first:width + last]
        g_sum = sums[t, 2 * width + first:2 * width + last]
        m_f, m_c = (worth[t] * scales[0]) >> SCALE, (worth[t] * scales[1]) >> SCALE
        m_g = (worth[t] * scales[2]) >> SCALE
        out = shown[t, first:last]
        for i in range(len(h)):
            f = sigmoid(shift(f_sum[i] * m_f, SCALE - ACTIVATION) + b_f[i])
            c = silu(shift(c_sum[i] * m_c, SCALE - ACTIVATION) + b_c[i])
            g = sigmoid(shift(g_sum[i] * m_g, SCALE - ACTIVATION) + b_g[i])
            h[i] = shift(f * h[i] + (ONE - f) * (c << (MEMORY - ACTIVATION)), GATE)
            out[i] = shift(g * h[i], GATE)


@njit(cache=True, nogil=True)
def gate_up(sums, worth, scales, biases, inner, first, last):
    """The gated unit's inside in columns `first` to `last`: rows of `sums` hold gate and up."""
    width = inner.shape[1]
    b_gate, b_up = biases[first:last], biases[width + first:width + last]
    for r in range(len(inner)):
        gate, up, out = sums[r, first:last], sums[r, width + first:width + last], inner[r, first:last]
        m_gate, m_up = (worth[r] * scales[0]) >> SCALE, (worth[r] * scales[1]) >> SCALE
        for i in range(len(out)):
            wide = silu(shift(gate[i] * m_gate, SCALE - ACTIVATION) + b_gate[i])
            wide *= shift(up[i] * m_up, SCALE - ACTIVATION) + b_up[i]
            out[i] = shift(wide, 2 * ACTIVATION - MEMORY)
