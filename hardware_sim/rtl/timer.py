"""A timer: not ready for so many cycles after the start.

Course    notebook 12, "From gates up"

Units that take an instruction before the last one is done know beforehand when: no number changes a time here, and the
memory's latency is fixed. The timer makes the next one's responses follow on the last ones', and no earlier.
"""

from amaranth import Module, Signal
from amaranth.lib.wiring import Component, In, Out


class Timer(Component):
    """Counts down."""

    start: In(1)
    ready: Out(1)

    def __init__(self, cycles: int):
        self.cycles = cycles
        super().__init__()

    def elaborate(self, platform: None) -> Module:
        m = Module()
        left = Signal(range(self.cycles + 1))
        m.d.comb += self.ready.eq(left == 0)
        with m.If(self.start):
            m.d.sync += left.eq(self.cycles)
        with m.Elif(~self.ready):
            m.d.sync += left.eq(left - 1)
        return m
