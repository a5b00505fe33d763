"""Memory as a core sees it: ask for a byte, and a fixed number of cycles later it is there.

Course    notebook 11, "Counting cycles"
Equation  n bytes take  n · latency + (n - 1) · gap  cycles

The simplest of three memories; bus.py and ddr4.py answer the same two questions, those of `Dram`.
"""

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from jaxtyping import Int64
from numpy import ndarray


class Dram(Protocol):
    """All that a unit asks of a memory."""

    def arrivals(self, count: int, gap: int = 0) -> Int64[ndarray, "count"]:
        """The cycle in which each of `count` bytes in a row is there, counted from the first request.

        `gap` is how many cycles the core lets pass between an answer and the request that waited for it.
        """
        ...

    def cycles(self, count: int, gap: int = 0) -> int:
        """The cycle in which the last of them is there."""
        ...


def require_positive(record: object) -> None:
    """Nothing, or a ValueError that names the first field of the record that is below 1."""
    for field in fields(record):
        value = getattr(record, field.name)
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{field.name} must be a whole number of at least 1, not {value!r}")


@dataclass(frozen=True)
class FixedLatency:
    """One byte at a time: the next is asked for when the one before has come. What the published core has."""

    latency: int             # cycles from a request until its byte is there

    def __post_init__(self):
        require_positive(self)

    def arrivals(self, count: int, gap: int = 0) -> Int64[ndarray, "count"]:
        """Each byte `latency` cycles after its request, and each request `gap` cycles after the byte before."""
        return self.latency + (self.latency + gap) * np.arange(count, dtype=np.int64)

    def cycles(self, count: int, gap: int = 0) -> int:
        """count · latency, and the gaps between."""
        return self.latency + (self.latency + gap) * (count - 1)
