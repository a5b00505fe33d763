"""Joules of a program: what was done and moved, times what each costs; every row keeps the kind of its cost.

Course    notebook 14, "Joules per token"
Equation  E = Σ count × cost; a range of the cost is a range of the energy
Left out  leakage, the clock's own energy, wires between the units, the memory's refresh: what costs without being done
"""

from collections import Counter
from collections.abc import Callable, Mapping

from mmf_teach.quantity import BITS, Quantity, load

PER = {"pJ/operation": 1, "pJ/instruction": 1, **BITS}       # how much of what is counted one cost is for
MOVED = "memory bits"
COSTS = {                                    # what is counted -> table in data/energy, entry
    "ternary mac": ("gates_45nm", "ternary_mac"),
    "add": ("horowitz_2014", "int32_add"),
    "multiply": ("horowitz_2014", "int32_mul"),
    "register bits": ("horowitz_2014", "sram_8kb_read"),     # registers and tables are small memories on the chip
    "instruction": ("horowitz_2014", "instruction_overhead"),
    MOVED: ("memory", "ddr4"),
}
Actions = Callable[[str], Mapping[str, int]]                 # mnemonic -> what one instruction does inside the core


def costs(memory: str = "ddr4") -> dict[str, Quantity]:
    """What each thing costs; `memory` is an entry of data/energy/memory.toml. KeyError for one that is none."""
    found = {what: load(table)[entry] for what, (table, entry) in COSTS.items()}
    return found | {MOVED: load("memory")[memory]}


def counts(done: Mapping[str, int], moved_bytes: int, actions: Actions) -> Counter:
    """All that instructions, so many of each mnemonic, do, and the bits that they move."""
    total = Counter({MOVED: 8 * moved_bytes})
    for mnemonic, times in done.items():
        for what, count in actions(mnemonic).items():
            total[what] += times * count
    return total


def account(counted: Mapping[str, int], prices: Mapping[str, Quantity]) -> dict[str, Quantity]:
    """Picojoules by cause, with the kind and the source of each cost.

    KeyError for what has no cost, ValueError for a cost that is in none of the known units.
    """
    rows = {}
    for what, count in counted.items():
        cost = prices[what]
        if cost.unit not in PER:
            raise ValueError(f"the cost of one {what} is in {cost.unit}, not in one of {', '.join(PER)}")
        times = count / PER[cost.unit]
        low, high = (None if end is None else end * times for end in (cost.low, cost.high))
        rows[what] = Quantity(
            cost.value * times, "pJ", cost.kind, f"{count:,} counted, at {cost.value:g} {cost.unit}: {cost.source}",
            cost.node, low, high, cost.verified)
    return rows


def total(rows: Mapping[str, Quantity]) -> Quantity:
    """The sum, modelled: low and high ends added up, a cost without a range counting as what it is."""
    low = sum(row.value if row.low is None else row.low for row in rows.values())
    high = sum(row.value if row.high is None else row.high for row in rows.values())
    return Quantity(
        sum(row.value for row in rows.values()), "pJ", "modelled", f"the sum of {', '.join(rows)}", low=low, high=high,
        verified=all(row.verified for row in rows.values()))
