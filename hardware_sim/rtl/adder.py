"""Sums under trits as they come from memory: one input's code for all lanes, one block of outputs after the other.

Course    notebook 12, "From gates up"
Equation  sums[i] <- sums[i] + T[i, j] · code[j], from 0 at the first input
Cycles    4·port_bytes / lanes a beat, or one

A block of sums is read, added to and written back in one cycle. With the first input nothing is read: the sums begin at
zero, and nobody has to clear them. Two banks let one matrix's sums be copied out while the next one's are made.
"""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.lib.memory import Memory, ReadPort
from amaranth.lib.wiring import Component, In, Out
from amaranth.utils import exact_log2

from hardware_sim.rtl.lane import CODE, TernaryLane, sum_shape
from hardware_sim.rtl.slices import chosen, split, spread
from hardware_sim.ternary_core.machine import Machine


class Adder(Component):
    """Two banks of codes, two banks of sums, and lanes between them."""

    def __init__(self, machine: Machine):
        self.machine = machine
        self.lanes = min(machine.lanes, 4 * machine.port_bytes)  # sums a cycle that are added to,
        self.slice = machine.row_lanes                           # and that are copied out
        self.row = max(self.lanes, self.slice)
        self.turns = machine.d * machine.d // self.lanes
        self.places = 2 * machine.d // self.slice
        super().__init__({
            "valid": In(1), "beat": In(8 * machine.port_bytes), "ready": Out(1), "last": Out(1),
            "code_write": In(1), "code_place": In(range(self.places)), "codes": In(data.ArrayLayout(CODE, self.slice)),
            "bank": Out(1), "sum_place": In(range(self.places)),
            "sums": Out(data.ArrayLayout(sum_shape(machine.d), self.slice)),
        })

    def elaborate(self, platform: None) -> Module:
        m = Module()
        turn = Signal(range(self.turns))
        blocks = exact_log2(self.machine.d // self.lanes)
        block, number = turn[:blocks], turn[blocks:]                             # which outputs, and which input
        of_beat = turn[:exact_log2(self.machine.cycles_a_beat)]
        m.d.comb += [self.ready.eq(self.valid & of_beat.all()), self.last.eq(self.valid & turn.all())]
        with m.If(self.valid):
            m.d.sync += turn.eq(turn + 1)
        with m.If(self.last):
            m.d.sync += self.bank.eq(self.bank + 1)
        trits = self.beat.word_select(of_beat, 2 * self.lanes)
        shape = data.ArrayLayout(sum_shape(self.machine.d), self.row)
        m.submodules.memory = memory = Memory(shape=shape, depth=self.places * self.slice // self.row, init=[])
        self.add(m, memory, trits, self.code(m, number), Cat(block, self.bank), self.begins(block, number))
        self.copy(m, memory.read_port(domain="comb"))
        return m

    def begins(self, block: Value, number: Value) -> Value:
        """Do the sums begin here? With the first input, for every block of outputs."""
        return number == 0

    def code(self, m: Module, number: Value) -> Value:
        """The code of one input, out of the bank that is being added."""
        m.submodules.codes = codes = Memory(shape=self.codes.shape(), depth=self.places, init=[])
        write, read = codes.write_port(), codes.read_port(domain="comb")
        row, part = split(Cat(number, self.bank), self.slice, 1)
        m.d.comb += [write.en.eq(self.code_write), write.addr.eq(self.code_place), write.data.eq(self.codes)]
        m.d.comb += read.addr.eq(row)
        return chosen(read.data, part, 1).as_signed()

    def add(self, m: Module, memory: Memory, trits: Value, code: Value, place: Value, begins: Value) -> None:
        """All lanes at once: a block of sums is read, added to and written back."""
        read, write = memory.read_port(domain="comb"), memory.write_port(granularity=1)
        row, part = split(place, self.row, self.lanes)
        before = Signal(data.ArrayLayout(sum_shape(self.machine.d), self.lanes))
        after = Signal.like(before)
        for number in range(self.lanes):
            m.submodules[f"lane_{number}"] = lane = TernaryLane(self.machine.d)
            m.d.comb += [
                lane.sum.eq(Mux(begins, 0, before[number])), lane.code.eq(code),
                lane.trit.eq(trits.word_select(number, 2)), after[number].eq(lane.total),
            ]
        m.d.comb += [read.addr.eq(row), before.eq(chosen(read.data, part, self.lanes)), write.addr.eq(row)]
        with m.If(self.valid):
            m.d.comb += write.data.eq(spread(m, write.en, after, part, self.row, self.lanes))

    def copy(self, m: Module, port: ReadPort) -> None:
        """At another port of the same memory a slice of sums is read, to be copied out."""
        row, part = split(self.sum_place, self.row, self.slice)
        m.d.comb += [port.addr.eq(row), self.sums.eq(chosen(port.data, part, self.slice))]
