"""Our core for the scoreboard: what each instruction asks of the machine, and for how long.

Course    notebook 13, "The model on the machine"
"""

from dataclasses import dataclass
from functools import cached_property

from hardware_sim.isa import Instruction, InstructionSet
from hardware_sim.scoreboard import Work
from hardware_sim.ternary_core.isa import INSTRUCTION_SET, LOAD_STORE, OPERATIONS, TMATMUL, instruction_set
from hardware_sim.ternary_core.machine import Machine
from hardware_sim.ternary_core.units import load_store, norm, rowwise, tmatmul

NAMED = ("y", "a", "b")                      # the operands that are registers


def cycles(mnemonic: str, machine: Machine) -> int:
    """From the start of an instruction until its result stands in its register: all that it depends on is here."""
    match OPERATIONS[mnemonic].unit:
        case "load/store":
            return load_store.cycles(mnemonic, machine)
        case "rowwise":
            return rowwise.cycles(machine)
        case "norm":
            return norm.cycles(mnemonic, machine)
        case "tmatmul":
            return tmatmul.cycles(machine)
    return 0


def unit_cycles(mnemonic: str, machine: Machine) -> int:
    """After how long the unit, and the memory port where it is used, take the next instruction."""
    match OPERATIONS[mnemonic].unit:
        case "load/store":
            return load_store.busy(mnemonic, machine)
        case "tmatmul":
            return tmatmul.busy(machine)
    return cycles(mnemonic, machine)


def data_bytes(mnemonic: str, machine: Machine) -> int:
    """Bytes that an instruction moves to or from memory: those of a vector or of a tile."""
    unit = OPERATIONS[mnemonic].unit
    return {LOAD_STORE: machine.vector_bytes, TMATMUL: machine.tile_bytes}.get(unit, 0)


def input_cycles(machine: Machine) -> int:
    """After how long a tile's input may change: with two sets of inputs once it has been copied in."""
    return tmatmul.copying(machine) if machine.double_buffer else tmatmul.cycles(machine)


@dataclass(frozen=True)
class TernaryCore:
    """A machine as hardware_sim.scoreboard.run asks it."""

    machine: Machine

    @cached_property
    def instruction_set(self) -> InstructionSet:
        """The set with this machine's registers and addresses."""
        return instruction_set(self.machine.registers, self.machine.address_bits)

    def region_bytes(self, mnemonic: str) -> int:
        """How much memory an instruction's address stands for: a vector or a tile."""
        return data_bytes(mnemonic, self.machine)

    def work(self, instruction: Instruction) -> Work:
        """Unit, registers, port, cycles and bytes of one instruction."""
        mnemonic, machine, unit = instruction.mnemonic, self.machine, OPERATIONS[instruction.mnemonic].unit
        registers = tuple(dict.fromkeys(instruction[name] for name in NAMED if name in instruction.operands))
        moved, unit_is_free = data_bytes(mnemonic, machine), unit_cycles(mnemonic, machine)
        early = ()
        if unit == TMATMUL and instruction["a"] != instruction["y"]:
            early = ((instruction["a"], input_cycles(machine)),)
        return Work(
            unit, INSTRUCTION_SET.text(instruction), registers, cycles(mnemonic, machine), moved,
            unit_is_free if moved else 0, unit_is_free, early)
