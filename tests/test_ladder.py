"""The design ladder: each step is simulated, changes one thing and stays under its roofs; the last saturates memory."""

from dataclasses import asdict, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st

from hardware_sim import scoreboard as core
from hardware_sim.dram.bus import Bus
from hardware_sim.dram.fixed_latency import FixedLatency
from hardware_sim.paper2024.machine import facts
from hardware_sim.paper2024.units import tmatmul
from hardware_sim.studies.ladder import (
    BEAT,
    PENDING,
    changes,
    design_steps,
    roof,
    table,
    tiles_of,
    trits_of,
)
from hardware_sim.studies.projection import needed_gigabytes_per_second, projection
from hardware_sim.ternary_core.cost_table import TernaryCore
from hardware_sim.ternary_core.lowering import lower
from hardware_sim.ternary_core.machine import Machine
from hardware_sim.ternary_core.timing import count_cycles, moved_bytes, token_cycles, token_table
from hardware_sim.trace import moved, total_cycles
from mmf_teach.cost.closed_form import matrix_weights
from mmf_teach.cost.sizes import sizes
from mmf_teach.engine.ternary_core import scoreboard as compiled
from mmf_teach.lesson.figures.design_ladder import design_ladder

LARGE = sizes("370M", "matmul_free")


@pytest.fixture(scope="module")
def steps():
    return list(design_steps(LARGE, compiled.count_cycles))


# What a model asks for


@pytest.mark.parametrize("name", ["shipped", "370M", "2.7B"])
def test_the_trits_of_a_token_are_all_matrices_of_the_model(name):
    config = sizes(name, "matmul_free")
    assert trits_of(config) == matrix_weights(config)


def test_tiles_cover_every_matrix_and_none_is_left_over():
    config = sizes("shipped", "matmul_free")
    matrices = [(128, 128)] * 4 + [(352, 128)] * 2 + [(128, 352)]
    count = 6 * sum(len(range(0, rows, 64)) * len(range(0, columns, 64)) for rows, columns in matrices)
    assert tiles_of(config, 64) == count + 2 * 2         # and the head, 65 x 128
    assert tiles_of(config, 1) == trits_of(config)


# The steps


def test_the_first_three_steps_are_the_published_core_one_tile_after_the_other(steps):
    latency, tiles = facts()["read_latency"].value, tiles_of(LARGE, 512)
    memories = [FixedLatency(latency), Bus(latency, PENDING), Bus(latency, PENDING, width=BEAT)]
    for step, memory in zip(steps[:3], memories, strict=True):
        assert step.cycles == tiles * tmatmul.cycles(512, memory) and step.machine is None
        assert step.bytes == tiles * 512 * 512 // 4 and step.lanes == 1 and step.clock_mhz == facts()["clock"].value
    assert steps[0].cycles / (60e6) == pytest.approx(19.5, abs=0.1)              # seconds for a single token
    assert [step.port_bytes for step in steps[:3]] == [1, 1, BEAT]


def test_our_core_begins_with_the_lane_the_memory_and_the_clock_of_the_step_before(steps):
    before, ours = steps[2], steps[3]
    assert (ours.lanes, ours.port_bytes, ours.clock_mhz) == (before.lanes, before.port_bytes, before.clock_mhz)
    assert ours.machine.d == 512 and ours.machine.outstanding == PENDING and ours.machine.row_lanes == 1
    assert ours.cycles == pytest.approx(before.cycles, rel=0.01)         # so nothing is gained by changing cores


def test_every_later_step_changes_what_its_name_says_and_nothing_else(steps):
    for before, step in pairwise(steps[3:]):
        changed = {
            name for name, value in asdict(step.machine).items() if value != asdict(before.machine)[name]}
        assert changed == {"16 lanes": {"lanes"}, "256 lanes": {"lanes"}, "double buffers": {"double_buffer"},
                           "16 row lanes": {"row_lanes"}, "16 registers": {"registers"},
                           "300 MHz": {"clock_mhz", "read_latency"}, "64 reads under way": {"outstanding"}}[step.name]
    assert len(steps) == 4 + len(list(changes(steps[3].machine))) == 11
    last = steps[-1].machine
    assert (last.lanes, last.row_lanes, last.registers, last.double_buffer) == (4 * BEAT, 16, 16, True)


def test_a_step_takes_the_cycles_and_bytes_of_its_machine(steps):
    for step in steps[3:]:
        table = token_table(LARGE, step.machine)
        assert (step.cycles, step.bytes) == (count_cycles(table, step.machine), moved_bytes(table, step.machine))
        assert (step.lanes, step.port_bytes) == (step.machine.lanes, step.machine.port_bytes)


def test_the_scoreboard_itself_gives_the_steps_of_a_small_model():
    config = sizes("shipped", "matmul_free")
    for step in list(design_steps(config))[4:7]:
        events = core.run(lower(config, step.machine).program, TernaryCore(step.machine))
        assert (step.cycles, step.bytes) == (total_cycles(events), moved(events))


def test_no_step_is_above_its_roofs_none_is_slower_than_the_one_before_and_the_last_saturates_its_port(steps):
    for step in steps:
        assert step.tokens_per_second <= min(step.lanes_roof, step.port_roof)
        assert step.port_share == pytest.approx(step.tokens_per_second / step.port_roof)
    for before, step in pairwise(steps):
        assert step.tokens_per_second >= 0.995 * before.tokens_per_second, step.name
    assert steps[-1].port_share > 0.95 and steps[0].port_share < 0.1
    assert steps[-1].port_bytes * steps[-1].clock_mhz == 19_200                  # MB/s, one channel of DDR4-2400


def test_a_wider_beat_gains_nothing_while_one_lane_decides_and_a_clock_little_while_the_memory_is_as_far(steps):
    gain = {step.name: step.tokens_per_second / before.tokens_per_second for before, step in pairwise(steps)}
    assert gain["wider beats"] == pytest.approx(1, abs=0.001) and gain["300 MHz"] < 1.5
    assert gain["reads overlap"] > 3 and gain["64 reads under way"] > 3
    waits = table()["latency"].value * steps[-1].clock_mhz / 1000
    assert steps[-1].machine.read_latency == waits == 60


def test_nearly_four_trits_come_with_each_byte(steps):
    assert all(3.7 < step.intensity < 4 and step.intensity == step.trits / step.bytes for step in steps)


# Roofs


@settings(derandomize=True, max_examples=80)
@given(st.integers(1, 10**7), st.integers(1, 512), st.integers(1, 64), st.integers(1, 500))
def test_the_roof_is_the_lower_of_the_two(trits, lanes, port, clock):
    of_lanes, of_port = clock * 1e6 * lanes / trits, clock * 1e6 * 4 * port / trits
    assert roof(trits, lanes, port, clock) == pytest.approx(min(of_lanes, of_port))


def test_a_real_core_stays_under_the_roof_of_its_tiles():
    config = sizes("shipped", "matmul_free")
    for lanes, port in ((16, 16), (64, 4), (128, 32)):
        machine = Machine(lanes=lanes, port_bytes=port)
        cycles = token_cycles(config, machine)
        assert machine.clock_mhz * 1e6 / cycles < roof(trits_of(config), lanes, port, machine.clock_mhz)


# The projection


def test_the_projection_is_the_papers_number_and_needs_twice_the_bandwidth_that_is_there():
    claim = projection(sizes("1.3B", "matmul_free"))
    assert claim.tokens_per_second == pytest.approx(table()["projected_speed"].value, abs=0.05)
    assert claim.token_ms == pytest.approx(24 * 112 / 64) and claim.blocks == 24
    assert claim.weights == 24 * (4 * 2048**2 + 3 * 2048 * 5632)                 # 308 MB at two bits
    assert claim.needed_gigabytes_per_second == pytest.approx(7.3, abs=0.05)
    assert claim.there_gigabytes_per_second == pytest.approx(3.84)
    assert replace(claim, block_ms=224).tokens_per_second == pytest.approx(claim.tokens_per_second / 2)


def test_a_bandwidth_is_bytes_a_token_times_tokens():
    assert needed_gigabytes_per_second(8e9, 1, 2.0) == 2.0
    assert needed_gigabytes_per_second(5, 1.6, 1e9) == pytest.approx(1.0)


# The picture


def test_the_picture_has_a_bar_and_two_marks_for_each_design_and_says_them():
    figure = design_ladder({"slow": (0.5, 1.0, 2000.0), "fast": (20.0, 40.0, 30.0)}, "T", "tokens a second")
    bars, lanes, port = figure.data
    assert list(bars.y) == list(lanes.y) == list(port.y) == ["slow", "fast"]
    assert [list(each.x) for each in figure.data] == [[0.5, 20], [1, 40], [2000, 30]]
    assert figure.layout.meta["alt"].endswith(
        "slow: 0.5, lanes allow 1, port 2,000; fast: 20, lanes allow 40, port 30.")
    assert figure.layout.yaxis.categoryarray == ("fast", "slow") and figure.layout.xaxis.type == "log"
