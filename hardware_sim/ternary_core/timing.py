"""The scoreboard, compiled: the same starts, ends and reasons as scoreboard.run, in a thousandth of the time.

Course    notebook 11, "Counting cycles"
Equation  hardware_sim/scoreboard.py, which is the definition

How long an instruction takes depends on its mnemonic and the machine alone, so a decoded program (decode.py) and five
numbers for each mnemonic are all that is needed. One token of the 2.7B shape: 24,000 instructions.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Int64
from numba import njit
from numpy import ndarray

from hardware_sim.isa import Instruction
from hardware_sim.scoreboard import PORT
from hardware_sim.ternary_core.cost_table import cycles, data_bytes, input_cycles, unit_cycles
from hardware_sim.ternary_core.decode import Table, decode
from hardware_sim.ternary_core.isa import COURSE_SET, OPERATIONS, REGISTERS, TMATMUL
from hardware_sim.ternary_core.lowering import lower
from hardware_sim.ternary_core.machine import Machine
from hardware_sim.trace import Event
from mmf_teach.model.config import ModelConfig

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
        each = np.array([data_bytes(mnemonic, self.machine) for mnemonic in OPERATIONS])
        return int(each[self.table[:, 0]].sum())

    def events(self, program: list[Instruction]) -> list[Event]:
        """The same as a trace. `program` is the one that was decoded: it gives the texts."""
        mnemonics = list(OPERATIONS)
        return [
            Event(OPERATIONS[mnemonics[row[0]]].unit, number, COURSE_SET.text(instruction), start, end, said(waited),
                  data_bytes(mnemonics[row[0]], self.machine), None if blocker < 0 else blocker)
            for number, (row, instruction, start, end, waited, blocker) in enumerate(zip(
                self.table.tolist(), program, self.starts.tolist(), self.ends.tolist(), self.waited_for.tolist(),
                self.blockers.tolist(), strict=True))
        ]


def said(waited_for: int) -> str:
    """What an instruction waited for, in the words of the trace."""
    if waited_for < 0:
        return ""
    if waited_for < REGISTERS:
        return f"v{waited_for}"
    return PORT if waited_for == PORT_NUMBER else f"unit {UNITS[waited_for - REGISTERS]}"


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


@njit(cache=True, nogil=True)
def _issue(table, durations, starts, ends, waited_for, blockers):
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


@lru_cache(maxsize=32)
def _table(config: ModelConfig, d: int, registers: int, address_bits: int) -> Table:
    """All that the program of a shape depends on; how fast a machine is makes no difference to it."""
    plain = Machine(d, registers, lanes=1, row_lanes=1, port_bytes=4, burst_bytes=4, address_bits=address_bits)
    return decode(lower(config, plain).program)


def token_timing(config: ModelConfig, machine: Machine) -> Timing:
    """One token of a model of this shape. ValueError when it does not fit the machine, or cannot be lowered."""
    return time(_table(config, machine.d, machine.registers, machine.address_bits), machine)


def token_cycles(config: ModelConfig, machine: Machine) -> int:
    """Cycles from a token to the scores of the next, for a model of this shape."""
    return token_timing(config, machine).cycles


def tokens_per_second(config: ModelConfig, machine: Machine) -> float:
    """Simulated, one sequence: the clock divided by the cycles of a token."""
    return machine.clock_mhz * 1e6 / token_cycles(config, machine)
