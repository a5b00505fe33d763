"""The ternary matrix unit: an input's code goes to all lanes, and each adds it to its sum, subtracts it or waits.

Course    notebook 12, "From gates up"
Equation  sums[i] = Σ T[i, j] · a[j]; trits come input by input, so the lanes stand beside one another along i
Cycles    a stream of d·d/4 bytes (stream.py), every beat of which keeps the lanes busy for 4·port_bytes / lanes cycles
          or one; then d / row_lanes to copy the sums out, and one to begin

Three things happen to a tile: its input's codes are copied in while the first trits are on their way, its trits are
added up, its sums are copied out. There are two banks of codes and of sums. With double buffering the next tile may
begin while the one before is in its second or third part; a timer says when, so that its trits follow on the last ones.
Without, it waits until all is done.
"""

from functools import reduce
from operator import or_

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hardware_sim.rtl.adder import Adder
from hardware_sim.rtl.arithmetic import saturated
from hardware_sim.rtl.registers import one_hot, read_port, write_port
from hardware_sim.rtl.stream import Stream, reading
from hardware_sim.rtl.timer import Timer
from hardware_sim.rtl.walk import Walk
from hardware_sim.rtl.word import WORD, opcode_is
from hardware_sim.ternary_core.machine import Machine
from hardware_sim.ternary_core.units import tmatmul as law

ORDER = data.StructLayout({"y": 5, "a": 5, "in_place": 1})   # what must be remembered of an instruction


class Tmatmul(Component):
    """A walk that copies in, a stream and an adder, a walk that copies out; and what each tile's instruction said."""

    def __init__(self, machine: Machine):
        self.machine, self.lanes = machine, machine.row_lanes
        super().__init__({
            "start": In(1), "word": In(WORD), "ready": Out(1), "done": Out(1), "holds": Out(machine.registers),
            "reading": Out(reading(machine)), "a": Out(read_port(machine, self.lanes)),
            "y": Out(read_port(machine, self.lanes)), "result": Out(write_port(machine, self.lanes)),
        })

    def elaborate(self, platform: None) -> Module:
        m = Module()
        m.submodules.copy_in = copy_in = Walk(self.machine.steps)
        m.submodules.copy_out = copy_out = Walk(self.machine.steps)
        m.submodules.stream = stream = Stream(self.machine, self.machine.tile_bytes)
        m.submodules.adder = adder = Adder(self.machine)
        orders, order = Signal(data.ArrayLayout(ORDER, 2)), Signal(ORDER)
        taken = Signal(2)                    # banks with an order whose trits are not all added
        bank, coming = Signal(), Signal()    # of the next order, and of the one before
        leaving, leaving_bank = Signal(ORDER), Signal()
        m.d.comb += [
            order.y.eq(self.word["y"]), order.a.eq(self.word["a"]), order.in_place.eq(opcode_is(self.word, "tma")),
        ]
        with m.If(self.start):
            m.d.sync += [orders[bank].eq(order), coming.eq(bank), bank.eq(~bank)]
        with m.If(adder.last):
            m.d.sync += [leaving.eq(orders[adder.bank]), leaving_bank.eq(adder.bank)]
        m.d.sync += taken.eq(taken & ~(adder.last << adder.bank) | (self.start << bank))
        connect(m, flipped(self.reading), stream.port)
        m.d.comb += [
            copy_in.start.eq(self.start), copy_out.start.eq(adder.last), self.done.eq(copy_out.done),
            stream.start.eq(self.start), stream.address.eq(self.word["@"]), stream.ready.eq(adder.ready),
            adder.valid.eq(stream.valid), adder.beat.eq(stream.beat),
        ]
        self.copy_in(m, copy_in, adder, orders[coming].a, coming)
        self.copy_out(m, copy_out, adder, leaving, leaving_bank)
        self.take_turns(m, [(orders[0], taken[0]), (orders[1], taken[1]), (leaving, copy_out.busy)],
                        (orders[coming].a, copy_in.busy))
        return m

    def copy_in(self, m: Module, walk: Walk, adder: Adder, register: Signal, bank: Signal) -> None:
        """Of each element the low byte, into its bank of codes."""
        m.d.comb += [
            self.a.active.eq(walk.busy), self.a.register.eq(register), self.a.place.eq(walk.read),
            adder.code_write.eq(walk.writes), adder.code_place.eq(Cat(walk.written, bank)),
        ]
        for number in range(self.lanes):
            m.d.comb += adder.codes[number].eq(self.a.data[number])

    def copy_out(self, m: Module, walk: Walk, adder: Adder, order: data.View, bank: Signal) -> None:
        """The sums, or what was in the register and the sums, saturated."""
        m.d.comb += [
            self.y.active.eq(walk.busy), self.y.register.eq(order.y), self.y.place.eq(walk.read),
            adder.sum_place.eq(Cat(walk.written, bank)),
            self.result.active.eq(walk.writes), self.result.register.eq(order.y), self.result.place.eq(walk.written),
        ]
        for number in range(self.lanes):
            before = Mux(order.in_place, self.y.data[number], 0)
            m.d.comb += self.result.data[number].eq(saturated(m, before + adder.sums[number]))

    def take_turns(self, m: Module, works: list[tuple], copied: tuple) -> None:
        """When the next tile may come, and which registers are not free: with double buffering an input is early."""
        held = [one_hot(self.machine, order.y, going_on) for order, going_on in works]
        if self.machine.double_buffer:
            m.submodules.timer = timer = Timer(law.busy(self.machine))
            m.d.comb += [timer.start.eq(self.start), self.ready.eq(timer.ready)]
            held.append(one_hot(self.machine, *copied))
        else:
            m.d.comb += self.ready.eq(~Cat(going_on for _, going_on in works).any())
            held += [one_hot(self.machine, order.a, going_on) for order, going_on in works]
        m.d.comb += self.holds.eq(reduce(or_, held))
