"""The vector registers: each a small memory that can read one place and write one place a cycle.

Course    notebook 12, "From gates up"
Cycles    a place named in one cycle is read in the next; what is written in one cycle can be read from the next on

That is enough because the core lets one instruction at a time have a register. Units name registers and places through
ports; a place is a slice as wide as the unit likes (slices.py).
"""

from functools import reduce
from operator import or_

from amaranth import Elaboratable, Module, Signal, Value
from amaranth.lib import data
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out, PureInterface, Signature

from hardware_sim.rtl.arithmetic import ELEMENT
from hardware_sim.rtl.slices import chosen, split, spread
from hardware_sim.rtl.word import REGISTER_OPERANDS, uses
from hardware_sim.ternary_core.machine import Machine


def elements(count: int) -> data.ArrayLayout:
    """So many elements side by side."""
    return data.ArrayLayout(ELEMENT, count)


def row_elements(machine: Machine) -> int:
    """Elements in a row of a register: as many as the widest user takes in a cycle."""
    return max(machine.row_lanes, machine.port_bytes // 4)


def one_hot(machine: Machine, register: Value, when: Value) -> Value:
    """This register's bit among those of all registers, or none."""
    return (when << register)[:machine.registers]


def named(machine: Machine, word: data.View, when: Value) -> Value:
    """The bits of all registers that an instruction names, or none."""
    named = (one_hot(machine, word[name], when & uses(word, name)) for name in REGISTER_OPERANDS)
    return reduce(or_, named)


def read_port(machine: Machine, width: int) -> Signature:
    """How a unit reads slices of so many elements."""
    return Signature({
        "active": Out(1), "register": Out(range(machine.registers)), "place": Out(range(machine.d // width)),
        "data": In(elements(width)),
    })


def write_port(machine: Machine, width: int) -> Signature:
    """How a unit writes slices of so many elements."""
    return Signature({
        "active": Out(1), "register": Out(range(machine.registers)), "place": Out(range(machine.d // width)),
        "data": Out(elements(width)),
    })


class Register(Elaboratable):
    """One vector register, and which of the ports has it in this cycle. `row` is what was requested for a cycle ago."""

    def __init__(self, machine: Machine, number: int, reads: list, writes: list):
        self.number, self.length, self.reads, self.writes = number, row_elements(machine), reads, writes
        self.memory = Memory(shape=elements(self.length), depth=machine.d // self.length, init=[])
        self.row = Signal(elements(self.length))

    def elaborate(self, platform: None) -> Module:
        m = Module()
        m.submodules.memory = self.memory
        read, write = self.memory.read_port(), self.memory.write_port(granularity=1)
        m.d.comb += self.row.eq(read.data)
        for port in self.reads:
            row, _ = split(port.place, self.length, len(port.data))
            with m.If(port.active & (port.register == self.number)):
                m.d.comb += read.addr.eq(row)
        for port in self.writes:
            row, part = split(port.place, self.length, len(port.data))
            with m.If(port.active & (port.register == self.number)):
                m.d.comb += write.addr.eq(row)
                m.d.comb += write.data.eq(spread(m, write.en, port.data, part, self.length, len(port.data)))
        return m


class Reader(Elaboratable):
    """Hands a port the slice that it requested for a cycle ago, out of the row of the right register."""

    def __init__(self, port: PureInterface, registers: list[Register]):
        self.port, self.registers = port, registers

    def elaborate(self, platform: None) -> Module:
        m = Module()
        length, width = self.registers[0].length, len(self.port.data)
        _, part = split(self.port.place, length, width)
        requested, row = Signal.like(part), Signal(elements(length))
        m.d.sync += requested.eq(part)
        with m.Switch(self.port.register):
            for register in self.registers:
                with m.Case(register.number):
                    m.d.comb += row.eq(register.row)
        m.d.comb += self.port.data.eq(chosen(row, requested, width))
        return m


class Registers(Component):
    """All of them. `reads` and `writes` give each port's name and how many elements it takes a cycle."""

    def __init__(self, machine: Machine, reads: dict[str, int], writes: dict[str, int]):
        self.machine, self.reads, self.writes = machine, reads, writes
        super().__init__(
            {name: In(read_port(machine, width)) for name, width in reads.items()}
            | {name: In(write_port(machine, width)) for name, width in writes.items()})
        reading, writing = ([getattr(self, name) for name in names] for names in (reads, writes))
        self.all = [Register(machine, number, reading, writing) for number in range(machine.registers)]

    def elaborate(self, platform: None) -> Module:
        m = Module()
        for register in self.all:
            m.submodules[f"v{register.number}"] = register
        for name in self.reads:
            m.submodules[f"{name}_reader"] = Reader(getattr(self, name), self.all)
        return m
