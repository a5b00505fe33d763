"""What a token has to cost in any model of the course, in closed form from the sizes alone, up to any size.

Course    notebook 07, "A whole language model"
Equation  trits of a MatMul-free model   n · (4 d² + 3 d l) + d v          additions, subtractions and zeros together
          multiplications that remain    n · (40 d + 8 l) + 7 d + v        the released form, and two a BitLinear
          attention at equal work        2 d T = 4 d² + 3 d l   at   T = 2 d + 3 l / 2, about 6 d

Counted as the layers compute, every BitLinear with a norm of its own. A sigmoid is one exponential, one addition and
one division; roots and roundings are counted under their own names. Tests hold it to what a model really executes
(operation_counter), operation by operation, for every kind of model, in both forms and several sizes.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import ceil

from mmf_teach.cost.operation_counter.torch_operations import scores
from mmf_teach.layers.mamba import RANK, TAPS, WIDER
from mmf_teach.model.config import ModelConfig

PAIRS = ("dense", "attended")                # one multiplication and one addition each: a weight, a number kept
TERNARY_HEADS = ("matmul_free", "matmul_free_released", "hybrid")


@dataclass(frozen=True)
class Pass:
    """So many tokens that are read at once after so many others, while the model learns or when that is over."""

    tokens: int = 1
    context: int = 0
    learns: bool = False

    def each(self, operations: Counter) -> Counter:
        """What one token costs, for all of them."""
        return times(self.tokens, operations)


def times(count: int, operations: Counter) -> Counter:
    """The same operations so many times.

    >>> times(3, Counter(add=2))
    Counter({'add': 6})
    """
    return Counter({kind: count * number for kind, number in operations.items()})


def norm(width: int, gain: bool) -> Counter:
    """RMSNorm: squares, their mean, a root, and a factor for each feature, or two."""
    return Counter(multiply=(2 + gain) * width, add=width, divide=1, root=1)


def sigmoid(width: int) -> Counter:
    """1 / (1 + exp(-x)) of each feature."""
    return Counter(exponential=width, add=width, divide=width)


def silu(width: int) -> Counter:
    """x · σ(x) of each feature."""
    return sigmoid(width) + Counter(multiply=width)


def codes_and_scales(width_in: int, width_out: int) -> Counter:
    """What a BitLinear does besides its norm and its trits: int8 codes of the inputs, and two scales for every sum."""
    codes = Counter(comparison=3 * width_in, divide=2, multiply=1 + width_in, round=width_in)   # 127/max is 1/max · 127
    return codes + Counter(multiply=1 + width_out)


def recurrence(width: int) -> Counter:
    """f ⊙ h + (1 - f) ⊙ c."""
    return Counter(multiply=2 * width, subtract=width, add=width)


def mlgru(width: int) -> Counter:
    """The paper's token mixer without its maps: gates f and g, candidate, recurrence, g ⊙ h."""
    return times(2, sigmoid(width)) + silu(width) + recurrence(width) + Counter(multiply=width)


def released_mlgru(width: int) -> Counter:
    """The released code's without its maps: a gate with a bound, two silus, a norm, a product. 1 - λ is apart."""
    bound = Counter(multiply=width, add=width)
    gated = norm(width, gain=True) + Counter(multiply=width)
    return sigmoid(width) + bound + times(2, silu(width)) + recurrence(width) + gated


def gated_unit(inner: int) -> Counter:
    """silu(gate) ⊙ up."""
    return silu(inner) + Counter(multiply=inner)


def rotation(width: int, head: int) -> Counter:
    """Queries or keys turned by the token's position: each cosine and sine is made twice. `width`: all heads."""
    half = head // 2
    angles = Counter(add=1, multiply=half, sine=4 * half)
    return angles + Counter(multiply=2 * width, subtract=width // 2, add=width // 2)


def selective_memory(width: int, state: int) -> Counter:
    """Mamba's layer without its maps. `width`: features inside the layer."""
    e = width
    taps = Counter(multiply=TAPS * e, add=(TAPS + 1) * e)                # 0 + four products + the bias
    step = Counter(add=2 * e, exponential=e, logarithm=e)                # softplus of the map's sums and its bias
    select = Counter(multiply=2 * e * state + e, exponential=e * state)  # Δ A and its exponential; Δ u B
    memories = Counter(multiply=e * state, add=e * state)
    show = Counter(multiply=e * state + 2 * e, add=e * (state - 1) + e)  # h C, D u, times silu(z)
    return taps + times(2, silu(e)) + step + select + memories + show


def dense(now: Pass, width_in: int, width_out: int) -> Counter:
    """A map of floats: each weight meets each token."""
    return now.each(Counter(dense=width_in * width_out))


def bit_linear(
    now: Pass, width_in: int, width_out: int, bias: bool = False, gain: bool = False, signs: bool = False,
) -> Counter:
    """Norm, codes, trits, scales, bias. While it learns, trits or signs are made anew and handed to a dense product."""
    weights = width_in * width_out
    token = norm(width_in, gain) + codes_and_scales(width_in, width_out) + Counter(add=bias * width_out)
    if not now.learns:
        return now.each(token + Counter(ternary=weights))
    made = Counter(add=weights - 1, divide=1 + weights, comparison=1 + weights)          # mean size, and W / s
    made += Counter() if signs else Counter(round=weights, comparison=weights)           # clipped at the other end too
    codes = Counter(divide=signs * width_in)                                             # x / s, for the gradient
    return now.each(token + codes) + dense(now, width_in, width_out) + made


def attention(now: Pass, config: ModelConfig, linear: Callable) -> Counter:
    """Each token looks at itself and all before it. After a context it does so through a mask, which is added to the
    scores of all pairs.
    """
    met = now.tokens * (now.context + now.tokens) if now.context else now.tokens * (now.tokens + 1) // 2
    mask = Counter(add=config.heads * met) if now.context else Counter()
    return _queries_and_keys(now, config, linear) + _looks(config, met) + mask


def local_attention(now: Pass, config: ModelConfig, linear: Callable) -> Counter:
    """The same through a mask that shows the last tokens only; how far each key lies back is counted out."""
    met = now.tokens * (min(now.context, config.reach - 1) + now.tokens)
    mask = Counter(subtract=met, comparison=2 * met, add=1 + config.heads * met)         # and of the tokens read
    return _queries_and_keys(now, config, linear) + _looks(config, met) + mask


def _looks(config: ModelConfig, met: int) -> Counter:
    return scores(config.heads * met) + Counter(attended=2 * config.width * met)         # each key and each value


def _queries_and_keys(now: Pass, config: ModelConfig, linear: Callable) -> Counter:
    d, head = config.width, config.width // config.heads
    kept = head * (config.kv_heads or config.heads)
    frequencies = Counter(divide=head // 2, exponential=head // 2)       # made anew for queries and keys
    maps = times(2, linear(now, d, d) + linear(now, d, kept))
    return maps + now.each(rotation(d, head) + rotation(kept, head)) + times(2, frequencies)


def channels(now: Pass, config: ModelConfig, linear: Callable) -> Counter:
    """GLU: three maps and the gate between them, and both residual sums of the block."""
    d, l = config.width, config.inner
    return times(2, linear(now, d, l)) + linear(now, l, d) + now.each(gated_unit(l) + Counter(add=2 * d))


def paper_block(now: Pass, config: ModelConfig) -> Counter:
    """MLGRU and GLU as the paper has them."""
    d = config.width
    maps = times(4, bit_linear(now, d, d, bias=True))
    return maps + now.each(mlgru(d)) + channels(now, config, bit_linear)


def released_block(now: Pass, config: ModelConfig) -> Counter:
    """MLGRU and GLU as the released code has them: norms with a gain, gate and up in one map."""
    d, l = config.width, config.inner
    linear = partial(bit_linear, now, gain=True)
    token = released_mlgru(d) + gated_unit(l) + times(2, norm(d, gain=True)) + Counter(add=2 * d)
    above_the_bound = Counter(subtract=d)    # 1 - λ
    return times(4, linear(d, d)) + linear(d, 2 * l) + linear(l, d) + now.each(token) + above_the_bound


def lower_bounds(now: Pass, config: ModelConfig) -> Counter:
    """The released code's bounds on forgetting, constants but while they are learnt: a softmax over the blocks, added
    up, less the first.
    """
    n, d = config.blocks, config.width
    softmax = Counter(comparison=(n - 1) * d, subtract=n * d, exponential=n * d, add=(n - 1) * d, divide=n * d)
    return softmax + Counter(add=(n - 1) * d, subtract=n * d) if now.learns else Counter()


def transformer_block(now: Pass, config: ModelConfig) -> Counter:
    """Llama's: dense maps, a norm before each mixer."""
    norms = now.each(times(2, norm(config.width, gain=True)))
    return attention(now, config, dense) + channels(now, config, dense) + norms


def bitnet_block(now: Pass, config: ModelConfig, signs: bool = False) -> Counter:
    """The same with BitLinear, whose norm is in front of the map."""
    linear = partial(bit_linear, signs=signs)
    return attention(now, config, linear) + channels(now, config, linear)


def local_block(now: Pass, config: ModelConfig) -> Counter:
    """The hybrid's second kind of block."""
    return local_attention(now, config, bit_linear) + channels(now, config, bit_linear)


def mamba_block(now: Pass, config: ModelConfig) -> Counter:
    """One layer, of which two stand in for a block: norm, four maps, selective memory, residual sum."""
    d, e, rank = config.width, WIDER * config.width, ceil(config.width / RANK)
    shapes = (d, 2 * e), (e, rank + 2 * config.state), (rank, e), (e, d)
    maps = sum((dense(now, *shape) for shape in shapes), Counter())
    token = norm(d, gain=True) + selective_memory(e, config.state) + Counter(add=d)
    return maps + now.each(token) + Counter(exponential=e * config.state)                # A = -exp(log A)


def output_head(now: Pass, config: ModelConfig, floats: bool = False) -> Counter:
    """The last norm and the map to a score for each token there is: ternary where all maps are, but for `floats`."""
    d, v = config.width, config.vocab
    if config.kind not in TERNARY_HEADS:
        return now.each(norm(d, gain=True)) + dense(now, d, v)
    gain = config.kind == "matmul_free_released"             # it has a norm of its own before the BitLinear's
    if floats:
        return now.each(norm(d, gain)) + dense(now, d, v)
    return bit_linear(now, d, v, gain=gain) + (now.each(norm(d, gain)) if gain else Counter())


def all_blocks(now: Pass, config: ModelConfig) -> Counter:
    """Everything between the embedding and the head. ValueError for a kind that nobody has counted: it is not free."""
    n = config.blocks
    match config.kind:
        case "matmul_free":
            return times(n, paper_block(now, config))
        case "matmul_free_released":
            return times(n, released_block(now, config)) + lower_bounds(now, config)
        case "transformer":
            return times(n, transformer_block(now, config))
        case "bitnet" | "binary_bitnet":
            return times(n, bitnet_block(now, config, signs=config.kind == "binary_bitnet"))
        case "hybrid":
            return times(n - n // 2, paper_block(now, config)) + times(n // 2, local_block(now, config))
        case "mamba":
            return times(2 * n, mamba_block(now, config))
    raise ValueError(f"nobody has counted what a {config.kind} costs")


def parts(config: ModelConfig, now: Pass = Pass(), float_head: bool = False) -> Counter:
    """All that a pass costs. What meets a token in products of matrices is apart, by PAIRS, and so are the trits."""
    look_ups = now.each(Counter(table_look_up=1))
    return all_blocks(now, config) + output_head(now, config, float_head) + look_ups


def total(config: ModelConfig, now: Pass, float_head: bool = False) -> Counter:
    """The same with each pair as a multiplication and an addition."""
    counted = parts(config, now, float_head)
    pairs = sum(counted.pop(kind, 0) for kind in PAIRS)
    return counted + Counter(multiply=pairs, add=pairs)


def operations(config: ModelConfig, context: int = 0) -> Counter:
    """All that one token costs that is read after `context` others, when learning is over.

    "ternary" are additions, subtractions and skipped zeros together: how they share depends on the trits.

    >>> operations(ModelConfig("matmul_free", 65, 128, 6))["ternary"]
    1212544
    """
    return total(config, Pass(context=context))


def with_float_head(config: ModelConfig, context: int = 0) -> Counter:
    """The same if the last map is dense, as in most ternary models. ValueError where it is dense anyway."""
    if config.kind not in TERNARY_HEADS:
        raise ValueError(f"the head of a {config.kind} is dense as it is")
    return total(config, Pass(context=context), float_head=True)


def reading(config: ModelConfig, tokens: int, count: Callable = operations) -> Counter:
    """All that so many tokens cost, read one after the other; `count` is one of the two above."""
    return sum((count(config, context) for context in range(tokens)), Counter())


def training(config: ModelConfig, tokens: int) -> Counter:
    """All that a pass over so many tokens costs while the model learns: dense products, whatever the weights."""
    return total(config, Pass(tokens, learns=True))


def matrix_weights(config: ModelConfig) -> int:
    """Weights that a token meets in the model's maps, the head's too; the embedding is only looked up."""
    met = parts(config)
    return met["ternary"] + met["dense"]


def context_of_equal_work(width: int, inner: int) -> float:
    """The context at which attention multiplies as often as a block's weights do, for one new token.

    >>> context_of_equal_work(1024, 2816)
    6272.0
    """
    kept_token = 2 * width                   # multiplications: its key meets the query, its value is weighed
    return (4 * width**2 + 3 * width * inner) / kept_token
