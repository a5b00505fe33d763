"""RMSNorm in NumPy: each token divided by the root mean square of its features.

Course    notebook 06, "Mixing channels"
Equation  y = x / sqrt(mean(x²) + ε)
Source    Zhang & Sennrich 2019, arXiv 1910.07467; Zhu et al. 2024, arXiv 2406.02528, Algorithm 1 (no gain, no ε)
"""

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

EPSILON = np.float32(1e-6)                   # the released code's value; the paper prints none


def rms_norm(x: Float[ndarray, "b in"]) -> Float32[ndarray, "b in"]:
    """Each token divided by its root mean square.

    >>> rms_norm(np.array([[3.0, -1.0, -3.0, 1.0, 0.0]])).round(2).tolist()         # the mean of the squares is 4
    [[1.5, -0.5, -1.5, 0.5, 0.0]]
    """
    x = np.asarray(x, dtype=np.float32)
    return x / np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + EPSILON)
