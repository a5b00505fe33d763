"""Operations of each layer for one token, in closed form from its sizes.

Course    notebook 07, "A whole language model"

Counted as the layers compute, every BitLinear with a norm of its own, without what its trits ask for. A sigmoid is one
exponential, one addition and one division; roots and roundings are counted under their own names.
"""

from collections import Counter
from math import ceil

from mmf_teach.cost.torch_operations import attention, product
from mmf_teach.layers.mamba import RANK, TAPS, WIDER


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


def bit_linear(width_in: int, width_out: int, bias: bool = False, gain: bool = False) -> Counter:
    """A BitLinear: norm, codes, scales, and a bias if it has one."""
    return norm(width_in, gain) + codes_and_scales(width_in, width_out) + Counter(add=width_out if bias else 0)


def recurrence(width: int) -> Counter:
    """f ⊙ h + (1 - f) ⊙ c."""
    return Counter(multiply=2 * width, subtract=width, add=width)


def mlgru(width: int) -> Counter:
    """The paper's token mixer without its maps: gates f and g, candidate, recurrence, g ⊙ h."""
    return times(2, sigmoid(width)) + silu(width) + recurrence(width) + Counter(multiply=width)


def released_mlgru(width: int) -> Counter:
    """The released code's without its maps and its norm: a gate with a bound, two silus, a product. 1 - λ is apart."""
    bound = Counter(multiply=width, add=width)
    return sigmoid(width) + bound + times(2, silu(width)) + recurrence(width) + Counter(multiply=width)


def gated_unit(inner: int) -> Counter:
    """silu(gate) ⊙ up."""
    return silu(inner) + Counter(multiply=inner)


def frequencies(head: int) -> Counter:
    """How fast each pair of a head's features turns: made anew whenever queries or keys are turned."""
    return Counter(divide=head // 2, exponential=head // 2)


def rotation(width: int, head: int) -> Counter:
    """One token's queries or keys turned by its position: each cosine and sine is made twice. `width`: all heads."""
    half = head // 2
    angles = Counter(add=1, multiply=half, sine=4 * half)
    return angles + Counter(multiply=2 * width, subtract=width // 2, add=width // 2)


def looking(heads: int, head: int, keys: int, masked: bool) -> Counter:
    """Attention of one token to so many keys; `masked` when torch is handed a mask, which it adds to the scores."""
    return attention(heads * keys, head, masked=heads * keys if masked else 0)


def mamba(width: int, state: int) -> Counter:
    """Mamba's layer with its maps, all dense; exp(log A), which depends on no token, is apart."""
    e, rank = WIDER * width, ceil(width / RANK)
    maps = product(1, width, 2 * e) + product(1, e, rank + 2 * state) + product(1, rank, e) + product(1, e, width)
    taps = Counter(multiply=TAPS * e, add=(TAPS + 1) * e)                # 0 + four products + the bias
    step = Counter(add=2 * e, exponential=e, logarithm=e)                # softplus of the map's sums and its bias
    select = Counter(multiply=2 * e * state + e, exponential=e * state)  # Δ A and its exponential; Δ u B
    memories = Counter(multiply=e * state, add=e * state)
    show = Counter(multiply=e * state + 2 * e, add=e * (state - 1) + e)  # h C, D u, times silu(z)
    return maps + taps + times(2, silu(e)) + step + select + memories + show


def making_trits(weights: int) -> Counter:
    """absmean of one matrix that learns: mean size, a quotient for each weight, rounded and clipped."""
    return Counter(add=weights - 1, divide=1 + weights, comparison=1 + 2 * weights, round=weights)


def making_signs(weights: int) -> Counter:
    """The signs and the mean size of one matrix that learns, and its quotient, through which the gradient goes."""
    return Counter(add=weights - 1, divide=1 + weights, comparison=1 + weights)


def lower_bounds(blocks: int, width: int) -> Counter:
    """The released code's bounds on forgetting: a softmax over the blocks, added up, less the first."""
    n, d = blocks, width
    softmax = Counter(comparison=(n - 1) * d, subtract=n * d, exponential=n * d, add=(n - 1) * d, divide=n * d)
    return softmax + Counter(add=(n - 1) * d, subtract=n * d)
