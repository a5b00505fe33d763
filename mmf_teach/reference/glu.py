"""The channel mixer in NumPy: widen, gate, narrow.

Course    notebook 06, "Mixing channels"
Equation  y = (silu(x W_g) ⊙ x W_u) W_d
Source    Zhu et al. 2024, arXiv 2406.02528, section 3.3; Shazeer 2020, arXiv 2002.05202 (as SwiGLU)
"""

from jaxtyping import Float
from numpy import ndarray

from mmf_teach.reference.activation_functions import silu
from mmf_teach.reference.bit_linear import Map


def glu(x: Float[ndarray, "b d"], to_gate: Map, to_up: Map, to_down: Map) -> Float[ndarray, "b out"]:
    """Widen twice, let one copy through as far as the other opens, and narrow.

    >>> import numpy as np
    >>> glu(np.ones((1, 1)), lambda x: 1000 * x, lambda x: 2 * x, lambda x: x / 1000).tolist()
    [[2.0]]
    """
    return to_down(silu(to_gate(x)) * to_up(x))
