"""A trit is -1, 0 or 1: multiplying by it is to subtract, to skip or to add.

Course    notebook 02, "Three values are enough"
"""

import numpy as np
from jaxtyping import Int8
from numpy import ndarray


def require_trits(values: ndarray) -> Int8[ndarray, "..."]:
    """The same values as int8; ValueError names the first one that is not -1, 0 or 1."""
    values = np.asarray(values)
    wrong = ~np.isin(values, (-1, 0, 1))
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(f"a trit must be -1, 0 or 1, not {values[first]} (at index {first})")
    return values.astype(np.int8)
