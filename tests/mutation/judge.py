"""What the tests say of a mutant: those that run its function, quickest first, in a copy of the project."""

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.mutation.forked_pytest import LOG, copy_project, in_fork, run_pytest
from tests.mutation.measure import COMPILING_S, LONGER, STARTING_S, TestFile, measure, test_name
from tests.mutation.mutants import AT_IMPORT, Mutant

CAUGHT, SURVIVED, EQUIVALENT, NO_VERDICT = "caught", "survived", "equivalent", "no verdict"


@dataclass(frozen=True)
class Step:
    """Some tests of one file, in the order in which they are run."""

    file: str
    limits_s: dict[str, float]               # the longest that each test may take
    known: frozenset[str]                    # all tests that the file has without a mutant
    loading_s: float                         # the longest that importing it may take

    @classmethod
    def of(cls, name: str, file: TestFile, tests: Iterable[str]) -> "Step":
        limits = {test: file.limit_s(test) for test in tests if test in file.tests}
        return cls(name, limits, file.known, STARTING_S + 3 * file.loading_s)


@dataclass(frozen=True)
class Verdict:
    """A mutant and what came of it."""

    file: str
    function: str
    line: int
    change: str
    verdict: str
    why: str                                 # the test that failed; or why nothing did
    tests_run: int
    tests_touching: int
    seconds: float


def plan_for(mutant: Mutant, files: dict[str, TestFile], compiled: bool, budget_s: float) -> tuple[list[Step], int]:
    """The tests that run the mutant's function, quickest first, as many as the time allows; and how many there are.

    Of a test with many cases the first of each comes first. Constants, and functions that numba compiles, are not seen
    running: for them it is all tests that import the file, first those that call something in it.
    """
    name = f"{mutant.file}::{mutant.function}"
    touching = {file: tests for file, each in files.items() if (tests := each.touching(name))}
    if mutant.function != AT_IMPORT and not touching and compiled:
        touching = {file: tests for file, each in files.items() if (tests := each.loads(mutant.file))}

    def late(file: str) -> tuple[bool, float]:
        return mutant.file not in files[file].calls, files[file].loading_s + sum(touching[file].values())

    plan, left_s = [], budget_s
    for file in sorted(touching, key=late):
        chosen = []
        for test, seconds in _first_cases_first(touching[file]):
            if seconds > left_s and (plan or chosen):
                break
            left_s -= seconds
            chosen.append(test)
        if chosen:
            plan.append(Step.of(file, files[file], chosen))
    return plan, sum(map(len, touching.values()))


def _first_cases_first(tests: dict[str, float]) -> list[tuple[str, float]]:
    cases: dict[str, int] = {}
    order = []
    for test, seconds in tests.items():
        function = test.partition("[")[0]
        cases[function] = cases.get(function, 0) + 1
        order.append((cases[function], seconds, test))
    return [(test, seconds) for _, seconds, test in sorted(order)]


class Chosen:
    """Plugin of pytest: only these tests, in this order, and any that no one knew of without the mutant.

    What takes too long is ended by a signal, be it a loop in Python or in C.
    """

    def __init__(self, step: Step):
        self.step, self.place = step, {test: number for number, test in enumerate(step.limits_s)}
        self.failed: list[str] = []
        _end_after(step.loading_s)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        _end_after(self.step.limits_s.get(test_name(nodeid), COMPILING_S))

    def pytest_sessionfinish(self) -> None:
        _end_after(0)

    def pytest_collection_modifyitems(self, items: list) -> None:
        named = {test_name(item.nodeid): item for item in items}
        kept = [test for test in named if test in self.place or test not in self.step.known]
        items[:] = [named[test] for test in sorted(kept, key=lambda test: self.place.get(test, -1))]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed.append(f"{report.nodeid} cannot be imported")


def _end_after(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds)


def run_plan(plan: list[Step], to: Path, stop: bool = True) -> int:
    """The tests of a plan, file by file; what fails is written down. Exit code 1 when something did."""
    failed = []
    for step in plan:
        chosen = Chosen(step)
        code = run_pytest(step.file, chosen, stop)
        failed += chosen.failed
        if not failed and code not in (0, 5):
            return code                      # pytest itself could not go on
        if failed and stop:
            break
    to.write_text("\n".join(failed), "utf-8")
    return 1 if failed else 0


class Worker:
    """What a process needs to judge mutants: a copy of the project that is its own."""

    root: Path
    copy: Path

    @classmethod
    def begin(cls, root: Path, folder: Path, number) -> None:
        """Once in each process of the pool, which count themselves in `number`."""
        with number.get_lock():
            number.value += 1
            cls.root, cls.copy = root, folder / str(number.value)
        copy_project(root, cls.copy)

    @classmethod
    def measure(cls, test_file: str, packages: list[str]) -> tuple[str, dict]:
        return test_file, measure(cls.root, cls.copy, test_file, packages)

    @classmethod
    def fail_unchanged(cls, step: Step) -> list[str]:
        """Which of these tests fail although nothing was changed; all where they do not come to their end."""
        code, failed = cls._run([step], stop=False)
        return failed if code in (0, 1) else [f"{step.file}::{test}" for test in step.limits_s]

    @classmethod
    def judge(cls, mutant: Mutant, plan: list[Step], touching: int) -> Verdict:
        """What the tests say of a mutant."""
        began, path = time.monotonic(), cls.copy / mutant.file
        before, source = path.stat(), path.read_text("utf-8")
        try:
            path.write_text(mutant.source, "utf-8")
            code, failed = cls._run(plan, stop=True)
        finally:
            path.write_text(source, "utf-8")
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))    # compiled code goes by the time
        match code:
            case 0:
                verdict, why = SURVIVED, "all pass" if plan else "no test runs it"
            case 1:
                verdict, why = CAUGHT, failed[0]
            case _ if code in (None, -signal.SIGALRM):
                verdict, why = CAUGHT, f"takes more than {LONGER} times as long"
            case _ if code < 0:
                verdict, why = CAUGHT, f"the process dies of signal {-code}"
            case _:
                said = (cls.copy / LOG).read_text("utf-8", "replace")
                verdict, why = NO_VERDICT, f"exit code {code}: {said[-300:]}"
        return Verdict(
            mutant.file, mutant.function, mutant.line, mutant.change, verdict, why,
            sum(len(step.limits_s) for step in plan), touching, round(time.monotonic() - began, 1))

    @classmethod
    def _run(cls, plan: list[Step], stop: bool) -> tuple[int | None, list[str]]:
        result = cls.copy / ".mutation.failed"
        result.unlink(missing_ok=True)
        limit_s = sum(step.loading_s + sum(step.limits_s.values()) for step in plan)
        code = in_fork(cls.root, cls.copy, lambda: run_plan(plan, result, stop), limit_s) if plan else 0
        return code, result.read_text("utf-8").split("\n") if result.exists() and code == 1 else []
