"""Questions with an answer to every choice, asked again when they are half forgotten.

Each lesson's questions.toml has five or more. A notebook begins with two from the one before, two from three back
and one from the first; it ends with five of its own.
"""

import tomllib
from dataclasses import dataclass
from functools import cache

from mmf_teach.lesson import folders, ledger
from mmf_teach.lesson.widgets.quiz import Quiz

EXIT_QUESTIONS = 5
WARM_UP = ((1, 2), (3, 2))                   # (notebooks back, questions); one more from the first notebook
LETTERS = "abcdef"


@dataclass(frozen=True)
class Choice:
    say: str
    why: str                                 # what to tell somebody who took it
    right: bool = False


@dataclass(frozen=True)
class Question:
    id: str                                  # "02.a": the notebook, and which of its questions
    ask: str
    choices: tuple[Choice, ...]

    def __post_init__(self):
        if sum(choice.right for choice in self.choices) != 1 or len(self.choices) < 3:
            raise ValueError(f"question {self.id} needs three choices or more, exactly one of them right")


@cache
def bank() -> dict[str, Question]:
    """All questions by their id, in the order of the course. ValueError names one that is malformed."""
    questions = {}
    for number, path in folders.files("questions.toml").items():
        for row in tomllib.loads(path.read_text("utf-8"))["question"]:
            try:
                made = Question(row["id"], row["ask"], tuple(Choice(**choice) for choice in row["choices"]))
            except (KeyError, TypeError) as problem:
                raise ValueError(f"lesson {number}: question {row.get('id', '?')} is malformed ({problem})") from None
            if made.id in questions or made.id[:2] != number:
                raise ValueError(f"lesson {number}: the id {made.id} is taken, or belongs to another notebook")
            questions[made.id] = made
    return questions


def of(number: int) -> list[Question]:
    """The questions of one notebook."""
    return [question for question in bank().values() if question.id[:2] == f"{number:02}"]


def warm_up(number: str) -> Quiz:
    """Five questions from earlier notebooks: those answered wrongly first, then those longest unseen."""
    return asked(to_retrieve(int(number)), f"Five questions to warm up for notebook {number}: run this cell.")


def exit_ticket(number: str) -> Quiz:
    """The notebook's own questions."""
    return asked(of(int(number))[:EXIT_QUESTIONS], f"Five questions to end notebook {number}: run this cell.")


def to_retrieve(number: int) -> list[Question]:
    """Which earlier questions to ask; where a notebook that far back does not exist, nearer ones fill up."""
    wanted = [(number - back, count) for back, count in WARM_UP] + [(0, 1)]
    chosen: list[Question] = []
    for notebook, count in [*wanted, *((earlier, 5) for earlier in range(number - 1, -1, -1))]:
        fresh = [question for question in of(notebook) if notebook < number and question not in chosen]
        wanted_here = min(count, EXIT_QUESTIONS - len(chosen))
        chosen += sorted(fresh, key=_urgency)[:wanted_here]
    return chosen


def answer(name: str, letter: str) -> None:
    """Answer a question in code, as in answer("02.a", "b"), and print why that was right or not.

    ValueError for a question or a choice that does not exist.
    """
    if name not in bank():
        raise ValueError(f"there is no question {name!r}")
    letters = LETTERS[: len(bank()[name].choices)]
    if letter not in tuple(letters):
        raise ValueError(f"question {name} has the choices {', '.join(letters)}, not {letter!r}")
    number = letters.index(letter)
    choice = bank()[name].choices[number]
    keep(name, number)
    print(f"{'Right.' if choice.right else 'Not quite.'} {choice.why}")


def keep(name: str, number: int) -> None:
    """Write an answer to the ledger."""
    ledger.record("answer", id=name, choice=number, right=bank()[name].choices[number].right)


def asked(questions: list[Question], sentence: str) -> Quiz:
    """A widget that asks these questions."""
    rows = [
        {"id": question.id, "ask": question.ask, "choices": [vars(choice) for choice in question.choices]}
        for question in questions
    ]
    return Quiz(rows, sentence, keep)


def _urgency(question: Question) -> tuple[int, str]:
    """Small for a question to ask soon: wrong last time, never asked, asked long ago, asked lately."""
    answers = [entry for entry in ledger.entries("answer") if entry.get("id") == question.id]
    if not answers:
        return 1, ""
    return (2 if answers[-1].get("right") else 0), answers[-1]["time"]
