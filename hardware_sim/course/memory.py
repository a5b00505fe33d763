"""How long it takes to read: requests that go out before the last one is answered, answers that come in order.

Course    notebook 11, "Counting cycles"
Equation  n bytes are R = ceil(n / burst) requests; each keeps the reader busy for b cycles; L: latency, P: under way
          request r is answered in full at   c(r) = max(c(r-1) + b,  c(r-P) + L + b),   c = L + b for the first
          in closed form                     c(r) = L + b + (r mod P)·b + (r div P)·max(L + b, P·b)
"""

from dataclasses import dataclass
from math import ceil

from hardware_sim.course.machine import Machine


@dataclass(frozen=True)
class Stream:
    """Bytes on their way: so many requests, each of which keeps the reader busy for so many cycles."""

    requests: int
    busy: int                      # b, cycles
    latency: int                   # L, cycles from a request to its first beat
    outstanding: int               # P, requests under way at once

    def answered(self, r: int) -> int:
        """Cycles until request r, counted from 0, is answered in full."""
        rounds, place = divmod(r, self.outstanding)
        round_trip = max(self.latency + self.busy, self.outstanding * self.busy)
        return self.latency + self.busy + place * self.busy + rounds * round_trip

    @property
    def cycles(self) -> int:
        """Until all is there."""
        return self.answered(self.requests - 1)

    @property
    def next_request(self) -> int:
        """When another stream may send its first request, so that its answer follows on the last of these.

        One latency before the end, if one of the requests that may be under way is answered by then.
        """
        waiting = self.requests - self.outstanding           # the request whose answer makes room for another
        room = self.answered(waiting) if waiting >= 0 else self.requests
        return max(room, self.cycles - self.latency)


def stream(data_bytes: int, bytes_a_cycle: float, machine: Machine) -> Stream:
    """A stream of that many bytes to a reader that takes no more than `bytes_a_cycle`."""
    request = min(machine.burst_bytes, data_bytes)
    beats = ceil(request / machine.port_bytes)
    busy = ceil(request / min(bytes_a_cycle, machine.port_bytes)) if bytes_a_cycle < machine.port_bytes else beats
    return Stream(ceil(data_bytes / request), busy, machine.read_latency, machine.outstanding)
