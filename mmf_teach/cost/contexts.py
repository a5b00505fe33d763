"""What a generated token costs after a context: the cache that grows, the state that does not, and the bytes moved.

Course    notebook 09, "Long contexts"
Equation  cache  2 · n · d · T · bits / 8 / s bytes, where s query heads share a key head
          work   2 · d · T = 4 · d² + 3 · d · l at T = 2 · d + 3 · l / 2, about 6 · d
          moved  weights / b + (T + 1) · cache of a token + 2 · state: the cache grows by one, a state is written back
Source    grouped queries: Ainslie et al. 2023, arXiv 2305.13245
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil

from mmf_teach.cost.sheet import matrix_weights
from mmf_teach.cost.sizes import sizes
from mmf_teach.cost.state import kept_bytes

WINDOW = 2048                                # tokens that the hybrid's local blocks look at
SHARED = 4                                   # query heads to a key head, where queries are grouped


def cache_bytes(width: int, blocks: int, context: int, bits: int | float, shared: int) -> int:
    """Bytes that the keys and values of a context take, when `shared` query heads use one key head.

    ValueError for a context below zero, or for heads that nobody shares.

    >>> cache_bytes(width=1024, blocks=24, context=1, bits=16, shared=1)
    98304
    """
    if context < 0 or shared < 1:
        raise ValueError(f"a context of {context} tokens and {shared} heads to a key: at least 0 and 1")
    return ceil(2 * blocks * width * context * bits / (8 * shared))


def context_of_equal_work(width: int, inner: int) -> float:
    """The context at which attention multiplies as often as a block's weights do, for one new token.

    >>> context_of_equal_work(1024, 2816)
    6272.0
    """
    kept_token = 2 * width                   # multiplications: its key meets the query, its value is weighed
    return (4 * width**2 + 3 * width * inner) / kept_token


def moved_bytes(weight_bytes: float, token_bytes: float, state_bytes: float, context: int, batch: int) -> float:
    """Bytes that move for one generated token of a sequence: weights shared by the batch, the rest its own.

    `token_bytes` are the key and value of one token; ValueError for a batch without a sequence.
    """
    if batch < 1:
        raise ValueError(f"a batch has one sequence or more, not {batch}")
    return weight_bytes / batch + token_bytes * (context + 1) + 2 * state_bytes


@dataclass(frozen=True)
class Decoder:
    """A model as memory sees it while it writes."""

    weight_bytes: float
    token_bytes: float = 0.0       # keys and values that a token leaves in blocks that look at everything,
    local_bytes: float = 0.0       # and in blocks that look at a window
    window: int = 0
    state_bytes: float = 0.0       # what is kept however long the text is

    def kept_bytes(self, context: int) -> float:
        """What a sequence of so many tokens has in memory besides the weights."""
        return self.token_bytes * context + self.local_bytes * min(context, self.window) + self.state_bytes

    def moved_bytes(self, context: int, batch: int = 1) -> float:
        """Bytes moved for one more token; ValueError for a batch without a sequence."""
        whole = moved_bytes(self.weight_bytes, self.token_bytes, self.state_bytes, context, batch)
        return whole + self.local_bytes * (min(context, self.window - 1) + 1 if self.local_bytes else 0)


def decoders(size: str) -> dict[str, Decoder]:
    """The models of the lesson's picture in one of the sizes that have a name. ValueError for any other."""
    config = sizes(size, "matmul_free_released")
    weights, width, blocks = matrix_weights(config), config.width, config.blocks
    state = kept_bytes(config, 0)
    plain = Decoder(2 * weights, token_bytes=cache_bytes(width, blocks, 1, 16, 1))
    dressed = Decoder(weights / 2, token_bytes=cache_bytes(width, blocks, 1, 8, SHARED))
    local = blocks // 2
    return {
        "Transformer++, bf16": plain,
        "T++, grouped queries": replace(plain, token_bytes=cache_bytes(width, blocks, 1, 16, SHARED)),
        "T++, int4, int8 cache": dressed,
        "T++, ternary, int8 cache": replace(dressed, weight_bytes=weights / 4),
        "hybrid, every second block local": Decoder(
            weights / 4, local_bytes=cache_bytes(width, local, 1, 16, 1), window=WINDOW,
            state_bytes=state * (blocks - local) / blocks),
        "MatMul-free": Decoder(weights / 4, state_bytes=state),
    }


def lines(size: str, contexts: list[int], batch: int) -> Iterator[tuple[str, list[float]]]:
    """For each model its bytes moved per token, in gigabytes, after each of the contexts."""
    for name, decoder in decoders(size).items():
        yield name, [decoder.moved_bytes(context, batch) / 1e9 for context in contexts]
