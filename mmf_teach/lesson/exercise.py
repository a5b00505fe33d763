"""An exercise and its check: the answer is the library's own function, and known mistakes have their own sentence."""

import html
import inspect
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from mmf_teach.lesson import folders, ledger
from mmf_teach.lesson.compare import describe, difference, same
from mmf_teach.lesson.trial import LIMIT_S, Outcome, Todo, TooLong, call, within_time

TODO, NOT_YET, ERROR, PASSED = "todo", "not yet", "error", "passed"
LEFT = "text-align:left"
TRIES = 150                                  # random inputs beyond the listed cases


@dataclass(frozen=True)
class Exercise:
    id: str                                          # "02.1"
    ask: str                                         # what to write, in one sentence
    answer: Callable                                 # the library's own function
    cases: Sequence[tuple]                           # arguments, the simplest first
    mistakes: Mapping[str, Callable]                 # the sentence that helps -> a function that errs so
    hints: Sequence[str]                             # each says more than the one before
    inputs: Callable[[], Any] | None = None          # makes a hypothesis strategy of further arguments
    planted: Callable | None = None                  # the function with a bug that the reader starts from
    exact_dtype: bool = False                        # whether int8 and int64 differ
    lines: Sequence[str] = ()                        # of a Parsons problem: the answer's lines, in order

    def examine(self, yours: Callable, limit_s: float = LIMIT_S) -> "Report":
        """The report on a function, leaving no trace anywhere."""
        search = _Search(self, yours, time.monotonic() + limit_s / 2)
        try:
            return within_time(search.run, limit_s)
        except Todo:
            return Report(self.id, TODO, self.ask)
        except TooLong:
            if search.failing is not None:   # a wrong result was found before time ran out
                with suppress(TooLong):
                    return within_time(lambda: search.report(search.failing), limit_s)
            shown = {"input": describe_arguments(self, search.trying)} if search.trying is not None else {}
            why = f"your function is still running after {limit_s:g} seconds: does its loop end?"
            return Report(self.id, ERROR, why, shown)


@dataclass(frozen=True)
class Report:
    """What a check found. It prints as text, and in a notebook as a framed status that is read aloud."""

    exercise: str
    state: str
    message: str
    details: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.state == PASSED

    def __repr__(self) -> str:
        lines = [f"{self.exercise} {self.state}: {self.message}"]
        return "\n".join(lines + [f"    {name + ':':10}{text}" for name, text in self.details.items()])

    def _repr_html_(self) -> str:
        colour = {PASSED: "#009E73", NOT_YET: "#E69F00", ERROR: "#D55E00", TODO: "#8A8A8A"}[self.state]
        rows = "".join(
            f"<tr><th scope='row' style='{LEFT};vertical-align:top;font-weight:normal'>{html.escape(name)}</th>"
            f"<td style='{LEFT}'><pre style='margin:0'>{html.escape(text)}</pre></td></tr>"
            for name, text in self.details.items()
        )
        return (
            f"<div role='status' style='border-left:6px solid {colour};padding:.3em .8em;margin:.3em 0'>"
            f"<b>{self.exercise} {self.state}</b>: {html.escape(self.message)}"
            + (f"<table>{rows}</table>" if rows else "") + "</div>"
        )


_passed: dict[str, Callable] = {}            # the reader's functions that passed since the kernel started


def exercise(name: str) -> "Exercise | PropertyTest":
    """The exercise with this id. ValueError when there is none."""
    known = isinstance(name, str) and name[:2] in folders.files("exercises.py")
    for one in folders.exercises(name[:2]).EXERCISES if known else []:
        if one.id == name:
            return one
    raise ValueError(f"there is no exercise {name!r}")


def check(name: str, yours: Callable, limit_s: float = LIMIT_S) -> Report:
    """Compare your function with the library's; never raises, unless the environment says MMF_CHECK_STRICT=1."""
    report = exercise(name).examine(yours, limit_s) if callable(yours) else not_a_function(name, yours)
    if report:
        _passed[name] = yours
    else:
        _passed.pop(name, None)
    ledger.record("check", id=name, state=report.state)
    if not report and os.environ.get("MMF_CHECK_STRICT") == "1":
        raise AssertionError(repr(report))
    return report


def not_a_function(name: str, yours: Any) -> Report:
    """What to say to somebody who wrote check("02.1", f(x)) for check("02.1", f)."""
    return Report(name, NOT_YET, f"hand over the function itself, not {describe(yours)}")


def use(name: str) -> Callable:
    """Your function if it passed its check, else the library's; says which."""
    answer = exercise(name).answer
    print(f"using your {answer.__name__}" if name in _passed else f"using the library's {answer.__name__}")
    return _passed.get(name, answer)


@dataclass
class _Search:
    """Looks for an input on which the two functions differ, as small a one as it can find."""

    one: Exercise
    yours: Callable
    until: float                             # when to be content with the random inputs tried so far
    trying: tuple | None = None
    failing: tuple | None = None

    def run(self) -> Report:
        if self.one.planted and all(self.matches(case, self.one.planted) for case in self.one.cases):
            return Report(self.one.id, TODO, f"the bug is still there. {self.one.ask}")
        self.failing = next((case for case in self.one.cases if self.wrong(case)), None)
        if self.failing is None:
            self.failing = self.smallest_wrong_input()
        if self.failing is None:
            return Report(self.one.id, PASSED, "every case agrees with the library's own function.")
        return self.report(self.failing)

    def wrong(self, arguments: tuple) -> bool:
        self.trying = arguments
        return any(self.problem(arguments, call(self.yours, arguments)) for _ in range(2))

    def problem(self, arguments: tuple, outcome: Outcome) -> str:
        """What is wrong with an outcome; empty when nothing is."""
        want = call(self.one.answer, arguments)
        if want.error is not None:           # then this very kind of error is what the exercise asks for
            if outcome.error is None:
                return f"it should raise {type(want.error).__name__} here"
            return "" if isinstance(outcome.error, type(want.error)) else said(outcome.error)
        if outcome.error is not None:
            return said(outcome.error)
        if outcome.changed and not want.changed:
            return "it changes its argument: work on a copy"
        return difference(outcome.value, want.value, self.one.exact_dtype)

    def smallest_wrong_input(self) -> tuple | None:
        """Random inputs, and if one is answered wrongly, the simplest like it that still is."""
        if self.one.inputs is None:
            return None
        from hypothesis import HealthCheck, Phase, configuration, find, settings
        from hypothesis.errors import Flaky, NoSuchExample

        configuration.set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "mmf_teach")    # not beside the notebook

        quiet = settings(                    # no phase that traces lines: it stands still beside a thread left behind
            max_examples=TRIES, database=None, deadline=None, suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        )

        def remember(arguments: tuple) -> bool:
            found = time.monotonic() < self.until and self.wrong(arguments)
            if found:
                self.failing = arguments
            return found

        try:
            return find(self.one.inputs(), remember, settings=quiet, random=Random(0))
        except (NoSuchExample, Flaky):       # flaky: wrong a moment ago, and not when it was asked again
            return self.failing

    def matches(self, arguments: tuple, wrong: Callable) -> bool:
        """Whether the reader's function errs on this input just as `wrong` does."""
        return _alike(call(self.yours, arguments), call(wrong, arguments), self.one.exact_dtype)

    def report(self, arguments: tuple) -> Report:
        outcome = call(self.yours, arguments)
        why, again = self.problem(arguments, outcome), self.problem(arguments, call(self.yours, arguments))
        details = {"input": describe_arguments(self.one, arguments)}
        if outcome.error is None:
            details["yours"] = describe(outcome.value)
        want = call(self.one.answer, arguments)
        if want.error is None:
            details["expected"] = describe(want.value)
        if why != again or not why:          # or it was wrong when it was tried, and now is right
            nondeterministic = "asked the same twice, it answers differently: it must depend on its arguments alone"
            return Report(self.one.id, NOT_YET, nondeterministic, details)
        tried = [*self.one.cases, arguments]
        for sentence, wrong in self.one.mistakes.items():
            if all(self.matches(case, wrong) for case in tried):
                return Report(self.one.id, NOT_YET, sentence, details)
        if outcome.error is not None and want.error is None:
            return Report(self.one.id, ERROR, f"your function stops with {said(outcome.error)}", details)
        return Report(self.one.id, NOT_YET, why, details)


def describe_arguments(one: Exercise, arguments: tuple) -> str:
    """Arguments by their names, as the answer calls them."""
    names = list(inspect.signature(one.answer).parameters)
    return "\n".join(f"{name} = {describe(value)}" for name, value in zip(names, arguments, strict=False))


def _alike(one: Outcome, other: Outcome, exact_dtype: bool = False) -> bool:
    if one.error is not None or other.error is not None:
        return type(one.error) is type(other.error)
    return one.changed == other.changed and same(one.value, other.value, exact_dtype)


def said(error: BaseException) -> str:
    """An error as a clause: its kind and, shortened, what it says."""
    if isinstance(error, SystemExit):
        return "a call of exit()"
    try:
        text = " ".join(str(error).split())
    except Exception:                        # an error that fails when it is printed
        text = ""
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
