"""Attention for one token in NumPy: a weighted mean of the values that are kept.

Course    notebook 09, "Long contexts"
Equation  y = Σ p_j v_j,   p_j ∝ exp(q·k_j / √d), over the tokens that are kept
Source    Vaswani et al. 2017, arXiv 1706.03762, section 3.2.1
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def attend(
    query: Float[ndarray, "d"], keys: Float[ndarray, "t d"], values: Float[ndarray, "t d"],
) -> Float[ndarray, "d"]:
    """What a token takes from those that are kept: their values, weighed by how well their keys fit its query.

    ValueError when nothing is kept.

    >>> attend(np.array([2.0]), np.array([[1.0], [1.0]]), np.array([[3.0], [5.0]]))
    array([4.])
    """
    if len(keys) == 0:
        raise ValueError("there is nothing to look at: keep the token's own key and value first")
    fits = keys @ query / np.sqrt(len(query))
    odds = np.exp(fits - fits.max())
    return odds @ values / odds.sum()
