"""A trit is -1, 0 or 1: multiplying by it is to subtract, to skip or to add.

Course    notebook 02, "Three values are enough"
"""

from collections.abc import Iterable
from typing import SupportsInt

import numpy as np
from jaxtyping import Int8
from numpy import ndarray


def require_trits(values: ndarray) -> Int8[ndarray, "..."]:
    """The same values as int8; ValueError names the first one that is not -1, 0 or 1.

    >>> require_trits(np.array([1.0, 0.0, -1.0])).tolist()
    [1, 0, -1]
    """
    values = np.asarray(values)
    wrong = ~np.isin(values, (-1, 0, 1))
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(f"a trit must be -1, 0 or 1, not {values[first]} (at index {first})")
    return values.astype(np.int8)


def ternary_dot(trits: Iterable[SupportsInt], codes: Iterable[SupportsInt]) -> int:
    """The inputs under a 1, less those under a -1. ValueError for unequal lengths and for what is no trit.

    >>> ternary_dot([1, 0, -1, 1], [5, 9, 7, 11])            # 5 - 7 + 11
    9
    """
    total = 0
    for trit, code in zip(trits, codes, strict=True):
        if trit == 1:
            total += int(code)               # as a Python integer it cannot wrap round
        elif trit == -1:
            total -= int(code)
        elif trit != 0:
            raise ValueError(f"a trit must be -1, 0 or 1, not {trit}")
    return total
