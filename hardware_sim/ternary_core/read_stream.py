"""How long it takes to read: requests that go out before the last one is answered, answers that come in order.

Course    notebook 13, "The model on the machine"
Equation  n bytes are R = n / burst requests; each keeps the reader busy for b cycles; P: under way;
          L: cycles from a request until its first beat is at work, one more than the read latency
          request r is answered in full at   c(r) = max(c(r-1) + b,  c(r-P) + L + b),   c = L + b for the first
          in closed form                     c(r) = L + b + (r mod P)·b + (r div P)·max(L + b, P·b)
"""

from dataclasses import dataclass

from hardware_sim.ternary_core.machine import Machine


@dataclass(frozen=True)
class Stream:
    """Bytes on their way: so many requests, each of which keeps the reader busy for so many cycles."""

    requests: int
    beats: int                     # of one request
    cycles_a_beat: int             # that the reader works on one
    latency: int                   # L, cycles from a request until its first beat is at work
    outstanding: int               # P, requests under way at once

    @property
    def busy(self) -> int:
        """b: cycles that the reader works on what one request brings."""
        return self.beats * self.cycles_a_beat

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
        """When another stream may begin, so that its answers follow on the last of these.

        One latency before the end, unless there must first be room for its requests among those under way; that they
        may be worked on faster than these is allowed for.
        """
        return self.cycles - min(self.latency, (self.outstanding - 1) * self.beats)


def stream(data_bytes: int, cycles_a_beat: int, machine: Machine) -> Stream:
    """A stream of that many bytes to a reader that works so long on every beat."""
    request = min(machine.burst_bytes, data_bytes)
    return Stream(
        data_bytes // request, request // machine.port_bytes, cycles_a_beat, machine.read_latency + 1,
        machine.outstanding)
