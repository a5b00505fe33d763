"""The two curves of the model: σ, which opens gates, and silu, a number times its own σ.

Course    notebook 05, "Memory without attention", and 06, "Mixing channels"
Equation  σ(z) = 1 / (1 + exp(-z)),   silu(z) = z σ(z)
Source    silu: Hendrycks & Gimpel 2016, arXiv 1606.08415; Elfwing et al. 2017, arXiv 1702.03118
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def sigmoid(x: Float[ndarray, "*b d"]) -> Float[ndarray, "*b d"]:
    """A number between 0 and 1: a half at 0.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    with np.errstate(over="ignore"):         # exp of a very large number is infinity, and its share 0, as it should
        return 1 / (1 + np.exp(-x))


def silu(g: Float[ndarray, "*b d"]) -> Float[ndarray, "*b d"]:
    """Each number times its own sigmoid: nearly itself when large, nearly 0 when far below 0.

    >>> silu(np.array([-2.0, 0.0, 2.0])).round(2).tolist()
    [-0.24, 0.0, 1.76]
    """
    with np.errstate(over="ignore"):
        return g / (1 + np.exp(-g))
