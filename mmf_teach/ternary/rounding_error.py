"""What rounding loses: the share of the weights' sum of squares that is missing afterwards.

Course    notebook 03, "From floats to trits"
Equation  lost = Σ (w - s·c)² / Σ w²

For inputs that are independent and equally large, a product with the rounded weights loses the same share.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def lost_share(w: Float[ndarray, "*b in"], codes: ndarray, scale: ndarray | float) -> float:
    """0 when `scale * codes` is `w`, 1 when nothing is left of it; 0 for weights that are all zero.

    >>> lost_share(np.array([[3.0, 4.0]]), np.array([[1, 1]]), 4.0)      # misses 3 by 1: 1 of 9 + 16
    0.04
    """
    w = np.asarray(w, dtype=np.float64)
    missing = w - np.asarray(scale, dtype=np.float64) * codes
    whole = float(np.square(w).sum())
    return float(np.square(missing).sum()) / whole if whole else 0.0
