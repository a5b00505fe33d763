"""What one operation and one byte cost, with the range of each figure.

Course    notebooks 07 and 14

Arithmetic is quoted at 45 nm, with our own netlists as the other end of its range, whichever side they are.
"""

from dataclasses import dataclass, replace

from mmf_teach.cost.energy import moving_pj
from mmf_teach.quantity import Quantity, load

NON_ZERO = 2 / 3                             # share of trits that add or subtract, taken as a round figure


@dataclass(frozen=True)
class Range:
    """A number and its range, in the unit that its owner names."""

    value: int | float
    low: int | float
    high: int | float

    def __add__(self, other: "Range") -> "Range":
        return Range(self.value + other.value, self.low + other.low, self.high + other.high)

    def times(self, factor: int | float) -> "Range":
        """So many of it."""
        return Range(factor * self.value, factor * self.low, factor * self.high)


def operation_pj() -> dict[str, Range]:
    """Picojoules of one operation, by its name in the closed form or in data/energy."""
    quoted, simulated = load("horowitz_2014"), load("gates_45nm")

    def both(name: str) -> Range:
        ends = [quoted[name].value, simulated[name].low, simulated[name].high]
        return Range(quoted[name].value, min(ends), max(ends))

    found = {name: both(name) for name in quoted if name in simulated}
    adding, lane = found["int32_add"].times(NON_ZERO), simulated["ternary_mac"]
    found["trit"] = Range(adding.value, min(adding.low, lane.low), lane.high)
    found["multiply"] = each = found["fp16_mul"]
    found |= dict.fromkeys(("add", "subtract", "comparison", "round"), found["fp16_add"])
    return found | {
        name: Range(cost.value * each.value, cost.low * each.low, cost.high * each.high)
        for name, cost in load("functions").items()}


def moved_pj(data_bytes: int | float, memory: Quantity) -> Range:
    """Picojoules of moving so many bytes, with the range of the memory's figure."""
    ends = (memory.value if end is None else end for end in (memory.value, memory.low, memory.high))
    return Range(*(moving_pj(data_bytes, replace(memory, value=end, low=None, high=None)) for end in ends))
