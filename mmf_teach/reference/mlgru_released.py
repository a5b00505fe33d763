"""One token of an MLGRU as the authors' released code computes it.

Course    notebook 07, "A whole language model"
Equation  f = λ + (1 - λ) σ(x W_f),  h ← f ⊙ h + (1 - f) ⊙ silu(x W_i),  y = (norm(x W_g) ⊙ gain ⊙ silu(h)) W_o
          λ = cumsum(softmax(raw)) - its first row, over the blocks
Source    ridgerchu/matmulfreellm a016f72, mmfreelm/layers/hgrn_bit.py
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from mmf_teach.reference.activation_functions import sigmoid, silu
from mmf_teach.reference.bit_linear import Map
from mmf_teach.reference.rms_norm import rms_norm

Vector = Float[ndarray, "*b d"]


def mlgru_released_step(
    x: Vector, h: Vector, maps: Sequence[Map], bound: Float[ndarray, "d"], gain: Float[ndarray, "d"],
) -> tuple[Vector, Vector]:
    """Read one token `x` with memory `h`; the maps are those of f, i, g and o. The output, and the new memory."""
    to_f, to_i, to_g, to_o = maps
    f = bound + (1 - bound) * sigmoid(to_f(x))
    h = f * h + (1 - f) * silu(to_i(x))
    return to_o(rms_norm(to_g(x)) * gain * silu(h)), h


def lower_bounds(raw: Float[ndarray, "n d"]) -> Float[ndarray, "n d"]:
    """What each block must keep at least of its memory: shares that sum to 1 over the blocks, added up from the second.

    >>> lower_bounds(np.zeros((4, 1))).ravel().tolist()
    [0.0, 0.25, 0.5, 0.75]
    """
    odds = np.exp(raw - raw.max(axis=0))
    shares = odds / odds.sum(axis=0)
    return shares.cumsum(axis=0) - shares[0]
