"""Registers for values: a program that names as many values as it likes becomes one for a machine with few registers.

Course    notebook 13, "The model on the machine"
Source    Belady 1966, doi:10.1147/sj.52.0078: give up what is needed again last

The program is a straight line, so it is known when each value is needed next. A value without a register waits in
memory: where it came from if it can be loaded again from there, else in a place of the region for work.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hardware_sim.isa import Instruction

READS_Y = {"tma", "mix"}                     # y is what it was, and something more
REGISTERS = ("y", "a", "b")


class Line(NamedTuple):
    """An instruction on values: numbered ones where an instruction of the machine has registers."""

    mnemonic: str
    values: dict[str, int]                   # by operand: y, a, b
    numbers: dict[str, int]                  # all other operands

    @property
    def read(self) -> list[int]:
        """The values it needs."""
        return [value for name, value in self.values.items() if name != "y" or self.mnemonic in READS_Y]


class Allocation:
    """Goes through the lines once and hands out registers."""

    def __init__(self, lines: Sequence[Line], registers: int, work_place: Callable[[int], int]):
        self.lines, self.work_place = lines, work_place
        self.uses = uses_of(lines)
        self.free = deque(range(registers))  # the one that was given back first is taken first: it is done by then
        self.held: dict[int, int] = {}       # value -> register
        self.home: dict[int, int] = {}       # value -> address where memory holds the same numbers
        self.places: list[int] = []          # addresses for work that are free again
        self.place_of: dict[int, int] = {}   # value -> its address for work
        self.places_made = 0
        self.program: list[Instruction] = []

    def run(self) -> list[Instruction]:
        """The program with registers."""
        for number, line in enumerate(self.lines):
            self._one(number, line)
        return self.program

    def _one(self, number: int, line: Line) -> None:
        needed = set(line.values.values())
        for value in line.read:
            self.uses[value].popleft()
        for value in line.read:
            if value not in self.held:
                self._into_register(value, needed)
                self.program.append(Instruction("ldv", {"y": self.held[value], "@": self.home[value]}))
        registers = {value: self.held[value] for value in line.read}
        for value in line.read:
            if not self.uses[value] and value in self.held and value != line.values.get("y"):
                self._forget(value)
        if "y" in line.values and line.values["y"] not in self.held:
            self._into_register(line.values["y"], needed)
        if "y" in line.values:
            y = line.values["y"]
            registers[y] = self.held[y]
            self.home.pop(y, None)           # what lies in memory is older now,
            if line.mnemonic == "ldv":
                self.home[y] = line.numbers["@"]             # or just the same
        if line.mnemonic == "sv":
            self.home[line.values["a"]] = line.numbers["@"]
        named = {name: registers[value] for name, value in line.values.items()}
        self.program.append(Instruction(line.mnemonic, named | line.numbers))
        if "y" in line.values and not self.uses[line.values["y"]]:
            self._forget(line.values["y"])   # nobody reads it

    def _into_register(self, value: int, needed: set[int]) -> None:
        """A register for the value; one that is taken is given up by what is needed again last."""
        if not self.free:
            last = max((other for other in self.held if other not in needed), key=lambda other: self.uses[other][0])
            self._save(last)
            self.free.append(self.held.pop(last))
        self.held[value] = self.free.popleft()

    def _save(self, value: int) -> None:
        """Into memory, if it does not lie there already."""
        if value in self.home:
            return
        if value not in self.place_of:
            if not self.places:
                self.places.append(self.work_place(self.places_made))
                self.places_made += 1
            self.place_of[value] = self.places.pop()
        self.home[value] = self.place_of[value]
        self.program.append(Instruction("sv", {"a": self.held[value], "@": self.home[value]}))

    def _forget(self, value: int) -> None:
        """The value is needed no more."""
        self.free.append(self.held.pop(value))
        if value in self.place_of:
            self.places.append(self.place_of.pop(value))


def uses_of(lines: Sequence[Line]) -> dict[int, deque[int]]:
    """For each value the lines that read it, in order."""
    uses: dict[int, deque[int]] = {}
    for number, line in enumerate(lines):
        for value in line.values.values():
            uses.setdefault(value, deque())
        for value in line.read:
            uses[value].append(number)
    return uses
