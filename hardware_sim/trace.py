"""What a run leaves behind: a list of events. Every picture and every account only reads it.

Course    notebook 11, "Counting cycles"
"""

import json
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple


class Event(NamedTuple):
    """One instruction at work, from the cycle `start` up to, not including, the cycle `end`."""

    unit: str                # which functional unit; "" for an instruction that needs none
    number: int              # its place in the program, from 0
    text: str                # the instruction, as a person writes it
    start: int               # cycle
    end: int                 # cycle
    reason: str              # what it waited for last: "", a register, "unit NAME" or "memory port"
    bytes: int               # moved to or from memory
    blocker: int | None = None   # number of the instruction that held it back

    @property
    def issued(self) -> int:
        """The cycle in which it left the program counter, one before its unit began."""
        return self.start - 1


def total_cycles(events: Sequence[Event]) -> int:
    """Cycles from the start of the program until the core is ready again: one after the last end; 0 for no events."""
    return max((event.end for event in events), default=-1) + 1


def waits(events: Sequence[Event]) -> list[int]:
    """For each instruction the cycles in which it stood at the program counter and could not leave."""
    before = [-1, *(event.issued for event in events)]
    return [event.issued - earlier - 1 for event, earlier in zip(events, before, strict=False)]


def stalls(events: Sequence[Event]) -> Counter:
    """Cycles waited, by reason. Registers count as one reason, each unit as its own."""
    lost = Counter()
    for event, cycles in zip(events, waits(events), strict=True):
        if cycles:
            lost[event.reason if event.reason.startswith(("unit", "memory")) else "a register"] += cycles
    return lost


def busy(events: Sequence[Event]) -> dict[str, int]:
    """Cycles in which each unit worked, in order of first use."""
    worked = {}
    for event in events:
        if event.unit:
            worked[event.unit] = worked.get(event.unit, 0) + event.end - event.start
    return worked


def moved(events: Sequence[Event]) -> int:
    """Bytes read from and written to memory by the whole program."""
    return sum(event.bytes for event in events)


def named(events: Sequence[Event], texts: Sequence[str]) -> list[Event]:
    """The same events, each with a better text for its instruction, such as one with names instead of addresses."""
    return [event._replace(text=texts[event.number]) for event in events]


def to_json(events: Sequence[Event]) -> str:
    """The events as one JSON document, times in cycles."""
    rows = ",\n    ".join(json.dumps(event._asdict()) for event in events)
    return f'{{\n  "cycles": {total_cycles(events)},\n  "events": [\n    {rows}\n  ]\n}}\n'


def to_chrome(events: Sequence[Event], clock_mhz: float) -> str:
    """The events in the Chrome trace format that Perfetto opens: one track a unit, times in microseconds."""
    units = list(dict.fromkeys(event.unit or "none" for event in events))
    rows = [
        {"ph": "M", "pid": 0, "tid": units.index(unit), "name": "thread_name", "args": {"name": unit}} for unit in units
    ]
    for event in events:
        rows.append({
            "ph": "X", "pid": 0, "tid": units.index(event.unit or "none"), "name": event.text,
            "ts": event.start / clock_mhz, "dur": (event.end - event.start) / clock_mhz,
            "args": {"number": event.number, "start_cycle": event.start, "end_cycle": event.end,
                     "waited_for": event.reason, "bytes": event.bytes},
        })
    lines = ",\n  ".join(json.dumps(row) for row in rows)
    return f'{{"displayTimeUnit": "ns", "traceEvents": [\n  {lines}\n]}}\n'
