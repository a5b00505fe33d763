"""What can be known of a program before it runs: does it only read what somebody wrote, and write where it may?

Course    notebook 13, "The model on the machine"
"""

from collections.abc import Iterable, Sequence

from hardware_sim.isa import Instruction
from hardware_sim.ternary_core.allocate import READS_Y
from hardware_sim.ternary_core.image import CONSTANT, WORK, AddressMap
from hardware_sim.ternary_core.isa import INSTRUCTION_SET, TMATMUL, instruction_set
from hardware_sim.ternary_core.machine import Machine

NEEDS = {"acc": ("clr",), "fin": ("clr", "acc"), "code": ("fin",), "resc": ("fin",)}     # what the norm unit must know


class Checker:
    """What has been written so far."""

    def __init__(self, address_map: AddressMap, machine: Machine):
        self.map, self.machine = address_map, machine
        self.set = instruction_set(machine.registers, machine.address_bits)
        self.registers: set[int] = set()
        self.norm: set[str] = set()
        self.stored: set[int] = set()                        # addresses of vectors in regions for work
        self.ended = False

    def step(self, instruction: Instruction) -> None:
        """One instruction; ValueError in one sentence for what is wrong with it."""
        if self.ended:
            raise ValueError("it comes after end, where nothing is done any more")
        self.set.check(instruction)
        self.ended = instruction.mnemonic == "end"
        self._registers(instruction)
        if missing := [other for other in NEEDS.get(instruction.mnemonic, ()) if other not in self.norm]:
            raise ValueError(f"it needs what {missing[0]} leaves in the norm unit, but none came before")
        self.norm.add(instruction.mnemonic)
        if "@" in instruction.operands:
            self._memory(instruction)

    def _registers(self, instruction: Instruction) -> None:
        for name in ("y", "a", "b"):
            register = instruction.operands.get(name)
            reads = register is not None and (name != "y" or instruction.mnemonic in READS_Y)
            if reads and register not in self.registers:
                raise ValueError(f"v{register} is read, but nobody has written into it")
        if "y" in instruction.operands:
            self.registers.add(instruction["y"])

    def _memory(self, instruction: Instruction) -> None:
        address, is_tile = instruction["@"], INSTRUCTION_SET.operations[instruction.mnemonic].unit == TMATMUL
        size = self.machine.tile_bytes if is_tile else self.machine.vector_bytes
        region = self.map.at(address, size)
        if region is None:
            raise ValueError(f"the bytes {address:#x} to {address + size:#x} do not lie in one region of the memory")
        if address % 4:
            raise ValueError(f"the address {address:#x} is not a multiple of 4, as every number's is")
        if is_tile and region.use != CONSTANT:
            raise ValueError(f"trits are read from {region.name}, which the program may change: they must be constant")
        if instruction.mnemonic == "sv":
            if region.use == CONSTANT:
                raise ValueError(f"{region.name} is constant, but the program stores into it")
            self.stored.add(address)
        elif region.use == WORK and address not in self.stored:
            raise ValueError(f"{address:#x} in {region.name} is read, but nobody has stored a vector there")


def check(program: Iterable[Instruction], address_map: AddressMap, machine: Machine, lines: Sequence[int] = ()) -> None:
    """Nothing for a program that is sound. ValueError names the first instruction that is not.

    It is named by its line where `lines` says in which each stands, else by its number, counted from 0.
    """
    checker, last = Checker(address_map, machine), None
    for number, last in enumerate(program):
        try:
            checker.step(last)
        except ValueError as problem:
            where = f"line {lines[number]}" if lines else f"instruction {number}"
            shown = INSTRUCTION_SET.text(last) if last.mnemonic in INSTRUCTION_SET.operations else last.mnemonic
            raise ValueError(f"{where}, {shown}: {problem}") from None
    if last is None or last.mnemonic != "end":
        raise ValueError("a program's last instruction is end")
