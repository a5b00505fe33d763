"""A memory bus: several requests under way at a time, answers in order, a beat of several bytes a cycle.

Course    notebook 13, "The model on the machine": two steps of its ladder
Equation  bytes a cycle ≤ min(port width, bytes under way / latency): Little's law
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from hardware_sim.dram.fixed_latency import require_positive


@dataclass(frozen=True)
class Bus:
    """Requests for several bytes at once, several of them under way at a time; one beat of data in a cycle."""

    latency: int             # cycles from a request until its first beat
    pending: int = 1         # requests that may be under way at a time
    burst: int = 1           # beats that answer one request
    width: int = 1           # bytes in a beat

    def __post_init__(self):
        require_positive(self)

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
