"""An instruction set as one table: assembler, disassembler, timing and handbook all read the same rows.

Course    notebook 10, "An instruction set of ten words"

An operand is named by a letter, and its kind says what may stand there: `y <- a + b` needs three registers, `ldv y,@`
a register and an address. A word of the machine is a row of fields; `Operation.code` fills those that no operand fills.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Kind:
    """What may stand in one operand's place: the numbers from 0 (or `low`) up to, not including, `limit`."""

    what: str                # "register", "address" or "number"
    limit: int               # registers: how many there are; addresses: bytes that can be named
    low: int = 0

    def check(self, value: int) -> None:
        """Nothing, or a ValueError that says what is out of range."""
        if not self.low <= value < self.limit:
            shown = f"v{value}" if self.what == "register" else str(value)
            first, last = (f"v{end}" if self.what == "register" else end for end in (self.low, self.limit - 1))
            raise ValueError(f"{self.what} {shown} is out of range: it must lie between {first} and {last}")

    def text(self, value: int) -> str:
        """How a person writes it: registers as v3, addresses in hexadecimal, other numbers plainly."""
        return {"register": f"v{value}", "address": f"{value:#x}"}.get(self.what, str(value))


@dataclass(frozen=True)
class Operation:
    unit: str                # the functional unit that does it; "" for none
    operands: str            # one letter or word for each operand, in the order in which they are written
    meaning: str             # what it does, as one reads it
    code: Mapping[str, int | str] = field(default_factory=dict)   # field of the word -> a number, or an operand's name

    @property
    def names(self) -> list[str]:
        """The operands' names, in the order in which they are written."""
        return self.operands.split()


@dataclass(frozen=True)
class Instruction:
    """One line of a program: what to do, and with what. Addresses and registers are plain numbers here.

    >>> Instruction("add", {"y": 1, "a": 2, "b": 3})["y"]
    1
    """

    mnemonic: str
    operands: Mapping[str, int] = field(default_factory=dict, hash=False)

    def __getitem__(self, name: str) -> int:
        return self.operands[name]


@dataclass(frozen=True)
class InstructionSet:
    name: str
    operations: Mapping[str, Operation]      # by mnemonic
    kinds: Mapping[str, Kind]                # by operand
    fields: Mapping[str, int]                # of a machine word: name -> bits, most significant first

    @property
    def bits(self) -> int:
        """Length of a machine word."""
        return sum(self.fields.values())

    def check(self, instruction: Instruction) -> Instruction:
        """The instruction itself; ValueError for an unknown mnemonic, a missing operand or one out of range."""
        operation = self.operations.get(instruction.mnemonic)
        if operation is None:
            raise ValueError(f"{instruction.mnemonic!r} is no instruction: known are {', '.join(self.operations)}")
        if set(instruction.operands) != set(operation.names):
            wanted = ",".join(operation.names) or "nothing"
            given = ",".join(instruction.operands) or "nothing"
            raise ValueError(f"{instruction.mnemonic} takes {wanted}, not {given}")
        for name, value in instruction.operands.items():
            self.kinds[name].check(value)
        return instruction

    def text(self, instruction: Instruction, names: Mapping[int, str] | None = None) -> str:
        """The instruction as a line of text; an address in `names` is written by its name."""
        shown = []
        for operand in self.operations[instruction.mnemonic].names:
            kind, value = self.kinds[operand], instruction[operand]
            named = kind.what == "address" and names and value in names
            shown.append(names[value] if named else kind.text(value))
        return f"{instruction.mnemonic} {','.join(shown)}".rstrip()

    def encode(self, instruction: Instruction) -> int:
        """The machine word. ValueError for an instruction that this set cannot say."""
        operation, word = self.operations[self.check(instruction).mnemonic], 0
        for name, bits in self.fields.items():
            value = operation.code.get(name, instruction.operands.get(name, 0))
            if isinstance(value, str):
                value = instruction[value]
            if value >> bits:
                raise ValueError(f"{name} is {value}: more than {bits} bits hold")
            word = word << bits | value
        return word

    def decode(self, word: int) -> Instruction:
        """The instruction that a machine word says; ValueError when it says none."""
        if not 0 <= word < 1 << self.bits:
            raise ValueError(f"{word:#x} is no instruction: a word of this machine has {self.bits} bits")
        parts = self._split(word)
        for mnemonic, operation in self.operations.items():
            found = Instruction(mnemonic, {name: parts.get(name, 0) for name in operation.names})
            if all(self._expected(operation, found, name) == value for name, value in parts.items()):
                return self.check(found)
        raise ValueError(f"{word:#x} is no instruction: no mnemonic has these bits")

    def _split(self, word: int) -> dict[str, int]:
        parts, place = {}, self.bits
        for name, bits in self.fields.items():
            place -= bits
            parts[name] = word >> place & ((1 << bits) - 1)
        return parts

    @staticmethod
    def _expected(operation: Operation, instruction: Instruction, name: str) -> int:
        value = operation.code.get(name, instruction.operands.get(name, 0))
        return instruction[value] if isinstance(value, str) else value

    def to_bytes(self, program: Iterable[Instruction]) -> bytes:
        """The program as the machine stores it: each word in whole bytes, most significant first."""
        return b"".join(self.encode(instruction).to_bytes(-(-self.bits // 8), "big") for instruction in program)

    def from_bytes(self, stored: bytes) -> list[Instruction]:
        """The instructions of a stored program. ValueError names the word that is none."""
        size = -(-self.bits // 8)
        if len(stored) % size:
            raise ValueError(f"{len(stored)} bytes are no whole number of words of {size} bytes")
        program = []
        for start in range(0, len(stored), size):
            try:
                program.append(self.decode(int.from_bytes(stored[start:start + size], "big")))
            except ValueError as problem:
                raise ValueError(f"word {start // size}: {problem}") from None
        return program
