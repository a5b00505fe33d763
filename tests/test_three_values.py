"""Notebook 02: its exercises name each mistake, its widgets show what the library computes, its functions agree."""

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st

from mmf_teach.lesson import quiz
from mmf_teach.lesson.exercise import NOT_YET, exercise
from mmf_teach.lesson.figures import style
from mmf_teach.lesson.figures.running_sum import running_sum
from mmf_teach.lesson.folders import exercises
from mmf_teach.lesson.parsons_problem import check_order
from mmf_teach.lesson.property_test import PropertyTest, rejects
from mmf_teach.lesson.widgets import packing_byte, ternary_dot as dot_widget
from mmf_teach.lesson.widgets.packing_byte import PackingByte
from mmf_teach.lesson.widgets.ternary_dot import TernaryDot
from mmf_teach.quantity import load
from mmf_teach.reference import masked_product as masked
from mmf_teach.ternary.accumulator import accumulator_bits
from mmf_teach.ternary.packing import pack_2bit, pack_base3, unpack_2bit, unpack_base3
from mmf_teach.ternary.trits import ternary_dot

LESSON = exercises("02")
EXERCISES, AddOnly, unpack_undoes_pack = LESSON.EXERCISES, LESSON.AddOnly, LESSON.unpack_undoes_pack

LAWS = settings(deadline=None, derandomize=True, max_examples=150)
TESTS = [one for one in EXERCISES if isinstance(one, PropertyTest)]
trits = st.sampled_from([-1, 0, 1])


# The exercises


@pytest.mark.parametrize(("pack", "unpack"), [(pack_base3, unpack_base3), (pack_2bit, unpack_2bit)])
def test_the_law_holds_for_the_librarys_own_packers(pack, unpack):
    assert unpack_undoes_pack(pack, unpack)


def one_example(pack, unpack):
    return np.array_equal(unpack(pack(np.array([1, 0, -1], np.int8)), 3), [1, 0, -1])


def lengths_only(pack, unpack):
    return all(len(unpack(pack(np.zeros(count, np.int8)), count)) == count for count in range(300))


def bytes_first(pack, unpack):
    return pack(np.array([1, 0, -1, 0, 0], np.int8)).tolist() == [113]


def small_ones(pack, unpack):
    rows = [row for count in range(6) for row in product((-1, 0, 1), repeat=count)]
    return all(unpack(pack(np.array(row, np.int8)), len(row)).tolist() == list(row) for row in rows)


@pytest.mark.parametrize(("test", "missed"), [
    (lambda pack, unpack: True, 9), (one_example, 5), (lengths_only, 6), (bytes_first, 7), (small_ones, 2),
])
@pytest.mark.usefixtures("without_type_checks")
def test_a_weak_test_is_told_how_many_it_catches_and_one_that_it_misses(test, missed):
    report = TESTS[0].examine(test)
    let_pass = [why for why, pair in TESTS[0].wrong.items() if not rejects(test, pair)]
    assert len(let_pass) == missed and report.state == NOT_YET
    assert f"{9 - missed} of 9 planted" in report.message and report.message.endswith(let_pass[0])


def test_a_test_that_refuses_the_right_functions_is_told_so():
    assert "too strict" in TESTS[0].examine(lambda pack, unpack: len(pack(np.zeros(5, np.int8))) == 5).message


def test_the_numbers_of_the_first_exercise_add_but_do_not_multiply():
    three, four = AddOnly(3), AddOnly(4)
    assert (three + four, three - four, -three, 1 + three, 1 - three) == (7, -1, -3, 4, -2)
    for product_of_two in (lambda: three * four, lambda: 2 * three, lambda: three * 2):
        with pytest.raises(TypeError, match="no multiplier"):
            product_of_two()


@pytest.mark.usefixtures("without_type_checks")
def test_the_check_of_a_damaged_byte_may_not_be_missing():
    parsons = exercise("02.7")
    late = [line for line in parsons.lines if "243" not in line and "raise" not in line]
    assert check_order(parsons.id, late).message.startswith("A byte of 243 goes through")


# The widgets


def test_every_setting_of_the_dot_product_shows_what_the_library_computes():
    widget = TernaryDot()
    weights, inputs = np.array(list(product((-1, 0, 1), repeat=6))), np.array(widget.inputs)
    assert len(widget.table) == len(weights) == 3**6
    for row in weights:
        shown = widget.table[",".join(map(str, row))]
        assert shown["sums"] == np.cumsum(row * inputs).tolist()
        counts = [int((row == trit).sum()) for trit in (1, -1, 0)]
        words = shown["said"].replace(":", ",").split(",")
        assert [int(word.split()[0]) for word in words[:3]] == counts
        assert int(shown["said"].split()[-1]) == ternary_dot(row.tolist(), widget.inputs)
        assert ("1 additions" in shown["said"], "1 subtractions" in shown["said"]) == (False, False)


def test_the_challenge_of_the_dot_product_can_be_met_both_ways():
    """A sum of 12 with two operations and not with fewer, and one without skipping."""
    operations = {
        sum(map(abs, row)) for row in product((-1, 0, 1), repeat=6) if ternary_dot(row, dot_widget.INPUTS) == 12
    }
    assert min(operations) == 2 and max(operations) == 6


def test_a_row_of_another_length_than_the_inputs_is_refused():
    for lengths in ((2, 3), (3, 2)):
        with pytest.raises(ValueError):
            dot_widget.running_sums([1] * lengths[0], [1] * lengths[1])


def test_every_byte_shows_the_trits_that_the_library_unpacks():
    widget = PackingByte()
    assert len(widget.rows) == 256 and widget.rows[243:] == [None] * 13
    for byte, row in enumerate(widget.rows[:243]):
        assert row == unpack_base3(np.array([byte], np.uint8), 5).tolist()
        assert sum(packing_byte.place_values(row)) == pack_base3(np.array(row))[0] == byte
        assert [byte // place % 3 - 1 for place in widget.places] == row


@pytest.mark.parametrize("row", [[1] * 4, [1] * 6])
def test_what_are_not_five_trits_is_refused(row):
    with pytest.raises(ValueError):
        packing_byte.place_values(row)


@pytest.mark.parametrize("make", [TernaryDot, PackingByte])
def test_a_widget_sends_plain_values_and_the_colours_of_the_figures(make):
    widget = make()
    names = [name for name in widget.trait_names(sync=True) if not name.startswith("_")]
    sent = {name: getattr(widget, name) for name in names if name not in {"layout", "tabbable", "tooltip"}}
    assert len(json.dumps(sent)) < 100_000
    assert sent["colours"] == {"1": style.PLUS, "0": style.ZERO, "-1": style.MINUS}
    assert repr(widget) == widget.sentence and "run this cell" in widget.sentence


# The library


@LAWS
@given(st.lists(st.tuples(trits, st.integers(-128, 127)), max_size=40))
def test_a_ternary_dot_product_is_the_sum_of_products(pairs):
    row, inputs = [t for t, _ in pairs], [x for _, x in pairs]
    assert ternary_dot(row, inputs) == sum(t * x for t, x in pairs)
    assert ternary_dot(np.array(row, np.int8), np.array(inputs, np.int8)) == sum(t * x for t, x in pairs)


@pytest.mark.parametrize(("row", "inputs"), [([1], []), ([], [1]), ([1, 1], [1]), ([2], [1]), ([0, -2], [1, 1])])
def test_unequal_lengths_and_what_is_no_trit_are_refused(row, inputs):
    with pytest.raises(ValueError):
        ternary_dot(row, inputs)


@pytest.mark.usefixtures("without_type_checks")
def test_rows_of_another_width_are_refused_by_the_masked_product():
    with pytest.raises(ValueError, match="3 inputs do not fit rows of 4 trits"):
        masked.ternary_matmul(np.zeros((1, 3), np.int8), np.zeros((1, 4), np.int8))


@LAWS
@given(st.integers(1, 10**6))
@example(255)
@example(256)
def test_the_width_of_a_sum_holds_its_extremes_and_one_bit_less_does_not(inputs):
    bits = accumulator_bits(inputs)
    assert 128 * inputs <= 2 ** (bits - 1) - 1 and -128 * inputs >= -(2 ** (bits - 1))
    assert 128 * inputs > 2 ** (bits - 2) - 1


@pytest.mark.parametrize(("inputs", "bits", "kind"), [
    (255, 16, np.int16), (256, 17, np.int16), (2**24 - 1, 32, np.int32), (2**24, 33, np.int32),
])
def test_numpy_wraps_round_exactly_when_the_width_is_passed(inputs, bits, kind):
    assert accumulator_bits(inputs) == bits
    fits = bits <= np.iinfo(kind).bits
    assert (int(np.array(128 * inputs, np.int64).astype(kind)) == 128 * inputs) == fits


@pytest.mark.parametrize("inputs", [0, -1])
def test_a_sum_over_nothing_has_no_width(inputs):
    with pytest.raises(ValueError, match="at least one"):
        accumulator_bits(inputs)


# The figure, the questions and the quoted numbers


def test_the_walk_marks_each_input_by_what_its_trit_does_and_says_where_it_ends():
    others = {"dense": ([5, 5, -4], style.SKY, "solid"), "shuffled": ([5, -2, -2], style.GREY, "dash")}
    figure = running_sum([1, 0, -1], [5, 5, -4], others, "A walk")
    marked = [trace for trace in figure.data if trace.mode == "markers"]
    assert {trace.name: (list(trace.x), list(trace.y), trace.marker.color) for trace in marked} == {
        "add": ([1], [5], style.PLUS), "skip": ([2], [5], style.ZERO), "subtract": ([3], [-4], style.MINUS),
    }
    alt = figure.layout.meta["alt"]
    assert "add 1, subtract 1, skip 1; it ends at -4." in alt and "The sums: 5, 5, -4." in alt
    assert "dense ends at -4." in alt and "shuffled ends at -2." in alt
    assert len({trace.marker.symbol for trace in marked}) == 3


def test_there_are_five_questions_or_more_with_a_reason_for_every_choice():
    questions = quiz.of(2)
    assert len(questions) >= 5
    for question in questions:
        assert all(len(choice.why.split()) >= 4 for choice in question.choices)
        assert len({choice.why for choice in question.choices}) == len(question.choices)


def test_what_is_said_of_binary_models_is_quoted_with_its_source():
    table = load("../quality/binary_and_ternary")
    assert {number.kind for number in table.values()} == {"quoted"}
    assert all("2407.12327" in number.source for number in table.values())
