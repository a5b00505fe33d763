"""Text out: draw the next token from the model's scores, feed it back, keep the state.

Course    notebook 07, "A whole language model"
"""

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray

from mmf_teach.hardware import one_thread


@runtime_checkable
class Reader(Protocol):
    """A model as a text generator sees it: the float models of the course, and the packed engine."""

    def read(self, tokens: Int64[ndarray, "b t"], state: Any = None) -> tuple[Float[ndarray, "b v"], Any]:
        """Read tokens after a state; return the scores of the next token, and the new state."""


def generate(
    model: Reader, prompt: Int64[ndarray, "characters"], tokens: int, temperature: float = 0.8, seed: int = 0,
) -> Iterator[int]:
    """Read the prompt, then give `tokens` tokens one by one, each drawn after all before it.

    Temperature 0 takes the likeliest token; 1 draws by the model's own odds. ValueError for an empty prompt or
    a negative number.
    """
    if not len(prompt):
        raise ValueError("the prompt must hold at least one character for the model to go on from")
    if tokens < 0 or not 0 <= temperature < float("inf"):
        raise ValueError(f"tokens ({tokens}) and temperature ({temperature}) must be numbers from zero up")
    return _tokens(model, prompt, tokens, temperature, np.random.default_rng(seed))


def _tokens(
    model: Reader, prompt: Int64[ndarray, "characters"], tokens: int, temperature: float,
    rng: np.random.Generator,
) -> Iterator[int]:
    """The loop of `generate`, apart from its checks, which thus come before the first token is asked for."""
    with one_thread():
        scores, state = model.read(prompt[None])
    for _ in range(tokens):
        token = draw(scores[0], temperature, rng)
        yield token
        with one_thread():
            scores, state = model.read(np.array([[token]]), state)


def draw(scores: Float[ndarray, "v"], temperature: float, rng: np.random.Generator) -> int:
    """One token, drawn with odds exp(score / temperature)."""
    if temperature == 0:
        return int(scores.argmax())
    odds = np.exp((scores - scores.max()).astype(np.float64) / temperature)
    sums = np.cumsum(odds)                   # its last entry, not odds.sum(), which may exceed it by a rounding
    return int(np.searchsorted(sums, rng.random() * sums[-1], side="right"))
