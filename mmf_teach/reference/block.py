"""The rest of a block in NumPy, one step after the other: the gated unit, and what goes in added to what comes out.

Course    notebook 06, "Mixing channels"
Equation  glu(x) = (silu(x W_g) ⊙ x W_u) W_d,   silu(g) = g σ(g),   x ← x + mixer(norm(x))
Source    Zhu et al. 2024, arXiv 2406.02528, section 3.3; He et al. 2015, arXiv 1512.03385 (the residual)

A map is any function from [b in] to [b out]: a product with a matrix, or BitLinear with its trits.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

Map = Callable[[Float[ndarray, "b in"]], Float[ndarray, "b out"]]


def silu(g: Float[ndarray, "*b d"]) -> Float[ndarray, "*b d"]:
    """Each number times its own sigmoid: nearly itself when large, nearly 0 when far below 0.

    >>> silu(np.array([-2.0, 0.0, 2.0])).round(2).tolist()
    [-0.24, 0.0, 1.76]
    """
    with np.errstate(over="ignore"):         # exp of a very large number is infinity, and its share 0, as it should
        return g / (1 + np.exp(-g))


def glu(x: Float[ndarray, "b d"], to_gate: Map, to_up: Map, to_down: Map) -> Float[ndarray, "b out"]:
    """Widen twice, let one copy through as far as the other opens, and narrow."""
    return to_down(silu(to_gate(x)) * to_up(x))


def half_block(x: Float[ndarray, "b d"], norm: Map, mixer: Map) -> Float[ndarray, "b d"]:
    """The stream as it was, and added to it what the mixer makes of the stream brought to one size."""
    return x + mixer(norm(x))


def block_step(x: Any, h: Any, token_mixer: Callable, channel_mixer: Callable) -> tuple[Any, Any]:
    """One token through a block: the stream after both mixers, and what the token mixer remembers."""
    found, h = token_mixer(x, h)
    x = x + found
    mixed = channel_mixer(x)
    x = x + mixed
    return x, h


def stream_sizes(start: float, added: Sequence[float]) -> list[float]:
    """Size of the stream before the first and after each addition, if nothing that is added knows of the rest.

    >>> [round(size, 2) for size in stream_sizes(3.0, [4.0, 12.0])]
    [3.0, 5.0, 13.0]
    """
    sizes = [start]
    for size in added:
        sizes.append((sizes[-1] ** 2 + size**2) ** 0.5)
    return sizes
