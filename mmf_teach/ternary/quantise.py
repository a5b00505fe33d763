"""From floats to trits and int8 codes: the two quantisers of BitLinear.

Course    notebook 03, "From floats to trits"
Equation  weights      W ≈ s·T,  s = mean|W|,        T = clip(round(W / s), -1, 1)        one s per matrix
          activations  x ≈ s·C,  s = max|x| / 127,   C = clip(round(x / s), -128, 127)    one s per token
Source    Zhu et al. 2024, arXiv 2406.02528, Algorithm 1; the floor under s is the released code's (1e-5)
"""

import numpy as np
from jaxtyping import Float, Float32, Int8
from numpy import ndarray

SMALLEST = np.float32(1e-5)                  # below this a mean or maximum counts as zero: no division by it
LARGEST_CODE = 127


def absmean(w: Float[ndarray, "out in"]) -> tuple[Int8[ndarray, "out in"], np.float32]:
    """Split weights into trits and one scale, so that `w ≈ scale * trits`. ValueError for NaN or infinity.

    >>> trits, scale = absmean(np.array([[0.875, -0.125, -0.5]]))
    >>> trits.tolist(), float(scale)
    ([[1, 0, -1]], 0.5)
    """
    w = _finite(w)
    scale = max(np.float32(np.abs(w).mean(dtype=np.float64)), SMALLEST) if w.size else SMALLEST
    return np.clip(np.rint(w / scale), -1, 1).astype(np.int8), scale


def absmax(x: Float[ndarray, "*b d"]) -> tuple[Int8[ndarray, "*b d"], Float32[ndarray, "*b 1"]]:
    """Split each token's features into int8 codes and one scale, so that `x ≈ scale * codes`.

    >>> codes, scale = absmax(np.array([[1.0, -2.0, 0.25, 0.0]]))
    >>> codes.tolist(), round(float(scale[0, 0]) * 127, 3)
    ([[64, -127, 16, 0]], 2.0)
    """
    x = _finite(x)
    largest = np.maximum(np.abs(x).max(axis=-1, keepdims=True, initial=0), SMALLEST)
    codes = np.clip(np.rint(x * (1 / largest * LARGEST_CODE)), -128, 127).astype(np.int8)   # torch's order of 127 / max
    return codes, largest / np.float32(LARGEST_CODE)


def _finite(x: ndarray) -> Float32[ndarray, "..."]:
    x = np.asarray(x, dtype=np.float32)
    if not np.isfinite(x).all():
        raise ValueError("cannot quantise NaN or infinity: a single one would spoil the scale of all")
    return x
