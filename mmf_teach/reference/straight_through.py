"""The gradient of a ternary product in NumPy, backwards as if nothing had been rounded.

Course    notebook 08, "Training with three values"
Equation  y = x̂ · Ŵᵀ,   x̂ = s_x·C,   Ŵ = s·T;   dx = dy · Ŵ,   dW = dyᵀ · x̂
Source    Bengio et al. 2013, arXiv 1308.3432
"""

import numpy as np
from jaxtyping import Float, Int8


def gradients(
    dy: Float[np.ndarray, "b out"], codes: Int8[np.ndarray, "b in"], x_scale: Float[np.ndarray, "b 1"],
    trits: Int8[np.ndarray, "out in"], w_scale: float | np.float32,
) -> tuple[Float[np.ndarray, "b in"], Float[np.ndarray, "out in"]]:
    """The gradients of a ternary product for its inputs and its weights, straight through both roundings.

    >>> dx, dw = gradients(np.array([[2.0]]), np.int8([[3, -1]]), np.array([[0.5]]), np.int8([[1, 0]]), 0.25)
    >>> dx.tolist(), dw.tolist()
    ([[0.5, 0.0]], [[3.0, -1.0]])
    """
    return dy @ (w_scale * trits), dy.T @ (x_scale * codes)
