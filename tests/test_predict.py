"""A guess comes before the answer, counts once, and works with and without a page that draws it."""

import json

import numpy as np
import pytest
from hypothesis import given, strategies as st

from mmf_teach.lesson import ledger, prediction
from mmf_teach.lesson.prediction import committed, distance, reveal, shown
from mmf_teach.lesson.widgets.prediction import Curve

CURVE = Curve((1.0, 2.0, 4.0), 0.0, 10.0, "batch", "speed")


@pytest.fixture(autouse=True)
def file(monkeypatch, tmp_path):
    """A ledger of its own for every test."""
    monkeypatch.setenv("MMF_LEDGER", str(tmp_path / "ledger.jsonl"))


def ask(name="01.a", **settings):
    return prediction.predict(name, "How many?", **settings)


KINDS = {
    "a number": ({"unit": "additions"}, 12, 12.0), "a number as text": ({}, " 1e3 ", 1000.0),
    "a choice": ({"choices": ("more", "fewer")}, "fewer", "fewer"),
    "a curve": ({"curve": CURVE}, (1, 2.5, "3"), [1.0, 2.5, 3.0]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["in code", "on the page"])
def test_a_guess_is_committed_kept_and_shown_as_the_page_shows_it(kind, way):
    settings, guess, kept = KINDS[kind]
    if way == "in code":
        widget = ask(guess=guess, **settings)
    else:
        widget = ask(**settings)
        assert widget.guess is None and not widget.committed and ledger.entries() == []
        widget._handle_custom_msg(guess, [])
    assert (widget.guess, widget.committed, widget.problem) == (kept, True, "")
    assert [(entry["id"], entry["guess"]) for entry in ledger.entries("prediction")] == [("01.a", kept)]
    assert committed("01.a") == kept and committed("01.b") is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_guess_counts_for_good_even_when_the_notebook_runs_again(kind):
    settings, guess, kept = KINDS[kind]
    first = ask(guess=guess, **settings)
    first.answer(guess)
    other = {"a choice": "more", "a curve": [9, 9, 9]}.get(kind, 99)
    again = ask(guess=other, **settings)
    again.answer(other)
    assert again.committed and again.guess == kept == committed("01.a")
    assert len(ledger.entries("prediction")) == 1


def test_of_two_pages_that_ask_the_same_the_one_answered_first_counts():
    first, second = ask(), ask()
    second.answer(3)
    first.answer(4)
    assert committed("01.a") == 3 and len(ledger.entries("prediction")) == 1


@pytest.mark.parametrize(("settings", "guess", "said"), [
    ({}, "many", "'many' is not a number"), ({}, None, "None is not a number"), ({}, float("nan"), "to guess with"),
    ({}, "inf", "to guess with"), ({}, [1], "is not a number"), ({}, {}, "is not a number"),
    ({"choices": ("more", "fewer")}, "as many", "choose one of more, fewer"),
    ({"choices": ("more",)}, 0, "choose one of"),
    ({"choices": ("more",)}, ["more"], "choose one of"),
    ({"curve": CURVE}, [1, 2], "the curve has 3 points"), ({"curve": CURVE}, 3, "the curve has 3 points"),
    ({"curve": CURVE}, "123", "the curve has 3 points"), ({"curve": CURVE}, [1, 2, "x"], "'x' is not a number"),
])
def test_what_is_no_answer_to_the_question_is_told_and_not_kept(settings, guess, said):
    widget = ask(**settings)
    widget.answer(guess)
    assert said in widget.problem and not widget.committed and ledger.entries() == []
    if guess is not None:
        with pytest.raises(ValueError, match=r"number|choose|points"):
            ask(guess=guess, **settings)
    widget.answer("more" if "choices" in settings else [1, 2, 3] if "curve" in settings else 3)
    assert widget.committed and widget.problem == ""


def test_without_a_page_a_question_is_a_sentence_and_what_goes_to_a_page_is_plain(tmp_path):
    for settings, guess, _ in KINDS.values():
        widget = ask(name=str(guess), guess=guess, **settings)
        assert "How many?" in repr(widget) and "Run this cell" in repr(widget)
        names = ("question", "unit", "choices", "curve", "guess", "committed", "problem")
        json.dumps({name: getattr(widget, name) for name in names})


# The reveal


@pytest.mark.parametrize(("guess", "truth", "said"), [
    (10, 20, ["your guess: 10 pJ", "the answer: 20 pJ; a factor of 2 too low"]),
    (60000, 20000, ["your guess: 60,000 pJ", "the answer: 20,000 pJ; a factor of 3 too high"]),
    (20, 20, ["your guess: 20 pJ", "the answer: 20 pJ; exactly"]),
    (-3, 2, ["your guess: -3 pJ", "the answer: 2 pJ; 5 too low"]),
    (3, 0, ["your guess: 3 pJ", "the answer: 0 pJ; 3 too high"]),
    (0, np.float64(0.25), ["your guess: 0 pJ", "the answer: 0.25 pJ; 0.25 too low"]),
    (2, np.int64(1), ["your guess: 2 pJ", "the answer: 1 pJ; a factor of 2 too high"]),
])
def test_the_reveal_shows_guess_truth_and_distance(capsys, guess, truth, said):
    ask(guess=guess)
    reveal("01.a", truth, "pJ")
    assert capsys.readouterr().out.splitlines() == said
    assert ledger.entries("reveal")[0]["truth"] == truth


@pytest.mark.parametrize(("guess", "said"), [("more", "right"), ("fewer", "not what you chose")])
def test_a_choice_is_right_or_not(capsys, guess, said):
    ask(guess=guess, choices=("more", "fewer"))
    reveal("01.a", "more")
    assert capsys.readouterr().out.splitlines() == [f"your guess: {guess}", f"the answer: more; {said}"]


@pytest.mark.parametrize("truth", [20, "more"])
def test_a_reveal_without_a_guess_gives_the_answer_and_says_so(capsys, truth):
    reveal("01.a", truth, "pJ")
    assert capsys.readouterr().out == f"the answer: {truth} pJ (you committed no guess)\n"


@pytest.mark.parametrize(("guess", "truth"), [("more", 20), ([1.0, 2.0], 20), ([1.0], "more"), (3.0, "more")])
def test_a_guess_at_an_older_form_of_the_question_is_none(capsys, guess, truth):
    prediction.commit("01.a", guess)
    reveal("01.a", truth)
    assert capsys.readouterr().out == f"the answer: {truth} (you committed no guess)\n"


def test_a_guess_after_the_reveal_can_be_told_from_one_before_it():
    reveal("01.a", 20)
    ask(guess=20)
    assert [entry["kind"] for entry in ledger.entries()] == ["reveal", "prediction"]


@pytest.mark.parametrize(("guess", "traces"), [(None, 1), ((1, 2, 3), 2)])
def test_a_curve_is_drawn_with_the_guess_beside_it_and_in_words(monkeypatch, guess, traces):
    figures = []
    monkeypatch.setattr(prediction, "picture", figures.append)
    ask(guess=guess, curve=CURVE)
    reveal("01.a", np.array([2.0, 4.0, 6.0]), curve=CURVE)
    figure, alt = figures[0], figures[0].layout.meta["alt"]
    assert len(figure.data) == traces and list(figure.data[0].y) == [2, 4, 6] and "1: 2; 2: 4; 4: 6" in alt
    assert ("Your guess: 1: 1; 2: 2; 4: 3." in alt) == (guess is not None)
    assert ("off by 2" in figure.layout.title.text) == (guess is not None)


def test_a_guessed_curve_of_another_length_is_not_drawn(monkeypatch):
    figures = []
    monkeypatch.setattr(prediction, "picture", figures.append)
    prediction.commit("01.a", [1.0, 2.0])
    reveal("01.a", [2.0, 4.0, 6.0], curve=CURVE)
    assert len(figures[0].data) == 1


def test_a_damaged_guess_in_the_ledger_is_none():
    ledger.record("prediction", id="01.a")
    assert committed("01.a") is None
    ask(guess=3)
    assert committed("01.a") == 3


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_a_distance_says_on_which_side_the_guess_lies_and_by_which_factor(guess, truth):
    said = distance(guess, truth)
    assert said == "exactly" or said.endswith("high" if guess > truth else "low")
    if "factor" in said:
        assert float(said.split()[3]) == pytest.approx(max(guess / truth, truth / guess), rel=0.06)


@pytest.mark.parametrize(("value", "said"), [
    (1234567.8, "1,234,568"), (1000, "1,000"), (999.96, "1000"), (-4321.6, "-4,322"), (0.123456, "0.1235"), (3, "3"),
    ("more", "more"),
])
def test_a_number_is_shown_with_as_many_digits_as_one_can_remember(value, said):
    assert shown(value) == said
