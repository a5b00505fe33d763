"""Lines in disorder: always the same disorder, never the right order, and checked like any other answer."""

from itertools import permutations

import pytest

from mmf_teach.lesson import exercise as engine, ledger
from mmf_teach.lesson.exercise import ERROR, NOT_YET, PASSED, exercise, use
from mmf_teach.lesson.parsons_problem import check_order, in_disorder, parsons

pytestmark = pytest.mark.usefixtures("without_type_checks")
NAMES = ["01.3", "02.7", "03.4"]


@pytest.fixture(autouse=True)
def file(monkeypatch, tmp_path):
    """A ledger of its own for every test, and nothing has passed yet."""
    monkeypatch.setenv("MMF_LEDGER", str(tmp_path / "ledger.jsonl"))
    monkeypatch.setattr(engine, "_passed", {})


@pytest.mark.parametrize("name", NAMES)
def test_the_disorder_is_the_same_each_time_and_not_the_order(name):
    one = exercise(name)
    assert in_disorder(one) == in_disorder(one) != list(one.lines)
    assert sorted(in_disorder(one)) == sorted(one.lines) and len(set(one.lines)) == len(one.lines)
    assert parsons(name).lines == in_disorder(one) and parsons(name).ask == one.ask


@pytest.mark.parametrize("name", NAMES)
def test_the_right_order_of_the_moved_lines_passes_in_the_widget(name):
    one, widget = exercise(name), parsons(name)
    widget.answer(list(range(len(one.lines))))
    assert "passed" not in widget.said and widget.said.startswith(name)
    widget._handle_custom_msg([widget.lines.index(line) for line in one.lines], [])
    assert widget.said.startswith(f"{name} passed")
    assert [entry["state"] == PASSED for entry in ledger.entries("check")] == [False, True]
    assert "run this cell" in repr(widget)


def test_a_function_put_together_is_used_in_later_cells(capsys):
    assert check_order("01.3", list(exercise("01.3").lines)).state == PASSED
    assert use("01.3") is not exercise("01.3").answer
    assert capsys.readouterr().out == "using your energy_pj\n"
    check_order("01.3", in_disorder(exercise("01.3")))
    assert use("01.3") is not exercise("01.3").answer        # lines that Python cannot read replace nothing


@pytest.mark.parametrize(("lines", "state", "said"), [
    (["    return 1", "def f(x):"], NOT_YET, "Python stops reading at line 1: unexpected indent"),
    (["def f(x):"], NOT_YET, "Python stops reading at line 1: expected an indented block"),
    (["x = 1"], NOT_YET, "the lines make no function"), ([], NOT_YET, "the lines make no function"),
    (["x = 1 / 0"], ERROR, "the lines stop with ZeroDivisionError"),
    (["def energy_pj(operations, costs):", "    return total"], ERROR, "NameError"),
])
def test_whatever_order_is_tried_there_is_a_sentence_for_it(lines, state, said):
    report = check_order("01.3", lines)
    assert report.state == state and said in report.message, report
    assert ledger.entries("check")[0]["state"] == state


def test_every_order_of_the_lines_inside_the_function_gets_a_report():
    lines = exercise("01.3").lines
    for order in list(permutations(range(1, 8)))[::500]:
        report = check_order("01.3", [lines[0], *(lines[place] for place in order)])
        assert report.state in {PASSED, NOT_YET, ERROR} and report.message
        assert (report.state == PASSED) == (order == tuple(range(1, 8)))


def test_an_exercise_that_does_not_exist_is_refused():
    for call in (lambda: parsons("01.99"), lambda: check_order("01.99", ["x"])):
        with pytest.raises(ValueError, match="there is no exercise"):
            call()
