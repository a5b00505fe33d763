"""The design contest: what counts as cost, what is refused and how that is said; the ranking is of real timings."""

from contextlib import suppress
from dataclasses import asdict, replace
from itertools import product

import joblib
import pytest

from hardware_sim.studies.design_search import (
    CHOICES,
    Budget,
    adders,
    bandwidth,
    budget,
    design,
    designs,
    enter,
    groups,
    over_budget,
    ranked,
    search,
    speeds,
    sram_bits,
    table,
)
from hardware_sim.ternary_core.machine import TERNARY_CORE, Machine
from hardware_sim.ternary_core.timing import token_cycles
from mmf_teach.engine.ternary_core.scoreboard import count_cycles
from mmf_teach.model.config import ModelConfig

SMALL = ModelConfig("matmul_free", 11, 32, 1)
ENTRY = {
    "d": 32, "registers": 8, "lanes": 16, "row_lanes": 4, "port_bytes": 8, "burst_bytes": 16, "outstanding": 4,
    "double_buffer": True, "clock_mhz": 200,
}
LIMIT = Budget(adders=96, row_lane_adders=16, sram=20_000, bandwidth=1.6e9, clock=200, latency=120)


@pytest.fixture(scope="module")
def found():
    return search(SMALL, LIMIT, tries=60, seed=3, count=count_cycles)


def test_the_budget_of_the_contest_has_a_kind_and_a_reason_for_every_number():
    assert asdict(budget()) == {name: quantity.value for name, quantity in table().items()}
    assert all("contest" in quantity.source for quantity in table().values())
    assert over_budget(design(ENTRY, budget()), budget()) == ""


def test_costs_are_counted_from_the_sizes():
    machine = design(ENTRY, LIMIT)
    assert adders(machine, LIMIT) == 16 + 16 * 4 and bandwidth(machine) == 8 * 200e6
    registers, inputs, sums, answers = 8 * 32 * 32, 32 * 8, 32 * 32, 4 * 16 * 8
    assert sram_bits(machine) == registers + 2 * (inputs + sums) + answers
    assert sram_bits(replace(machine, double_buffer=False)) == registers + inputs + sums + answers


def test_the_memory_is_as_far_at_any_clock():
    assert design(ENTRY, LIMIT).read_latency == 24
    assert design(ENTRY | {"clock_mhz": 101}, LIMIT).read_latency == 13          # 12.12 cycles are 13
    assert design(ENTRY | {"clock_mhz": 1}, LIMIT).read_latency == 1


@pytest.mark.parametrize(("change", "said"), [
    ({"lanes": 32, "row_lanes": 8}, "160 adders where 96 are allowed"),
    ({"registers": 20}, "bits of SRAM where 20,000 are allowed"),
    ({"port_bytes": 16}, "3,200,000,000 bytes a second of bandwidth where 1,600,000,000 are allowed"),
    ({"clock_mhz": 300, "port_bytes": 4}, "300 MHz of clock where 200 are allowed"),
])
def test_an_entry_over_budget_is_told_what_it_uses_too_much_of(found, change, said):
    sentence = enter(ENTRY | change, SMALL, LIMIT, found)
    assert sentence.startswith("over budget: ") and said in sentence and "It would write" in sentence
    assert sentence.count(" are allowed") == 1


def test_an_entry_that_uses_too_much_of_several_things_is_told_all(found):
    greedy = ENTRY | {"lanes": 32, "row_lanes": 8, "port_bytes": 16}
    assert enter(greedy, SMALL, LIMIT, found).count(" are allowed") == 2


@pytest.mark.parametrize(("change", "said"), [
    ({"lanes": 33}, "lanes must be a power of two"), ({"lanes": 0}, "lanes must be a power of two"),
    ({"registers": 3}, "registers must be a whole number from 4"), ({"d": 8}, "more lanes than the 8 elements"),
    ({"clock_mhz": 0}, "clock_mhz must be a number of megahertz above zero"),
    ({"clock_mhz": True}, "clock_mhz must be a number"), ({"clock_mhz": "fast"}, "clock_mhz must be a number"),
    ({"clock_mhz": float("nan")}, "clock_mhz must be a number"), ({"port_bytes": "8"}, "port_bytes must be a power"),
    ({"speed": 3}, "nothing is called 'speed'"), ({"double_buffer": 2}, "double_buffer is True or False"),
])
def test_an_entry_that_cannot_be_built_gets_a_sentence(found, change, said):
    sentence = enter(ENTRY | change, SMALL, LIMIT, found)
    assert sentence.startswith("cannot be built: ") and said in sentence


def test_an_entry_with_a_choice_left_out_is_told_which(found):
    without = {name: value for name, value in ENTRY.items() if name != "lanes"}
    assert "the choice of lanes is missing" in enter(without, SMALL, LIMIT, found)


def test_designs_are_all_that_can_be_built_and_keep_the_budget():
    listed = list(designs(LIMIT))
    assert len(set(listed)) == len(listed) > 100
    by_hand = 0
    for values in product(*CHOICES.values()):
        choices = dict(zip(CHOICES, values, strict=True))
        try:
            machine = Machine(read_latency=24 if choices["clock_mhz"] == 200 else 12, **choices)
        except ValueError:
            continue
        keeps = choices["lanes"] + 16 * choices["row_lanes"] <= 96 and sram_bits(machine) <= 20_000
        by_hand += keeps and choices["port_bytes"] * choices["clock_mhz"] <= 1600
    assert by_hand == len(listed)


def test_whatever_can_be_chosen_is_in_some_design_that_can_be_built():
    buildable = set()
    for values in product(*CHOICES.values()):
        with suppress(ValueError):
            design(dict(zip(CHOICES, values, strict=True)), LIMIT)
            buildable |= set(zip(CHOICES, values, strict=True))
    assert buildable == {(name, value) for name, values in CHOICES.items() for value in values}
    assert all(list(values) == sorted(set(values)) for values in CHOICES.values())
    powers = set(CHOICES) - {"registers", "double_buffer", "clock_mhz"}
    assert all(value & (value - 1) == 0 for name in powers for value in CHOICES[name])
    assert CHOICES["clock_mhz"] == (budget().clock / 2, budget().clock), "the course's clock, and half of it"


def test_the_ranking_is_of_timings_the_fastest_first_and_ties_by_size(found):
    assert len(found) == 60 and len({one.machine for one in found}) == 60
    for one in found[:5]:
        assert one.tokens_per_second == one.machine.clock_mhz * 1e6 / token_cycles(SMALL, one.machine)
    keys = [(-one.tokens_per_second, sram_bits(one.machine), adders(one.machine, LIMIT)) for one in found]
    assert keys == sorted(keys) and ranked(found[::-1], LIMIT) == found


def test_the_same_seed_searches_the_same_designs_in_any_number_of_processes(found):
    assert search(SMALL, LIMIT, tries=60, seed=3, n_jobs=1) == found, "the scoreboard itself counts the same"
    with joblib.parallel_config("threading", n_jobs=2):          # as a cluster's backend is chosen
        assert search(SMALL, LIMIT, tries=60, seed=3, count=count_cycles) == found
    other = search(SMALL, LIMIT, tries=60, seed=4, count=count_cycles)
    assert other != found and len(search(SMALL, LIMIT, tries=10)) == 10


def test_more_tries_than_designs_are_all_designs():
    tight = replace(LIMIT, adders=72, sram=9000, clock=100)
    everything = search(SMALL, tight, count=count_cycles)
    assert len(everything) == len(list(designs(tight))) == len(search(SMALL, tight, tries=10**6, count=count_cycles))
    assert sum(map(len, groups(tight))) == len(everything)
    assert all(len({(one.d, one.registers) for one in group}) == 1 for group in groups(tight))


def test_a_budget_for_nothing_is_told_in_a_sentence():
    with pytest.raises(ValueError, match="no design keeps this budget: allow more"):
        search(SMALL, replace(LIMIT, sram=100))


def test_machines_that_cannot_run_the_model_are_left_out():
    fits, lacks_addresses = design(ENTRY, LIMIT), replace(design(ENTRY, LIMIT), address_bits=8)
    assert [one.machine for one in speeds(SMALL, [fits, lacks_addresses])] == [fits]


def test_an_entry_is_ranked_among_the_others(found):
    best = {name: getattr(found[0].machine, name) for name in CHOICES}
    assert enter(best, SMALL, LIMIT, found) == (
        f"{found[0].tokens_per_second:,.0f} tokens/s (simulated): 0 of 60 designs are faster; it reaches 100 % of the "
        "best of them.")
    third = {name: getattr(found[20].machine, name) for name in CHOICES}
    ahead = sum(one.tokens_per_second > found[20].tokens_per_second for one in found)
    assert f"{ahead} of 60 designs are faster" in enter(third, SMALL, LIMIT, found) and ahead > 0
    assert over_budget(TERNARY_CORE, LIMIT)
