"""The scoreboard, compiled: the same starts, ends and reasons as scoreboard.run, in a thousandth of the time.

Course    notebook 13, "The model on the machine"
Equation  hardware_sim/scoreboard.py, which is the definition

How long an instruction takes depends on its mnemonic and the machine alone, so a decoded program (decode.py) and five
numbers for each mnemonic are all that is needed. One token of the 2.7B shape: 24,000 instructions.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int64
from numba import njit
from numpy import ndarray

from hardware_sim.scoreboard import PORT
from hardware_sim.ternary_core.cost_table import cycles, data_bytes, input_cycles, unit_cycles
from hardware_sim.ternary_core.decode import Table, instructions
from hardware_sim.ternary_core.isa import INSTRUCTION_SET, OPERATIONS, REGISTERS, TMATMUL
from hardware_sim.ternary_core.machine import Machine
from hardware_sim.ternary_core.timing import moved_bytes
from hardware_sim.trace import Event

UNITS = tuple(dict.fromkeys(operation.unit for operation in OPERATIONS.values()))    # "" is the first
PORT_NUMBER = REGISTERS + len(UNITS)         # what an instruction may wait for: registers, then units, then the port


@dataclass(frozen=True)
class Timing:
    """When each instruction of a program starts and ends, in cycles."""

    table: Table
    machine: Machine
    starts: Int64[ndarray, "instructions"]
    ends: Int64[ndarray, "instructions"]
    waited_for: Int64[ndarray, "instructions"]       # a register, REGISTERS + a unit, the port; -1: nothing
    blockers: Int64[ndarray, "instructions"]

    @property
    def cycles(self) -> int:
        """From the start of the program until the core is ready again."""
        return int(self.ends.max(initial=-1)) + 1

    @cached_property
    def bytes(self) -> int:
        """Moved to and from memory."""
        return moved_bytes(self.table, self.machine)

    def events(self) -> list[Event]:
        """The same as a trace."""
        columns = (column.tolist() for column in (self.starts, self.ends, self.waited_for, self.blockers))
        return [
            Event(OPERATIONS[instruction.mnemonic].unit, number, INSTRUCTION_SET.text(instruction), start, end,
                  reason(need), data_bytes(instruction.mnemonic, self.machine), None if blocker < 0 else blocker)
            for number, (instruction, start, end, need, blocker) in enumerate(
                zip(instructions(self.table), *columns, strict=True))
        ]


def reason(need: int) -> str:
    """What an instruction waited for, in the words of the trace."""
    if need < 0:
        return ""
    if need < REGISTERS:
        return f"v{need}"
    return PORT if need == PORT_NUMBER else f"unit {UNITS[need - REGISTERS]}"


def durations(machine: Machine) -> Int64[ndarray, "mnemonics 5"]:
    """For each mnemonic: its unit; cycles until its end, until its unit, the port and its input are free.

    The unit's number is 0 where there is none, and the cycles at the port where it is not needed.
    """
    rows = []
    for mnemonic, operation in OPERATIONS.items():
        end, unit = cycles(mnemonic, machine), unit_cycles(mnemonic, machine)
        early = input_cycles(machine) if operation.unit == TMATMUL else end
        rows.append([UNITS.index(operation.unit), end, unit, unit if data_bytes(mnemonic, machine) else 0, early])
    return np.array(rows, np.int64)


def time(table: Table, machine: Machine) -> Timing:
    """Issue a decoded program on a machine."""
    starts, ends, waited_for, blockers = np.empty((4, len(table)), np.int64)
    _issue(table, durations(machine), starts, ends, waited_for, blockers)
    return Timing(table, machine, starts, ends, waited_for, blockers)


def count_cycles(table: Table, machine: Machine) -> int:
    """From the start of a decoded program until the core is ready again, as hardware_sim's studies ask for it."""
    return time(table, machine).cycles


@njit(cache=True, nogil=True)
def _issue(
    table: "Table", durations: "Int64[ndarray, 'mnemonics 5']", starts: "Int64[ndarray, 'n']",
    ends: "Int64[ndarray, 'n']", waited_for: "Int64[ndarray, 'n']", blockers: "Int64[ndarray, 'n']",
) -> None:
    """scoreboard.schedule on numbers: the last four are filled in, one entry an instruction."""
    free = np.zeros(PORT_NUMBER + 1, np.int64)
    holder = np.full(PORT_NUMBER + 1, -1)
    needs = np.empty(5, np.int64)
    ready = 0
    for i in range(len(table)):
        unit, length, unit_length, port_length, input_length = durations[table[i, 0]]
        count = 0
        for column in range(1, 4):
            if table[i, column] >= 0:
                needs[count] = table[i, column]
                count += 1
        if unit > 0:
            needs[count] = REGISTERS + unit
            count += 1
        if port_length > 0:
            needs[count] = PORT_NUMBER
            count += 1
        issued, reason, blocker = ready, -1, -1
        for need in needs[:count]:
            if free[need] > issued:
                issued, reason, blocker = free[need], need, holder[need]
        start, end = issued + 1, issued + 1 + length
        for need in needs[:count]:
            holder[need] = i
            if need == PORT_NUMBER:
                free[need] = start + port_length
            elif need >= REGISTERS:
                free[need] = start + unit_length
            elif need == table[i, 1] or need != table[i, 2]:
                free[need] = end
            else:
                free[need] = start + input_length
        starts[i], ends[i], waited_for[i], blockers[i] = start, end, reason, blocker
        ready = issued + 1
