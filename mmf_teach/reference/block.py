"""A block in NumPy: what a mixer makes of the stream is added to the stream.

Course    notebook 06, "Mixing channels"
Equation  x ← x + token_mixer(norm(x)),   x ← x + channel_mixer(norm(x))
Source    Zhu et al. 2024, arXiv 2406.02528, section 3.3; He et al. 2015, arXiv 1512.03385 (the residual)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from numpy import ndarray

from mmf_teach.reference.bit_linear import Map
from mmf_teach.reference.glu import glu
from mmf_teach.reference.mlgru import mlgru_step


def half_block(x: Float[ndarray, "b d"], norm: Map, mixer: Map) -> Float[ndarray, "b d"]:
    """The stream as it was, and added to it what the mixer makes of the stream brought to one size.

    >>> import numpy as np
    >>> half_block(np.array([[30.0, 40.0]]), norm=lambda x: x / 10, mixer=lambda x: x).tolist()
    [[33.0, 44.0]]
    """
    return x + mixer(norm(x))


def block_step(x: Any, h: Any, token_mixer: Callable, channel_mixer: Callable) -> tuple[Any, Any]:
    """One token through a block: the stream after both mixers, and what the token mixer remembers.

    >>> block_step(1, 10, lambda x, h: (x + h, h + x), lambda x: 2 * x)
    (36, 11)
    """
    found, h = token_mixer(x, h)
    x = x + found
    mixed = channel_mixer(x)
    x = x + mixed
    return x, h


@dataclass(frozen=True)
class Block:
    """The maps of one block in the paper's form: those of the MLGRU, then those of the GLU."""

    to_f: Map
    to_c: Map
    to_g: Map
    to_o: Map
    to_gate: Map
    to_up: Map
    to_down: Map

    def __call__(self, x: Float[ndarray, "*b d"], h: Float[ndarray, "*b d"]) -> tuple[ndarray, ndarray]:
        """One token: the stream and the memory after it. The norms are inside the maps."""
        return block_step(
            x, h,
            lambda x, h: mlgru_step(x, h, self.to_f, self.to_c, self.to_g, self.to_o),
            lambda x: glu(x, self.to_gate, self.to_up, self.to_down))


def stream_sizes(start: float, added: Sequence[float]) -> list[float]:
    """Size of the stream before the first and after each addition, if nothing that is added knows of the rest.

    >>> [round(size, 2) for size in stream_sizes(3.0, [4.0, 12.0])]
    [3.0, 5.0, 13.0]
    """
    sizes = [start]
    for size in added:
        sizes.append((sizes[-1] ** 2 + size**2) ** 0.5)
    return sizes
