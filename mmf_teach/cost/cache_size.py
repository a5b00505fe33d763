"""What a model keeps of the text it has read, and what moves for one more token: a cache that grows, or a state.

Course    notebooks 07 and 09
Equation  attention  2 · n · d · T numbers after T tokens, divided by the query heads that share a key head
          local      the same with the last reach - 1 tokens only
          MLGRU      n · d numbers, whatever T is
          Mamba      2 n · e · (state + 3), e = 2 d
          moved      weights / b + (T + 1) · cache of a token + 2 · state: a cache grows by one, a state is written back
Source    grouped queries: Ainslie et al. 2023, arXiv 2305.13245
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil

from mmf_teach.cost.closed_form import matrix_weights
from mmf_teach.cost.sizes import sizes, with_shared_heads
from mmf_teach.layers.mamba import TAPS, WIDER
from mmf_teach.model.config import ModelConfig

WINDOW = 2048                                # tokens that the lesson's hybrid looks at in its local blocks


def cache_bytes(width: int, blocks: int, context: int, bits: int | float, shared: int) -> int:
    """Bytes that the keys and values of a context take, when `shared` query heads use one key head.

    ValueError for a context below zero, or for heads that nobody shares.

    >>> cache_bytes(width=1024, blocks=24, context=1, bits=16, shared=1)
    98304
    """
    if context < 0 or shared < 1:
        raise ValueError(f"a context of {context} tokens and {shared} heads to a key: at least 0 and 1")
    return ceil(2 * blocks * width * context * bits / (8 * shared))


def moved_bytes(
    weight_bytes: int | float, token_bytes: int | float, state_bytes: int | float, context: int, batch: int,
) -> int | float:
    """Bytes that move for one generated token of a sequence: weights shared by the batch, the rest its own.

    `token_bytes` are the key and value of one token; ValueError for a batch without a sequence.
    """
    if batch < 1:
        raise ValueError(f"a batch has one sequence or more, not {batch}")
    return weight_bytes / batch + token_bytes * (context + 1) + 2 * state_bytes


@dataclass(frozen=True)
class Decoder:
    """A model as memory sees it while it writes."""

    weight_bytes: int | float = 0
    token_bytes: int | float = 0   # keys and values that a token leaves in blocks that look at everything,
    local_bytes: int | float = 0   # and in blocks that look at a window
    window: int = 1                # tokens that those look at: the last one and window - 1 before it, which are kept
    state_bytes: int | float = 0   # what is kept however long the text is

    def kept_bytes(self, context: int) -> int | float:
        """What a sequence of so many tokens has in memory besides the weights. ValueError for fewer than none."""
        if context < 0:
            raise ValueError(f"a text has no tokens or some, not {context}")
        return self.token_bytes * context + self.local_bytes * min(context, self.window - 1) + self.state_bytes

    def moved_bytes(self, context: int, batch: int = 1) -> int | float:
        """Bytes moved for one more token; ValueError for a batch without a sequence."""
        read, written = min(context, self.window - 1), min(1, self.window - 1)
        everywhere = moved_bytes(self.weight_bytes, self.token_bytes, self.state_bytes, context, batch)
        return everywhere + self.local_bytes * (read + written)


def decoder_of(config: ModelConfig, weight_bytes: int | float = 0, bits: int | float = 8) -> Decoder:
    """A model of these sizes with `bits` to each number that it keeps; eight make as many bytes as numbers.

    ValueError for a model that nobody has counted.

    >>> decoder_of(ModelConfig("matmul_free", 65, 128, 6)).kept_bytes(context=1000)
    768
    >>> decoder_of(ModelConfig("transformer", 65, 128, 6)).kept_bytes(context=1000)
    1536000
    """
    d, n, shared = config.width, config.blocks, config.heads // (config.kv_heads or config.heads)

    def state_bytes(numbers: int) -> int:
        return ceil(numbers * bits / 8)

    match config.kind:
        case "matmul_free" | "matmul_free_released":
            return Decoder(weight_bytes, state_bytes=state_bytes(n * d))
        case "transformer" | "bitnet" | "binary_bitnet":
            return Decoder(weight_bytes, cache_bytes(d, n, 1, bits, shared))
        case "hybrid":
            local = cache_bytes(d, n // 2, 1, bits, shared)
            return Decoder(weight_bytes, 0, local, config.reach, state_bytes((n - n // 2) * d))
        case "mamba":
            numbers = 2 * n * WIDER * d * (config.state + TAPS - 1)
            return Decoder(weight_bytes, state_bytes=state_bytes(numbers))
    raise ValueError(f"nobody has counted what a {config.kind} keeps")


def decoders(size: str) -> dict[str, Decoder]:
    """The models of the lesson's picture in one of the sizes that have a name. ValueError for any other."""
    plain, free = sizes(size, "transformer"), sizes(size, "matmul_free_released")
    grouped, hybrid = with_shared_heads(plain), replace(sizes(size, "hybrid"), reach=WINDOW)
    weights = matrix_weights(free)           # of all of them: heads that share leave theirs to the channel mixer
    return {
        "Transformer++, bf16": decoder_of(plain, 2 * weights, bits=16),
        "T++, grouped queries": decoder_of(grouped, 2 * weights, bits=16),
        "T++, int4, int8 cache": decoder_of(grouped, weights / 2, bits=8),
        "T++, ternary, int8 cache": decoder_of(grouped, weights / 4, bits=8),
        "hybrid, every second block local": decoder_of(hybrid, weights / 4, bits=16),
        "MatMul-free": decoder_of(free, weights / 4, bits=16),
    }


def lines(size: str, contexts: list[int], batch: int) -> Iterator[tuple[str, list[float]]]:
    """For each model its bytes moved per token, in gigabytes, after each of the contexts."""
    for name, decoder in decoders(size).items():
        yield name, [decoder.moved_bytes(context, batch) / 1e9 for context in contexts]
