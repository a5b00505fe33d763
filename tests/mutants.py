"""Break the code on purpose, one small change at a time, and see whether the tests notice.

    python -m tests.mutants                     all mutants
    python -m tests.mutants packing model       those whose names begin so

Mutants are listed in tests/mutants/*.toml, each a table whose name says what is broken:

    [packing-accepts-byte-243]
    file    = "mmf_teach/ternary/packing.py"
    find    = "packed >= 243"                   # must occur exactly once in the file
    replace = "packed > 243"
    tests   = ["tests/test_packing.py"]

Works on copies of the project, so the working tree is never touched. First all named tests run on an unchanged copy
and must pass: were they red anyway, every mutant would look caught. Exit code 0 when every mutant is caught, 1 when
one survives, 2 when nothing could be concluded.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("mmf_teach", "hardware_sim")
LONGEST_S = 600                              # a mutant whose tests take longer than this hangs: that is noticed too
PASSED, FAILED = 0, 1                        # exit codes of pytest; all others mean that it could not run the tests
SURVIVED, NO_VERDICT = "SURVIVED", "NO VERDICT"


class Inconclusive(Exception):
    """Nothing was learnt about the tests: one sentence says why."""


@dataclass(frozen=True)
class Mutant:
    name: str
    file: str
    find: str
    replace: str
    tests: tuple[str, ...]


def read_mutants(folder: Path, prefixes: list[str]) -> list[Mutant]:
    """All mutants whose names begin with one of the prefixes, or all; Inconclusive for an entry that cannot be used."""
    mutants = {}
    for path in sorted(folder.glob("*.toml")):
        for name, entry in tomllib.loads(path.read_text("utf-8")).items():
            if set(entry) != {"file", "find", "replace", "tests"} or not entry["tests"] or name in mutants:
                raise Inconclusive(f"{path.name}: {name} needs file, find, replace and tests, and a name of its own")
            mutants[name] = Mutant(name, entry["file"], entry["find"], entry["replace"], tuple(entry["tests"]))
    chosen = [mutant for name, mutant in mutants.items() if not prefixes or name.startswith(tuple(prefixes))]
    if not chosen:
        raise Inconclusive(f"no mutant begins with {' or '.join(prefixes) or 'anything'}")
    return chosen


def copy_project(to: Path) -> None:
    """All files that git knows or does not ignore: no environment, no caches."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode("utf-8")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():          # one that was deleted but not yet committed is still listed
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


def environment(copy: Path) -> dict[str, str]:
    """Imports come from the copy; nothing compiled from another version of a file is used."""
    return os.environ | {
        "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1",
        "NUMBA_CACHE_DIR": str(copy / ".numba"),
    }


def require_own_imports(copy: Path) -> None:
    """Inconclusive unless Python finds our packages in the copy, not in an installed or editable version."""
    question = f"import {', '.join(PACKAGES)}; print({' , '.join(f'{name}.__file__' for name in PACKAGES)}, sep='\\n')"
    answer = subprocess.run(
        [sys.executable, "-c", question], cwd=copy, env=environment(copy), capture_output=True, text=True)
    places = [Path(line).resolve() for line in answer.stdout.splitlines()]
    if len(places) != len(PACKAGES) or not all(place.is_relative_to(copy.resolve()) for place in places):
        raise Inconclusive(f"the packages are not imported from the copy but from {answer.stdout or answer.stderr}")


def run_tests(copy: Path, tests: list[str]) -> tuple[int | None, str]:
    """Exit code of pytest, or None when it was stopped for taking too long, and what it said."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment(copy), capture_output=True, text=True, timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        return None, ""
    return done.returncode, done.stdout + done.stderr


@contextmanager
def applied(mutant: Mutant, copy: Path) -> Iterator[None]:
    """The copy with this one change; Inconclusive when the place is not unique."""
    path = copy / mutant.file
    source = path.read_text("utf-8") if path.is_file() else ""
    if source.count(mutant.find) != 1 or mutant.find == mutant.replace:
        raise Inconclusive(f"{mutant.name}: {mutant.find!r} occurs {source.count(mutant.find)} times in {mutant.file}")
    path.write_text(source.replace(mutant.find, mutant.replace), "utf-8")
    try:
        yield
    finally:
        path.write_text(source, "utf-8")


def verdict(mutant: Mutant, copy: Path) -> str:
    """What the tests say of the mutant. A file that cannot even be imported tells nothing about them."""
    with applied(mutant, copy):
        code, _ = run_tests(copy, list(mutant.tests))
    return {PASSED: SURVIVED, FAILED: "caught", None: "caught (hangs)"}.get(code, f"{NO_VERDICT} (pytest says {code})")


def main(prefixes: list[str]) -> int:
    """Run the control and the mutants, several at once; print a table."""
    mutants = read_mutants(ROOT / "tests" / "mutants", prefixes)
    workers = max(1, min(len(mutants), os.cpu_count() or 1))
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies: Queue[Path] = Queue()
        for number in range(workers):
            copy = Path(folder) / str(number)
            copy_project(copy)
            copies.put(copy)
        for mutant in mutants:               # a place that is not unique is told before anything runs
            with applied(mutant, copy):
                pass
        require_own_imports(copy)
        tests = sorted({test for mutant in mutants for test in mutant.tests})
        code, said = run_tests(copy, tests)
        if code != PASSED:
            raise Inconclusive(f"the tests fail without any change:\n{said[-4000:]}")
        width = max(len(mutant.name) for mutant in mutants)
        print(f"{'no change':{width}}  passes, as it must", flush=True)

        def judge(mutant: Mutant) -> str:
            copy = copies.get()
            try:
                return verdict(mutant, copy)
            finally:
                copies.put(copy)

        verdicts = []
        with ThreadPoolExecutor(workers) as pool:
            for mutant, found in zip(mutants, pool.map(judge, mutants), strict=True):
                print(f"{mutant.name:{width}}  {found}", flush=True)
                verdicts.append(found.partition(" (")[0])
    survived, unknown = verdicts.count(SURVIVED), verdicts.count(NO_VERDICT)
    print(f"{len(mutants)} mutants: {survived} survived, {unknown} without a verdict")
    return 1 if survived else 2 if unknown else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Inconclusive as reason:
        print(reason, file=sys.stderr)
        sys.exit(2)
