"""Exercises of notebook 13: tiles, addresses, registers, a roof, a law for clocks, and a bandwidth implied."""

from collections.abc import Callable
from itertools import product
from math import ceil

import numpy as np
from numpy import ndarray

from hardware_sim.studies.ladder import roof
from hardware_sim.studies.projection import needed_gigabytes_per_second
from hardware_sim.ternary_core.lowering_reference import addresses, count_loads, give_up, tiles_of
from mmf_teach.lesson.exercise import Exercise
from mmf_teach.lesson.property_test import PropertyTest


def is_a_possible_clock(cycles: Callable) -> bool:
    """Whether a machine could need so long for 4,096 trits: whole cycles, enough of them, and better parts never hurt.

    `cycles(lanes, port_bytes, latency)` is asked for lanes and bytes that are powers of two.
    """
    machines = list(product((1, 8, 64), (4, 8, 16), (1, 20)))
    for lanes, port, latency in machines:
        now = cycles(lanes, port, latency)
        if now % 1 or now < latency + max(4096 / lanes, 4096 / (4 * port)):
            return False
    for one, other in product(machines, machines):
        no_worse = other[0] >= one[0] and other[1] >= one[1] and other[2] <= one[2]
        if no_worse and cycles(*other) > cycles(*one):
            return False
    return True


def _clock(also: Callable = lambda lanes, port, latency: 64, trits_a_byte: int = 4, least: int = 1) -> Callable:
    """A machine that reads and adds at once; what comes on top, and two sizes, may be wrong."""
    def cycles(lanes: int, port_bytes: int, latency: int) -> float:
        adding, reading = ceil(4096 / max(lanes, least)), ceil(4096 / (trits_a_byte * port_bytes))
        return latency + max(adding, reading) + also(lanes, port_bytes, latency)
    return cycles


def _moody() -> Callable:
    asked = []

    def cycles(lanes: int, port_bytes: int, latency: int) -> int:
        asked.append(lanes)
        return _clock()(lanes, port_bytes, latency) + len(asked) % 3     # two questions a pair: 2 would never change
    return cycles


def _matrices():
    from hypothesis import strategies as st
    shapes = st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))
    return shapes.flatmap(lambda shape: st.tuples(
        st.lists(st.sampled_from([-1, 0, 1]), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]).map(
            lambda drawn: np.array(drawn, np.int8).reshape(shape[:2])), st.just(shape[2])))


def _regions():
    from hypothesis import strategies as st
    sizes = st.dictionaries(st.sampled_from(["trits", "bias", "scores", "work"]), st.integers(0, 300))
    return st.tuples(sizes, st.sampled_from([1, 4, 16, 64]))


def _values():
    from hypothesis import strategies as st
    held = st.lists(st.sampled_from("xfchg"), min_size=1, max_size=4, unique=True)
    return st.tuples(held, st.lists(st.sampled_from("xfchg"), max_size=7))


def _reads():
    from hypothesis import strategies as st
    return st.tuples(st.lists(st.sampled_from("xfch"), max_size=9), st.integers(1, 4))


def _cores():
    from hypothesis import strategies as st
    powers = st.sampled_from([1, 4, 16, 64, 256])
    return st.tuples(st.integers(1, 10**6), powers, powers, st.sampled_from([50.0, 60.0, 200.0]))


def _models():
    from hypothesis import strategies as st
    return st.tuples(st.integers(1, 10**10), st.sampled_from([1.6, 2, 8, 16]), st.integers(1, 500))


def _tiled(fill: Callable, order: Callable) -> Callable:
    """Tiles of a matrix filled up in one way, cut and put in order in another."""
    def tiles(trits: ndarray, d: int) -> ndarray:
        whole = fill(trits, -trits.shape[0] % d, -trits.shape[1] % d)
        return order(whole.reshape(whole.shape[0] // d, d, whole.shape[1] // d, d)).reshape(-1, d, d)
    return tiles


_zeros_after = lambda trits, down, right: np.pad(trits, ((0, down), (0, right)))
_row_by_row = lambda cut: cut.swapaxes(1, 2)


def _cut_off(trits: ndarray, d: int) -> ndarray:
    rows, columns = (size // d * d for size in trits.shape)
    return tiles_of(trits[:rows, :columns], d)


def _by_line(start: Callable) -> Callable:
    """Addresses by a rule for what comes after a region of that size at that place."""
    def placed(sizes: dict[str, int], line: int) -> dict[str, int]:
        starts, free = {}, 0
        for name, size in sizes.items():
            starts[name], free = start(free, size, line)
        return starts
    return placed


def _up(number: int, line: int) -> int:
    return -(-number // line) * line


def _fewer(choose: Callable) -> Callable:
    """`count_loads` with another rule for what to give up."""
    def loads(reads: list[str], registers: int) -> int:
        held, count = [], 0
        for at, value in enumerate(reads):
            if value not in held:
                count += 1
                if len(held) == registers:
                    held.remove(choose(held, reads[at:]))
                held.append(value)
        return count
    return loads


def _soonest(held: list[str], later: list[str]) -> str:
    return min(held, key=lambda value: later.index(value) if value in later else len(later))


EXERCISES = [
    Exercise(
        id="13.1",
        ask="Return the matrix cut into tiles of d x d, an array [tiles, d, d], row of tiles by row of tiles.",
        answer=tiles_of,
        cases=[
            (np.array([[1, -1], [0, 1]], np.int8), 1), (np.arange(12).reshape(2, 6).astype(np.int8) % 3 - 1, 2),
            (np.array([[1, -1, 1], [-1, -1, 1], [1, 1, -1]], np.int8), 2), (np.ones((1, 1), np.int8), 4),
            (np.array([[1, 0, -1, -1], [1, 1, 0, -1], [0, -1, 1, 1], [-1, 0, 1, 0]], np.int8), 2)],
        mistakes={
            "What does not fill a tile is cut off: fill the last ones up with zeros instead.": _cut_off,
            "Your tiles go down the matrix first; they should go along its rows.":
                _tiled(_zeros_after, lambda cut: cut.transpose(2, 0, 1, 3)),
            "A reshape alone does not cut squares: bring the row of tiles, then the tile, then its rows to the front.":
                _tiled(_zeros_after, lambda cut: cut),
            "Each tile is turned on its side: its first axis is the outputs.":
                _tiled(_zeros_after, lambda cut: cut.transpose(0, 2, 3, 1)),
            "The zeros go after the trits, below and to the right.":
                _tiled(lambda trits, down, right: np.pad(trits, ((down, 0), (right, 0))), _row_by_row),
            "Fill up with zeros: any other trit would add what is not there.":
                _tiled(lambda trits, down, right: np.pad(
                    trits, ((0, down), (0, right)), constant_values=1), _row_by_row),
        },
        hints=[
            "np.pad(trits, [(0, -outputs % d), (0, -inputs % d)]) fills up with zeros.",
            "Then reshape to [rows of tiles, d, columns of tiles, d], and exchange the two in the middle.",
        ],
        inputs=_matrices,
        exact_dtype=True,
    ),
    Exercise(
        id="13.2",
        ask="Return where each region begins: one after the other from 0, each at a multiple of `line` bytes.",
        answer=addresses,
        cases=[
            ({"trits": 100, "bias": 4, "scores": 8}, 64), ({"trits": 128, "bias": 64, "scores": 1}, 64), ({}, 16),
            ({"trits": 0, "bias": 5}, 4), ({"trits": 7, "bias": 9}, 1)],
        mistakes={
            "The next region begins at the very next byte; round up to a multiple of `line`.":
                _by_line(lambda free, size, line: (free, free + size)),
            "You round down, so regions overlap: round up.":
                _by_line(lambda free, size, line: (free, (free + size) // line * line)),
            "A region that ends at a multiple of `line` needs no further gap.":
                _by_line(lambda free, size, line: (free, (free + size) // line * line + line)),
            "You return where regions end; where do they begin?":
                _by_line(lambda free, size, line: (free + size, _up(free + size, line))),
            "You round the sizes, but forget to begin after the region before.":
                _by_line(lambda free, size, line: (free, _up(size, line))),
        },
        hints=[
            "Keep the first free address. A region begins there.",
            "Rounded up to a multiple of line: -(-number // line) * line.",
        ],
        inputs=_regions,
    ),
    Exercise(
        id="13.3",
        ask="Return which of the values in registers to give up: the one that is read again last, or never.",
        answer=give_up,
        cases=[
            (["x", "f", "c"], ["c", "x", "c", "f"]), (["x", "f"], ["x"]), (["x", "f", "c"], ["f"]),
            (["g"], ["x"]), (["h", "x", "c"], ["x", "h", "c", "h"]), (["x", "f", "c"], ["x", "f", "c", "x"])],
        mistakes={
            "That one is read next: give up the one that is read again last.": _soonest,
            "You give up the one that has been here longest, whoever needs it.": lambda held, later: held[0],
            "A value that is never read again is the first to give up.":
                lambda held, later: max(held, key=lambda value: later.index(value) if value in later else -1),
            "Look at the first time that a value is read again, not at the last.":
                lambda held, later: max(
                    held, key=lambda value: len(later) - later[::-1].index(value) if value in later else 99),
        },
        hints=[
            "later.index(value) says when a value is read next; not all values are in `later`.",
            "max(held, key=...) with the place of the next read, or len(later) where there is none.",
        ],
        inputs=_values,
    ),
    Exercise(
        id="13.4",
        ask="Put the lines in order: how many loads a row of reads needs with so many registers.",
        answer=count_loads,
        cases=[
            (["x", "f", "x", "c", "f"], 2), (["x", "f", "c", "x", "f", "c"], 2), (["x", "x", "x"], 1), ([], 2),
            (["x", "f", "c", "h", "x", "f"], 3), (["x", "f", "x", "f"], 1), (["x", "f", "c", "f", "x", "c"], 2)],
        mistakes={
            "You load a value that is in a register already.": lambda reads, registers: len(reads),
            "Only what finds every register taken sends another one away, but each that is missing is a load.":
                lambda reads, registers: max(0, count_loads(reads, registers) - min(registers, len(set(reads)))),
            "Nothing is ever given up: with so few registers that cannot be.":
                lambda reads, registers: len(set(reads)),
            "You give up the value that is read next.": _fewer(_soonest),
        },
        hints=["Missing? Count. Full? Give one up. Then hold the new one."],
        inputs=_reads,
        lines=(
            "def count_loads(reads, registers):",
            "    held, loads = [], 0",
            "    for at, value in enumerate(reads):",
            "        if value not in held:",
            "            loads += 1",
            "            if len(held) == registers:",
            "                later = reads[at:]",
            "                held.remove(max(held, key=lambda v: later.index(v) if v in later else len(later)))",
            "            held.append(value)",
            "    return loads",
        ),
    ),
    Exercise(
        id="13.5",
        ask="Mend roof: the tokens a second that neither lanes nor memory port allow to be exceeded.",
        answer=roof,
        planted=lambda trits, lanes, port_bytes, clock_mhz: (
            clock_mhz * 1e6 / (trits / lanes + trits / (4 * port_bytes))),
        cases=[(1024, 4, 4, 1.0), (1024, 64, 4, 1.0), (1000, 8, 1, 60.0), (77, 1, 64, 200.0), (1024, 16, 4, 1.0)],
        mistakes={
            "The slower of the two decides, so the longer time: max, not min.":
                lambda trits, lanes, port_bytes, clock_mhz: (
                    clock_mhz * 1e6 / min(trits / lanes, trits / (4 * port_bytes))),
            "A byte holds four trits, of two bits each.":
                lambda trits, lanes, port_bytes, clock_mhz: clock_mhz * 1e6 / max(trits / lanes, trits / port_bytes),
            "A megahertz is a million cycles a second.":
                lambda trits, lanes, port_bytes, clock_mhz: roof(trits, lanes, port_bytes, clock_mhz) / 1e6,
            "The lanes count too: a trit takes a lane for a cycle.":
                lambda trits, lanes, port_bytes, clock_mhz: clock_mhz * 1e6 * 4 * port_bytes / trits,
        },
        hints=["Does the port rest while the lanes add?", "Both work at once: the longer of the two times counts."],
        inputs=_cores,
    ),
    PropertyTest(
        id="13.6",
        ask="Write a test that is True for cycle counts that a machine could have, and False for others.",
        answer=is_a_possible_clock,
        right=(_clock(),),
        wrong={
            "It adds as if it always had 64 lanes.": (_clock(least=64),),
            "It takes eight trits from a byte.": (_clock(trits_a_byte=8),),
            "The latency of the memory is not counted.": (_clock(lambda lanes, port, latency: -latency),),
            "A longer latency makes it faster.": (_clock(lambda lanes, port, latency: 999 - 2 * latency),),
            "More lanes make it slower.": (_clock(lambda lanes, port, latency: 1000 * lanes),),
            "A wider port makes it slower.": (_clock(lambda lanes, port, latency: 99 * port),),
            "It ends in the middle of a cycle.": (_clock(lambda lanes, port, latency: 64.5),),
            "Asked twice, it needs another time.": (_moody(),),
        },
        hints=[
            "How many cycles do lanes and port need at the very least for 4,096 trits, once the first ones are there?",
            "Compare each two machines of which one has no fewer lanes, no narrower port and no longer wait.",
        ],
    ),
    Exercise(
        id="13.7",
        ask="Return the gigabytes a second at which all weights come by once for each token.",
        answer=needed_gigabytes_per_second,
        cases=[(4e9, 2, 1.5), (1e9, 8, 1.0), (1_233_125_376, 2, 23.8), (10, 1.6, 3.0), (370e6, 16, 10.0)],
        mistakes={
            "You count bits; a byte has eight.":
                lambda weights, bits, tokens_per_second: weights * bits * tokens_per_second / 1e9,
            "More tokens a second need more bytes a second: multiply.":
                lambda weights, bits, tokens_per_second: weights * bits / 8 / tokens_per_second / 1e9,
            "A gigabyte is 10⁹ bytes.":
                lambda weights, bits, tokens_per_second: weights * bits / 8 * tokens_per_second / 2**30,
            "That is in bytes; a gigabyte is 10⁹ of them.":
                lambda weights, bits, tokens_per_second: weights * bits / 8 * tokens_per_second,
        },
        hints=["weights · bits / 8 bytes a token, so many times a second, over 10⁹."],
        inputs=_models,
    ),
]
