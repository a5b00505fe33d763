"""A guess to commit before the truth is shown: a number, a choice, or a curve."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import traitlets

from mmf_teach.lesson.widgets.explorer import Explorer, script


@dataclass(frozen=True)
class Curve:
    """What a guessed curve is drawn on: one slider for each x, from `low` to `high`."""

    xs: tuple[float, ...]
    low: float
    high: float
    x: str                                   # what runs along the horizontal axis
    y: str                                   # and along the vertical one


class Prediction(Explorer):
    """Question to the reader: what do you expect?"""

    _esm = script("prediction")

    question = traitlets.Unicode().tag(sync=True)
    unit = traitlets.Unicode().tag(sync=True)
    choices = traitlets.List().tag(sync=True)
    curve = traitlets.Dict().tag(sync=True)              # empty, or xs, low, high, x, y
    guess = traitlets.Any(None, allow_none=True).tag(sync=True)
    committed = traitlets.Bool(False).tag(sync=True)
    problem = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self, name: str, question: str, unit: str, choices: tuple[str, ...], curve: Curve | None,
        commit: Callable[[Any], None],
    ):
        drawn = vars(curve) | {"xs": list(curve.xs)} if curve else {}
        super().__init__(question=question, unit=unit, choices=list(choices), curve=drawn)
        self.sentence, self._keep = f"{name} {question} Run this cell to commit your guess.", commit
        self.on_msg(lambda _widget, message, _buffers: self.answer(message))

    def answer(self, message: Any) -> None:
        """A guess from the page: commit it, or say what is wrong with it."""
        try:
            self.commit(message)
        except ValueError as problem:
            self.problem = str(problem)

    def commit(self, guess: Any) -> None:
        """Keep a guess for good. ValueError when it does not answer the question; nothing when one is kept."""
        if not self.committed:
            guess = self.understood(guess)
            self._keep(guess)
            self.show(guess)

    def show(self, guess: Any) -> None:
        """Show a committed guess."""
        self.guess, self.committed, self.problem = guess, True, ""

    def understood(self, guess: Any) -> Any:
        """The guess as it is kept: a choice, a list of numbers, or a number."""
        if self.choices:
            if guess not in self.choices:
                raise ValueError(f"choose one of {', '.join(self.choices)}")
            return guess
        if self.curve:
            if not isinstance(guess, list | tuple) or len(guess) != len(self.curve["xs"]):
                raise ValueError(f"the curve has {len(self.curve['xs'])} points")
            return [number(value) for value in guess]
        return number(guess)


def number(value: Any) -> float:
    """A finite number. ValueError for anything else."""
    try:
        read = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is not a number") from None
    if not abs(read) < float("inf"):
        raise ValueError(f"{value!r} is not a number to guess with")
    return read
