"""Training with three values in NumPy: an update, and the loop.

Course    notebook 08, "Training with three values"
Equation  W ← W - rate · dW: the floats move, and the trits are taken from them afresh
Source    Courbariaux et al. 2015, arXiv 1511.00363
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from mmf_teach.ternary.quantise import absmean


def update(
    w: Float[np.ndarray, "out in"], x: Float[np.ndarray, "b in"], target: Float[np.ndarray, "b out"], rate: float,
) -> Float[np.ndarray, "out in"]:
    """The float weights after one step towards the targets; what is multiplied are their trits and one scale.

    >>> update(np.array([[1.0, -1.0]]), np.array([[2.0, 1.0]]), np.array([[0.0]]), rate=0.5).tolist()
    [[0.0, -1.5]]
    """
    trits, scale = absmean(w)
    too_much = x @ (scale * trits).T - target
    return w - rate * too_much.T @ x / len(x)


def run(
    step_once: Callable[[Any, Any, float], float], batch: Callable[[int], tuple[Any, Any]],
    rate_of: Callable[[int], float], steps: int,
) -> list[float]:
    """The loss of every step: a batch of its own, the rate of that step, an update.

    >>> run(lambda x, y, rate: rate * (x + y), lambda step: (step, 1), lambda step: 0.5, 3)
    [0.5, 1.0, 1.5]
    """
    losses = []
    for step in range(steps):
        x, y = batch(step)
        rate = rate_of(step)
        losses.append(step_once(x, y, rate))
    return losses
