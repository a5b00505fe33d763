"""What holds for the exercises of every notebook: the answer passes, the stub is to do, each mistake is named."""

import inspect
from dataclasses import replace
from pathlib import Path

import pytest
from fixtures.other_answers import OTHER_ANSWERS
from fixtures.tiny import ROOT

from mmf_teach.lesson import folders
from mmf_teach.lesson.exercise import NOT_YET, PASSED, TODO, Exercise, describe_arguments, exercise
from mmf_teach.lesson.parsons_problem import check_order, in_disorder
from mmf_teach.lesson.property_test import PropertyTest, rejects
from mmf_teach.lesson.trial import todo

NUMBERS = list(folders.files("exercises.py"))
NOTEBOOKS = {number: path.read_text("utf-8") for number, path in folders.files("notebook.py").items()}
EXERCISES = [one for number in NUMBERS for one in folders.exercises(number).EXERCISES]
COMPARED = [one for one in EXERCISES if isinstance(one, Exercise)]
TESTS = [one for one in EXERCISES if isinstance(one, PropertyTest)]
MISTAKES = [(one, why) for one in COMPARED for why in one.mistakes]
PLANTED = [(one, why) for one in TESTS for why in one.wrong]
PARSONS = [one for one in COMPARED if one.lines]

pytestmark = pytest.mark.usefixtures("without_type_checks")


def named(value):
    return getattr(value, "id", "")


@pytest.mark.parametrize("one", COMPARED, ids=named)
def test_the_answer_passes_and_random_inputs_that_it_takes_are_among_those_tried(one):
    drawn = set()

    def noted(*arguments):
        drawn.add(describe_arguments(one, arguments))
        return one.answer(*arguments)

    report = one.examine(noted, limit_s=120)         # of a machine however busy: a check stops drawing at half of it
    assert (report.state, report.details) == (PASSED, {})
    assert one.inputs is not None and len(drawn) > len(one.cases) + 30


@pytest.mark.parametrize("one", TESTS, ids=named)
def test_the_answer_passes_where_it_is_a_test(one):
    report = one.examine(one.answer)
    assert (report.state, report.details) == (PASSED, {})


@pytest.mark.parametrize("name", OTHER_ANSWERS)
def test_an_answer_as_readers_write_it_passes_too(name):
    report = exercise(name).examine(OTHER_ANSWERS[name])
    assert report.state == PASSED, report


@pytest.mark.parametrize("one", EXERCISES, ids=named)
def test_the_empty_stub_is_to_do_and_says_what(one):
    report = one.examine(lambda *arguments: todo())
    assert (report.state, report.message) == (TODO, one.ask)


@pytest.mark.parametrize("one", EXERCISES, ids=named)
def test_a_function_that_returns_nothing_is_told_so(one):
    report = one.examine(lambda *arguments: None)
    assert report.state == NOT_YET
    assert "return" in report.message or "planted mistakes caught" in report.message


@pytest.mark.parametrize(("one", "why"), MISTAKES, ids=named)
def test_each_mistake_is_refused_with_its_own_sentence_and_an_input_that_shows_it(one, why):
    report = one.examine(one.mistakes[why])
    assert (report.state, report.message) == (NOT_YET, why)
    assert report.details["input"] and ("yours" in report.details or "expected" in report.details)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_notebook_has_five_exercises_or_more_numbered_in_order(number):
    own = [one.id for one in EXERCISES if one.id.startswith(number)]
    assert len(own) >= 5 and own == [f"{number}.{place}" for place in range(1, len(own) + 1)]


@pytest.mark.parametrize("one", EXERCISES, ids=named)
def test_an_exercise_asks_in_a_sentence_knows_three_mistakes_and_gives_hints(one):
    mistakes = one.mistakes if isinstance(one, Exercise) else one.wrong
    assert len(mistakes) >= 3
    for said in (one.ask, *mistakes, *one.hints):
        assert said.strip() == said and said.endswith((".", "?", ":")) and len(said) <= 160, said
    assert one.hints and len(set(one.hints)) == len(one.hints)
    assert one.answer.__doc__, "show() prints it"


@pytest.mark.parametrize("one", COMPARED, ids=named)
def test_no_named_mistake_is_left_to_chance_the_listed_cases_find_it(one):
    listed = replace(one, inputs=None, planted=None)
    for why, wrong in one.mistakes.items():
        assert not listed.examine(wrong), why


@pytest.mark.parametrize("one", [one for one in COMPARED if one.planted], ids=named)
def test_a_planted_bug_is_to_do_until_it_is_mended(one):
    report = one.examine(one.planted)
    assert report.state == TODO and "bug is still there" in report.message and one.ask in report.message


def test_each_notebook_with_a_planted_bug_shows_the_very_code_that_the_check_knows():
    for one in COMPARED:
        if one.planted:
            source = NOTEBOOKS[one.id[:2]]
            stub = source[source.index(f"def {one.answer.__name__}(") : source.index(f'check("{one.id}"')]
            namespace: dict = {}
            exec("import numpy as np\nfrom mmf_teach.ternary.quantise import SMALLEST\n" + stub, namespace)
            report = one.examine(namespace[one.answer.__name__])
            assert report.state == TODO, (one.id, report)


@pytest.mark.parametrize(("one", "why"), PLANTED, ids=named)
def test_the_answers_law_is_broken_by_everything_planted(one, why):
    assert rejects(one.answer, one.wrong[why])


@pytest.mark.parametrize("one", PARSONS, ids=named)
def test_the_lines_of_a_parsons_problem_pass_in_order_and_not_in_disorder(one):
    assert check_order(one.id, list(one.lines)).state == PASSED
    assert check_order(one.id, in_disorder(one)).state != PASSED
    assert sorted(in_disorder(one)) == sorted(one.lines)


@pytest.mark.parametrize("one", EXERCISES, ids=named)
def test_the_notebook_asks_for_every_exercise_and_checks_or_orders_it(one):
    source = NOTEBOOKS[one.id[:2]]
    assert f"**Exercise {one.id}**" in source
    call = f'parsons("{one.id}")' if getattr(one, "lines", ()) else f'check("{one.id}", {one.answer.__name__})'
    assert call in source


@pytest.mark.parametrize("one", EXERCISES, ids=named)
def test_the_stub_of_the_notebook_has_the_answers_arguments_in_its_order(one):
    source = NOTEBOOKS[one.id[:2]]
    names = ", ".join(inspect.signature(one.answer).parameters)
    if getattr(one, "lines", ()):
        assert one.lines[0] == f"def {one.answer.__name__}({names}):"
    else:
        assert f"def {one.answer.__name__}({names}):" in source


def test_the_answers_come_from_the_library_where_show_can_print_them():
    for one in EXERCISES:
        file = Path(inspect.getmodule(one.answer).__file__)
        assert any(file.is_relative_to(ROOT / room) for room in ("mmf_teach", "hardware_sim", "notebooks/source"))
        assert inspect.getsource(one.answer).startswith(("def ", "@"))
