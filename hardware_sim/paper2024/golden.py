"""What a program computes on the published core: values, and no clock.

Course    notebook 10, "An instruction set of ten words"

Every operation does what its documentation says. The released circuit differs in at least three places: `tmatmul`
keeps sums from one run to the next and hands out the wrong ones, and `norm` sees half of its vector. The notebook
tells of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from jaxtyping import Int8, UInt8
from numpy import ndarray

from hardware_sim.assembler import Program
from hardware_sim.isa import Instruction
from hardware_sim.paper2024.isa import ROWWISE
from hardware_sim.paper2024.machine import Paper2024Core
from hardware_sim.paper2024.units import norm, rowwise, tmatmul

WIDEST = 1 << 14                         # elements: a matrix of this width takes 64 MiB of trits, and 256 unpacked


@dataclass(frozen=True)
class State:
    """All that a program can see: registers, and the regions of memory that hold something."""

    width: int
    registers: Mapping[int, Int8[ndarray, "d"]] = field(default_factory=dict)
    memory: Mapping[int, UInt8[ndarray, "bytes"]] = field(default_factory=dict)     # by first address

    def __post_init__(self):
        if self.width > WIDEST:
            raise ValueError(f"values are computed for widths up to {WIDEST}, not {self.width}; times for any")
        for name in ("registers", "memory"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def register(self, number: int) -> Int8[ndarray, "d"]:
        """What a register holds. ValueError when nothing was put there."""
        if number not in self.registers:
            raise ValueError(f"v{number} is read, and nobody wrote it before")
        return self.registers[number]

    def read(self, address: int, count: int) -> UInt8[ndarray, "bytes"]:
        """The bytes of a region. ValueError when nobody wrote it, or wrote it in other pieces."""
        self._apart(address, count)
        if address not in self.memory:
            raise ValueError(f"{count} bytes at {address:#x} are read, and nobody wrote them before")
        return self.memory[address]

    def with_register(self, number: int, value: Int8[ndarray, "d"]) -> "State":
        """The state after a register was written."""
        return replace(self, registers={**self.registers, number: value})

    def with_memory(self, address: int, stored: UInt8[ndarray, "bytes"]) -> "State":
        """The state after a region was written. ValueError when it overlaps another."""
        self._apart(address, len(stored))
        return replace(self, memory={**self.memory, address: stored})

    def _apart(self, address: int, count: int) -> None:
        for begin, stored in self.memory.items():
            same = begin == address and len(stored) == count
            if not same and begin < address + count and address < begin + len(stored):
                raise ValueError(f"the {count} bytes at {address:#x} overlap the {len(stored)} bytes at {begin:#x}")


def step(state: State, instruction: Instruction, machine: Paper2024Core) -> State:
    """The state after one instruction. ValueError for what nobody wrote, for regions that overlap and for no trits."""
    mnemonic, width = instruction.mnemonic, machine.width
    if "@" in instruction.operands:
        size, limit = machine.region_bytes(mnemonic), machine.instruction_set.kinds["@"].limit
        if instruction["@"] + size > limit:
            raise ValueError(f"{size} bytes at {instruction['@']:#x} reach beyond the {limit} bytes of memory")
    if mnemonic == "nop":
        return state
    if mnemonic == "ldv":
        return state.with_register(instruction["y"], state.read(instruction["@"], width).view(np.int8))
    if mnemonic == "sv":
        return state.with_memory(instruction["@"], state.register(instruction["a"]).view(np.uint8))
    if mnemonic == "norm":
        return state.with_register(instruction["y"], norm.result(state.register(instruction["y"])))
    if machine.instruction_set.operations[mnemonic].unit == ROWWISE:
        inputs = [state.register(instruction[name]) for name in ("a", "b") if name in instruction.operands]
        return state.with_register(instruction["y"], rowwise.result(mnemonic, *inputs))
    trits = tmatmul.from_bytes(state.read(instruction["@"], machine.region_bytes(mnemonic)), width)
    return state.with_register(instruction["y"], tmatmul.result(trits, state.register(instruction["a"])))


def steps(program: Program, memory: Mapping[int, UInt8[ndarray, "bytes"]], machine: Paper2024Core) -> (
        Iterator[State]):
    """The state after each instruction, one by one. ValueError names the line of the program that cannot be done."""
    state = State(machine.width)
    for address, stored in memory.items():
        state = state.with_memory(address, stored)
    for number, instruction in enumerate(program.instructions):
        try:
            state = step(state, instruction, machine)
        except ValueError as problem:
            where = f"line {program.lines[number]}" if program.lines else f"instruction {number}"
            raise ValueError(f"{where}: {problem}") from None
        yield state


def run(program: Program, memory: Mapping[int, UInt8[ndarray, "bytes"]], machine: Paper2024Core) -> State:
    """The state after the whole program; an empty one leaves the memory as it was."""
    return [State(machine.width, memory=memory), *steps(program, memory, machine)][-1]
