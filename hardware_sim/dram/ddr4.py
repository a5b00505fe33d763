"""DDR4 memory: banks that hold one open row each, commands that must keep their distance, and refresh.

Course    notebook 11, "Counting cycles"
Rules     data/machine/ddr4_2400.toml, one row a rule: where it holds, the earlier command, the later one, the distance
Source    the form of the table: Ramulator 2 (Luo et al. 2023, arXiv 2308.11030); sizes and delays: see the table

An open page policy, requests in order. ACT opens a row, PRE closes it, RD and WR move one burst, REF refreshes all.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from mmf_teach.paths import DATA
from mmf_teach.quantity import Quantity, read

COMMANDS = ("ACT", "PRE", "RD", "WR", "REF")
LONGEST_MEMORY = 4                       # no rule looks further back than the fourth command


class Command(NamedTuple):
    cycle: int               # of the memory's clock
    name: str                # ACT, PRE, RD, WR or REF
    group: int               # -1: all of them
    bank: int
    row: int


class Rule(NamedTuple):
    level: str               # "bank", "group" or "rank": commands further apart do not mind one another
    before: str
    after: str
    back: int                # 1: the latest such command; 4: the fourth before
    cycles: int


@lru_cache(maxsize=1)
def table() -> dict[str, Quantity]:
    """Sizes and rules of DDR4-2400, each with its source."""
    return read(DATA / "machine" / "ddr4_2400.toml")


def rules(quantities: dict[str, Quantity]) -> list[Rule]:
    """The rows of the table that are rules: `bank act rd` or, four commands back, `rank act act 4`."""
    found = []
    for name, quantity in quantities.items():
        if " " in name:
            level, before, after, *back = name.split()
            found.append(Rule(level, before.upper(), after.upper(), int(back[0]) if back else 1, quantity.value))
    return found


def place(level: str, group: int, bank: int) -> tuple[int, ...]:
    """What two commands must share for a rule of this level to hold between them."""
    return {"bank": (group, bank), "group": (group,), "rank": ()}[level]


@dataclass
class Ddr4:
    """One channel. `commands` is all that it was given; nothing else is needed to check that it kept the rules."""

    interleaved: bool = True             # neighbouring bursts lie in different groups of banks
    commands: list[Command] = field(default_factory=list)

    def __post_init__(self):
        self.sizes = {name: quantity.value for name, quantity in table().items() if " " not in name}
        self.rules_for = {name: [rule for rule in rules(table()) if rule.after == name] for name in COMMANDS}
        self.issued = defaultdict(lambda: deque(maxlen=LONGEST_MEMORY))   # (command, place) -> its latest cycles
        self.open_row = {}                                              # (group, bank) -> row
        self.refresh_due = self.sizes["refresh_interval"]

    def where(self, address: int) -> tuple[int, int, int]:
        """Group, bank and row of a byte. ValueError for an address that no memory has."""
        if address < 0:
            raise ValueError(f"an address is a number from zero up, not {address}")
        rest, groups = address // self.sizes["burst_bytes"], self.sizes["groups"]
        bursts_a_row = self.sizes["row_bytes"] // self.sizes["burst_bytes"]
        if self.interleaved:
            rest, group = divmod(rest, groups)
            rest //= bursts_a_row
        else:
            rest, group = divmod(rest // bursts_a_row, groups)
        row, bank = divmod(rest, self.sizes["banks"])
        return group, bank, row

    def access(self, now: int, address: int, write: bool = False) -> int:
        """Ask in cycle `now` for the burst around a byte; return the cycle in which the last of it has moved."""
        group, bank, row = self.where(address)
        while max(now, self.commands[-1].cycle if self.commands else 0) >= self.refresh_due:
            self._refresh()
        opened = self.open_row.get((group, bank))
        if opened != row:
            if opened is not None:
                now = self.issue("PRE", now, group, bank, opened)
            now = self.issue("ACT", now, group, bank, row)
            self.open_row[group, bank] = row
        now = self.issue("WR" if write else "RD", now, group, bank, row)
        return now + self.sizes["write_latency" if write else "read_latency"] + self.sizes["burst"]

    def _refresh(self) -> None:
        for (group, bank), row in self.open_row.items():
            self.issue("PRE", self.refresh_due, group, bank, row)
        self.open_row.clear()
        self.issue("REF", self.refresh_due, -1, -1, -1)
        self.refresh_due += self.sizes["refresh_interval"]

    def issue(self, name: str, now: int, group: int, bank: int, row: int) -> int:
        """Give one command as soon after `now` as every rule allows; return that cycle. It does not look at rows."""
        if self.commands:
            now = max(now, self.commands[-1].cycle + 1)
        for rule in self.rules_for[name]:
            past = self.issued[rule.before, place(rule.level, group, bank)]
            if len(past) >= rule.back:
                now = max(now, past[-rule.back] + rule.cycles)
        self.commands.append(Command(now, name, group, bank, row))
        for level in ("bank", "group", "rank"):
            self.issued[name, place(level, group, bank)].append(now)
        return now


@dataclass(frozen=True)
class Ddr4Port:
    """DDR4 behind a bridge, as a slow core sees it: one request at a time, `wanted` bytes of each burst used."""

    clock_mhz: float                     # of the core
    bridge_ns: float = 0.0               # there and back between core and memory, besides the memory itself
    wanted: int = 1                      # bytes that the core takes of each burst: a new request for each so many
    write: bool = False

    def __post_init__(self):
        if not self.clock_mhz > 0 or not 0 <= self.bridge_ns < float("inf") or self.wanted < 1:
            raise ValueError(f"a port needs a clock above 0 MHz, a bridge of 0 ns or more and at least one byte a "
                             f"request, not {self.clock_mhz} MHz, {self.bridge_ns} ns and {self.wanted}")

    def arrivals(self, count: int, gap: int = 0) -> Int64[ndarray, "count"]:
        """When each byte of a transfer is there; it finds all rows closed and the refresh just done."""
        return np.repeat(_answers(self, -(-count // self.wanted), gap), self.wanted)[:count]

    def cycles(self, count: int, gap: int = 0) -> int:
        """The cycle of the last answer."""
        return int(_answers(self, -(-count // self.wanted), gap)[-1])


@lru_cache(maxsize=16)
def _answers(port: Ddr4Port, count: int, gap: int) -> Int64[ndarray, "count"]:
    memory, answers, asked = Ddr4(), [], 0
    ratio = memory.sizes["clock"] / port.clock_mhz       # cycles of the memory in one of the core
    bridge = port.bridge_ns * memory.sizes["clock"] / 1000
    for request in range(count):
        done = memory.access(int(np.ceil(asked * ratio + bridge / 2)), request * port.wanted, port.write)
        answers.append(max(asked + 1, int(np.ceil((done + bridge / 2) / ratio))))
        asked = answers[-1] + gap
    return np.array(answers, dtype=np.int64)
