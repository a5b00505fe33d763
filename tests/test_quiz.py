"""Every choice of every question has an answer of its own, and what was got wrong is asked again."""

import re

import pytest

from mmf_teach.lesson import course_map, folders, ledger, quiz
from mmf_teach.lesson.quiz import EXIT_QUESTIONS, Choice, Question, bank, exit_ticket, of, to_retrieve, warm_up

WRITTEN = [lesson.name[:2] for lesson in course_map.lessons() if lesson.written]
QUESTIONS = list(bank().values())


@pytest.fixture(autouse=True)
def file(monkeypatch, tmp_path):
    """A ledger of its own for every test."""
    monkeypatch.setenv("MMF_LEDGER", str(tmp_path / "ledger.jsonl"))


# The bank


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
def test_a_question_has_one_right_choice_and_another_reason_for_each(question):
    assert sum(choice.right for choice in question.choices) == 1 and 3 <= len(question.choices) <= len(quiz.LETTERS)
    for texts in ([choice.say for choice in question.choices], [choice.why for choice in question.choices]):
        assert len(set(texts)) == len(texts)
    for choice in question.choices:
        assert len(choice.why.split()) >= 4 and choice.why.endswith((".", "?")) and choice.say
        assert not choice.why.lower().startswith(("right", "wrong", "correct", "no.", "yes."))    # the widget says that


def test_the_right_choice_is_not_always_in_the_same_place():
    places = [next(i for i, choice in enumerate(question.choices) if choice.right) for question in QUESTIONS]
    assert max(places.count(place) for place in set(places)) <= 0.5 * len(places)


@pytest.mark.parametrize("number", WRITTEN)
def test_a_written_notebook_has_five_questions_or_more_lettered_in_order(number):
    own = [question.id for question in of(int(number))]
    assert len(own) >= EXIT_QUESTIONS and own == [f"{number}.{letter}" for letter in "abcdefghij"[: len(own)]]


def test_every_written_lesson_has_a_file_of_questions():
    assert set(WRITTEN) <= folders.files("questions.toml").keys()


@pytest.mark.parametrize("choices", [
    [("a", True), ("b", False)], [("a", False), ("b", False), ("c", False)],
    [("a", True), ("b", True), ("c", False)], [],
])
def test_a_question_with_no_or_several_right_choices_or_too_few_cannot_be_made(choices):
    with pytest.raises(ValueError, match=r"question 01\.a needs three choices or more, exactly one of them right"):
        Question("01.a", "?", tuple(Choice(say, "because", right) for say, right in choices))


GOOD = """
[[question]]
id = "01.a"
ask = "?"
choices = [{say="a", right=true, why="x"}, {say="b", why="y"}, {say="c", why="z"}]
"""


@pytest.mark.parametrize(("text", "said"), [
    (GOOD.replace("ask", "asks"), "lesson 01: question 01.a is malformed"),
    (GOOD.replace("why", "reason"), "01.a is malformed"),
    (GOOD.replace("id =", "name ="), "question ? is malformed"), (GOOD + GOOD, "the id 01.a is taken"),
    (GOOD.replace("01.a", "02.a"), "or belongs to another notebook"), (GOOD.replace("right=true, ", ""), "exactly one"),
])
def test_a_malformed_bank_is_an_error_that_names_the_question(monkeypatch, tmp_path, text, said):
    (tmp_path / "01_small").mkdir()
    (tmp_path / "01_small" / "questions.toml").write_text(text, "utf-8")
    monkeypatch.setattr(folders, "SOURCES", tmp_path)
    with pytest.raises(ValueError, match=re.escape(said)):
        bank.__wrapped__()


# Which questions are asked


@pytest.mark.parametrize("number", range(20))
def test_a_notebook_begins_with_up_to_five_questions_of_earlier_notebooks_none_twice(number):
    asked = to_retrieve(number)
    assert len(asked) == min(5, sum(len(of(earlier)) for earlier in range(number)))
    assert len({question.id for question in asked}) == len(asked)
    assert all(int(question.id[:2]) < number for question in asked)


def test_two_come_from_the_notebook_before_two_from_three_back_and_one_from_the_first():
    asked = [question.id[:2] for question in to_retrieve(4)]
    assert [asked.count(number) for number in ("03", "01", "00")] == [2, 2, 1]
    assert [question.id[:2] for question in to_retrieve(1)] == ["00"] * 5


def test_what_was_wrong_comes_first_then_what_was_never_asked_then_what_was_right_longest_ago(monkeypatch):
    ids = [question.id for question in of(0)]
    rows = [(ids[0], True, "2025-01-02"), (ids[1], True, "2025-01-01"), (ids[2], False, "2025-01-03")]
    entries = [{"id": name, "right": right, "time": time} for name, right, time in rows]
    monkeypatch.setattr(ledger, "entries", lambda kind: entries)
    assert [question.id for question in to_retrieve(1)] == [ids[2], ids[3], ids[4], ids[1], ids[0]]
    entries.append({"id": ids[2], "right": True, "time": "2025-01-04"})           # answered rightly since
    assert [question.id for question in to_retrieve(1)][-1] == ids[2]


@pytest.mark.parametrize("number", WRITTEN)
def test_every_question_of_a_notebook_is_asked_somewhere_in_it_or_later(number):
    source = folders.files("notebook.py")[number].read_text("utf-8")
    if number != "00":                       # it is too short for a quiz; its questions are asked in those that follow
        assert f'exit_ticket("{number}")' in source and f'warm_up("{number}")' in source
    assert [row["id"] for row in exit_ticket(number).questions] == [question.id for question in of(int(number))[:5]]
    assert {row["id"][:2] for row in warm_up(number).questions} <= {f"{n:02}" for n in range(int(number))}


# Answering


def test_an_answer_in_code_says_why_it_is_right_or_not_and_is_kept(capsys):
    question = of(1)[0]
    for letter, choice in zip("abc", question.choices, strict=True):
        quiz.answer(question.id, letter)
        assert capsys.readouterr().out == f"{'Right.' if choice.right else 'Not quite.'} {choice.why}\n"
    kept = [(entry["choice"], entry["right"]) for entry in ledger.entries("answer")]
    assert kept == [(place, choice.right) for place, choice in enumerate(question.choices)]


@pytest.mark.parametrize(("name", "letter"), [
    ("01.a", "z"), ("01.a", "d"), ("01.a", ""), ("01.a", "ab"), ("01.a", "A"), ("01.a", 0), ("09.z", "a"), ("", "a"),
])
def test_a_question_or_a_choice_that_does_not_exist_is_refused_and_not_kept(name, letter):
    with pytest.raises(ValueError, match=r"there is no question|has the choices a, b, c, not"):
        quiz.answer(name, letter)
    assert ledger.entries() == []


def test_in_the_widget_the_first_answer_counts_and_others_are_for_looking():
    widget = exit_ticket("01")
    question = of(1)[0]
    right = next(i for i, choice in enumerate(question.choices) if choice.right)
    for choice in ((right + 1) % 3, right):
        widget._handle_custom_msg({"id": question.id, "choice": choice}, [])
    assert widget.answers == {question.id: (right + 1) % 3} and widget.score == 0
    widget.answer(of(1)[1].id, next(i for i, choice in enumerate(of(1)[1].choices) if choice.right))
    assert widget.score == 1 and [entry["right"] for entry in ledger.entries("answer")] == [False, True]
    assert repr(widget) == "Five questions to end notebook 01: run this cell."
