"""When each instruction of the published core is done: its four units' cycles, put together for the scoreboard.

Course    notebook 11, "Counting cycles"
"""

from dataclasses import dataclass

from hardware_sim.core import Work
from hardware_sim.isa import Instruction, InstructionSet
from hardware_sim.published.isa import PUBLISHED
from hardware_sim.published.units import load_store, norm, rowwise, tmatmul


@dataclass(frozen=True)
class PublishedMachine:
    width: int                           # d, elements in a register; even, since four trits share a byte
    read_latency: int                    # cycles from the read strobe until the byte is there
    write_latency: int                   # cycles from the write strobe until the write is done
    instruction_set: InstructionSet = PUBLISHED

    def __post_init__(self):
        if self.width < 2 or self.width % 2:
            raise ValueError(f"a width of {self.width} cannot be built: it must be even and at least 2, "
                             "so that the d·d trits of a matrix fill whole bytes")
        for name, latency in (("read", self.read_latency), ("write", self.write_latency)):
            if latency < 1:
                raise ValueError(f"a {name} latency of {latency} cycles is impossible: it takes at least 1")

    def region_bytes(self, mnemonic: str) -> int:
        """How much memory an instruction's address stands for: a matrix or a vector."""
        return self.width ** 2 // tmatmul.TRITS_A_BYTE if mnemonic == "tmatmul" else self.width

    def cycles(self, instruction: Instruction) -> int:
        """How long its unit works on it."""
        match self.instruction_set.operations[instruction.mnemonic].unit:
            case "load/store" if instruction.mnemonic == "ldv":
                return load_store.cycles(self.width, self.read_latency)
            case "load/store":
                return load_store.cycles(self.width, self.write_latency)
            case "rowwise":
                return rowwise.cycles(self.width)
            case "norm":
                return norm.cycles(self.width)
            case "tmatmul":
                return tmatmul.cycles(self.width, self.read_latency)
        return 0

    def work(self, instruction: Instruction) -> Work:
        """Unit, registers, port, cycles and bytes of one instruction."""
        operation, cycles = self.instruction_set.operations[instruction.mnemonic], self.cycles(instruction)
        registers = tuple(dict.fromkeys(instruction[name] for name in operation.names if name != "@"))
        uses_memory = "@" in operation.names
        moved = self.region_bytes(instruction.mnemonic) if uses_memory else 0
        text = self.instruction_set.text(instruction)
        return Work(operation.unit, text, registers, cycles, moved, cycles if uses_memory else 0)
