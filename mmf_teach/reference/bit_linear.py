"""What BitLinear computes, one step after the other: norm, int8 codes, a product of integers, two scales.

Course    notebook 03, "From floats to trits"
Equation  y = (C · Tᵀ) · (s_x · s_w) + b,   C, s_x = absmax(norm(x))
Source    Zhu et al. 2024, arXiv 2406.02528, Algorithm 1
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int8
from numpy import ndarray

from mmf_teach.reference.rms_norm import rms_norm
from mmf_teach.reference.ternary_matmul import ternary_matmul
from mmf_teach.ternary.quantise import absmax

Map = Callable[[Float[ndarray, "*b in"]], Float[ndarray, "*b out"]]      # a product with a matrix, or a BitLinear


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


@dataclass(frozen=True)
class TernaryLinear:
    """The layer when learning is over: trits, their scale, and a bias or 0. It is a `Map`."""

    trits: Int8[ndarray, "out in"]
    scale: float | np.float32
    bias: Float[ndarray, "out"] | float = 0.0

    def __call__(self, x: Float[ndarray, "*b in"]) -> Float[ndarray, "*b out"]:
        """One token or a batch of them.

        >>> TernaryLinear(np.array([[1, 1, -1]], np.int8), 0.5, bias=np.array([2.0]))(np.ones(3)).round(3).tolist()
        [2.5]
        """
        y = bit_linear(np.atleast_2d(x), self.trits, self.scale) + self.bias
        return y.reshape(*np.shape(x)[:-1], -1)
