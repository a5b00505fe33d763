"""The instruction word as wires: its fields, and what the instruction table says of them.

Course    notebook 12, "From gates up"
Source    ternary_core/isa.py: the circuit decodes by the same table as assembler and model
"""

from amaranth import Cat, Value
from amaranth.lib import data

from hardware_sim.ternary_core.isa import FIELDS, INSTRUCTION_SET, OPERATIONS

WORD = data.StructLayout({name: FIELDS[name] for name in reversed(FIELDS)})  # the table begins with the high bits
REGISTER_OPERANDS = [name for name, kind in INSTRUCTION_SET.kinds.items() if kind.what == "register"]


def opcode_is(word: data.View, mnemonic: str) -> Value:
    """Is it this instruction? 1 or 0."""
    code = OPERATIONS[mnemonic].code
    return Cat(*(word[field] == number for field, number in code.items())).all()


def uses(word: data.View, operand: str) -> Value:
    """Does the instruction name this operand? 1 or 0."""
    return Cat(*(opcode_is(word, mnemonic) for mnemonic, row in OPERATIONS.items() if operand in row.names)).any()
