"""Commit a guess, then look: a prediction made before the reveal is what makes a surprise teach.

    predict("01.a", "How many int8 additions cost as much as one read from DRAM?", unit="additions")
    ...
    reveal("01.a", truth)

A guess is a number, a choice, or a curve drawn by sliders. It can be given in code as well, with `guess=`. The
first guess counts: it is kept in the ledger.
"""

from typing import Any

from mmf_teach.lesson import ledger
from mmf_teach.lesson.alternative_text import picture
from mmf_teach.lesson.figures.curves import predicted_curve
from mmf_teach.lesson.widgets.prediction import Curve, Prediction


def predict(
    name: str, question: str, unit: str = "", choices: tuple[str, ...] = (), curve: Curve | None = None,
    guess: Any = None,
) -> Prediction:
    """Ask for a guess. One that stands in the ledger already is shown, and cannot be changed any more.

    ValueError for a guess that does not answer the question.
    """
    asked = Prediction(name, question, unit, choices, curve, commit=lambda value: commit(name, value))
    earlier = committed(name)
    if earlier is not None:
        asked.show(earlier)
    elif guess is not None:
        asked.commit(guess)
    return asked


def commit(name: str, value: Any) -> None:
    """Keep a guess, unless there is one."""
    if committed(name) is None:
        ledger.record("prediction", id=name, guess=value)


def committed(name: str) -> Any:
    """The guess in the ledger, or None."""
    guesses = (entry.get("guess") for entry in ledger.entries("prediction") if entry["id"] == name)
    return next((guess for guess in guesses if guess is not None), None)


def reveal(name: str, truth: Any, unit: str = "", curve: Curve | None = None) -> None:
    """Show guess, truth and how far apart they are."""
    guess = committed(name)
    ledger.record("reveal", id=name, truth=list(truth) if curve else truth)
    if curve:
        guess = guess if isinstance(guess, list) and len(guess) == len(curve.xs) else None
        picture(predicted_curve(list(curve.xs), list(truth), guess, curve.x, curve.y))
    elif not isinstance(guess, str if isinstance(truth, str) else int | float):      # or one of an older question
        print(f"the answer: {shown(truth)} {unit}".rstrip() + " (you committed no guess)")
    else:
        print(f"your guess: {shown(guess)} {unit}".rstrip())
        print(f"the answer: {shown(truth)} {unit}".rstrip() + f"; {distance(guess, truth)}")


def distance(guess: Any, truth: Any) -> str:
    """How far a guess is off, in words: a factor for numbers above zero, right or wrong for a choice."""
    if isinstance(truth, str):
        return "right" if guess == truth else "not what you chose"
    if guess == truth:
        return "exactly"
    if guess > 0 and truth > 0:
        factor = guess / truth
        return f"a factor of {max(factor, 1 / factor):.2g} too {'high' if factor > 1 else 'low'}"
    return f"{abs(guess - truth):.3g} too {'high' if guess > truth else 'low'}"


def shown(value: Any) -> str:
    """A number with as many digits as one can remember."""
    return value if isinstance(value, str) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
