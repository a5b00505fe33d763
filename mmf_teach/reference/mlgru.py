"""One token of an MLGRU in NumPy, and how long its memory lasts.

Course    notebook 05, "Memory without attention"
Equation  f = σ(x W_f),  c = silu(x W_c),  h ← f ⊙ h + (1 - f) ⊙ c,  g = σ(x W_g),  y = (g ⊙ h) W_o
          f^n = 1/2 for n = log(1/2) / log(f)
Source    Zhu et al. 2024, arXiv 2406.02528, section 3.3
"""

from math import inf, log

from jaxtyping import Float
from numpy import ndarray

from mmf_teach.reference.activation_functions import sigmoid, silu
from mmf_teach.reference.bit_linear import Map

Vector = Float[ndarray, "*b d"]


def mlgru_step(x: Vector, h: Vector, to_f: Map, to_c: Map, to_g: Map, to_o: Map) -> tuple[Vector, Vector]:
    """Read one token `x` with memory `h`: the output, and the new memory. No matrix reads the memory but the last.

    >>> import numpy as np
    >>> y, h = mlgru_step(np.zeros(1), np.ones(1), *4 * [lambda x: x])       # both gates half open, nothing written
    >>> y.tolist(), h.tolist()
    ([0.25], [0.5])
    """
    f = sigmoid(to_f(x))
    c = silu(to_c(x))
    h = f * h + (1 - f) * c
    return to_o(sigmoid(to_g(x)) * h), h


def half_life(f: float) -> float:
    """Tokens after which half of what was written is forgotten, when each keeps the share `f`.

    ValueError for a share that is none.

    >>> half_life(0.5), round(half_life(0.98), 1)
    (1.0, 34.3)
    """
    if not 0 <= f <= 1:
        raise ValueError(f"a forget gate keeps a share from 0 to 1, not {f!r}")
    if f in (0, 1):
        return inf if f else 0.0
    return log(0.5) / log(f)
