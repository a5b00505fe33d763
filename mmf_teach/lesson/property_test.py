"""An exercise in which the reader writes the test: it must pass what is right and catch what is planted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmf_teach.lesson.compare import describe
from mmf_teach.lesson.exercise import ERROR, NOT_YET, PASSED, TODO, Report, said
from mmf_teach.lesson.trial import LIMIT_S, Todo, TooLong, call, within_time


@dataclass(frozen=True)
class PropertyTest:
    """`answer` is a test: it takes functions, and returns False or fails an assertion when they break a law."""

    id: str
    ask: str
    answer: Callable
    right: tuple[Callable, ...]                      # what the test is given when all is well
    wrong: Mapping[str, tuple[Callable, ...]]        # what is wrong with them -> functions that break the law
    hints: Sequence[str]

    def examine(self, yours: Callable, limit_s: float = LIMIT_S) -> Report:
        """Run the reader's test on the right functions, then on each wrong one."""
        try:
            return within_time(lambda: self._run(yours), limit_s)
        except Todo:
            return Report(self.id, TODO, self.ask)
        except TooLong:
            return Report(self.id, ERROR, f"your test is still running after {limit_s:g} seconds: does its loop end?")

    def _run(self, yours: Callable) -> Report:
        outcome = call(yours, self.right)
        if outcome.error is not None and not isinstance(outcome.error, AssertionError):
            return Report(self.id, ERROR, f"on the right functions your test stops with {said(outcome.error)}")
        if outcome.error is None and not isinstance(outcome.value, bool | np.bool_ | None):
            return Report(self.id, NOT_YET, f"your test returns {describe(outcome.value)}: it must be True or False")
        if rejects(yours, self.right):
            return Report(self.id, NOT_YET, "your test fails the right functions: the law it asks for is too strict")
        missed = [why for why, functions in self.wrong.items() if not rejects(yours, functions)]
        caught = f"{len(self.wrong) - len(missed)} of {len(self.wrong)} planted mistakes caught"
        if not missed:
            return Report(self.id, PASSED, f"{caught}, and the right functions pass.")
        return Report(self.id, NOT_YET, f"{caught}. Your test lets this pass: {missed[0]}", {})


def rejects(test: Callable, functions: tuple[Callable, ...]) -> bool:
    """Whether a test says no: it returns False, or anything in it fails. One that only asserts may return nothing."""
    outcome = call(test, functions)
    return outcome.error is not None or (isinstance(outcome.value, bool | np.bool_) and not outcome.value)
