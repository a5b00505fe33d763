"""The row-wise unit: sums, products, the sigmoid and one step of the recurrence, some elements a cycle.

Course    notebook 12, "From gates up"
Equation  as in ternary_core/units/rowwise.py, which follows ternary/fixed_point.py
Cycles    d / row_lanes, and one to begin
"""

from amaranth import Module, Signal
from amaranth.lib.wiring import Component, In, Out

from hardware_sim.rtl.arithmetic import ELEMENT, clamped, rounded, saturated, wire
from hardware_sim.rtl.registers import named, read_port, write_port
from hardware_sim.rtl.sigmoid import Sigmoid
from hardware_sim.rtl.walk import Walk
from hardware_sim.rtl.word import WORD, opcode_is, uses
from hardware_sim.ternary_core.machine import Machine
from mmf_teach.ternary.fixed_point import ACTIVATION, GATE, MEMORY

ONE = 1 << GATE


class RowLane(Component):
    """One element of a and b, and of y where it is changed in place: the new y in the same cycle."""

    word: In(WORD)
    y: In(ELEMENT)
    a: In(ELEMENT)
    b: In(ELEMENT)
    result: Out(ELEMENT)

    def elaborate(self, platform: None) -> Module:
        m = Module()
        m.submodules.sigmoid = sigmoid = Sigmoid()
        m.d.comb += sigmoid.z.eq(self.a)
        gate = clamped(m, self.a, 0, ONE)
        product = wire(m, "product", self.a * self.b)
        blend = wire(m, "blend", gate * self.y + (ONE - gate) * (self.b << (MEMORY - ACTIVATION)))
        exact = Signal(product.shape())
        with m.If(opcode_is(self.word, "add")):
            m.d.comb += exact.eq(self.a + self.b)
        with m.Elif(opcode_is(self.word, "sub")):
            m.d.comb += exact.eq(self.a - self.b)
        with m.Elif(opcode_is(self.word, "mul")):
            m.d.comb += exact.eq(rounded(product, self.word["s"]))
        with m.Elif(opcode_is(self.word, "sig")):
            m.d.comb += exact.eq(sigmoid.gate)
        with m.Elif(opcode_is(self.word, "mix")):
            m.d.comb += exact.eq(rounded(blend, GATE))
        m.d.comb += self.result.eq(saturated(m, exact))
        return m


class Rowwise(Component):
    """Reads a slice of each operand, and writes what its lanes make of it in the next cycle."""

    def __init__(self, machine: Machine):
        self.machine, self.lanes = machine, machine.row_lanes
        reading = {name: Out(read_port(machine, self.lanes)) for name in ("y", "a", "b")}
        super().__init__(reading | {
            "start": In(1), "word": In(WORD), "ready": Out(1), "done": Out(1), "holds": Out(machine.registers),
            "result": Out(write_port(machine, self.lanes)),
        })

    def elaborate(self, platform: None) -> Module:
        m = Module()
        m.submodules.walk = walk = Walk(self.machine.steps)
        word = Signal(WORD)
        with m.If(self.start):
            m.d.sync += word.eq(self.word)
        m.d.comb += [
            walk.start.eq(self.start), self.ready.eq(~walk.busy), self.done.eq(walk.done),
            self.holds.eq(named(self.machine, word, walk.busy)),
            self.result.active.eq(walk.writes), self.result.register.eq(word["y"]), self.result.place.eq(walk.written),
        ]
        for name, port in (("y", self.y), ("a", self.a), ("b", self.b)):
            active = walk.busy & (1 if name == "y" else uses(word, name))
            m.d.comb += [port.active.eq(active), port.register.eq(word[name]), port.place.eq(walk.read)]
        for number in range(self.lanes):
            m.submodules[f"lane_{number}"] = lane = RowLane()
            m.d.comb += [
                lane.word.eq(word), lane.y.eq(self.y.data[number]), lane.a.eq(self.a.data[number]),
                lane.b.eq(self.b.data[number]), self.result.data[number].eq(lane.result),
            ]
        return m
