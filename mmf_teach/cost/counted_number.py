"""A number that keeps a tally of what is done with it: any loop written with it counts its own operations.

Course    notebook 01, "The price of a multiply"
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Counted:
    value: float
    tally: Counter                           # shared by all numbers of one calculation

    def __add__(self, other: "Counted") -> "Counted":
        self.tally["add"] += 1
        return Counted(self.value + other.value, self.tally)

    def __sub__(self, other: "Counted") -> "Counted":
        self.tally["subtract"] += 1
        return Counted(self.value - other.value, self.tally)

    def __mul__(self, other: "Counted") -> "Counted":
        self.tally["multiply"] += 1
        return Counted(self.value * other.value, self.tally)


def counted_dot(weights: Sequence[float], inputs: Sequence[float]) -> tuple[float, Counter]:
    """A dot product as the textbook has it, with the operations it took. ValueError for unequal lengths.

    >>> value, tally = counted_dot([2.0, 0.5], [3.0, 4.0])
    >>> value, tally["multiply"], tally["add"]
    (8.0, 2, 2)
    """
    tally = Counter()
    total = Counted(0.0, tally)
    for w, x in zip(weights, inputs, strict=True):
        total = total + Counted(w, tally) * Counted(x, tally)
    return total.value, tally


def matvec_operations(width_out: int, width_in: int) -> Counter:
    """Operations of a dense matrix-vector product: for each weight one multiplication and one addition.

    >>> sorted(matvec_operations(3, 4).items())
    [('add', 12), ('multiply', 12)]
    """
    weights = width_out * width_in
    return Counter(multiply=weights, add=weights)
