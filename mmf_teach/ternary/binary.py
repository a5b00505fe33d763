"""Signs and one scale: a weight in one bit.

Course    notebook 03, "From floats to trits"
Equation  W ≈ s·B,  s = mean|W|,  B = sign(W), where 0 counts as positive
Source    Rastegari et al. 2016 (XNOR-Net), arXiv 1603.05279, which has one scale for each filter; here one for all
"""

import numpy as np
from jaxtyping import Float, Int8
from numpy import ndarray


def sign_mean(w: Float[ndarray, "out in"]) -> tuple[Int8[ndarray, "out in"], np.float32]:
    """Split weights into signs and the scale that fits them best, so that `w ≈ scale * signs`.

    >>> signs, scale = sign_mean(np.array([[0.875, -0.125, -0.5]]))
    >>> signs.tolist(), float(scale)
    ([[1, -1, -1]], 0.5)
    """
    w = np.asarray(w, dtype=np.float32)
    return np.where(w < 0, -1, 1).astype(np.int8), np.abs(w).mean()
