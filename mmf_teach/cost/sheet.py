"""The cost sheet: what a token costs in any model of the course, in closed form from the sizes alone, up to any size.

Course    notebook 07, "A whole language model"
Equation  trits of a MatMul-free model   n · (4 d² + 3 d l) + d v          additions, subtractions and zeros together
          multiplications that remain    n · (40 d + 8 l) + 7 d + v        the released form, and two a BitLinear

Tests hold it to the audit (operations.py), operation by operation, for every kind of model and several sizes.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import chain
from math import ceil

from mmf_teach.cost import layer_operations as of
from mmf_teach.cost.layer_operations import times
from mmf_teach.cost.torch_operations import product
from mmf_teach.layers.mamba import RANK, WIDER
from mmf_teach.model.config import ModelConfig


def _nothing(_: int) -> Counter:
    return Counter()


@dataclass(frozen=True)
class Sheet:
    """The cost of a model, taken apart. What trits ask for is apart: it is no multiplication."""

    each: Counter                            # for every token, whatever came before it
    once: Counter = field(default_factory=Counter)           # for every step, or pass over many tokens
    looks: Callable[[int], Counter] = _nothing               # attention of one token, after so many others
    looks_at_once: Callable[[int], Counter] = _nothing       # attention of so many tokens in one pass
    trits: tuple[int, ...] = ()              # weights of each ternary map
    learns_each: Counter = field(default_factory=Counter)    # in addition while it learns: for every token,
    learns_once: Counter = field(default_factory=Counter)    # and for every pass


def matrix_weights(config: ModelConfig) -> int:
    """Weights that a token meets in the model's maps, the head's too; the embedding is only looked up."""
    d, l, n = config.width, config.inner, config.blocks
    if config.kind == "mamba":
        e, rank = WIDER * d, ceil(d / RANK)
        return 2 * n * (3 * d * e + e * (rank + 2 * config.state) + rank * e) + d * config.vocab
    kept = d * (config.kv_heads or config.heads) // config.heads
    attention = {"hybrid": n // 2, "matmul_free": 0, "matmul_free_released": 0}.get(config.kind, n)
    return attention * (2 * d * d + 2 * d * kept) + (n - attention) * 4 * d * d + n * 3 * d * l + d * config.vocab


def float_weights(config: ModelConfig) -> int:
    """Those among them that are no trits."""
    return matrix_weights(config) - sum(sheet(config).trits)


def _channels(config: ModelConfig) -> Counter:
    """Three ternary maps and the gate between them, and both residual sums of the block."""
    d, l = config.width, config.inner
    maps = times(2, of.bit_linear(d, l)) + of.bit_linear(l, d)
    return maps + of.gated_unit(l) + Counter(add=2 * d)


def _recurrent(config: ModelConfig) -> Counter:
    return times(4, of.bit_linear(config.width, config.width, bias=True)) + of.mlgru(config.width)


def _matmul_free(config: ModelConfig) -> Sheet:
    d, l, n = config.width, config.inner, config.blocks
    trits = (*n * [*[d * d] * 4, d * l, d * l, l * d], d * config.vocab)
    each = times(n, _recurrent(config) + _channels(config)) + of.bit_linear(d, config.vocab)
    return Sheet(each, trits=trits, learns_once=_all(of.making_trits, trits))


def _released(config: ModelConfig) -> Sheet:
    d, l, n = config.width, config.inner, config.blocks
    trits = (*n * [*[d * d] * 4, 2 * d * l, l * d], d * config.vocab)
    norm = of.norm(d, gain=True)
    maps = times(4, of.bit_linear(d, d, gain=True)) + of.bit_linear(d, 2 * l, gain=True)
    block = maps + of.bit_linear(l, d, gain=True) + of.released_mlgru(d) + of.gated_unit(l) + Counter(add=2 * d)
    each = times(n, block + times(3, norm)) + norm + of.bit_linear(d, config.vocab, gain=True)
    once = Counter(subtract=n * d)           # 1 - λ
    return Sheet(each, once, trits=trits, learns_once=of.lower_bounds(n, d) + _all(of.making_trits, trits))


def _attention(config: ModelConfig, blocks: int) -> Sheet:
    """So many layers of attention without their maps."""
    d, heads = config.width, config.heads
    head = d // heads
    kept = head * (config.kv_heads or heads)
    return Sheet(
        each=times(blocks, of.rotation(d, head) + of.rotation(kept, head)),
        once=times(2 * blocks, of.frequencies(head)),
        looks=lambda context: times(blocks, of.looking(heads, head, context + 1, masked=context > 0)),
        looks_at_once=lambda t: times(blocks, of.looking(heads, head, t * (t + 1) // 2, masked=False)))


def _transformer(config: ModelConfig) -> Sheet:
    d, l, n = config.width, config.inner, config.blocks
    sheet, norm = _attention(config, n), of.norm(d, gain=True)
    block = of.gated_unit(l) + times(2, norm) + Counter(add=2 * d)
    return replace(sheet, each=sheet.each + product(1, matrix_weights(config), 1) + times(n, block) + norm)


def _bitnet(config: ModelConfig) -> Sheet:
    d, l, n = config.width, config.inner, config.blocks
    kept = d * (config.kv_heads or config.heads) // config.heads
    sheet = _attention(config, n)
    trits = (*n * [d * d, d * kept, d * kept, d * d, d * l, d * l, l * d],)
    maps = times(2, of.bit_linear(d, d) + of.bit_linear(d, kept))
    head = of.norm(d, gain=True) + product(1, d, config.vocab)
    each = sheet.each + times(n, maps + _channels(config)) + head
    return replace(sheet, each=each, trits=trits, learns_once=_all(of.making_trits, trits))


def _binary_bitnet(config: ModelConfig) -> Sheet:
    sheet = _bitnet(config)
    divided = Counter(divide=config.blocks * (6 * config.width + config.inner))          # x / s_x, for the gradient
    return replace(sheet, learns_each=divided, learns_once=_all(of.making_signs, sheet.trits))


def _hybrid(config: ModelConfig) -> Sheet:
    d, l, n = config.width, config.inner, config.blocks
    local, reach, heads = n // 2, config.reach, config.heads
    head, kept = d // heads, d * (config.kv_heads or heads) // heads
    sheet = _attention(config, local)

    def look(keys: int, tokens: int) -> Counter:
        mask = Counter(subtract=tokens * keys, comparison=2 * tokens * keys, add=1)      # how far back; tokens read
        return times(local, mask + of.looking(heads, head, tokens * keys, masked=True))

    recurrent, looking = [*[d * d] * 4], [d * d, d * kept, d * kept, d * d]
    blocks = ((looking if block % 2 else recurrent) + [d * l, d * l, l * d] for block in range(n))
    maps = times(2, of.bit_linear(d, d) + of.bit_linear(d, kept))
    each = sheet.each + times(n - local, _recurrent(config)) + times(local, maps) + times(n, _channels(config))
    trits = (*chain.from_iterable(blocks), d * config.vocab)
    return Sheet(
        each + of.bit_linear(d, config.vocab), sheet.once,
        looks=lambda context: look(min(context, reach - 1) + 1, 1), looks_at_once=lambda tokens: look(tokens, tokens),
        trits=trits, learns_once=_all(of.making_trits, trits))


def _mamba(config: ModelConfig) -> Sheet:
    d, layers, norm = config.width, 2 * config.blocks, of.norm(config.width, gain=True)
    each = times(layers, norm + of.mamba(d, config.state) + Counter(add=d)) + norm + product(1, d, config.vocab)
    return Sheet(each, once=Counter(exponential=layers * WIDER * d * config.state))


def _all(making: Callable[[int], Counter], trits: tuple[int, ...]) -> Counter:
    return sum(map(making, trits), Counter())


SHEETS: dict[str, Callable[[ModelConfig], Sheet]] = {
    "matmul_free": _matmul_free, "matmul_free_released": _released, "transformer": _transformer, "bitnet": _bitnet,
    "binary_bitnet": _binary_bitnet, "mamba": _mamba, "hybrid": _hybrid,
}


def sheet(config: ModelConfig) -> Sheet:
    """The cost of a model of these sizes. ValueError for a kind that nobody has counted: that is not free."""
    if config.kind not in SHEETS:
        raise ValueError(f"nobody has counted what a {config.kind} costs; counted are {', '.join(SHEETS)}")
    return SHEETS[config.kind](config)


def operations(config: ModelConfig, context: int = 0) -> Counter:
    """All that one token costs that is read after `context` others, when learning is over.

    "ternary" are additions, subtractions and skipped zeros together: how they share depends on the trits.

    >>> operations(ModelConfig("matmul_free", 65, 128, 6))["ternary"]
    1212544
    """
    parts = sheet(config)
    look_ups = Counter(ternary=sum(parts.trits), table_look_up=1)
    return parts.each + parts.once + parts.looks(context) + look_ups


def reading(config: ModelConfig, tokens: int) -> Counter:
    """All that so many tokens cost, read one after the other."""
    return sum((operations(config, context) for context in range(tokens)), Counter())


def training(config: ModelConfig, tokens: int) -> Counter:
    """All that a pass over so many tokens costs while the model learns: dense products, whatever the weights."""
    parts = sheet(config)
    products = product(tokens, sum(parts.trits), 1)
    per_token = parts.each + parts.learns_each + Counter(table_look_up=1)
    return times(tokens, per_token) + products + parts.once + parts.looks_at_once(tokens) + parts.learns_once


def with_float_head(config: ModelConfig, context: int = 0) -> Counter:
    """What a token costs if the last map is dense, as in most ternary models. ValueError where it is dense anyway."""
    d, v = config.width, config.vocab
    if config.kind not in ("matmul_free", "matmul_free_released", "hybrid"):
        raise ValueError(f"the head of a {config.kind} is dense as it is")
    released = config.kind == "matmul_free_released"         # it has one norm more, which stays
    ternary = of.bit_linear(d, v, gain=released) + Counter(ternary=d * v)
    dense = product(1, d, v) + (Counter() if released else of.norm(d, gain=False))
    return operations(config, context) + dense - ternary
