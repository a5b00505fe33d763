"""The norm unit: it sees a wide vector a register at a time, and then knows one reciprocal and one scale for all of it.

Course    notebook 12, "From gates up"
Equation  as in ternary_core/units/norm.py, which follows ternary/fixed_point.py
Cycles    clr                1
          acc, code, resc    d / row_lanes, and one to begin
          fin                229 (finish.py)
"""

from amaranth import Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out

from hardware_sim.rtl.arithmetic import ELEMENT, clamped, rounded, saturated, wire
from hardware_sim.rtl.finish import FACTOR, LARGEST, SQUARES, Finish
from hardware_sim.rtl.registers import named, read_port, write_port
from hardware_sim.rtl.walk import Walk
from hardware_sim.rtl.word import WORD, opcode_is
from hardware_sim.ternary_core.machine import Machine
from mmf_teach.ternary.fixed_point import ACTIVATION, INVERSE, LARGEST_CODE, SCALE


class NormLane(Component):
    """One element: its magnitude and square, its code, or its sum rescaled. One multiplier does for all three."""

    word: In(WORD)
    a: In(ELEMENT)
    inverse: In(FACTOR)
    multiplier: In(FACTOR)
    magnitude: Out(LARGEST)
    square: Out(SQUARES)
    result: Out(ELEMENT)

    def elaborate(self, platform: None) -> Module:
        m = Module()
        factor = Signal(ELEMENT)
        product = wire(m, "product", self.a * factor)
        code = clamped(m, rounded(product, INVERSE), -LARGEST_CODE, LARGEST_CODE)
        rescaled = saturated(m, rounded(product, SCALE - ACTIVATION))
        m.d.comb += [self.magnitude.eq(Mux(self.a < 0, -self.a, self.a)), self.square.eq(product)]
        with m.If(opcode_is(self.word, "code")):
            m.d.comb += [factor.eq(self.inverse), self.result.eq(code)]
        with m.Elif(opcode_is(self.word, "resc")):
            m.d.comb += [factor.eq(self.multiplier), self.result.eq(rescaled)]
        with m.Else():
            m.d.comb += factor.eq(self.a)
        return m


class Norm(Component):
    """Keeps four numbers: the largest magnitude and the sum of squares; the inverse and the scale of a code."""

    def __init__(self, machine: Machine):
        self.machine, self.lanes = machine, machine.row_lanes
        super().__init__({
            "start": In(1), "word": In(WORD), "ready": Out(1), "done": Out(1), "holds": Out(machine.registers),
            "largest": Out(LARGEST), "squares": Out(SQUARES), "inverse": Out(FACTOR), "code_scale": Out(FACTOR),
            "a": Out(read_port(machine, self.lanes)), "result": Out(write_port(machine, self.lanes)),
        })

    def elaborate(self, platform: None) -> Module:
        m = Module()
        m.submodules.walk = walk = Walk(self.machine.steps)
        m.submodules.finish = finish = Finish()
        word, clearing = Signal(WORD), Signal()
        acc = opcode_is(word, "acc")
        m.d.sync += clearing.eq(self.start & opcode_is(self.word, "clr"))
        with m.If(self.start):
            m.d.sync += word.eq(self.word)
        m.d.comb += [
            finish.start.eq(self.start & opcode_is(self.word, "fin")),
            walk.start.eq(self.start & ~opcode_is(self.word, "fin") & ~opcode_is(self.word, "clr")),
            self.ready.eq(~(walk.busy | finish.busy | clearing)), self.done.eq(walk.done | finish.done | clearing),
            self.holds.eq(named(self.machine, word, walk.busy)),
            finish.largest.eq(self.largest), finish.squares.eq(self.squares),
            finish.n.eq(word["n"]), finish.bits.eq(word["bits"]),
            self.inverse.eq(finish.inverse), self.code_scale.eq(finish.code_scale),
            self.a.active.eq(walk.busy), self.a.register.eq(word["a"]), self.a.place.eq(walk.read),
            self.result.active.eq(walk.writes & ~acc), self.result.register.eq(word["y"]),
            self.result.place.eq(walk.written),
        ]
        multiplier = Signal(FACTOR)          # there when the first slice is, one cycle after the start
        m.d.sync += multiplier.eq(clamped(m, (self.code_scale * word["w"]) >> SCALE, 0, (1 << FACTOR) - 1))
        lanes = [NormLane() for _ in range(self.lanes)]
        for number, lane in enumerate(lanes):
            m.submodules[f"lane_{number}"] = lane
            m.d.comb += [
                lane.word.eq(word), lane.a.eq(self.a.data[number]), lane.inverse.eq(self.inverse),
                lane.multiplier.eq(multiplier), self.result.data[number].eq(lane.result),
            ]
        self.keep_row_stats(m, lanes, clearing, walk.writes & acc)
        return m

    def keep_row_stats(self, m: Module, lanes: list[NormLane], clearing: Signal, adding: Signal) -> None:
        """The largest magnitude so far, and the sum of squares, which stops at the largest number it holds."""
        largest = self.largest
        for number, lane in enumerate(lanes):
            largest = wire(m, f"largest_{number}", Mux(lane.magnitude > largest, lane.magnitude, largest))
        squares = clamped(m, sum((lane.square for lane in lanes), self.squares), 0, (1 << SQUARES) - 1)
        with m.If(clearing):
            m.d.sync += [self.largest.eq(0), self.squares.eq(0)]
        with m.Elif(adding):
            m.d.sync += [self.largest.eq(largest), self.squares.eq(squares)]
