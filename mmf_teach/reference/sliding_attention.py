"""Attention over a window that slides along, in NumPy: token by token from a cache, or all at once under a mask.

Course    notebook 09, "Long contexts"
Equation  as in attention.py, over the token itself and the `window` - 1 tokens before it
Source    Beltagy et al. 2020, arXiv 2004.05150
"""

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray


def read_with_cache(
    queries: Float[ndarray, "t d"], keys: Float[ndarray, "t d"], values: Float[ndarray, "t d"], window: int,
) -> Float[ndarray, "t d"]:
    """Read tokens one by one; each looks at itself and at no more than the `window` - 1 tokens before it.

    >>> read_with_cache(np.zeros((3, 1)), np.ones((3, 1)), np.array([[1.0], [3.0], [5.0]]), window=2).tolist()
    [[1.0], [2.0], [4.0]]
    """
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
    """The outputs of `read_with_cache`, all tokens together: one product, and a mask over what is not to be seen.

    >>> read_at_once(np.zeros((3, 1)), np.ones((3, 1)), np.array([[1.0], [3.0], [5.0]]), window=2).tolist()
    [[1.0], [2.0], [4.0]]
    """
    fits = queries @ keys.T / np.sqrt(queries.shape[1])
    odds = np.where(window_mask(len(queries), window), np.exp(fits), 0.0)
    return odds @ values / odds.sum(axis=1, keepdims=True)
