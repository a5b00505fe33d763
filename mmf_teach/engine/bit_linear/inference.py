"""BitLinear in one compiled call: what the norm, the codes and the sums write stays in the cache and is gone.

Course    notebook 04, "Fast kernels"
Equation  y = (C · Tᵀ) · (s_x · s_w),   C, s_x = absmax(x / rms(x)): reference/bit_linear.py, operation by operation

Each token is read from memory once: the mean square and the maximum are found in one pass, and the codes are made
while the token is still in the innermost cache. Up to 32 tokens at a time are multiplied and scaled, so nothing but x,
the packed weights and y is moved (cost/bit_linear_bytes.py counts it).

The sums are exact for the codes. The codes are the reference's but for the rounding of the mean square, which is
added up in another order: where x / s_x comes within 1e-4 of a half, a code may differ by 1.

Compiled functions take `x` [b, in] and `y` [b, out] float32, `weights` and `workspaces` as ternary_matmul/kernel.py has
them, one workspace of the kernel for few tokens and one of that for many; threads bring a row of each.
"""

import numpy as np
from jaxtyping import Float, Float32
from numba import config, njit, prange
from numpy import ndarray

from mmf_teach.engine.ternary_matmul.any_batch import KERNEL, KERNEL_OF_MANY, product_into
from mmf_teach.engine.ternary_matmul.kernel import WORTH_SHARING, Packed, in_threads, threads_can_share
from mmf_teach.ternary.quantise import SMALLEST

EPSILON = np.float32(1e-6)                   # as in reference/rms_norm.py
INFINITY_BITS = 0x7F800000                   # of a float32: all numbers have smaller bits, NaN has larger ones
TOKENS = 32                                  # worked on together: their sums stay in the second cache
ROWS = 128                                   # threads share out rows of the matrix in pieces of so many


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def quantise_token(x, codes):
    """Write the codes of one token, divided by its root mean square; return their scale, or NaN if x is not finite.

    The sum may be added up in any order: only so can the compiler use vectors. Absolute values are compared as
    integers, which have the same order and, unlike floats, one for NaN.
    """
    bits = x.view(np.int32)
    square, largest_bits = np.float32(0), np.int32(0)
    for k in range(len(x)):
        square += x[k] * x[k]
        largest_bits = max(largest_bits, bits[k] & np.int32(0x7FFFFFFF))
    if largest_bits >= INFINITY_BITS:
        return np.float32(np.nan)
    rms = np.sqrt(square / np.float32(max(len(x), 1)) + EPSILON)
    largest = np.float32(0)
    for k in range(len(x)):
        if bits[k] & np.int32(0x7FFFFFFF) == largest_bits:
            largest = abs(x[k]) / rms
            break
    largest = max(largest, SMALLEST)
    scale = np.float32(1) / largest * np.float32(127)
    for k in range(len(x)):
        codes[k] = np.int8(np.rint(x[k] / rms * scale))      # at most 127 in size: x / rms is at most `largest`
    return largest / np.float32(127)


@njit(cache=True, nogil=True)
def rows_into(x, weights, w_scale, workspaces, y, rows):
    """Some rows, from the first to the last, of the layer's output; False when an input is NaN or infinity."""
    first, last = rows
    together = min(TOKENS, len(x))
    codes, scales = np.empty((together, x.shape[1]), np.int8), np.empty(together, np.float32)
    sums = np.empty((together, y.shape[1]), np.int32)
    for b0 in range(0, x.shape[0], TOKENS):
        tokens = min(TOKENS, x.shape[0] - b0)
        for b in range(tokens):
            scales[b] = quantise_token(x[b0 + b], codes[b])
            if np.isnan(scales[b]):
                return False
        product_into(weights, codes[:tokens], sums[:tokens], workspaces, first, last)
        for b in range(tokens):
            scale, mine, out = scales[b] * w_scale, sums[b, first:last], y[b0 + b, first:last]
            for row in range(len(out)):
                out[row] = np.float32(mine[row]) * scale
    return True


@njit(cache=True, nogil=True, parallel=True)
def rows_by_threads(x, weights, w_scale, for_few, for_many, y):
    """All rows, one part of them a thread; each makes the codes for itself. False when an input is not finite."""
    threads, pieces = len(for_few), -(-y.shape[1] // ROWS)
    finite = 0
    for t in prange(threads):
        first, last = t * pieces // threads * ROWS, (t + 1) * pieces // threads * ROWS
        finite += rows_into(x, weights, w_scale, (for_few[t], for_many[t]), y, (first, last))
    return finite == threads


def bit_linear(
    x: Float[ndarray, "b in"], packed: Packed, w_scale: float | np.float32, threads: int = 1,
) -> Float32[ndarray, "b out"]:
    """The layer's output for each token, from weights packed by `KERNEL`, the fastest one on this machine.

    ValueError for NaN or infinity, and for what does not fit.
    """
    x = np.ascontiguousarray(x, dtype=np.float32)
    if packed.kernel != KERNEL.name:
        raise ValueError(f"this matrix was packed for {packed.kernel}, not for {KERNEL.name}")
    if x.ndim != 2 or x.shape[1] != packed.inputs:
        raise ValueError(f"an input of shape {x.shape} does not fit rows of {packed.inputs} trits")
    if threads < 1:
        raise ValueError(f"work is done by one thread or more, not {threads}")
    inputs, outputs = packed.inputs, packed.outputs
    if x.size * outputs < WORTH_SHARING or not threads_can_share():
        threads = 1
    threads = min(threads, config.NUMBA_NUM_THREADS)
    y, w_scale = np.empty((len(x), outputs), np.float32), np.float32(w_scale)
    for_few, for_many = KERNEL.workspaces(inputs, threads), KERNEL_OF_MANY.workspaces(inputs, threads)
    if threads == 1:
        finite = rows_into(x, packed.weights, w_scale, (for_few[0], for_many[0]), y, (0, outputs))
    else:
        finite = in_threads(threads, rows_by_threads, x, packed.weights, w_scale, for_few, for_many, y)
    if not finite:
        raise ValueError("cannot quantise NaN or infinity: a single one would spoil the scale of all")
    return y
