"""How far the reader is, from the local ledger: exercises passed, questions right at the first go, guesses made."""

import html
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from mmf_teach.lesson import course_map, folders, ledger, quiz
from mmf_teach.lesson.exercise import PASSED


@dataclass(frozen=True)
class Row:
    """A notebook: what there is to do in it, and what has been done."""

    notebook: str
    exercises: int
    passed: int
    questions: int
    answered: int
    right: int               # at the first go
    predictions: int


def rows() -> list[Row]:
    """One row for each notebook that is written."""
    return [_row(lesson) for lesson in course_map.lessons() if lesson.written]


def _row(lesson: course_map.Lesson) -> Row:
    number = lesson.name[:2]
    has_exercises = number in folders.files("exercises.py")
    exercises = {one.id for one in folders.exercises(number).EXERCISES} if has_exercises else set()
    questions = {question.id for question in quiz.of(int(number))}
    passed = {entry["id"] for entry in ledger.entries("check") if entry.get("state") == PASSED} & exercises
    first: dict[str, bool] = {}
    for entry in ledger.entries("answer"):
        if entry.get("id") in questions:
            first.setdefault(entry["id"], bool(entry.get("right")))
    guesses = {entry["id"] for entry in ledger.entries("prediction") if str(entry.get("id")).startswith(f"{number}.")}
    return Row(
        lesson.name, len(exercises), len(passed), len(questions), len(first), sum(first.values()), len(guesses),
    )


def export(name: str = "") -> dict[str, Any]:
    """What a teacher can collect: the rows, and every guess with its answer. Nothing but what the ledger holds."""
    return {
        "course": "mmf-teach", "name": name, "exported": datetime.now(UTC).isoformat(timespec="seconds"),
        "notebooks": [asdict(row) for row in rows()],
        "predictions": ledger.entries("prediction"), "answers": ledger.entries("answer"),
        "checks": ledger.entries("check"), "hints": ledger.entries("hint"),
    }


class Panel:
    """The rows as a table: text in a terminal, HTML in a notebook."""

    TITLES = ("notebook", "exercises passed", "questions right at the first go", "guesses")

    def cells(self) -> list[tuple[str, str, str, str]]:
        """The table, a row a notebook, as it is read."""
        return [
            (row.notebook.replace("_", " "), f"{row.passed} of {row.exercises}",
             f"{row.right} of {row.answered} answered ({row.questions} in all)", str(row.predictions))
            for row in rows()
        ]

    def __repr__(self) -> str:
        table = [self.TITLES, *self.cells()]
        widths = [max(len(row[column]) for row in table) for column in range(4)]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table)

    def _repr_html_(self) -> str:
        head = "".join(f"<th scope='col' style='text-align:left'>{title}</th>" for title in self.TITLES)
        body = "".join(
            "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self.cells()
        )
        return f"<table><tr>{head}</tr>{body}</table>"
