"""From the published core to one that saturates its memory, one change at a time, all simulated on one model.

Course    notebook 13, "The model on the machine"
Equation  tokens a second ≤ min(lanes / trits of a token, bytes a cycle / bytes of a token) · clock

The first three steps are the published core. It cannot run the model, having no scales, so they count its tmatmul
instructions alone, one for each tile of the model. From the fourth on our core runs all of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil

from hardware_sim.dram.bus import Bus
from hardware_sim.paper2024.machine import Paper2024Core, facts, paper2024
from hardware_sim.ternary_core.layout import names, shape_of
from hardware_sim.ternary_core.machine import Machine
from hardware_sim.ternary_core.model import Sizes
from hardware_sim.ternary_core.timing import CountCycles, count_cycles, moved_bytes, token_table
from mmf_teach.paths import DATA
from mmf_teach.quantity import Quantity, read

PENDING = 16                                 # reads under way at once, from the second step on
BEAT = 64                                    # bytes a cycle, from the third
MORE_PENDING = 64                            # and on the last


@lru_cache(maxsize=1)
def table() -> dict[str, Quantity]:
    """Clock, latency and the paper's projection; each number with its source."""
    return read(DATA / "machine" / "ladder.toml")


@dataclass(frozen=True)
class DesignStep:
    """A design, what was changed to reach it, and what a token costs on it."""

    name: str
    why: str                 # what the change does, in a sentence
    cycles: int              # of a token
    trits: int               # of the model: what the lanes must add
    bytes: int               # moved for a token
    lanes: int               # trits a cycle
    port_bytes: int          # bytes a cycle
    clock_mhz: float
    machine: Machine | None = None           # None: the published core

    @property
    def tokens_per_second(self) -> float:
        """Simulated, one sequence."""
        return self.clock_mhz * 1e6 / self.cycles

    @property
    def lanes_roof(self) -> float:
        """Tokens a second if no lane ever waited."""
        return roof(self.trits, self.lanes, 1e12, self.clock_mhz)

    @property
    def port_roof(self) -> float:
        """Tokens a second if the memory port never rested."""
        return self.clock_mhz * 1e6 * self.port_bytes / self.bytes

    @property
    def port_share(self) -> float:
        """Part of what the memory port could deliver that is delivered."""
        return self.tokens_per_second / self.port_roof

    @property
    def intensity(self) -> float:
        """Trits of the model for each byte moved."""
        return self.trits / self.bytes


def roof(trits: float, lanes: int, port_bytes: float, clock_mhz: float) -> float:
    """Tokens a second that no design exceeds whose lanes add and whose port reads, at once: four trits in a byte.

    >>> roof(1024, lanes=4, port_bytes=4, clock_mhz=1.0), roof(1024, lanes=64, port_bytes=4, clock_mhz=1.0)
    (3906.25, 15625.0)
    """
    adding, reading = trits / lanes, trits / (4 * port_bytes)        # cycles
    return clock_mhz * 10**6 / max(adding, reading)


def trits_of(sizes: Sizes) -> int:
    """Ternary weights that a token meets."""
    return sum(outputs * inputs for outputs, inputs in (shape_of(name, sizes) for name in names(sizes)))


def tiles_of(sizes: Sizes, d: int) -> int:
    """Tiles of d x d that cover all matrices of a model."""
    shapes = (shape_of(name, sizes) for name in names(sizes))
    return sum(-(-outputs // d) * -(-inputs // d) for outputs, inputs in shapes)


def design_steps(sizes: Sizes, count: CountCycles = count_cycles) -> Iterator[DesignStep]:
    """The ladder for a model of these sizes, the published core first; each step differs from the last in one thing."""
    published = paper2024()
    yield _products("published core", "one byte is asked for, and nothing else until it is there", sizes, published)
    latency = facts()["read_latency"].value
    many = replace(published, reads=Bus(latency, PENDING))
    yield _products("reads overlap", f"up to {PENDING} reads are under way: the latency is hidden", sizes, many)
    wide = replace(published, reads=Bus(latency, PENDING, width=BEAT))
    yield _products("wider beats", f"{BEAT} bytes a cycle, but the one lane still adds one trit", sizes, wide)
    machine = Machine(
        d=published.width, registers=8, lanes=1, row_lanes=1, port_bytes=BEAT, burst_bytes=BEAT, outstanding=PENDING,
        read_latency=latency, double_buffer=False, clock_mhz=facts()["clock"].value)
    same = "the same lane and memory, and now the whole model runs, norms and scales too"
    yield _whole_model("our core", same, sizes, machine, count)
    for name, why, change in changes(machine):
        machine = replace(machine, **change)
        yield _whole_model(name, why, sizes, machine, count)


def changes(machine: Machine) -> Iterator[tuple[str, str, dict[str, object]]]:
    """What is changed from one step to the next, from our narrowest core on."""
    yield "16 lanes", "sixteen trits are added in a cycle; adding still takes longest", {"lanes": 16}
    yield "256 lanes", "a whole beat is added in a cycle: as fast as memory brings it", {"lanes": 4 * BEAT}
    yield "double buffers", "the next tile is asked for while the last one is summed and copied out", {
        "double_buffer": True}
    yield "16 row lanes", "norms, gates and scales keep up with the tiles", {"row_lanes": 16}
    yield "16 registers", "fewer vectors wait in memory, and fewer instructions wait for one", {"registers": 16}
    clock = table()["clock"].value
    cycles = ceil(table()["latency"].value * clock / 1000)
    yield f"{clock} MHz", f"five times the clock; but the memory's 200 ns are {cycles} cycles now", {
        "clock_mhz": clock, "read_latency": cycles}
    yield "64 reads under way", "enough of them to hide the longer latency", {"outstanding": MORE_PENDING}


def _products(name: str, why: str, sizes: Sizes, machine: Paper2024Core) -> DesignStep:
    """A form of the published core: the products of a token, one tile after the other."""
    tiles, width = tiles_of(sizes, machine.width), getattr(machine.reads, "width", 1)
    return DesignStep(
        name, why, tiles * machine.cycles("tmatmul"), trits_of(sizes), tiles * machine.region_bytes("tmatmul"),
        lanes=1, port_bytes=width, clock_mhz=facts()["clock"].value)


def _whole_model(name: str, why: str, sizes: Sizes, machine: Machine, count: CountCycles) -> DesignStep:
    """A form of our core: the program of a token."""
    program = token_table(sizes, machine)
    return DesignStep(
        name, why, count(program, machine), trits_of(sizes), moved_bytes(program, machine), machine.lanes,
        machine.port_bytes, machine.clock_mhz, machine)
