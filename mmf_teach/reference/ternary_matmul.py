"""What a ternary product means: for each weight add, subtract or skip an input. Nothing is multiplied.

Course    notebook 02, "Three values are enough"
"""

import numpy as np
from jaxtyping import Int8, Int32
from numpy import ndarray


def ternary_matmul(codes: Int8[ndarray, "b in"], trits: Int8[ndarray, "out in"]) -> Int32[ndarray, "b out"]:
    """The sum of the inputs under a +1 less the sum of the inputs under a -1, for each row of trits.

    >>> ternary_matmul(np.array([[3, 5, 7]], np.int8), np.array([[1, 0, -1]], np.int8)).tolist()
    [[-4]]
    """
    sums = np.zeros((len(codes), len(trits)), dtype=np.int32)
    for b, x in enumerate(codes):
        for out, row in enumerate(trits):
            for trit, value in zip(row.tolist(), x.tolist(), strict=True):
                if trit == 1:
                    sums[b, out] += value
                elif trit == -1:
                    sums[b, out] -= value
    return sums
