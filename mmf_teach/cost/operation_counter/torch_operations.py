"""What each operation of torch does to numbers, as torch runs it: the table that the counter reads.

Course    notebook 07, "A whole language model"

A reduction of n numbers is n - 1 operations. A silu counts as its equation has it, x · σ(x): an exponential, an
addition, a division, a multiplication. A reciprocal root is one root. Changing a sign, a type or a place is free;
whatever is in neither list is an error, because unknown is not free.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch

FREE = frozenset("""
    _to_copy _unsafe_view abs alias arange bitwise_and cat clone detach empty_like expand index_select lift_fresh neg
    new_zeros ones permute scalar_tensor select slice split split_with_sizes stack t transpose tril unbind unsqueeze
    view where
""".split())                                 # they move numbers, make constants, choose, or turn a sign
PRODUCTS = frozenset("mm addmm _scaled_dot_product_flash_attention_for_cpu".split())      # of matrices

Count = Callable[[tuple, dict, Any], Counter]                # arguments, keywords, result -> operations


def each(**operations: int) -> Count:
    """So many of each kind for every number of the result."""
    return lambda args, kwargs, out: Counter({kind: times * out.numel() for kind, times in operations.items()})


def _reduced(kind: str, **after: int) -> Count:
    """One fewer than the numbers that go into each number of the result, and then what comes `after`."""
    def count(args: tuple, kwargs: dict, out: Any) -> Counter:
        done = {name: times * out.numel() for name, times in after.items()}
        return Counter({kind: args[0].numel() - out.numel()} | done)
    return count


def _power(args: tuple, kwargs: dict, out: Any) -> Counter:
    if args[1] != 2:
        raise TypeError(f"nobody has counted what a power of {args[1]} costs")
    return Counter(multiply=out.numel())


def _clamp(args: tuple, kwargs: dict, out: Any) -> Counter:
    ends = [end for end in (*args[1:], *kwargs.values()) if end is not None]
    return Counter(comparison=len(ends) * out.numel())


def _softmax(args: tuple, kwargs: dict, out: Any) -> Counter:
    n, rows = out.numel(), out.numel() // out.shape[args[1]]
    return Counter(comparison=n - rows, subtract=n, exponential=n, add=n - rows, divide=n)


def _cumsum(args: tuple, kwargs: dict, out: Any) -> Counter:
    return Counter(add=out.numel() - out.numel() // out.shape[args[1]])


def product(rows: int, inner: int, columns: int) -> Counter:
    """A product of matrices: for each pair that meets one multiplication and one addition."""
    pairs = rows * inner * columns
    return Counter(multiply=pairs, add=pairs)


def _mm(args: tuple, kwargs: dict, out: Any) -> Counter:
    return product(*args[0].shape, args[1].shape[1])


def _addmm(args: tuple, kwargs: dict, out: Any) -> Counter:
    return product(*args[1].shape, args[2].shape[1]) + Counter(add=out.numel())


def scores(pairs: int) -> Counter:
    """What attention does besides its two products, for so many pairs of a query and a key: a scale for each score,
    and the softmax, whose largest and sum begin at nothing.
    """
    return Counter(multiply=pairs, comparison=pairs, subtract=pairs, exponential=pairs, add=pairs, divide=pairs)


def _flash(args: tuple, kwargs: dict, out: Any) -> Counter:
    q, k = args[:2]
    causal = kwargs.get("is_causal", args[4] if len(args) > 4 else False)
    batch, heads, new, head = q.shape
    pairs = batch * heads * (new * (new + 1) // 2 if causal else new * k.shape[2])
    masked = Counter(add=pairs) if kwargs.get("attn_mask") is not None else Counter()
    return product(pairs, 2 * head, 1) + scores(pairs) + masked          # each key, each value; the mask is added first


COUNTS: dict[str, Count] = {
    "add": each(add=1), "sub": each(subtract=1), "rsub": each(subtract=1), "mul": each(multiply=1),
    "div": each(divide=1), "reciprocal": each(divide=1), "rsqrt": each(root=1), "exp": each(exponential=1),
    "cos": each(sine=1), "sin": each(sine=1), "round": each(round=1), "pow": _power,
    "sigmoid": each(exponential=1, add=1, divide=1), "silu": each(exponential=1, add=1, divide=1, multiply=1),
    "softplus": each(exponential=1, add=1, logarithm=1), "clamp": _clamp, "ge": each(comparison=1),
    "lt": each(comparison=1), "mean": _reduced("add", divide=1), "sum": _reduced("add"), "amax": _reduced("comparison"),
    "cumsum": _cumsum, "_softmax": _softmax, "mm": _mm, "addmm": _addmm,
    "_scaled_dot_product_flash_attention_for_cpu": _flash,
    "embedding": lambda args, kwargs, out: Counter(table_look_up=args[1].numel()),
}


def counted(name: str, args: tuple, kwargs: dict, out: Any) -> Counter:
    """The operations of one call by its name in torch. TypeError for one that nobody has counted: it is not free."""
    if name in FREE:
        return Counter()
    if name == "pow" and not isinstance(args[0], torch.Tensor):
        return Counter(exponential=out.numel())              # a number to the power of each
    if name not in COUNTS:
        raise TypeError(f"nobody has counted what torch's {name} costs")
    return COUNTS[name](args, kwargs, out if isinstance(out, torch.Tensor) else out[0])
