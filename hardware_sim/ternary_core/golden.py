"""Values without a clock: the registers and the memory after each instruction. The definition of our core.

Course    notebook 13, "The model on the machine"

Slow and plain on purpose: the circuit (rtl/), and whatever is faster, must leave the same numbers behind.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Int8, Int64, UInt8
from numpy import ndarray

from hardware_sim.isa import Instruction
from hardware_sim.ternary_core.isa import instruction_set
from hardware_sim.ternary_core.machine import Machine
from hardware_sim.ternary_core.units import load_store, norm, rowwise, tmatmul

LOW, HIGH = -(1 << 31), (1 << 31) - 1        # what an element of a register can hold


class Golden:
    """One core, its registers and its memory. All registers are zero before the first instruction."""

    def __init__(self, machine: Machine, memory: UInt8[ndarray, "bytes"]):
        self.machine, self.memory, self.token = machine, memory, 0
        self.set = instruction_set(machine.registers, machine.address_bits)
        self.registers = np.zeros((machine.registers, machine.d), np.int64)
        self.row_stats = norm.RowStats()
        self.saturated = 0                   # elements that did not fit into a register

    def run(self, program: Iterable[Instruction], token: int = 0) -> None:
        """Instructions up to `end`, for one token. ValueError for what the machine or its memory does not have."""
        if token < 0:
            raise ValueError(f"a token is a number from zero up, not {token}")
        self.token = token
        for instruction in program:
            if instruction.mnemonic == "end":
                return
            self.step(instruction)

    def step(self, instruction: Instruction) -> None:
        """One instruction. ValueError for one that this machine does not have, or bytes beyond its memory."""
        i, stats = self.set.check(instruction), self.row_stats
        match i.mnemonic:
            case "ldv":
                self._write(i["y"], load_store.load(self._bytes(i["@"], self.machine.vector_bytes)))
            case "ldx":
                address = i["@"] + 4 * i["n"] * self.token
                self._write(i["y"], load_store.load(self._bytes(address, self.machine.vector_bytes)))
            case "sv":
                self._bytes(i["@"], self.machine.vector_bytes)[:] = load_store.store(self._read(i["a"]))
            case "add":
                self._write(i["y"], rowwise.add(self._read(i["a"]), self._read(i["b"])))
            case "sub":
                self._write(i["y"], rowwise.sub(self._read(i["a"]), self._read(i["b"])))
            case "mul":
                self._write(i["y"], rowwise.mul(self._read(i["a"]), self._read(i["b"]), i["s"]))
            case "sig":
                self._write(i["y"], rowwise.sig(self._read(i["a"])))
            case "mix":
                self._write(i["y"], rowwise.mix(self._read(i["y"]), self._read(i["a"]), self._read(i["b"])))
            case "clr":
                self.row_stats = norm.clear(stats)
            case "acc":
                self.row_stats = norm.accumulate(stats, self._read(i["a"]))
            case "fin":
                self.row_stats = norm.finish(stats, i["n"], i["bits"])
            case "code":
                self._write(i["y"], norm.code(stats, self._read(i["a"])))
            case "resc":
                self._write(i["y"], norm.rescale(stats, self._read(i["a"]), i["w"]))
            case "tmm":
                self._write(i["y"], tmatmul.result(0, self._read(i["a"]), self._tile(i["@"])))
            case "tma":
                self._write(i["y"], tmatmul.result(self._read(i["y"]), self._read(i["a"]), self._tile(i["@"])))

    def _read(self, register: int) -> Int64[ndarray, "d"]:
        return self.registers[register]

    def _write(self, register: int, values: Int64[ndarray, "d"]) -> None:
        held = np.clip(values, LOW, HIGH)
        self.saturated += int((held != values).sum())
        self.registers[register] = held

    def _bytes(self, address: int, size: int) -> UInt8[ndarray, "size"]:
        if address + size > len(self.memory):
            raise ValueError(
                f"the bytes {address:#x} to {address + size:#x} are asked for, but the memory ends at "
                f"{len(self.memory):#x}")
        return self.memory[address:address + size]

    def _tile(self, address: int) -> Int8[ndarray, "d d"]:
        return tmatmul.unpack(self._bytes(address, self.machine.tile_bytes), self.machine.d)
