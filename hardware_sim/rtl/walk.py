"""A walk along a register: a slice is read in one cycle and what comes of it written in the next.

Course    notebook 12, "From gates up"
Cycles    one a slice, and one to begin:

    reads    slice 0   slice 1   slice 2   slice 3      -
    writes      -      slice 0   slice 1   slice 2   slice 3
"""

from amaranth import Module, Signal
from amaranth.lib.wiring import Component, In, Out


class Walk(Component):
    """Counts the slices of a register for a unit that needs two cycles for each."""

    def __init__(self, slices: int):
        self.slices = slices
        super().__init__({
            "start": In(1), "busy": Out(1), "done": Out(1),      # done: this is the last cycle
            "read": Out(range(slices)),      # place that is read in this cycle
            "writes": Out(1),                # what was read in the cycle before is there now,
            "written": Out(range(slices)),   # and belongs here
        })

    def elaborate(self, platform: None) -> Module:
        m = Module()
        step = Signal(range(self.slices + 1))
        m.d.comb += [
            self.read.eq(step),
            self.writes.eq(self.busy & (step != 0)),
            self.written.eq(step - 1),
            self.done.eq(self.busy & (step == self.slices)),
        ]
        with m.If(self.start):
            m.d.sync += [self.busy.eq(1), step.eq(0)]
        with m.Elif(self.busy):
            m.d.sync += [step.eq(step + 1), self.busy.eq(~self.done)]
        return m
