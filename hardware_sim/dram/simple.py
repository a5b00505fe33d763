"""Memory as a core sees it: ask for a byte, and some cycles later it is there. Two simple levels; ddr4.py is the third.

Course    notebook 11, "Counting cycles"
Equation  bytes a cycle ≤ min(port width, bytes under way / latency): Little's law
"""

from dataclasses import dataclass, fields
from functools import lru_cache
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


@dataclass(frozen=True)
class Bus:
    """Requests for several bytes at once, several of them under way at a time; one beat of data in a cycle."""

    latency: int             # cycles from a request until its first beat
    pending: int = 1         # requests that may be under way at a time
    burst: int = 1           # beats that answer one request
    width: int = 1           # bytes in a beat

    def __post_init__(self):
        require_positive(self)

    @property
    def bytes_a_cycle(self) -> float:
        """What it delivers in a long stream without gaps: the whole width, or what is under way in one round trip."""
        round_trip = self.latency + self.burst - 1
        return min(1.0, self.pending * self.burst / round_trip) * self.width

    def arrivals(self, count: int, gap: int = 0) -> Int64[ndarray, "count"]:
        """A request goes out when a place is free and the answers stay in order; all bytes of a beat come together."""
        return np.repeat(_beats(self, -(-count // self.width), gap), self.width)[:count]

    def cycles(self, count: int, gap: int = 0) -> int:
        """The cycle of the last beat."""
        return int(_beats(self, -(-count // self.width), gap)[-1])


@lru_cache(maxsize=64)
def _beats(bus: Bus, count: int, gap: int) -> Int64[ndarray, "count"]:
    """The cycle in which each of `count` beats arrives."""
    asked, last, ends = -1, -1, []
    for request in range(-(-count // bus.burst)):
        asked += 1
        if request >= bus.pending:
            asked = max(asked, ends[request - bus.pending] + gap)
        first = max(asked + bus.latency, last + 1)
        last = first + bus.burst - 1
        ends.append(last)
    firsts = np.array(ends, dtype=np.int64) - (bus.burst - 1)
    return (firsts[:, None] + np.arange(bus.burst)).ravel()[:count]
