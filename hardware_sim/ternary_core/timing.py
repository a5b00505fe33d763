"""Cycles of a token: the program of a model's sizes, decoded once and timed on any machine.

Course    notebook 13, "The model on the machine"
Equation  tokens a second = clock / cycles of a token, with the cycles of hardware_sim/scoreboard.py

`count_cycles` below is the scoreboard itself. Who times thousands of machines hands over a faster function that counts
the same cycles, such as the compiled one of mmf_teach.engine.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from hardware_sim.scoreboard import run
from hardware_sim.ternary_core.cost_table import TernaryCore, data_bytes
from hardware_sim.ternary_core.decode import Table, decode, instructions
from hardware_sim.ternary_core.isa import OPERATIONS
from hardware_sim.ternary_core.lowering import lower
from hardware_sim.ternary_core.machine import Machine
from hardware_sim.ternary_core.model import Sizes
from hardware_sim.trace import total_cycles

CountCycles = Callable[[Table, Machine], int]


def count_cycles(table: Table, machine: Machine) -> int:
    """From the start of a decoded program until the core is ready again."""
    return total_cycles(run(instructions(table), TernaryCore(machine)))


def moved_bytes(table: Table, machine: Machine) -> int:
    """What a decoded program moves to and from memory."""
    each = np.array([data_bytes(mnemonic, machine) for mnemonic in OPERATIONS])
    return int(each[table[:, 0]].sum())


def token_table(sizes: Sizes, machine: Machine) -> Table:
    """The decoded program of one token. ValueError when it does not fit the machine, or cannot be lowered."""
    return _table(sizes, machine.d, machine.registers, machine.address_bits)


@lru_cache(maxsize=32)
def _table(sizes: Sizes, d: int, registers: int, address_bits: int) -> Table:
    """All that the program of a model depends on; how fast a machine is makes no difference to it."""
    plain = Machine(d, registers, lanes=1, row_lanes=1, port_bytes=4, burst_bytes=4, address_bits=address_bits)
    return decode(lower(sizes, plain).program)


def token_cycles(sizes: Sizes, machine: Machine, count: CountCycles = count_cycles) -> int:
    """Cycles from a token to the scores of the next, for a model of these sizes."""
    return count(token_table(sizes, machine), machine)


def tokens_per_second(sizes: Sizes, machine: Machine, count: CountCycles = count_cycles) -> float:
    """Simulated, one sequence: the clock divided by the cycles of a token."""
    return machine.clock_mhz * 1e6 / token_cycles(sizes, machine, count)
