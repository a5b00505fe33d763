"""The scoreboard: when each instruction starts and ends. It knows no values, so no value can change a time.

Course    notebook 11, "Counting cycles"
Equation  instruction i is issued at  t = max(t_before + 1, end of its unit, end of every register it names,
          and where it uses memory the end of whatever holds the memory port);  it works from t+1 to t+1+cycles
Source    rules measured with Verilator on the core released with arXiv 2406.02528, and equal to it in every cycle
"""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from hardware_sim.isa import Instruction
from hardware_sim.trace import Event

PORT = "memory port"


class Work(NamedTuple):
    """What one instruction asks of a machine."""

    unit: str                            # "" for none
    text: str                            # the instruction, as a person writes it
    registers: tuple[int, ...]           # all that it names, read or written
    cycles: int                          # from its start until its result stands in its register
    bytes: int = 0                       # moved to or from memory
    port_cycles: int = 0                 # how long, from its start, it holds the memory port; 0: it does not need it
    unit_cycles: int | None = None       # after how long its unit takes the next one; None: after `cycles`
    released: tuple[tuple[int, int], ...] = ()   # registers that are free before the end, and after how long


class Machine(Protocol):
    """All that the scoreboard asks."""

    def work(self, instruction: Instruction) -> Work:
        """Unit, registers, port, cycles and bytes of one instruction; the same for the same instruction."""
        ...


def schedule(works: Iterable[Work]) -> list[Event]:
    """Issue in order, at most one a cycle; each waits until all that it needs is free."""
    free_at: dict = {}                   # unit, register or port -> the cycle in which it is free, and who held it
    events, ready = [], 0
    for number, work in enumerate(works):
        needs = [*work.registers, *([work.unit] if work.unit else ()), *([PORT] if work.port_cycles else ())]
        issued, reason, blocker = ready, "", None
        for need in needs:
            free, holder = free_at.get(need, (0, None))
            if free > issued:
                issued, reason, blocker = free, need, holder
        start, end = issued + 1, issued + 1 + work.cycles
        early = dict(work.released)
        for register in work.registers:
            free_at[register] = start + early.get(register, work.cycles), number
        if work.unit:
            free_at[work.unit] = end if work.unit_cycles is None else start + work.unit_cycles, number
        if work.port_cycles:
            free_at[PORT] = start + work.port_cycles, number
        events.append(Event(work.unit, number, work.text, start, end, _said(reason), work.bytes, blocker))
        ready = issued + 1
    return events


def run(program: Iterable[Instruction], machine: Machine) -> list[Event]:
    """The events of a program on a machine, in program order."""
    return schedule(machine.work(instruction) for instruction in program)


def _said(need: int | str) -> str:
    """A register, the port or a unit, in the reader's words."""
    if isinstance(need, int):
        return f"v{need}"
    return need if need in ("", PORT) else f"unit {need}"
