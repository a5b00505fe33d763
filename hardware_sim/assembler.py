"""Text to instructions and back: one instruction a line, `mnemonic operand,operand`, comments after a semicolon.

Course    notebook 10, "An instruction set of ten words"

An address is a number, decimal or hexadecimal, or a name. Names stand for regions of memory, which follow one another
from address 0 in the order in which the names are first used, around those that the program gives as numbers.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hardware_sim.isa import Instruction, InstructionSet

NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]+")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
REGISTER = re.compile(r"v[0-9]+")
LONGEST_NUMBER = 40                          # digits: longer ones are out of range of any machine

RegionBytes = Callable[[str], int]           # mnemonic -> bytes that its address stands for


class ProgramError(ValueError):
    """A line that cannot be understood: one sentence that begins with line and column, both counted from 1."""

    def __init__(self, line: int, column: int, problem: str):
        super().__init__(f"line {line}, column {column}: {problem}")
        self.line, self.column, self.problem = line, column, problem


@dataclass(frozen=True)
class Program:
    instructions: tuple[Instruction, ...]
    names: Mapping[str, int] = field(default_factory=dict)       # region -> its address
    lines: tuple[int, ...] = ()                                  # where each instruction stands in the text

    def __len__(self) -> int:
        return len(self.instructions)

    def __iter__(self):
        return iter(self.instructions)


@dataclass(frozen=True)
class Word:
    """A piece of a line and where it begins."""

    text: str
    line: int
    column: int

    def error(self, problem: str) -> ProgramError:
        return ProgramError(self.line, self.column, problem)


def assemble(text: str, instruction_set: InstructionSet, region_bytes: RegionBytes = lambda mnemonic: 1) -> Program:
    """The program that a text says; ProgramError names the line and the column of the first thing that is wrong."""
    parsed = []
    for number, line in enumerate(text.split("\n"), start=1):
        words = split(line, number)
        if words:
            parsed.append((words[0], operands(words, instruction_set)))
    names = place(parsed, instruction_set, region_bytes)
    instructions = tuple(
        Instruction(first.text, {name: names[value.text] if isinstance(value, Word) else value
                                 for name, value in given.items()})
        for first, given in parsed
    )
    return Program(instructions, names, tuple(first.line for first, _ in parsed))


def split(line: str, number: int) -> list[Word]:
    """Mnemonic and operands of a line, without its comment. ProgramError for a comma too many or too few."""
    code = line.partition(";")[0].rstrip()
    first = re.match(r"\s*(\S+)", code)
    if not first:
        return []
    mnemonic, rest, column = first[1], code[first.end():], first.end() + 1
    words = [Word(mnemonic, number, first.start(1) + 1)]
    if not rest:
        return words
    for part in rest.split(","):
        inner = part.split()
        place = column + len(part) - len(part.lstrip())
        if len(inner) != 1:
            problem = "between two commas stands nothing" if not inner else "operands are separated by commas"
            raise ProgramError(number, place, problem)
        words.append(Word(inner[0], number, place))
        column += len(part) + 1
    return words


def operands(words: list[Word], instruction_set: InstructionSet) -> dict[str, int | Word]:
    """The operands by name: numbers, and the names of regions as they were written."""
    mnemonic, *given = words
    operation = instruction_set.operations.get(mnemonic.text)
    if operation is None:
        known = ", ".join(instruction_set.operations)
        raise mnemonic.error(f"{shortened(mnemonic.text)} is no instruction; known are {known}")
    if len(given) != len(operation.names):
        wanted = ",".join(operation.names) or "no operands"
        raise mnemonic.error(f"{mnemonic.text} takes {wanted}; {len(given)} operands are given")
    found = {}
    for name, word in zip(operation.names, given, strict=True):
        kind = instruction_set.kinds[name]
        found[name] = value = operand(word, kind.what)
        if isinstance(value, int):
            try:
                kind.check(value)
            except ValueError as problem:
                raise word.error(str(problem)) from None
    return found


def operand(word: Word, what: str) -> int | Word:
    """One operand: a register's number, an address, a plain number, or the name of a region."""
    if what == "register":
        if not REGISTER.fullmatch(word.text) or len(word.text) > LONGEST_NUMBER:
            raise word.error(f"{shortened(word.text)} is no register: registers are written v0, v1, v2 ...")
        return int(word.text[1:])
    if NUMBER.fullmatch(word.text):
        if len(word.text) > LONGEST_NUMBER:
            raise word.error(f"{shortened(word.text)} is out of range")
        return int(word.text, 16 if word.text[:2] in ("0x", "0X") else 10)
    if what != "address" or not NAME.fullmatch(word.text):
        also = ", or a name" if what == "address" else ""
        raise word.error(f"{shortened(word.text)} is no {what}: write it in decimal or hexadecimal{also}")
    if REGISTER.fullmatch(word.text):
        raise word.error(f"{shortened(word.text)} is a register, and an address belongs here")
    return word


def place(parsed: list, instruction_set: InstructionSet, region_bytes: RegionBytes) -> dict[str, int]:
    """Where each name's region begins: one after the other, around what the program addresses by number."""
    sizes, first_use, taken = {}, {}, []
    for mnemonic, given in parsed:
        for name, value in given.items():
            if instruction_set.kinds[name].what != "address":
                continue
            size = region_bytes(mnemonic.text)
            if isinstance(value, Word):
                sizes[value.text] = max(size, sizes.get(value.text, 0))
                first_use.setdefault(value.text, (value, instruction_set.kinds[name].limit))
            else:
                taken.append((value, value + size))
    names, free, taken = {}, 0, sorted(taken)
    for name, size in sizes.items():
        for begin, end in taken:
            if begin < free + size and free < end:
                free = end
        word, limit = first_use[name]
        if free + size > limit:
            raise word.error(f"no room is left for {shortened(name)}: it needs {size} of the {limit} bytes of memory")
        names[name], free = free, free + size
    return names


def shortened(text: str) -> str:
    """A word as it can be shown in a sentence, however long or odd it is."""
    return repr(text if len(text) <= LONGEST_NUMBER else text[:LONGEST_NUMBER] + "...")


def texts(program: Program, instruction_set: InstructionSet) -> list[str]:
    """Each instruction as a line of text, addresses by their names where they have one."""
    names = {address: name for name, address in program.names.items()}
    return [instruction_set.text(instruction, names) for instruction in program]


def disassemble(program: Program, instruction_set: InstructionSet) -> str:
    """The text of a program, one instruction a line; `assemble` makes the same program of it."""
    return "".join(line + "\n" for line in texts(program, instruction_set))
