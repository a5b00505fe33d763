"""Lowering in small: matrices as tiles, addresses for what lies in memory, registers for more values than there are.

Course    notebook 13, "The model on the machine"
Source    Belady 1966, doi:10.1147/sj.52.0078: give up what is needed again last

weights.py cuts whole models with the first function; layout.py and allocate.py do for them what the others do in small.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int8
from numpy import ndarray


def tiles_of(trits: Int8[ndarray, "out in"], d: int) -> Int8[ndarray, "tiles d d"]:
    """A matrix cut into tiles of d x d, row of tiles by row of tiles, filled up with zeros below and to the right.

    >>> tiles_of(np.array([[1, -1, 1]], np.int8), 2).tolist()
    [[[1, -1], [0, 0]], [[1, 0], [0, 0]]]
    """
    outputs, inputs = trits.shape
    whole = np.pad(trits, [(0, -outputs % d), (0, -inputs % d)])
    squares = whole.reshape(len(whole) // d, d, -1, d).swapaxes(1, 2)
    return squares.reshape(-1, d, d)


def addresses(sizes: Mapping[str, int], line: int) -> dict[str, int]:
    """Where each region begins, one after the other from address 0, each at a multiple of `line` bytes.

    >>> addresses({"trits": 100, "bias": 4, "scores": 8}, 64)
    {'trits': 0, 'bias': 128, 'scores': 192}
    """
    starts, free = {}, 0
    for name, size in sizes.items():
        starts[name] = free
        free = -(-(free + size) // line) * line
    return starts


def give_up(held: Sequence[str], later: Sequence[str]) -> str:
    """Which of the values in registers to give up: the one that is read again last, or first one that never is.

    >>> give_up(["x", "f", "c"], ["c", "x", "c", "f"])
    'f'
    """
    def next_use(value: str) -> int:
        return later.index(value) if value in later else len(later)
    return max(held, key=next_use)


def count_loads(reads: Sequence[str], registers: int) -> int:
    """How often a value must be fetched, with so many registers: what is not held is loaded, and takes a place."""
    held, loads = [], 0
    for at, value in enumerate(reads):
        if value not in held:
            loads += 1
            if len(held) == registers:
                later = reads[at:]
                held.remove(max(held, key=lambda v: later.index(v) if v in later else len(later)))
            held.append(value)
    return loads
