"""When each instruction of the published core is done: its four units' cycles, put together for the scoreboard.

Course    notebook 11, "Counting cycles"
"""

from dataclasses import dataclass
from functools import lru_cache

from hardware_sim.dram.fixed_latency import Dram, FixedLatency
from hardware_sim.isa import Instruction, InstructionSet
from hardware_sim.paper2024.isa import INSTRUCTION_SET, LOAD_STORE, NORM, ROWWISE, TMATMUL
from hardware_sim.paper2024.units import load_store, norm, rowwise, tmatmul
from hardware_sim.scoreboard import Work
from mmf_teach.paths import DATA
from mmf_teach.quantity import Quantity, read

TOKEN_MIXER = DATA / "programs" / "token_mixer.txt"


@lru_cache(maxsize=1)
def facts() -> dict[str, Quantity]:
    """What is known of the published core, and what was measured on its RTL; each number with its source."""
    return read(DATA / "machine" / "paper2024.toml")


@dataclass(frozen=True)
class Paper2024Core:
    width: int                           # d, elements in a register
    reads: Dram                          # the memory, as reading finds it,
    writes: Dram                         # and as writing finds it
    instruction_set: InstructionSet = INSTRUCTION_SET

    def __post_init__(self):
        limit = self.instruction_set.kinds["@"].limit
        if not isinstance(self.width, int) or not 2 <= self.width <= limit:
            raise ValueError(f"the width must be a whole number of elements from 2 to {limit}, which is all that the "
                             f"addresses reach, not {self.width!r}")

    def region_bytes(self, mnemonic: str) -> int:
        """How much memory an instruction's address stands for: a matrix of four trits a byte, or a vector."""
        return tmatmul.matrix_bytes(self.width) if mnemonic == "tmatmul" else self.width

    def cycles(self, mnemonic: str) -> int:
        """How long its unit works on it: no register, no address and no value changes that."""
        unit = self.instruction_set.operations[mnemonic].unit
        if unit == LOAD_STORE:
            return load_store.cycles(self.width, self.reads if mnemonic == "ldv" else self.writes)
        if unit == TMATMUL:
            return tmatmul.cycles(self.width, self.reads)
        return {ROWWISE: rowwise.cycles, NORM: norm.cycles}[unit](self.width) if unit else 0

    def work(self, instruction: Instruction) -> Work:
        """Unit, registers, port, cycles and bytes of one instruction."""
        operation, cycles = self.instruction_set.operations[instruction.mnemonic], self.cycles(instruction.mnemonic)
        registers = tuple(dict.fromkeys(instruction[name] for name in operation.names if name != "@"))
        uses_memory = "@" in operation.names
        moved = self.region_bytes(instruction.mnemonic) if uses_memory else 0
        text = self.instruction_set.text(instruction)
        return Work(operation.unit, text, registers, cycles, moved, cycles if uses_memory else 0)


def paper2024(width: int | None = None, read_latency: int | None = None, write_latency: int | None = None) -> (
        Paper2024Core):
    """The published core; what is not said is as in its table of facts. ValueError for what cannot be built."""
    width, *latencies = (
        facts()[name].value if given is None else given
        for name, given in (("width", width), ("read_latency", read_latency), ("write_latency", write_latency))
    )
    for name, latency in zip(("read", "write"), latencies, strict=True):
        if not isinstance(latency, int) or latency < 1:
            raise ValueError(f"a {name} latency of {latency!r} cycles is impossible: it takes at least 1")
    return Paper2024Core(width, *map(FixedLatency, latencies))
