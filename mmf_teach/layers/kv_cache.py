"""A KV cache in NumPy: keep the key and the value of every token read, and look at them again for each new one.

Course    notebook 09, "Long contexts"
Equation  y = Σ p_j v_j,   p_j ∝ exp(q·k_j / √d), over the tokens that are kept
Source    Vaswani et al. 2017, arXiv 1706.03762, section 3.2.1; windows: Beltagy et al. 2020, arXiv 2004.05150
"""

import numpy as np
from jaxtyping import Bool, Float
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


def read_with_cache(
    queries: Float[ndarray, "t d"], keys: Float[ndarray, "t d"], values: Float[ndarray, "t d"], window: int,
) -> Float[ndarray, "t d"]:
    """Read tokens one by one; each looks at itself and at no more than the `window` - 1 tokens before it."""
    kept, outputs = [], []
    for q, k, v in zip(queries, keys, values, strict=True):
        kept.append((k, v))
        kept = kept[-window:]
        odds = np.exp([key @ q / len(q) ** 0.5 for key, _ in kept])
        outputs.append(odds @ np.array([value for _, value in kept]) / odds.sum())
    return np.array(outputs)


def window_mask(tokens: int, window: int) -> Bool[ndarray, "t t"]:
    """True in row i, column j where token i looks at token j: at itself and the `window` - 1 tokens before it.

    >>> window_mask(3, 2).astype(int).tolist()
    [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    """
    place = np.arange(tokens)
    back = place[:, None] - place
    return (back >= 0) & (back < window)


def read_at_once(
    queries: Float[ndarray, "t d"], keys: Float[ndarray, "t d"], values: Float[ndarray, "t d"], window: int,
) -> Float[ndarray, "t d"]:
    """The outputs of `read_with_cache`, all tokens together: one product, and a mask over what is not to be seen."""
    fits = queries @ keys.T / np.sqrt(queries.shape[1])
    odds = np.where(window_mask(len(queries), window), np.exp(fits), 0.0)
    return odds @ values / odds.sum(axis=1, keepdims=True)
