"""Break the code on purpose, one small mistake at a time, and see whether the tests notice.

    python -m tests.mutation ternary layers             two packages, 200 mutants of each
    python -m tests.mutation cost --sample 1000         more of one
    python -m tests.mutation planted                    the faults that are kept by hand (tests/planted_faults.toml)

Every mutant is judged by the tests that run its function, quickest first, in a copy of the project; which tests these
are is measured (measure.py). A mutant is caught when one of them fails, when the process dies, or when they take more
than ten times as long as they do without it. Where they are many, as many are run as take a minute (--budget). Tests
that fail without any change are left out and named; where no others are left, there is no verdict. At the end the
tests that caught something run once more on unchanged code, and must pass.

A survivor that is no mistake is listed in equivalent.toml with the reason, by file, function and change.

Compiled code is never stale: the engine keeps it in a folder named by all sources it is made from. So a mutant of
the engine or of what it compiles in (ternary, ternary_core) is compiled anew, which takes its time; others are not.

Exit code 0 when at least 95 % are caught in every package, 1 when not, 2 when nothing could be concluded.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from random import Random

from tests.mutation.forked_pytest import load_before
from tests.mutation.judge import CAUGHT, EQUIVALENT, NO_VERDICT, SURVIVED, Step, Verdict, Worker, plan_for
from tests.mutation.measure import TestFile, fingerprint, from_json
from tests.mutation.mutants import Change, Mutant, changes_of, enclosing

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = ("mmf_teach", "hardware_sim")
NOT_MUTATED = ("rtl", "gates")               # circuits have benches and proofs of their own
NOT_RUN = ("test_mutation.py",)              # the tests of this tool
PLANTED = "planted"
LEAST = 0.95
KEPT = Path("data") / "cache" / "mutation"   # what was measured of the tests


def files_of(root: Path, package: str) -> list[str]:
    """The Python files of a package. ValueError where there are none."""
    folder = next((each for each in (root / package, *(root / ours / package for ours in OURS)) if each.is_dir()), None)
    if folder is None:
        raise ValueError(f"there is no package {package} in {' or '.join(OURS)}")
    paths = (path for path in sorted(folder.rglob("*.py")) if path.relative_to(folder).parts[0] not in NOT_MUTATED)
    return [path.relative_to(root).as_posix() for path in paths]


def planted(root: Path) -> list[Mutant]:
    """The faults that are kept by hand. ValueError for one whose place is not found exactly once."""
    made = []
    for name, entry in tomllib.loads((root / "tests" / "planted_faults.toml").read_text("utf-8")).items():
        source = (root / entry["file"]).read_text("utf-8")
        if source.count(entry["find"]) != 1 or entry["find"] == entry["replace"]:
            raise ValueError(f"{name}: its text stands {source.count(entry['find'])} times in {entry['file']}")
        line = source[:source.index(entry["find"])].count("\n") + 1
        changed = source.replace(entry["find"], entry["replace"])
        made.append(Mutant(entry["file"], enclosing(source, line), line, name, changed))
    return made


def sample(changes: list[Change], size: int, seed: int) -> list[Mutant]:
    """So many of them, the same for the same seed, in the order of the files; all where there are no more."""
    order = Random(seed).sample(range(len(changes)), len(changes))
    written = ((place, mutant) for place in order if (mutant := changes[place].mutant()))
    return [mutant for _, mutant in sorted(islice(written, size), key=lambda each: each[0])]


def listed(root: Path) -> dict[tuple[str, str, str], str]:
    """Why a mutant is no mistake, by file, function and change."""
    path, reasons = root / "tests" / "mutation" / "equivalent.toml", {}
    for entry in tomllib.loads(path.read_text("utf-8"))["equivalent"] if path.is_file() else []:
        for change in entry["changes"]:
            key = (entry["file"], entry["function"], change)
            if key in reasons or len(entry["why"].split()) < 5:
                raise ValueError(f"{key} is listed twice, or without a sentence")
            reasons[key] = entry["why"]
    return reasons


def mutants_in(root: Path, package: str, size: int, seed: int) -> tuple[int, list[Mutant]]:
    """How many can be made of a package, and those that are tried; of the faults kept by hand all."""
    if package == PLANTED:
        faults = planted(root)
        return len(faults), faults
    changes = [change for file in files_of(root, package) for change in changes_of(root, file)]
    return len(changes), sample(changes, size, seed)


@contextmanager
def workers(root: Path, jobs: int) -> Iterator[Executor]:
    """Processes with a copy of the project each."""
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory(prefix="mutation-", ignore_cleanup_errors=True) as folder:
        start = (root, Path(folder).resolve(), context.Value("i", 0))
        with ProcessPoolExecutor(jobs, context, Worker.begin, start) as pool:
            yield pool


def measured(root: Path, pool: Executor, packages: list[str], tests: list[str]) -> dict[str, TestFile]:
    """What each test file runs: as it was kept, or measured now."""
    paths = [root / test for test in tests] or sorted((root / "tests").glob("test_*.py"))
    tests = [path.relative_to(root).as_posix() for path in paths if path.name not in NOT_RUN]
    sources = [
        path.relative_to(root).as_posix() for folder in (*packages, "tests", "data")
        for ending in ("py", "toml") for path in (root / folder).rglob(f"*.{ending}")]
    kept = root / KEPT / fingerprint(root, sources)
    kept.mkdir(parents=True, exist_ok=True)
    places = {test: kept / f"{Path(test).stem}.json" for test in tests}
    missing = [test for test in tests if not places[test].is_file()]
    missing.sort(key=lambda test: (root / test).stat().st_size, reverse=True)        # the longest first
    waiting = [pool.submit(Worker.measure, test, packages) for test in missing]
    for number, done in enumerate(as_completed(waiting), start=1):
        test, entry = done.result()
        places[test].write_text(json.dumps(entry), "utf-8")
        said = f"{len(entry['tests'])} tests, {len(entry['red'])} red without any change"
        print(f"measured {test}: {said} ({number} of {len(waiting)})", file=sys.stderr, flush=True)
    return {test: from_json(json.loads(place.read_text("utf-8"))) for test, place in places.items()}


def judged(
    root: Path, pool: Executor, files: dict[str, TestFile], mutants: list[Mutant], budget_s: float,
) -> list[Verdict]:
    """All mutants, in their order, each with what came of it."""
    reasons, waiting = listed(root) | {(m.file, m.function, m.change): m.same for m in mutants if m.same}, {}
    for number, mutant in enumerate(mutants):
        compiled = "numba" in (root / mutant.file).read_text("utf-8")
        waiting[pool.submit(Worker.judge, mutant, *plan_for(mutant, files, compiled, budget_s))] = number
    verdicts: dict[int, Verdict] = {}
    for done in as_completed(waiting):
        one = done.result()
        why = reasons.get((one.file, one.function, one.change))
        if one.verdict == SURVIVED and why:
            one = replace(one, verdict=EQUIVALENT, why=why)
        elif one.verdict == SURVIVED and not one.tests_run and (red := might_have_caught(one, files)):
            one = replace(one, verdict=NO_VERDICT, why=f"red without any change: {', '.join(red)}")
        elif why:
            print(f"listed as equivalent, but {one.why}: {one.change}", file=sys.stderr)
        verdicts[waiting[done]] = one
        said = f"{len(verdicts):5} {one.verdict:10} {one.seconds:6.1f} s  {one.file}:{one.line}  {one.change}"
        print(f"{said}  [{one.why}]", file=sys.stderr, flush=True)
    return [verdicts[number] for number in range(len(mutants))]


def might_have_caught(one: Verdict, files: dict[str, TestFile]) -> list[str]:
    """Test files that load the mutant's file and are red without any change."""
    return [test for test, each in files.items() if each.red and each.loads_anything_of(one.file)]


def require_green(pool: Executor, files: dict[str, TestFile], verdicts: list[Verdict]) -> list[Verdict]:
    """The verdicts, but for those that come from a test which fails without any change, too."""
    catching: dict[str, set[str]] = {}
    for one in verdicts:
        test_file, _, test = one.why.partition("::")
        if one.verdict == CAUGHT and test_file in files and test in files[test_file].tests:
            catching.setdefault(test_file, set()).add(test)
    steps = [Step.of(file, files[file], sorted(tests)) for file, tests in catching.items()]
    red = {test for failed in pool.map(Worker.fail_unchanged, steps) for test in failed}
    return [
        replace(one, verdict=NO_VERDICT, why=f"fails without any change, too: {one.why}")
        if one.verdict == CAUGHT and one.why in red else one for one in verdicts]


def summary(made: int, verdicts: list[Verdict]) -> dict[str, float]:
    """The numbers of a package. Equivalent mutants are no mistakes, and do not count in the share."""
    count = Counter(one.verdict for one in verdicts)
    mistakes = count[CAUGHT] + count[SURVIVED]
    return {
        "made": made, "sampled": len(verdicts), CAUGHT: count[CAUGHT], SURVIVED: count[SURVIVED],
        EQUIVALENT: count[EQUIVALENT], NO_VERDICT: count[NO_VERDICT],
        "share": count[CAUGHT] / mistakes if mistakes else 0.0,
    }


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Make, judge and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.partition("\n")[0])
    parser.add_argument("packages", nargs="+", metavar="package", help=f"folders of {' or '.join(OURS)}, or {PLANTED}")
    parser.add_argument("--sample", type=int, default=200, metavar="N", help="mutants of each package (200)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (all cores)")
    parser.add_argument("--budget", type=float, default=60, metavar="S", help="seconds of tests for each mutant (60)")
    parser.add_argument("--tests", nargs="*", default=[], metavar="FILE", help="only these files of tests (all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write everything that was found")
    wanted = parser.parse_args(arguments)
    ours = [package for package in OURS if (root / package).is_dir()]
    chosen = {package: mutants_in(root, package, wanted.sample, wanted.seed) for package in wanted.packages}
    load_before()
    with workers(root, wanted.jobs) as pool:
        files = measured(root, pool, ours, wanted.tests)
        mutants = [each for _, some in chosen.values() for each in some]
        verdicts = judged(root, pool, files, mutants, wanted.budget)
        verdicts = require_green(pool, files, verdicts)
    found, rest = {}, iter(verdicts)
    for package, (_, some) in chosen.items():
        found[package] = list(islice(rest, len(some)))
    report = {package: summary(chosen[package][0], found[package]) for package in found}
    show(report, found, files)
    if wanted.json:
        kept = {package: [asdict(one) for one in ones] for package, ones in found.items()}
        wanted.json.write_text(json.dumps({"seed": wanted.seed, "report": report, "mutants": kept}, indent=1), "utf-8")
    if not all(numbers[CAUGHT] + numbers[SURVIVED] for numbers in report.values()):
        return 2
    return 0 if all(numbers["share"] >= LEAST for numbers in report.values()) else 1


def show(report: dict[str, dict], found: dict[str, list[Verdict]], files: dict[str, TestFile]) -> None:
    """What is red already, what survives, and the table."""
    for test, each in files.items():
        if each.red:
            print(f"red without any change: {test}: {', '.join(each.red)}")
    for one in (one for ones in found.values() for one in ones if one.verdict in (SURVIVED, NO_VERDICT)):
        ran = f"{one.tests_run} of {one.tests_touching} tests"
        print(f"{one.verdict}: {one.file}:{one.line} {one.function}: {one.change}  ({one.why}; {ran})")
    columns = ("made", "sampled", CAUGHT, SURVIVED, EQUIVALENT, NO_VERDICT)
    print(f"{'package':14}" + "".join(f"{column:>12}" for column in columns) + f"{'share':>9}")
    for package, numbers in report.items():
        print(f"{package:14}" + "".join(f"{numbers[column]:12}" for column in columns) + f"{numbers['share']:9.1%}")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ValueError as reason:
        print(reason, file=sys.stderr)
        sys.exit(2)
