"""Notebook 13: lowering in small does what lowering does, and a law for clocks holds for our core."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hardware_sim.ternary_core.image import LINE, Placing
from hardware_sim.ternary_core.lowering_reference import addresses, count_loads, give_up, tiles_of
from hardware_sim.ternary_core.machine import Machine
from hardware_sim.ternary_core.timing import token_cycles
from hardware_sim.ternary_core.units import tmatmul
from mmf_teach.cost.sizes import sizes
from mmf_teach.lesson.folders import exercises

is_a_possible_clock = exercises("13").is_a_possible_clock

LAWS = settings(deadline=None, derandomize=True, max_examples=80)


@LAWS
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.integers(0, 99))
def test_tiles_go_back_together(rows, columns, d, seed):
    trits = np.random.default_rng(seed).integers(-1, 2, (rows, columns), dtype=np.int8)
    tiles, across = tiles_of(trits, d), -(-columns // d)
    assert tiles.dtype == np.int8
    for row, column in product(range(len(tiles) // across * d), range(across * d)):
        inside = row < rows and column < columns
        tile = tiles[row // d * across + column // d]
        assert tile[row % d, column % d] == (trits[row, column] if inside else 0)


@LAWS
@given(st.lists(st.integers(1, 300), max_size=6))
def test_addresses_of_the_reference_are_those_of_the_layout(lengths):
    placing, lengths = Placing(), {f"r{number}": size for number, size in enumerate(lengths)}
    placed = {name: placing.region(name, size, "work").start for name, size in lengths.items()}
    assert addresses(lengths, LINE) == placed


@LAWS
@given(st.lists(st.sampled_from("abcd"), max_size=7), st.integers(1, 3))
def test_no_way_of_giving_up_values_needs_fewer_loads(reads, registers):
    """Every choice at every step is tried."""
    def fewest(at: int, held: frozenset) -> int:
        if at == len(reads):
            return 0
        if reads[at] in held:
            return fewest(at + 1, held)
        if len(held) < registers:
            return 1 + fewest(at + 1, held | {reads[at]})
        return 1 + min(fewest(at + 1, held - {other} | {reads[at]}) for other in held)
    assert count_loads(reads, registers) == fewest(0, frozenset())


def test_what_is_given_up_is_read_last_or_never():
    for held in permutations("abc"):
        assert give_up(list(held), list("abcab")) == "c"
        assert give_up(list(held), list("ca")) == "b"
    assert give_up(["x", "y"], []) == "x"


def test_the_law_for_clocks_holds_for_a_tile_and_a_whole_token_of_our_core():
    config = sizes("shipped", "matmul_free")

    def machine(lanes: int, port: int, latency: int) -> Machine:
        return Machine(
            d=64, lanes=lanes, row_lanes=4, port_bytes=port, burst_bytes=64, outstanding=4, read_latency=latency,
            double_buffer=False)

    assert is_a_possible_clock(lambda *choices: tmatmul.cycles(machine(*choices)))
    assert is_a_possible_clock(lambda *choices: token_cycles(config, machine(*choices)))


@pytest.mark.parametrize("spoil", [
    lambda cycles, lanes: cycles - 4096 // lanes, lambda cycles, lanes: cycles + 5000 * (lanes == 64),
    lambda cycles, lanes: cycles / 3,
])
def test_the_law_can_fail(spoil):
    def machine(lanes: int, port: int, latency: int) -> float:
        return spoil(latency + max(4096 // lanes, 1024 // port), lanes)
    assert not is_a_possible_clock(machine)
