"""check() says one of four things about any function at all, in text and in HTML, and gets over whatever it does."""

import asyncio
import builtins
import inspect
import random
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from fixtures.sums import ARRAYS, LAW, SUM, Lies, Thorny, ThornyError, ThornyNumber, raising, total

from mmf_teach.lesson import exercise as engine, folders, hints, ledger
from mmf_teach.lesson.exercise import ERROR, NOT_YET, PASSED, TODO, Report, check, exercise, use
from mmf_teach.lesson.trial import Nowhere, Todo, no_exit, silence, todo


@pytest.fixture(autouse=True)
def known(monkeypatch, tmp_path):
    """These exercises are found by their names, nothing has passed yet, and a ledger of their own is kept."""
    monkeypatch.setenv("MMF_LEDGER", str(tmp_path / "ledger.jsonl"))
    monkeypatch.delenv("MMF_CHECK_STRICT", raising=False)
    monkeypatch.setattr(engine, "_passed", {})
    lesson = folders.exercises("01")
    monkeypatch.setattr(lesson, "EXERCISES", [*lesson.EXERCISES, SUM, ARRAYS, LAW])
    hints._given.clear()


def answered(report: Report) -> tuple[str, str]:
    return report.state, report.message


# The four states


def test_a_right_function_passes_and_is_true():
    report = check("01.9", lambda numbers, least: total(numbers, least))
    assert report.state == PASSED and report and "agrees" in report.message


def test_the_stub_is_to_do_with_the_sentence_that_asks():
    assert answered(check("01.9", lambda numbers, least: todo("here"))) == (TODO, SUM.ask)
    with pytest.raises(Todo, match="your code here"):
        todo()


def test_a_stub_in_one_branch_only_is_to_do_as_well():
    assert check("01.9", lambda numbers, least: total(numbers, least) if numbers else todo()).state == TODO


def test_a_named_mistake_gets_its_sentence_and_the_first_input_that_shows_it():
    report = check("01.9", lambda numbers, least: total([n for n in numbers if n != least], least))
    assert answered(report) == (NOT_YET, "You leave out the least one.")
    assert report.details == {"input": "numbers = [3]\nleast = 3", "yours": "0", "expected": "3"}


def test_two_functions_that_err_alike_on_one_input_are_told_apart_by_the_others():
    """On the input that is shown, this is the first mistake; on a later case it is not."""
    report = check("01.9", lambda numbers, least: 0 if numbers == [3] else total(numbers, least) + (least > 100))
    assert "leave out" in report.message
    report = check("01.9", lambda numbers, least: 0 if numbers == [3] or least > 100 else total(numbers, least))
    assert report.state == NOT_YET and report.message not in SUM.mistakes


def test_a_function_that_is_right_when_it_is_first_asked_and_not_again_is_told_so():
    asked = []

    def remembers(numbers, least):
        asked.append((numbers, least))
        return total(numbers, least) + (asked.count(([3], 3)) == 2)

    report = check("01.9", remembers)
    assert report.state == NOT_YET and "answers differently" in report.message


def test_any_other_wrong_result_is_shown_beside_what_was_expected():
    report = check("01.9", lambda numbers, least: [total(numbers, least)])
    assert answered(report) == (NOT_YET, "it returns a list, not a number")
    assert report.details["yours"] == "[3]" and report.details["expected"] == "3"


def test_a_wrong_function_that_all_listed_cases_let_pass_is_shown_the_smallest_input():
    report = check("01.9", lambda numbers, least: total(numbers, least) if len(numbers) < 2 or least == 0 else 7)
    assert report.state == NOT_YET
    assert report.details["input"] in {"numbers = [0, 0]\nleast = 1", "numbers = [0, 0]\nleast = -1"}


def test_an_error_is_an_error_with_its_kind_its_words_and_the_input():
    report = check("01.9", lambda numbers, least: numbers[2] if least else total(numbers, least))
    assert report.state == ERROR and report.details["input"] == "numbers = [3]\nleast = 3"
    assert report.message == "your function stops with IndexError: list index out of range"


def test_an_error_that_the_exercise_asks_for_must_be_of_its_kind():
    other = check("01.9", lambda numbers, least: total(numbers, least) if least <= 100 else {}["key"])
    assert other.state == NOT_YET and "KeyError" in other.message
    none = check("01.9", lambda numbers, least: total(numbers, min(least, 100)))
    assert answered(none) == (NOT_YET, "it should raise ValueError here") and "expected" not in none.details
    finer = type("Finer", (ValueError,), {})

    def raises_finer(numbers, least):
        if least > 100:
            raise finer
        return total(numbers, least)

    assert check("01.9", raises_finer).state == PASSED


def test_what_is_no_function_is_told_so():
    assert answered(check("01.9", 3)) == (NOT_YET, "hand over the function itself, not 3")
    assert "not None" in check("01.9", None).message


def test_an_exercise_that_does_not_exist_is_an_error_with_its_name():
    for name in ("01.99", "99.1", "", total):
        with pytest.raises(ValueError, match="there is no exercise"):
            exercise(name)


# How it is shown


class Tags(HTMLParser):
    """The tags and the text of a piece of HTML."""

    def __init__(self, source: str):
        super().__init__()
        self.tags, self.open, self.said = [], [], ""
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.said += data


@pytest.mark.parametrize("state", [TODO, NOT_YET, ERROR, PASSED])
def test_every_state_is_a_status_in_html_and_the_same_words_in_text(state):
    report = Report("01.9", state, "a < b & c", {"input": "x = <b>1</b>", "yours": "'\"&"})
    page = Tags(report._repr_html_())
    assert page.tags[0][0] == "div" and page.tags[0][1]["role"] == "status" and not page.open
    for said in ("01.9", state, "a < b & c", "x = <b>1</b>", "'\"&"):
        assert said in page.said and said in repr(report)
    assert not {"script", "img", "b1"} & {tag for tag, _ in page.tags} and [tag for tag, _ in page.tags].count("b") == 1
    assert repr(report).splitlines() == [
        f"01.9 {state}: a < b & c", "    input:    x = <b>1</b>", "    yours:    '\"&"]


def test_the_states_have_colours_of_their_own_and_a_report_without_details_has_no_table():
    reports = [Report("01.9", state, "") for state in (TODO, NOT_YET, ERROR, PASSED)]
    assert len({Tags(report._repr_html_()).tags[0][1]["style"] for report in reports}) == 4
    assert "table" not in Report("01.9", PASSED, "")._repr_html_()


# Whatever a learner may write


def _itself():
    one = []
    one.append(one)
    return one


counter = [0]


def counts(numbers, least):
    counter[0] += 1
    return counter[0]


def dive(numbers, least):
    return dive(numbers, least)


def generator(numbers, least):
    yield total(numbers, least)


async def coroutine(numbers, least):
    return total(numbers, least)


class AsClass:
    def __init__(self, numbers, least):
        self.value = total(numbers, least)


HOSTILE = {
    "nothing": (lambda numbers, least: None, NOT_YET, "returns nothing"),
    "dots": (lambda numbers, least: ..., NOT_YET, "the `...` of the stub"),
    "text": (lambda numbers, least: "3", NOT_YET, "a text, not a number"),
    "truth": (lambda numbers, least: True, NOT_YET, "true or false, not a number"),
    "not a number": (lambda numbers, least: float("nan"), NOT_YET, "it returns nan"),
    "an array": (lambda numbers, least: np.zeros(3), NOT_YET, "an array, not a number"),
    "a tensor": (lambda numbers, least: torch.zeros(1), NOT_YET, "a tensor, not a number"),
    "changes its argument": (lambda numbers, least: (total(numbers, least), numbers.append(1))[0], NOT_YET, "a copy"),
    "puts an argument into itself": (
        lambda numbers, least: (total(numbers, least), numbers.append(numbers))[0], NOT_YET, "a copy"),
    "counts its calls": (counts, NOT_YET, "answers differently"),
    "throws dice": (lambda numbers, least: total(numbers, least) + random.random(), NOT_YET, "answers differently"),
    "throws NumPy's dice": (lambda numbers, least: np.random.default_rng().normal(), NOT_YET, "answers differently"),
    "exit": (lambda numbers, least: exit(), ERROR, "a call of exit()"),
    "quit": (lambda numbers, least: quit(3), ERROR, "a call of exit()"),
    "sys.exit": (lambda numbers, least: sys.exit(1), ERROR, "a call of exit()"),
    "ctrl-c": (raising(KeyboardInterrupt), ERROR, "KeyboardInterrupt"),
    "a base exception": (raising(BaseException("all")), ERROR, "BaseException: all"),
    "a generator's exit": (raising(GeneratorExit), ERROR, "GeneratorExit"),
    "no implementation": (raising(NotImplementedError("later")), ERROR, "NotImplementedError: later"),
    "an assertion": (raising(AssertionError), ERROR, "AssertionError"),
    "an error of many lines": (raising(ValueError("one\ntwo " + 300 * "x")), ERROR, "ValueError: one two xxx"),
    "an error that cannot be printed": (raising(ThornyError()), ERROR, "stops with ThornyError"),
    "recursion without end": (dive, ERROR, "RecursionError"),
    "a generator": (generator, NOT_YET, "an object of type generator, not a number"),
    "a coroutine": (coroutine, NOT_YET, "an object of type coroutine, not a number"),
    "a class": (AsClass, NOT_YET, "an object of type AsClass, not a number"),
    "itself": (lambda numbers, least: dive, NOT_YET, "not a number"),
    "a list of itself": (lambda numbers, least: _itself(), NOT_YET, "a list, not a number"),
    "a thorny object": (lambda numbers, least: Thorny(), NOT_YET, "an object of type Thorny, not a number"),
    "a thorny number": (lambda numbers, least: ThornyNumber(3), NOT_YET, "cannot be compared"),
    "a number that equals all": (lambda numbers, least: Lies(8), NOT_YET, "it returns 8"),
    "no parameters": (lambda: 3, ERROR, "TypeError"),
    "one too many": (lambda numbers, least, more: 3, ERROR, "missing 1 required positional argument: 'more'"),
    "a thousand digits": (lambda numbers, least: 10**1000, NOT_YET, "it returns 1000"),
    "ten thousand digits": (lambda numbers, least: 10**10000, NOT_YET, ""),
    "a long text": (lambda numbers, least: 10**6 * "x", NOT_YET, "a text"),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")                            # the coroutine is never awaited
@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_a_function_does_there_is_a_report_that_can_be_shown(name):
    function, state, said = HOSTILE[name]
    report = check("01.9", function)
    assert report.state == state and said in report.message, report
    assert len(repr(report)) < 2000 and not Tags(report._repr_html_()).open


@pytest.mark.parametrize(("value", "said"), [
    (np.array([2, 4]), "whole numbers (int64), not floats"), (np.array([2.0, 4.0, 0.0]), "shape is (3,), not (2,)"),
    (np.array([[2.0, 4.0]]), "shape is (1, 2), not (2,)"), (np.array([2.0, 5.0]), "at index 1 it has 5.0, not 4.0"),
    ([2.0, 4.0], "a list, not an array"), (torch.tensor([2.0, 4.0]), "a tensor, not an array"),
    (2.0, "a number, not an array"),
    (np.array(["a", "b"]), "not floats"), (np.array([None, "a"], dtype=object), "not floats"),
    (np.array([2.0, np.nan]), "at index 1 it has nan"), (np.array([2.0, 4.0 + 1e-3]), "at index 1"),
])
def test_an_array_is_compared_by_kind_shape_and_values(value, said):
    report = check("01.8", lambda x: value)
    assert report.state == NOT_YET and said in report.message, report


def test_an_array_may_differ_in_its_last_digits_and_its_width():
    assert check("01.8", lambda x: (2 * x * (1 + 1e-7)).astype(np.float32)).state == PASSED


def test_an_array_changed_in_place_is_seen_even_if_the_result_is_right():
    def doubled(x):
        x *= 2
        return x

    assert answered(check("01.8", doubled)) == (NOT_YET, "it changes its argument: work on a copy")


def test_nothing_that_a_function_prints_is_shown_or_kept(capfd):
    def loud(numbers, least):
        print("x" * 100_000)
        print("y" * 100_000, file=sys.stderr)
        return total(numbers, least)

    assert check("01.9", loud).state == PASSED
    assert capfd.readouterr() == ("", "")
    out = Nowhere()
    assert out.write("x" * 1000) == 1000 and not [value for value in vars(out).values() if value]


def test_a_function_finds_exit_and_print_as_they_were_afterwards():
    before = (builtins.exit, builtins.quit, sys.stdout, sys.stderr)
    for function in (HOSTILE["exit"][0], dive, counts):
        check("01.9", function)
    assert (builtins.exit, builtins.quit, sys.stdout, sys.stderr) == before
    with no_exit(), pytest.raises(SystemExit):
        builtins.exit()
    with silence():
        assert isinstance(sys.stdout, Nowhere)


# Strictness, the reader's function, the ledger


@pytest.mark.parametrize("function", [HOSTILE["nothing"][0], lambda numbers, least: todo(), dive])
def test_a_strict_check_raises_what_it_would_have_said(monkeypatch, function):
    monkeypatch.setenv("MMF_CHECK_STRICT", "1")
    with pytest.raises(AssertionError, match=r"^01\.9 (not yet|todo|error): "):
        check("01.9", function)
    assert check("01.9", total)
    monkeypatch.setenv("MMF_CHECK_STRICT", "0")
    assert not check("01.9", function)


def test_later_cells_use_the_readers_function_once_it_passed_and_until_one_does_not(capsys):
    mine = lambda numbers, least: total(numbers, least)
    assert use("01.9") is total
    check("01.9", mine)
    assert use("01.9") is mine
    check("01.9", lambda numbers, least: None)
    assert use("01.9") is total
    assert capsys.readouterr().out.splitlines() == [
        "using the library's total", "using your total", "using the library's total"]


def test_every_check_is_noted_with_its_state_and_nothing_of_the_code():
    for function in (total, HOSTILE["nothing"][0], dive):
        check("01.9", function)
    entries = ledger.entries("check")
    assert [entry["state"] for entry in entries] == [PASSED, NOT_YET, ERROR]
    assert {entry["id"] for entry in entries} == {"01.9"}
    assert all(set(entry) == {"time", "kind", "id", "state"} for entry in entries)


# Hints and sources


def test_each_call_gives_one_hint_more_and_at_last_says_how_to_see_the_answer(capsys):
    for _ in range(5):
        hints.hint("01.9")
    hints.hint("01.8")
    assert capsys.readouterr().out.splitlines() == [
        "hint 1 of 3: Loop.", "hint 2 of 3: Compare, then add.", "hint 3 of 3: Use sum.",
        'no more hints; show("01.9") prints the library\'s own function',
        'no more hints; show("01.9") prints the library\'s own function', "hint 1 of 1: Twice.",
    ]
    assert [entry["number"] for entry in ledger.entries("hint")] == [1, 2, 3, 3, 3, 1]


def test_show_prints_the_source_and_where_it_lies(capsys):
    from mmf_teach.cost.energy import energy_pj
    for what in ("01.3", energy_pj):
        hints.show(what)
        said = capsys.readouterr().out
        assert said.startswith("# mmf_teach/cost/energy.py\n") and said.endswith(inspect.getsource(energy_pj))


def test_a_check_can_be_called_from_a_running_loop_as_in_a_notebook():
    async def cell():
        return check("01.9", total)

    assert asyncio.run(cell()).state == PASSED
