"""A whole language model by hand: letters in, blocks one after the other, scores out, the state handed on.

Course    notebook 07, "A whole language model"
Equation  x = E[token],   x, h_n ← block_n(x, h_n)   for every block,   scores = head(x)
          surprise = log Σ exp(scores) - scores[token]                  λ = cumsum(softmax(raw)) - its first row
Source    Zhu et al. 2024, arXiv 2406.02528; λ: ridgerchu/matmulfreellm a016f72
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from mmf_teach.engine.ternary_matmul.choice import best
from mmf_teach.engine.ternary_matmul.kernel import Packed
from mmf_teach.reference.bit_linear import rms_norm
from mmf_teach.ternary.quantise import absmax


def read_token(token: Any, state: Sequence[Any], embedding: Any, blocks: Sequence[Callable], head: Callable) -> Any:
    """The scores of the next token and the new state; a block takes what flows and its memory, and returns both."""
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
    """So many tokens, each the likeliest after all before it; `step` reads one token and returns scores and state."""
    written = []
    for _ in range(count):
        scores, state = step(token, state)
        token = int(np.argmax(scores))
        written.append(token)
    return written


def lower_bounds(raw: Float[ndarray, "n d"]) -> Float[ndarray, "n d"]:
    """What each block must keep at least of its memory: shares that sum to 1 over the blocks, added up from the second.

    >>> lower_bounds(np.zeros((4, 1))).ravel().tolist()
    [0.0, 0.25, 0.5, 0.75]
    """
    odds = np.exp(raw - raw.max(axis=0))
    shares = odds / odds.sum(axis=0)
    return shares.cumsum(axis=0) - shares[0]


def bit_linear_multiplications(width_in: int, width_out: int) -> int:
    """Multiplications of a BitLinear for one token: a norm without gain, codes, and the scales of the sums.

    >>> bit_linear_multiplications(8, 5)
    31
    """
    norm = 2 * width_in                      # x · x for the mean square, then x times 1 / rms
    codes = width_in + 1                     # each times 127 / largest, which itself is 1 / largest times 127
    scales = width_out + 1                   # each sum times s_x · s_w, which is made once
    return norm + codes + scales


def multiplications_left(d: int, l: int, n: int, v: int) -> int:
    """All multiplications for one token of a MatMul-free model in the paper's form: width, inner, blocks, vocab."""
    of = bit_linear_multiplications
    maps = 4 * of(d, d) + 2 * of(d, l) + of(l, d)
    memory = 4 * d                           # silu(c); f ⊙ h and (1 - f) ⊙ c; g ⊙ h
    gate = 2 * l                             # silu(gate); times up
    return n * (maps + memory + gate) + of(d, v)


@dataclass(frozen=True)
class StoredMap:
    """A BitLinear out of a file: packed trits, their scale, and a bias or 0."""

    packed: Packed
    scale: np.float32
    bias: Any

    @classmethod
    def of(cls, stored: Mapping[str, ndarray], name: str, width_in: int, width_out: int) -> "StoredMap":
        """The map called `name` among the arrays of a checkpoint. ValueError for sizes that do not fit its bytes."""
        packed = best().pack_base3(stored[f"{name}.packed"], width_out, width_in)
        bias = stored.get(f"{name}.bias", np.float32(0)).astype(np.float32)
        return cls(packed, np.float32(stored[f"{name}.scale"]), bias)

    def __call__(self, x: Float[ndarray, "*b in"]) -> Float[ndarray, "*b out"]:
        """Norm, codes, sums under the trits, scales, bias: for one token or for a batch of them."""
        codes, x_scale = absmax(rms_norm(np.atleast_2d(x)))
        y = best().product(codes, self.packed).astype(np.float32) * (x_scale * self.scale) + self.bias
        return y.reshape(*np.shape(x)[:-1], -1)
