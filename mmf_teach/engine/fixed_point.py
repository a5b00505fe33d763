"""Fixed-point arithmetic over rows, compiled: what stands between the ternary products of the integer engine.

Course    notebook 04, "Fast kernels"
Equation  as in ternary/fixed_point.py, which defines every number here; these must equal them bit for bit

Each function works on plain arrays that its caller reserved, so that a whole model can be one compiled function:

    x, sums                  [rows, ...] activations, and the int32 sums of a product
    codes, code_scale        [rows, in] int8, and [rows] int64: what one code of a row stands for
    row_stats                [parts, rows, 2 or more] int64: each row's largest number and sum of squares, part by part
    scale, bias              of a map: a whole number, and [out] int32
    columns                  first and last of those that are worked on

`sums` alone holds only the columns from `start` on. Columns are given as numbers, and not as slices, because the
compiler uses vectors only where it can see that numbers lie side by side: hence seven and eight arguments.
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
def measure(x, stats, columns):
    """Into `stats` [rows, 2 or more]: what these columns of each row add to its maximum and its squares."""
    first, last = columns
    for r in range(len(x)):
        row, largest, squares = x[r, first:last], np.int64(1), np.int64(0)
        for i in range(len(row)):
            value = np.int64(row[i])
            largest = max(largest, abs(value))
            squares += value * value
        stats[r, 0], stats[r, 1] = largest, squares


@njit(cache=True, nogil=True, error_model="numpy")
def quantise(x, epsilon, row_stats, codes, code_scale, columns):
    """Norm and absmax of each row of `x`: the codes of these columns, and their scale, from the whole row's stats."""
    first, last = columns
    for r in range(len(x)):
        row, out, largest, squares = x[r, first:last], codes[r, first:last], np.int64(1), np.int64(0)
        for part in range(len(row_stats)):
            largest = max(largest, row_stats[part, r, 0])
            squares += row_stats[part, r, 1]
        inverse = (LARGEST << INVERSE) // largest
        for i in range(len(row)):
            out[i] = shift(row[i] * inverse, INVERSE)
        mean = squares // x.shape[1] + epsilon
        rms = root(mean << (2 * ROOT)) if mean < LARGEST_MEAN else root(mean) << ROOT
        code_scale[r] = (largest << (SCALE + ROOT)) // (LARGEST * rms)


@njit(cache=True, nogil=True)
def add_rescaled(x, sums, code_scale, scale, bias, start, columns):
    """x += the sums as activations, and the bias."""
    first, last = columns
    own_bias = bias[first:last]
    for r in range(len(x)):
        row, added = x[r, first:last], sums[r, first - start:last - start]
        multiplier = (code_scale[r] * scale) >> SCALE
        for i in range(len(row)):
            row[i] += rescale(added[i], multiplier) + own_bias[i]


@njit(cache=True, nogil=True)
def scores_into(scores, sums, code_scale, scale, bias, start, columns):
    """The same sums and bias as floats, exactly: whole activations, divided by a power of two."""
    first, last = columns
    own_bias = bias[first:last]
    for r in range(len(scores)):
        row, own = scores[r, first:last], sums[r, first - start:last - start]
        multiplier = (code_scale[r] * scale) >> SCALE
        for i in range(len(row)):
            row[i] = (rescale(own[i], multiplier) + own_bias[i]) * UNIT


@njit(cache=True, nogil=True)
def remember(sums, code_scale, scales, biases, h, gated, start, columns):
    """One sequence through the recurrence: rows of `sums` hold f, c and g; `h` is the memory before and after.

    `gated` [rows, d] is what the output gate lets through of each memory. `scales` and `biases` are those of f, c and
    g, one after the other.
    """
    first, last = columns
    width, part, own = len(h), sums.shape[1] // 3, slice(first, last)
    memory, b_f, b_c = h[own], biases[own], biases[width + first:width + last]
    b_g = biases[2 * width + first:2 * width + last]
    for t in range(len(sums)):
        f_sum, c_sum = sums[t, first - start:last - start], sums[t, part + first - start:part + last - start]
        g_sum = sums[t, 2 * part + first - start:2 * part + last - start]
        m_f, m_c = (code_scale[t] * scales[0]) >> SCALE, (code_scale[t] * scales[1]) >> SCALE
        m_g = (code_scale[t] * scales[2]) >> SCALE
        out = gated[t, first:last]
        for i in range(len(memory)):
            f = sigmoid(rescale(f_sum[i], m_f) + b_f[i])
            c = silu(rescale(c_sum[i], m_c) + b_c[i])
            g = sigmoid(rescale(g_sum[i], m_g) + b_g[i])
            memory[i] = shift(f * memory[i] + (ONE - f) * (c << (MEMORY - ACTIVATION)), GATE)
            out[i] = shift(g * memory[i], GATE)


@njit(cache=True, nogil=True)
def gate_up(sums, code_scale, scales, biases, inner, start, columns):
    """The gated unit's inside: rows of `sums` hold gate and up, `scales` and `biases` are theirs."""
    first, last = columns
    width, part = inner.shape[1], sums.shape[1] // 2
    b_gate, b_up = biases[first:last], biases[width + first:width + last]
    for r in range(len(inner)):
        gate, up = sums[r, first - start:last - start], sums[r, part + first - start:part + last - start]
        out = inner[r, first:last]
        m_gate, m_up = (code_scale[r] * scales[0]) >> SCALE, (code_scale[r] * scales[1]) >> SCALE
        for i in range(len(out)):
            wide = silu(rescale(gate[i], m_gate) + b_gate[i])
            wide *= rescale(up[i], m_up) + b_up[i]
            out[i] = shift(wide, 2 * ACTIVATION - MEMORY)
