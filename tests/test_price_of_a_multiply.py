"""Notebook 01: operations are counted as they are done, energy is counts times costs, and the roofline is a minimum."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st

from mmf_teach.cost import probe
from mmf_teach.cost.counted_number import Counted, counted_dot, matvec_operations
from mmf_teach.cost.energy import energy_pj, moving_pj
from mmf_teach.cost.roofline import attainable, intensity, ridge
from mmf_teach.cost.traffic import WEIGHT_BITS, weight_bytes
from mmf_teach.lesson.widgets import energy_split as widget
from mmf_teach.lesson.widgets.energy_split import ARITHMETIC, BATCHES, PLACES, EnergySplit, energy_split
from mmf_teach.quantity import BITS, Quantity, load

LAWS = settings(deadline=None, derandomize=True, max_examples=150)
numbers = st.integers(-9, 9).map(float)

pytestmark = pytest.mark.usefixtures("without_type_checks")


def cost(value, unit="pJ/operation"):
    return Quantity(value, unit, "modelled", "made up for a test")


# Counting


@LAWS
@given(st.lists(st.tuples(numbers, numbers), max_size=20))
def test_a_counted_dot_product_is_the_sum_of_products_and_counts_one_of_each_a_pair(pairs):
    weights, inputs = [w for w, _ in pairs], [x for _, x in pairs]
    value, tally = counted_dot(weights, inputs)
    assert value == float(np.dot(weights, inputs))
    assert tally == Counter(multiply=len(pairs), add=len(pairs)) and tally["subtract"] == 0


@pytest.mark.parametrize(("weights", "inputs"), [([1.0], []), ([], [1.0]), ([1.0, 2.0], [1.0])])
def test_rows_of_unequal_length_have_no_dot_product(weights, inputs):
    with pytest.raises(ValueError):
        counted_dot(weights, inputs)


def test_every_operation_of_numbers_with_one_tally_is_counted_under_its_own_name():
    tally = Counter()
    a, b = Counted(6.0, tally), Counted(1.5, tally)
    results = [(a + b).value, (a - b).value, (a * b).value, (a * b - b).value]
    assert results == [7.5, 4.5, 9.0, 7.5]
    assert tally == Counter(add=1, subtract=2, multiply=2)
    other = Counter()
    assert (Counted(1.0, other) + Counted(2.0, other)).tally is other and tally["add"] == 1


@pytest.mark.parametrize(("out", "width"), [(1, 1), (3, 4), (4, 3), (1, 63), (63, 1), (128, 352), (0, 5), (5, 0)])
def test_the_formula_of_a_matrix_product_counts_what_the_loop_does(out, width):
    dice = np.random.default_rng(out + width)
    loop = Counter()
    for row in dice.normal(size=(out, width)):
        loop += counted_dot(row.tolist(), [1.0] * width)[1]
    assert +matvec_operations(out, width) == loop


# Energy


@LAWS
@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 10**6)))
def test_energy_is_the_sum_of_counts_times_costs(operations):
    costs = {name: cost(value) for name, value in zip("abcd", (0.5, 2.0, 0.25, 8), strict=True)}
    assert energy_pj(operations, costs) == sum(count * costs[name].value for name, count in operations.items())


def test_an_operation_without_a_cost_is_not_free_and_one_with_another_kind_of_cost_is_refused():
    with pytest.raises(KeyError, match="divide"):
        energy_pj({"add": 1, "divide": 0}, {"add": cost(1)})
    with pytest.raises(ValueError, match="the cost of add is given in pJ/bit"):
        energy_pj({"add": 1}, {"add": cost(1, "pJ/bit")})


@pytest.mark.parametrize(("unit", "bits"), [("pJ/bit", 1), ("pJ/byte", 8), ("pJ/64 bits", 64)])
@pytest.mark.parametrize("data_bytes", [0, 1, 3, 8, 1 << 20])
def test_moving_costs_what_its_bits_cost_in_whichever_unit_that_is_given(unit, bits, data_bytes):
    assert moving_pj(data_bytes, cost(640.0, unit)) == float(Fraction(640 * 8 * data_bytes, bits))


@pytest.mark.parametrize("unit", ["pJ/operation", "pJ/bit/mm", "pJ", "pj/bit", ""])
def test_only_a_cost_of_moving_bits_moves_bits(unit):
    with pytest.raises(ValueError, match="is not the cost of moving bits" if unit else "needs a unit"):
        moving_pj(1, cost(1.0, unit))
    assert unit not in BITS


def test_the_same_memory_costs_the_same_in_all_three_units():
    units = {"pJ/bit": 2, "pJ/byte": 16, "pJ/64 bits": 128}
    assert len({moving_pj(1 << 20, cost(value, unit)) for unit, value in units.items()}) == 1


# Bytes


@LAWS
@given(st.integers(0, 10**6), st.sampled_from([1, 2, 4, 8, 16, 32]))
def test_weights_take_the_fewest_whole_bytes_that_hold_their_bits(weights, bits):
    taken = weight_bytes(weights, bits)
    assert isinstance(taken, int) and 8 * taken >= weights * bits > 8 * (taken - 1)


@LAWS
@given(st.integers(0, 10**6))
@example(5)
@example(35)
@example(65)
def test_five_trits_take_a_byte_at_16_tenths_of_a_bit_with_no_byte_too_many(weights):
    """1.6 is no binary fraction: 8 / 5 of a whole number must still come out whole."""
    assert weight_bytes(weights, 1.6) == -(-weights // 5)


@pytest.mark.parametrize(("weights", "bits"), [(-1, 8), (5, 0), (5, -2), (-1, -1)])
def test_fewer_weights_or_bits_than_none_are_refused(weights, bits):
    with pytest.raises(ValueError, match="neither can be below zero"):
        weight_bytes(weights, bits)


def test_the_formats_take_the_bits_that_their_names_say():
    assert WEIGHT_BITS == {"fp32": 32, "fp16": 16, "int8": 8, "int4": 4, "trits, 2 bits": 2, "trits, 1.6 bits": 1.6}


# The roofline


@LAWS
@given(*[st.floats(1e-3, 1e6)] * 3)
def test_what_is_attainable_is_the_lower_of_two_limits_that_meet_at_the_ridge(at, peak, bandwidth):
    got = attainable(at, peak, bandwidth)
    assert got <= peak and got <= at * bandwidth and got in {peak, at * bandwidth}
    assert attainable(ridge(peak, bandwidth), peak, bandwidth) == pytest.approx(peak)
    if at < 0.99 * ridge(peak, bandwidth):
        assert got == at * bandwidth
    if at > 1.01 * ridge(peak, bandwidth):
        assert got == peak


def test_intensity_is_operations_for_each_byte_and_needs_a_byte():
    assert intensity(12, 3) == 4
    for nothing in (0, -1):
        with pytest.raises(ValueError, match="there must be some"):
            intensity(12, nothing)


# The probe


def test_the_shortest_of_several_runs_counts():
    waits, done = [0.02, 0.0, 0.01], []

    def work():
        done.append(1)
        probe.time.sleep(waits[(len(done) - 1) % 3])

    assert probe.best_seconds(work, repeats=3) < 0.01 and len(done) == 3


def test_the_probe_counts_bytes_read_and_two_operations_a_weight(monkeypatch):
    monkeypatch.setattr(probe, "best_seconds", lambda work: (work(), 0.5)[1])
    monkeypatch.setattr(probe, "STREAM_BYTES", 4096)
    assert probe.stream_bandwidth() == 4096 / 0.5
    assert probe.matmul_speed(8, 5) == 2 * 8 * 8 * 5 / 0.5


# The widget


@pytest.mark.parametrize("number_format", ARITHMETIC)
@pytest.mark.parametrize("place", PLACES)
def test_every_setting_of_the_energy_widget_is_what_the_costs_say(number_format, place):
    costs, table = load("horowitz_2014"), EnergySplit().table
    mine = {"fp32": 3.7 + 0.9, "fp16": 1.1 + 0.4, "int8": 0.2 + 0.1}.get(number_format, 0.1 * 2 / 3)
    for batch in BATCHES:
        arithmetic, fetching = energy_split(number_format, place, batch)
        assert arithmetic == pytest.approx(1024 * 1024 * mine / 1000)
        whole_bytes = -(-1024 * 1024 * round(10 * WEIGHT_BITS[number_format]) // 80)
        assert fetching == pytest.approx(whole_bytes / batch / 8 * costs[PLACES[place]].value / 1000)
        assert table[number_format][place][str(batch)] == [round(arithmetic, 3), round(fetching, 3)]


def test_the_widget_answers_its_own_question_at_batch_1_arithmetic_hardly_matters_from_dram():
    for number_format in ARITHMETIC:
        arithmetic, fetching = energy_split(number_format, "DRAM", 1)
        assert arithmetic < 0.01 * fetching
    assert energy_split("fp32", "8 KB of SRAM", 256)[0] > energy_split("fp32", "8 KB of SRAM", 256)[1]


@pytest.mark.parametrize(("number_format", "place"), [("fp8", "DRAM"), ("fp16", "the moon")])
def test_a_format_or_a_place_that_is_not_listed_is_refused(number_format, place):
    with pytest.raises(KeyError):
        energy_split(number_format, place, 1)
    assert widget.WIDTH == 1024
