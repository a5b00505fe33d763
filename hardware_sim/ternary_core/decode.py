"""A program as one array of whole numbers, a row an instruction: decoded once, it is timed and run without Python.

Course    notebook 13, "The model on the machine"
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from hardware_sim.isa import Instruction
from hardware_sim.ternary_core.isa import OPERATIONS

COLUMNS = ("y", "a", "b", "s", "bits", "n", "w", "@")        # after the operation's number; -1 where there is none
NUMBER = {mnemonic: number for number, mnemonic in enumerate(OPERATIONS)}
Table = Int64[ndarray, "instructions 9"]


def decode(program: Iterable[Instruction]) -> Table:
    """The table of a program. KeyError for a mnemonic that our core does not have."""
    rows = [
        [NUMBER[instruction.mnemonic], *(instruction.operands.get(name, -1) for name in COLUMNS)]
        for instruction in program
    ]
    return np.array(rows, np.int64).reshape(-1, 1 + len(COLUMNS))


def instructions(table: Table) -> list[Instruction]:
    """The program again."""
    mnemonics = list(OPERATIONS)
    return [
        Instruction(mnemonics[number], {name: value for name, value in zip(COLUMNS, row, strict=True) if value >= 0})
        for number, *row in table.tolist()
    ]
