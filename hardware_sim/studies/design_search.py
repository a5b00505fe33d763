"""A contest of designs: the most tokens a second within a budget of adders, on-chip memory, bandwidth and clock.

Course    notebook 13, "The model on the machine"

Speeds are simulated: clock over cycles of one token. A design's costs are counted from its sizes. Thousands of designs
want a compiled `count` of cycles (mmf_teach.engine.ternary_core.scoreboard); the scoreboard itself takes milliseconds a
design. Where there is a cluster, `with joblib.parallel_config("dask"):` around `search` sends the work there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, product
from math import ceil
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from hardware_sim.ternary_core.machine import Machine
from hardware_sim.ternary_core.model import Sizes
from hardware_sim.ternary_core.timing import CountCycles, count_cycles, tokens_per_second
from mmf_teach.paths import DATA
from mmf_teach.quantity import Quantity, read

CHOICES: dict[str, tuple] = {                # what a designer may choose, and from what
    "d": (16, 32, 64, 128), "registers": (6, 8, 12, 16, 24), "lanes": (8, 16, 32, 64), "row_lanes": (4, 8, 16),
    "port_bytes": (4, 8, 16), "burst_bytes": (16, 64), "outstanding": (4, 16), "double_buffer": (False, True),
    "clock_mhz": (100, 200),
}
ELEMENT_BITS, CODE_BITS = 32, 8


@dataclass(frozen=True)
class Budget:
    """What a design may use; the table is data/machine/contest.toml."""

    adders: float
    row_lane_adders: float           # that one row lane counts for
    sram: float                      # bits
    bandwidth: float                 # bytes a second through the memory port
    clock: float                     # MHz
    latency: float                   # ns from a request to its first byte: given, whatever the clock


@lru_cache(maxsize=1)
def table() -> dict[str, Quantity]:
    """The contest's budget; each number with its kind and why it was chosen."""
    return read(DATA / "machine" / "contest.toml")


def budget() -> Budget:
    """The contest's own."""
    return Budget(**{name: quantity.value for name, quantity in table().items()})


@dataclass(frozen=True)
class Result:
    """A design that runs, and how fast."""

    tokens_per_second: float
    machine: Machine


def adders(machine: Machine, limit: Budget) -> float:
    """Trit lanes, and row lanes at what one counts for."""
    return machine.lanes + limit.row_lane_adders * machine.row_lanes


def sram_bits(machine: Machine) -> int:
    """Registers, a tile's inputs and sums (two of each with double buffers), and room for the answers under way."""
    sets = 2 if machine.double_buffer else 1
    registers = machine.registers * machine.d * ELEMENT_BITS
    tile = sets * machine.d * (CODE_BITS + ELEMENT_BITS)
    return registers + tile + 8 * machine.outstanding * machine.burst_bytes


def bandwidth(machine: Machine) -> float:
    """Bytes a second that the port takes when it never rests."""
    return machine.port_bytes * machine.clock_mhz * 1e6


def over_budget(machine: Machine, limit: Budget) -> str:
    """What a design uses too much of, as a sentence; empty when it keeps the budget."""
    used = {
        "adders": (adders(machine, limit), limit.adders), "bits of SRAM": (sram_bits(machine), limit.sram),
        "bytes a second of bandwidth": (bandwidth(machine), limit.bandwidth),
        "MHz of clock": (machine.clock_mhz, limit.clock),
    }
    over = [
        f"{amount:,.0f} {what} where {most:,.0f} are allowed" for what, (amount, most) in used.items() if amount > most]
    return f"over budget: {', '.join(over)}." if over else ""


def design(choices: Mapping[str, Any], limit: Budget) -> Machine:
    """A machine of these choices; its read latency follows from its clock. ValueError for one that cannot be."""
    unknown, missing = sorted(choices.keys() - CHOICES.keys()), sorted(CHOICES.keys() - choices.keys())
    if unknown or missing:
        what = f"nothing is called {unknown[0]!r}" if unknown else f"the choice of {missing[0]} is missing"
        raise ValueError(f"{what}: a design says {', '.join(CHOICES)}")
    clock = choices["clock_mhz"]
    if isinstance(clock, bool) or not isinstance(clock, int | float) or not 0 < clock < 1e6:
        raise ValueError(f"clock_mhz must be a number of megahertz above zero, not {clock!r}")
    return Machine(read_latency=max(1, ceil(limit.latency * clock / 1000)), **choices)


def designs(limit: Budget) -> Iterator[Machine]:
    """Every design that can be chosen, can be built and keeps the budget, grouped by registers' width and number."""
    for values in product(*CHOICES.values()):
        try:
            machine = design(dict(zip(CHOICES, values, strict=True)), limit)
        except ValueError:
            continue
        if not over_budget(machine, limit):
            yield machine


def groups(limit: Budget, tries: int | None = None, seed: int = 0) -> list[list[Machine]]:
    """All designs, or so many of them at random; those that run the same program lie together.

    ValueError when not a single one keeps the budget.
    """
    chosen = list(designs(limit))
    if not chosen:
        raise ValueError("no design keeps this budget: allow more of something")
    if tries is not None and tries < len(chosen):
        picked = np.random.default_rng(seed).choice(len(chosen), size=tries, replace=False)
        chosen = [chosen[place] for place in sorted(picked)]
    return [list(group) for _, group in groupby(chosen, key=lambda one: (one.d, one.registers))]


def speeds(sizes: Sizes, machines: Sequence[Machine], count: CountCycles = count_cycles) -> list[Result]:
    """Each of the machines timed on a token of the model; those that cannot run it are left out."""
    found = []
    for machine in machines:
        try:
            found.append(Result(tokens_per_second(sizes, machine, count), machine))
        except ValueError:                   # such as one with registers too few to lower the model
            continue
    return found


def ranked(results: Iterable[Result], limit: Budget) -> list[Result]:
    """The fastest first; of two that are equally fast the one with less memory on the chip, then with fewer adders."""
    return sorted(results, key=lambda one: (-one.tokens_per_second, sram_bits(one.machine), adders(one.machine, limit)))


def search(
    sizes: Sizes, limit: Budget, tries: int | None = None, seed: int = 0, n_jobs: int | None = None,
    count: CountCycles = count_cycles,
) -> list[Result]:
    """All designs, or so many at random, ranked. `n_jobs` processes share the work; None leaves it to joblib's backend.

    ValueError when not a single one keeps the budget.
    """
    parts = Parallel(n_jobs=n_jobs)(delayed(speeds)(sizes, group, count) for group in groups(limit, tries, seed))
    return ranked((result for part in parts for result in part), limit)


def enter(
    choices: Mapping[str, Any], sizes: Sizes, limit: Budget, others: Sequence[Result],
    count: CountCycles = count_cycles,
) -> str:
    """The reader's entry in a sentence: what is wrong with it, or how fast it is and where it stands among others."""
    try:
        machine = design(choices, limit)
        speed = tokens_per_second(sizes, machine, count)
    except ValueError as problem:
        return f"cannot be built: {problem}."
    if problem := over_budget(machine, limit):
        return f"{problem} (It would write {speed:,.0f} tokens/s, simulated.)"
    ahead = sum(other.tokens_per_second > speed for other in others)
    of_best = 100 * speed / others[0].tokens_per_second
    return (
        f"{speed:,.0f} tokens/s (simulated): {ahead:,} of {len(others):,} designs are faster; it reaches "
        f"{of_best:.0f} % of the best of them.")
