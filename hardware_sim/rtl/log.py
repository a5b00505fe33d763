"""When each instruction began and when it was done, as the circuit's strobes say it.

Course    notebook 12, "From gates up"
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hardware_sim.isa import Instruction
from hardware_sim.rtl.core import DONE
from hardware_sim.ternary_core.isa import LOAD_STORE, OPERATIONS


@dataclass
class Log:
    """It begins the cycle after it was issued, and ends after its last cycle."""

    program: Sequence[Instruction]
    start: dict[int, int] = field(default_factory=dict)
    end: dict[int, int] = field(default_factory=dict)
    working: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in DONE})

    def cycle(self, now: int, issue: int, number: int, done: int) -> None:
        """The strobes of one cycle. Works of one sort are done in the order in which they began."""
        for bit, name in enumerate(DONE):
            if done >> bit & 1:
                self.end[self.working[name].pop(0)] = now + 1
        if issue:
            self.start[number] = now + 1
            mnemonic = self.program[number].mnemonic
            unit = OPERATIONS[mnemonic].unit
            if not unit:
                self.end[number] = now + 1
            elif unit == LOAD_STORE:
                self.working["stored" if mnemonic == "sv" else "loaded"].append(number)
            else:
                self.working[unit].append(number)

    def times(self) -> list[tuple[int, int]]:
        """Start and end of all instructions, in program order."""
        return [(self.start[number], self.end[number]) for number in sorted(self.start)]
