"""Parsons problem: the lines of a function are all there, but in the wrong order."""

from random import Random

from mmf_teach.lesson import ledger
from mmf_teach.lesson.exercise import ERROR, NOT_YET, Exercise, Report, check, exercise
from mmf_teach.lesson.widgets.reorder import Reorder


def parsons(name: str) -> Reorder:
    """A list of lines to move up and down, and a button that runs them against the exercise's check."""
    shuffled = in_disorder(exercise(name))
    return Reorder(name, exercise(name).ask, shuffled, lambda order: check_order(name, [shuffled[i] for i in order]))


def in_disorder(one: Exercise) -> list[str]:
    """The exercise's lines, shuffled the same way each time, and never in their right order."""
    lines = list(one.lines)
    dice = Random(one.id)
    while lines == list(one.lines):
        dice.shuffle(lines)
    return lines


def check_order(name: str, lines: list[str]) -> Report:
    """Put the lines together, run what comes out, and check it like any other answer."""
    exercise(name)                           # ValueError when there is none
    namespace: dict = {}
    try:
        exec("import numpy as np\n" + "\n".join(lines), namespace)
    except SyntaxError as problem:
        number = (problem.lineno or 2) - 1
        report = Report(name, NOT_YET, f"Python stops reading at line {number}: {problem.msg}")
    except Exception as problem:
        report = Report(name, ERROR, f"the lines stop with {type(problem).__name__}: {problem}")
    else:
        made = next((value for key, value in namespace.items() if callable(value) and not key.startswith("__")), None)
        if made:
            return check(name, made)
        report = Report(name, NOT_YET, "the lines make no function")
    ledger.record("check", id=name, state=report.state)
    return report
