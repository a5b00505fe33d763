"""Which tests run which functions, and how long each takes: every test file is run once, in a process of its own.

Kept under a name made of all sources, so that it is measured again as soon as one of them has changed.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from tests.mutation.forked_pytest import LOG, in_fork, run_pytest
from tests.mutation.mutants import AT_IMPORT
from tests.mutation.recorder import SINK, Recorder, functions_with_a_memory

LONGEST_S = 1800                             # for a whole file
LONGER = 10                                  # times as long as without a mutant: it hangs
STARTING_S = 5                               # more than that, on a busy machine
COMPILING_S = 240                            # in a copy whose compiled code is not there yet
RESULT = ".mutation.json"


@dataclass(frozen=True)
class TestFile:
    """What was measured of a file of tests. A test is named as pytest names it, without the file."""

    loading_s: float                         # until the first test starts
    red: tuple[str, ...]                     # what fails without any change; of no use against mutants
    for_all: frozenset[str]                  # functions that run for all tests of the file, at import for one
    tests: dict[str, tuple[float, frozenset[str]]]      # seconds, and what runs in this test alone
    silent: tuple[str, ...]                  # skipped, or expected to fail: neither says anything of the code

    __test__ = False                         # no class of tests, whatever pytest thinks of the name

    def touching(self, function: str) -> dict[str, float]:
        """The tests that run a function, with their seconds."""
        return {
            test: seconds for test, (seconds, functions) in self.tests.items()
            if function in self.for_all or function in functions}

    def limit_s(self, test: str) -> float:
        """The longest that a test may take; longer where it may have to compile first."""
        seconds, functions = self.tests[test]
        called = (name for name in functions | self.for_all if not name.endswith(AT_IMPORT))
        return LONGER * seconds + (COMPILING_S if any("/engine/" in name for name in called) else STARTING_S)

    def loads(self, file: str) -> dict[str, float]:
        """The tests for which a file of ours is imported."""
        return self.touching(f"{file}::{AT_IMPORT}")

    def loads_anything_of(self, file: str) -> bool:
        """Whether a file of ours is imported, or nothing is known of what is."""
        return f"{file}::{AT_IMPORT}" in self.for_all or not self.for_all

    @cached_property
    def known(self) -> frozenset[str]:
        """All tests of the file."""
        return frozenset([*self.tests, *self.red, *self.silent])

    @cached_property
    def calls(self) -> frozenset[str]:
        """Files of ours of which a test calls a function, which is more than to import them."""
        names = {name for _, functions in self.tests.values() for name in functions}
        return frozenset(name.partition("::")[0] for name in names if not name.endswith(AT_IMPORT))


class Watch:
    """Plugin of pytest: for each test, what runs and how long it takes."""

    def __init__(self, recorder: Recorder, sink: Path, packages: list[str]):
        self.recorder, self.sink = recorder, sink
        self.ran: dict[str, set[str]] = {}
        self.seconds: dict[str, float] = {}
        self.red: set[str] = set()
        self.skipped: set[str] = set()
        self.began, self.loading_s = time.monotonic(), 0.0
        os.environ[SINK] = os.pathsep.join([str(sink), recorder.root.rstrip("/"), ",".join(packages)])

    def pytest_collection_finish(self) -> None:
        self.loading_s = time.monotonic() - self.began
        self.recorder.of_file |= self._of_processes()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item):
        self.recorder.begin(in_test=True)
        try:
            return (yield)
        finally:
            self.ran[test_name(item.nodeid)] = self.recorder.of_test | self._of_processes()
            self.recorder.begin(in_test=False)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = test_name(report.nodeid)
        self.seconds[test] = self.seconds.get(test, 0) + report.duration
        if report.failed:
            self.red.add(test)
        if report.skipped:
            self.skipped.add(test)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.red.add(f"(cannot be collected: {str(report.longrepr)[-300:]})")

    def _of_processes(self) -> set[str]:
        if not self.sink.exists():
            return set()
        names = set(self.sink.read_text("utf-8").split("\n")) - {""}
        self.sink.unlink()
        return names


def test_name(nodeid: str) -> str:
    """Without its file, as pytest writes it."""
    return nodeid.partition("::")[2]


def measure(root: Path, copy: Path, test_file: str, packages: list[str]) -> dict:
    """One file of tests, as JSON has it."""
    result, sink = copy / RESULT, copy / ".mutation.sink"
    result.unlink(missing_ok=True)

    def work() -> int:
        recorder = Recorder(copy, packages, functions_with_a_memory(copy, packages))
        watch = Watch(recorder, sink, packages)
        recorder.start()
        code = run_pytest(test_file, watch, stop=False)
        names = sorted(recorder.of_file.union(*watch.ran.values()))
        number = {name: place for place, name in enumerate(names)}
        result.write_text(json.dumps({
            "loading_s": watch.loading_s, "red": sorted(watch.red), "names": names, "silent": sorted(watch.skipped),
            "for_all": sorted(number[name] for name in recorder.of_file),
            "tests": {
                test: [round(watch.seconds.get(test, 0), 4), sorted(number[name] for name in ran)]
                for test, ran in watch.ran.items() if test not in watch.red | watch.skipped},
        }), "utf-8")
        return code

    code = in_fork(root, copy, work, LONGEST_S)
    if not result.exists():
        said = (copy / LOG).read_text("utf-8", "replace")[-500:]
        nothing = {key: [] for key in ("names", "for_all", "silent")}
        return {"loading_s": 0, "red": [f"(ends with {code}: {said})"], "tests": {}, **nothing}
    return json.loads(result.read_text("utf-8"))


def from_json(entry: dict) -> TestFile:
    names = entry["names"]
    tests = {
        test: (seconds, frozenset(names[place] for place in functions))
        for test, (seconds, functions) in entry["tests"].items()}
    for_all = frozenset(names[place] for place in entry["for_all"])
    return TestFile(entry["loading_s"], tuple(entry["red"]), for_all, tests, tuple(entry["silent"]))


def fingerprint(root: Path, files: Iterable[str]) -> str:
    """Of all sources, of the tests, and of the Python that runs them."""
    digest = hashlib.sha256(f"{sys.version} {sys.prefix}".encode())
    for file in sorted(files):
        digest.update(f"\0{file}\0".encode() + (root / file).read_bytes())
    return digest.hexdigest()[:16]
