"""Two other ways to trits, to measure absmean by: scaled by the largest weight, and the best there is.

Course    notebook 03, "From floats to trits"
Source    the best: Li et al. 2016 (Ternary Weight Networks), arXiv 1605.04711, who look for it by an estimate,
          a threshold of 0.7 mean|W|; here it is found exactly, by trying every threshold that makes a difference
"""

import numpy as np
from jaxtyping import Float, Int8
from numpy import ndarray

from mmf_teach.ternary.quantise import SMALLEST


def absmax_trits(w: Float[ndarray, "out in"]) -> tuple[Int8[ndarray, "out in"], np.float32]:
    """Trits scaled by the largest weight: whatever is not more than half as large becomes 0.

    >>> trits, scale = absmax_trits(np.array([[0.875, -0.125, -0.5]]))
    >>> trits.tolist(), float(scale)
    ([[1, 0, -1]], 0.875)
    """
    w = np.asarray(w, dtype=np.float32)
    scale = max(np.abs(w).max(initial=0), SMALLEST)
    return np.clip(np.rint(w / scale), -1, 1).astype(np.int8), np.float32(scale)


def best_trits(w: Float[ndarray, "out in"]) -> tuple[Int8[ndarray, "out in"], float]:
    """The trits and the scale with the smallest sum of squared errors of all that there are.

    With the k largest kept, the best scale is their mean, and Σ(largest k)² / k is saved: take the k that saves most.

    >>> trits, scale = best_trits(np.array([[0.875, -0.125, -0.625]]))
    >>> trits.tolist(), scale
    ([[1, 0, -1]], 0.75)
    """
    w = np.asarray(w, dtype=np.float64)
    sizes = np.sort(np.abs(w), axis=None)[::-1]
    sums = np.cumsum(sizes)
    kept = int(np.argmax(sums**2 / np.arange(1, len(sizes) + 1))) + 1
    trits = np.where(np.abs(w) >= sizes[kept - 1], np.sign(w), 0).astype(np.int8)
    return trits, max(float(sums[kept - 1]) / kept, float(SMALLEST))
