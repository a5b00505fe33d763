"""What a program finds in memory when it starts: numbers given by name, or drawn at random.

Course    notebook 10, "An instruction set of ten words"
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from hardware_sim.assembler import Program
from hardware_sim.paper2024 import golden
from hardware_sim.paper2024.machine import Paper2024Core
from hardware_sim.paper2024.units import tmatmul
from hardware_sim.paper2024.units.rowwise import HIGHEST, LOWEST, POINT
from mmf_teach.ternary.trits import require_trits


def needed(program: Program) -> dict[int, str]:
    """Addresses that the program reads before it writes them, and the mnemonic that reads each first."""
    found, written = {}, set()
    for instruction in program:
        if instruction.mnemonic == "sv":
            written.add(instruction["@"])
        elif "@" in instruction.operands and instruction["@"] not in written:
            found.setdefault(instruction["@"], instruction.mnemonic)
    return found


def stored_vector(values: Float[ndarray, "d"]) -> UInt8[ndarray, "d"]:
    """Numbers as the core stores them, rounded to eighths. ValueError outside -16 to 15.875."""
    eighths = np.rint(np.asarray(values, dtype=np.float64) * (1 << POINT))
    if not ((eighths >= LOWEST) & (eighths <= HIGHEST)).all():
        raise ValueError("an element must lie between -16 and 15.875")
    return eighths.astype(np.int8).view(np.uint8)


def random_memory(program: Program, machine: Paper2024Core, seed: int) -> dict[int, UInt8[ndarray, "bytes"]]:
    """What the program needs: vectors of all elements from 0 to 1.875, matrices of trits; same seed, same numbers."""
    if seed < 0:
        raise ValueError(f"a seed is a number from zero up, not {seed}")
    golden.State(machine.width)              # is it a width that values are computed for?
    draw, memory = np.random.default_rng(seed), {}
    for address, mnemonic in needed(program).items():
        if mnemonic == "tmatmul":
            trits = draw.integers(-1, 2, (machine.width, machine.width)).astype(np.int8)
            memory[address] = tmatmul.to_bytes(trits)
        else:
            memory[address] = draw.integers(0, 16, machine.width).astype(np.uint8)
    return memory


def named_memory(
    values: Mapping[str, object], program: Program, machine: Paper2024Core,
) -> dict[int, UInt8[ndarray, "bytes"]]:
    """Regions by name: a list of d numbers, or d rows of d trits. ValueError for a name or a shape that cannot be."""
    memory = {}
    for name, value in values.items():
        if name not in program.names:
            raise ValueError(f"the program has no region {name!r}; it has {', '.join(program.names) or 'none'}")
        try:
            numbers = np.array(value, dtype=np.float64)
            if numbers.shape == (machine.width,):
                memory[program.names[name]] = stored_vector(numbers)
            elif numbers.shape == (machine.width, machine.width):
                memory[program.names[name]] = tmatmul.to_bytes(require_trits(numbers))
            else:
                raise ValueError(f"it needs {machine.width} numbers, or as many rows of as many trits")
        except (TypeError, ValueError) as problem:
            raise ValueError(f"region {name}: {problem}") from None
    return memory
