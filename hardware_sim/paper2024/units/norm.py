"""A vector divided by its root mean square: square, average pairwise, take the root, divide.

Course    notebook 10, "An instruction set of ten words", and 11, "Counting cycles"
Equation  y ← y / rms(y),  rms(y) = sqrt(mean(y²)), with y² and its means as whole numbers, at most 255
"""

import numpy as np
from jaxtyping import Int8, Int64
from numpy import ndarray

from hardware_sim.paper2024.units.rowwise import POINT, divide, saturate

LARGEST_SQUARE = 255                         # nine bits, one of them the sign


def squares(y: Int8[ndarray, "d"]) -> Int64[ndarray, "d"]:
    """Each element's square as a whole number, from a table of 256 entries."""
    return np.minimum(np.rint((y / (1 << POINT)) ** 2), LARGEST_SQUARE).astype(np.int64)


def mean_of_pairs(x: Int64[ndarray, "d"]) -> int:
    """Means of pairs, then of pairs of those, each rounded down, until one is left; ValueError for a d that cannot be.

    >>> mean_of_pairs(np.array([4, 4, 64, 65]))
    34
    """
    if len(x) < 2 or len(x) & (len(x) - 1):
        raise ValueError(f"norm halves a vector until one number is left: no width of {len(x)}, only powers of two")
    while len(x) > 1:
        x = (x[0::2] + x[1::2]) >> 1
    return int(x[0])


def result(y: Int8[ndarray, "d"]) -> Int8[ndarray, "d"]:
    """What it computes: y over the whole part of its root mean square; where that part is 0 the quotient saturates."""
    root = int(saturate(np.rint(np.sqrt(mean_of_pairs(squares(y))) * (1 << POINT))))
    return saturate(divide(y.astype(np.int64), np.full(len(y), root)))


def cycles(width: int) -> int:
    """d squares, the pairwise means (d-1 of them when d is a power of two), d quotients, and one to begin: then 3d."""
    means, left = 0, width // 2
    while left:
        means, left = means + left, left // 2
    return width + means + width + 1
