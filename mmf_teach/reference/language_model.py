"""A whole language model in NumPy: letters in, blocks one after the other, scores out, the state handed on.

Course    notebook 07, "A whole language model"
Equation  x = E[token],   x, h_n ← block_n(x, h_n)   for every block,   scores = head(x)
          surprise = log Σ exp(scores) - scores[token]
Source    Zhu et al. 2024, arXiv 2406.02528
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from mmf_teach.reference.bit_linear import Map
from mmf_teach.reference.block import Block


def read_token(token: Any, state: Sequence[Any], embedding: Any, blocks: Sequence[Callable], head: Callable) -> Any:
    """The scores of the next token and the new state; a block takes what flows and its memory, and returns both.

    >>> read_token(1, [10.0], [5.0, 2.0], [lambda x, h: (x + h, h + 1)], lambda x: [x, -x])
    ([12.0, -12.0], [11.0])
    """
    x, after = embedding[token], []
    for block, h in zip(blocks, state, strict=True):
        x, h = block(x, h)
        after.append(h)
    return head(x), after


def surprise(scores: Float[ndarray, "v"], token: int) -> float:
    """Nats of surprise at a token: minus the logarithm of the share of odds that its score gives it.

    >>> round(surprise(np.array([0.0, 0.0, 0.0, 0.0]), 2), 3)
    1.386
    """
    shifted = scores - scores.max()          # the largest is then exp(0): nothing overflows
    return float(np.log(np.exp(shifted).sum()) - shifted[token])


def write_greedily(step: Callable, token: int, state: Any, count: int) -> list[int]:
    """So many tokens, each the likeliest after all before it; `step` reads one token and returns scores and state.

    >>> write_greedily(lambda token, state: (np.eye(4)[(token + 1) % 4], state), 1, None, 3)
    [2, 3, 0]
    """
    written = []
    for _ in range(count):
        scores, state = step(token, state)
        token = int(np.argmax(scores))
        written.append(token)
    return written


@dataclass(frozen=True)
class LanguageModel:
    """The MatMul-free model in the paper's form."""

    embedding: Float[ndarray, "v d"]
    blocks: Sequence[Block]
    head: Map

    def initial_state(self, batch: int) -> list[Float[ndarray, "b d"]]:
        """Nothing remembered yet: a memory for each block."""
        return [np.zeros((batch, self.embedding.shape[1]), self.embedding.dtype) for _ in self.blocks]

    def step(self, tokens: Any, state: Sequence[ndarray]) -> tuple[Float[ndarray, "b v"], list[ndarray]]:
        """Read one token of each sequence; return the scores of the next, and the new state."""
        return read_token(tokens, state, self.embedding, self.blocks, self.head)
