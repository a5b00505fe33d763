"""The tool that breaks the code on purpose, on a project of two functions."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ternary", "reference", "layers", "model", "training", "cost", "lesson", "hardware_sim")

CODE = '''"""Tiny."""

STEP = 1


def count(to: int) -> int:
    """How often one can go `STEP` up."""
    n = 0
    while n < to:
        n += STEP
    return n


def unseen(x: int) -> int:
    return x + 7
'''
TESTS = '''from mmf_teach.tiny.code import count, unseen


def test_counting_up():
    assert count(3) == 3


def test_something_is_returned():
    assert unseen(1)
'''


def project(folder: Path, tests: str) -> Path:
    """A project with one package, and tests for it."""
    package = folder / "mmf_teach" / "tiny"
    package.mkdir(parents=True)
    (package / "code.py").write_text(CODE, "utf-8")
    (folder / "tests" / "mutation").mkdir(parents=True)
    (folder / "tests" / "test_tiny.py").write_text(tests, "utf-8")
    shutil.copy(ROOT / "tests" / "mutation" / "recorder.py", folder / "tests" / "mutation")
    return folder


def run(folder: Path) -> tuple[int, dict]:
    """The tool on such a project: its exit code and what it found, by change."""
    program = "import sys; from pathlib import Path; from tests.mutation.__main__ import main; "
    program += f"sys.exit(main(['tiny', '--jobs', '1', '--json', 'found.json'], Path({str(folder)!r})))"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert (folder / "found.json").exists(), done.stderr
    found = json.loads((folder / "found.json").read_text("utf-8"))
    return done.returncode, {one["change"]: one for one in found["mutants"]["tiny"]}


def test_a_mutant_is_caught_or_survives_and_one_that_hangs_is_caught(tmp_path, monkeypatch):
    code, found = run(project(tmp_path, TESTS))
    assert code == 1
    assert found["return n  =>  pass"]["why"] == "tests/test_tiny.py::test_counting_up"
    assert found["return x + 7  =>  return x + 8"]["verdict"] == "survived"
    assert found["return x + 7  =>  return x + 8"]["tests_run"] == 1
    assert found["STEP = 1  =>  STEP = 2"]["verdict"] == "caught"
    hangs = found["STEP = 1  =>  STEP = 0"]
    assert (hangs["verdict"], hangs["why"]) == ("caught", "takes more than 10 times as long")
