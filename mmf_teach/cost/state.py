"""What a model keeps of the text it has read, in numbers and in bytes: a cache that grows, or a state that does not.

Course    notebooks 07 and 09
Equation  attention  2 · n · d · T numbers after T tokens, divided by the query heads that share a key head
          local      the same with the last reach - 1 tokens only
          MLGRU      n · d numbers, whatever T is
          Mamba      2 n · e · (state + 3), e = 2 d
"""

from collections.abc import Callable
from math import ceil

from mmf_teach.layers.mamba import TAPS, WIDER
from mmf_teach.model.config import ModelConfig

NUMBER_BITS = {"fp32": 32, "bf16": 16, "int8": 8, "int4": 4}             # formats in which it may be kept


def kept_width(config: ModelConfig) -> int:
    """Features of a token's key, all its heads together: fewer than d where query heads share."""
    return config.width // config.heads * (config.kv_heads or config.heads)


def _cache(config: ModelConfig, context: int) -> int:
    return 2 * config.blocks * kept_width(config) * context


def _state(config: ModelConfig, context: int) -> int:
    return config.blocks * config.width


def _both(config: ModelConfig, context: int) -> int:
    local = config.blocks // 2
    return (config.blocks - local) * config.width + 2 * local * kept_width(config) * min(context, config.reach - 1)


def _mamba(config: ModelConfig, context: int) -> int:
    return 2 * config.blocks * WIDER * config.width * (config.state + TAPS - 1)


KEEPS: dict[str, Callable[[ModelConfig, int], int]] = {
    "matmul_free": _state, "matmul_free_released": _state, "transformer": _cache, "bitnet": _cache,
    "binary_bitnet": _cache, "hybrid": _both, "mamba": _mamba,
}


def kept_numbers(config: ModelConfig, context: int) -> int:
    """Numbers that one sequence keeps after so many tokens. ValueError for a model that nobody has counted.

    >>> kept_numbers(ModelConfig("matmul_free", 65, 128, 6), context=1000)
    768
    >>> kept_numbers(ModelConfig("transformer", 65, 128, 6), context=1000)
    1536000
    """
    if context < 0:
        raise ValueError(f"a text has no tokens or some, not {context}")
    if config.kind not in KEEPS:
        raise ValueError(f"nobody has counted what a {config.kind} keeps")
    return KEEPS[config.kind](config, context)


def kept_bytes(config: ModelConfig, context: int, bits: int | float = 16, batch: int = 1) -> int:
    """Bytes that so many sequences keep after so many tokens each. ValueError as in `kept_numbers`."""
    return ceil(batch * kept_numbers(config, context) * bits / 8)


def moved_numbers(config: ModelConfig, context: int) -> int:
    """Numbers read and written for one more token after so many: all that is kept is read; a state is written anew,
    and to a cache one token is added.
    """
    read, last = kept_numbers(config, context), kept_numbers(config, context + 1)
    if config.kind in ("transformer", "bitnet", "binary_bitnet"):
        return read + last - read
    if config.kind == "hybrid":
        local = config.blocks // 2
        return read + (config.blocks - local) * config.width + 2 * local * kept_width(config) * min(1, config.reach - 1)
    return read + last
