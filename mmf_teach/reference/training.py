"""Training with three values in NumPy: the gradient, an update, the loop.

Course    notebook 08, "Training with three values"
Equation  y = x̂ · Ŵᵀ,  Ŵ = s·T;  backwards as if nothing had been rounded:  dx = dy · Ŵ,  dW = dyᵀ · x̂
          W ← W - rate · dW: the floats move, and the trits are taken from them afresh
Source    Bengio et al. 2013, arXiv 1308.3432 (straight-through); Courbariaux et al. 2015, arXiv 1511.00363 (floats)
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int8

from mmf_teach.ternary.quantise import absmean


def gradients(
    dy: Float[np.ndarray, "b out"], codes: Int8[np.ndarray, "b in"], x_scale: Float[np.ndarray, "b 1"],
    trits: Int8[np.ndarray, "out in"], w_scale: float,
) -> tuple[Float[np.ndarray, "b in"], Float[np.ndarray, "out in"]]:
    """The gradients of a ternary product for its inputs and its weights, straight through both roundings.

    >>> dx, dw = gradients(np.array([[2.0]]), np.int8([[3, -1]]), np.array([[0.5]]), np.int8([[1, 0]]), 0.25)
    >>> dx.tolist(), dw.tolist()
    ([[0.5, 0.0]], [[3.0, -1.0]])
    """
    return dy @ (w_scale * trits), dy.T @ (x_scale * codes)


def update(
    w: Float[np.ndarray, "out in"], x: Float[np.ndarray, "b in"], target: Float[np.ndarray, "b out"], rate: float,
) -> Float[np.ndarray, "out in"]:
    """The float weights after one step towards the targets; what is multiplied are their trits and one scale."""
    trits, scale = absmean(w)
    too_much = x @ (scale * trits).T - target
    return w - rate * too_much.T @ x / len(x)


def run(
    step_once: Callable[[Any, Any, float], float], batch: Callable[[int], tuple[Any, Any]],
    rate_of: Callable[[int], float], steps: int,
) -> list[float]:
    """The loss of every step: a batch of its own, the rate of that step, an update."""
    losses = []
    for step in range(steps):
        x, y = batch(step)
        rate = rate_of(step)
        losses.append(step_once(x, y, rate))
    return losses
