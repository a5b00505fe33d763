"""What BitLinear computes, one step after the other: norm, int8 codes, a product of integers, two scales.

Course    notebook 03, "From floats to trits"
Equation  y = (C · Tᵀ) · (s_x · s_w),   C, s_x = absmax(x / rms(x))
Source    Zhu et al. 2024, arXiv 2406.02528, Algorithm 1
"""

import numpy as np
from jaxtyping import Float, Float32, Int8
from numpy import ndarray

from mmf_teach.reference.ternary_matmul import ternary_matmul
from mmf_teach.ternary.quantise import absmax

EPSILON = np.float32(1e-6)                   # as in layers/rms_norm.py


def rms_norm(x: Float[ndarray, "b in"]) -> Float32[ndarray, "b in"]:
    """Each token divided by its root mean square."""
    x = np.asarray(x, dtype=np.float32)
    return x / np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + EPSILON)


def bit_linear(
    x: Float[ndarray, "b in"], trits: Int8[ndarray, "out in"], w_scale: float | np.float32,
) -> Float32[ndarray, "b out"]:
    """The layer's output for each token. Floats go in and come out; all sums between are of integers.

    >>> bit_linear(np.array([[1.0, 1.0, 1.0]]), np.array([[1, 1, -1]], np.int8), 0.5).round(3).tolist()
    [[0.5]]
    """
    codes, x_scale = absmax(rms_norm(x))
    sums = ternary_matmul(codes, trits)
    return sums.astype(np.float32) * (x_scale * np.float32(w_scale))
