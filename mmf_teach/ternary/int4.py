"""Whole numbers from -8 to 7 and one scale for each row: a weight in four bits.

Course    notebook 03, "From floats to trits"
Equation  W ≈ s·C,  s = max|row| / 7,  C = clip(round(W / s), -8, 7)
"""

import numpy as np
from jaxtyping import Float, Float32, Int8
from numpy import ndarray

from mmf_teach.ternary.quantise import SMALLEST

LOWEST, HIGHEST = -8, 7


def to_int4(x: Float[ndarray, "..."]) -> Int8[ndarray, "..."]:
    """The nearest of the 16 codes, half-way to the even one, beyond the ends the end.

    >>> to_int4(np.array([-9.0, -0.5, 0.5, 1.5, 6.9])).tolist()
    [-8, 0, 0, 2, 7]
    """
    return np.clip(np.rint(x), LOWEST, HIGHEST).astype(np.int8)


def int4(w: Float[ndarray, "out in"]) -> tuple[Int8[ndarray, "out in"], Float32[ndarray, "out 1"]]:
    """Split weights into codes and a scale for each row; -8 is left unused, so that both signs reach as far.

    >>> codes, scale = int4(np.array([[3.5, -1.0, 0.25], [70.0, 0.0, -35.0]]))
    >>> codes.tolist(), scale.ravel().tolist()
    ([[7, -2, 0], [7, 0, -4]], [0.5, 10.0])
    """
    w = np.asarray(w, dtype=np.float32)
    scale = np.maximum(np.abs(w).max(axis=-1, keepdims=True, initial=0) / np.float32(HIGHEST), SMALLEST)
    return to_int4(w / scale), scale
