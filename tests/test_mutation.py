"""The tool that breaks the code on purpose, tried on a project of a few functions."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutate_source import mutants, words
from tests.mutation.__main__ import listed, planted, sample, summary
from tests.mutation.judge import CAUGHT, EQUIVALENT, NO_VERDICT, SURVIVED, Verdict
from tests.mutation.mutants import changes_of

ROOT = Path(__file__).resolve().parent.parent
CODE = '''"""Größe: a head with letters of more than one byte."""

STEP = 1


def count(to: int) -> int:
    """How often one can go `STEP` up."""
    n = 0
    while n < to:
        n += STEP
    return n


def unseen(x: int) -> int:
    return x + 7


def kept() -> int:
    return 3


def far() -> int:
    return 4


def lonely() -> int:
    return 5
'''
TESTS = '''import subprocess
import sys

import pytest

from mmf_teach.tiny import code


@pytest.fixture(scope="module")
def made_once():
    return code.kept()


def test_counting_up():
    assert code.count(3) == 3


def test_something_is_returned():
    assert code.unseen(1)


def test_the_first_that_uses_it(made_once):
    pass


def test_the_second_that_uses_it(made_once):
    assert made_once == 3


def test_in_another_process():
    command = [sys.executable, "-c", "from mmf_teach.tiny.code import far; print(far())"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "4\\n"
'''
RED = '''from mmf_teach.tiny.code import lonely


def test_that_fails_anyway():
    assert lonely() == 6
'''
FAULTS = {
    "caught": ("return n", "return n + 1"), "caught-at-import": ("STEP = 1", "STEP = 2"),
    "hangs": ("n += STEP", "pass"), "survives": ("x + 7", "x + 8"), "of-a-fixture": ("return 3", "return 2"),
    "of-a-process": ("return 4", "return 2"), "untold": ("return 5", "return 2"),
}
TRICKY = '''def f(a, b=2, *, c=3):
    """No change to this."""
    if a > b:
        return a[1:, b], "ä" + a
    elif a:
        x = a[b:]
    else:
        x = (a
             + b)     # a comment
    for each in x: x += each
    try:
        x = g(a, key=b)
    except ValueError:
        x = 1 if a else b
    finally:
        h(y for y in x if y)
    match a:
        case 1 if b:
            return -a
    return (x, not a)
'''


@pytest.fixture
def project(tmp_path):
    """A project with one package, tests for it, one of which is red, and faults."""
    package, tests = tmp_path / "mmf_teach" / "tiny", tmp_path / "tests"
    package.mkdir(parents=True)
    (package / "code.py").write_text(CODE, "utf-8")
    (tests / "mutation").mkdir(parents=True)
    (tests / "test_tiny.py").write_text(TESTS, "utf-8")
    (tests / "test_red.py").write_text(RED, "utf-8")
    shutil.copy(ROOT / "tests" / "mutation" / "recorder.py", tests / "mutation")
    entry = "[{}]\nfile = 'mmf_teach/tiny/code.py'\nfind = '{}'\nreplace = '{}'\n"
    (tests / "planted_faults.toml").write_text(
        "".join(entry.format(name, *change) for name, change in FAULTS.items()), "utf-8")
    return tmp_path


def test_every_fault_gets_the_verdict_that_is_its_own(project):
    """Seen by the tests that run it: in a fixture of many tests, at import, or in a process that a test starts."""
    program = "import sys; from pathlib import Path; from tests.mutation.__main__ import main; "
    program += f"sys.exit(main(['planted', '--jobs', '1', '--json', 'found.json'], Path({str(project)!r})))"
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=project, env=os.environ | {"PYTHONPATH": path}, capture_output=True,
        text=True, encoding="utf-8")
    assert done.returncode == 1, done.stderr
    found = json.loads((project / "found.json").read_text("utf-8"))["mutants"]["planted"]
    assert {one["change"]: one["verdict"] for one in found} == {
        "caught": CAUGHT, "caught-at-import": CAUGHT, "hangs": CAUGHT, "survives": SURVIVED, "of-a-fixture": CAUGHT,
        "of-a-process": CAUGHT, "untold": NO_VERDICT}
    why = {one["change"]: one["why"] for one in found}
    assert why["hangs"] == "takes more than 10 times as long"
    assert why["of-a-fixture"] == "tests/test_tiny.py::test_the_second_that_uses_it"
    assert why["of-a-process"] == "tests/test_tiny.py::test_in_another_process"
    assert (project / "mmf_teach" / "tiny" / "code.py").read_text("utf-8") == CODE       # only copies were changed
    assert {one["change"]: one["tests_run"] for one in found}["survives"] == 1           # the others do not run it


def test_a_sample_is_the_same_for_the_same_seed_and_all_where_there_are_few(project):
    changes = changes_of(project, "mmf_teach/tiny/code.py")
    names = [[one.change for one in sample(changes, 9, seed)] for seed in (1, 1, 2)]
    assert names[0] == names[1] != names[2]
    assert len(set(names[0])) == 9
    assert len(sample(changes, 1000, 1)) == len(changes)


def test_each_change_in_a_text_is_that_change_in_its_tree(tmp_path):
    (tmp_path / "tricky.py").write_text(TRICKY, "utf-8")
    tree = ast.parse(TRICKY)
    in_tree = {ast.unparse(mutant) for _, mutant in mutants(tree, tree.body)}
    made = sample(changes_of(tmp_path, "tricky.py"), 10000, 1)
    in_text = {ast.unparse(ast.parse(one.source)) for one in made}
    defaults = {one for one in in_text - in_tree if "return (x, not a)" in one and "def f(a, b=2, *, c=3)" not in one}
    assert in_text - defaults <= in_tree
    assert defaults and len(in_text) > 90
    assert all("# a comment" in one.source for one in made if "(a\n" in one.source and "+ b)" in one.source)


def test_a_change_that_says_the_same_the_other_way_round_is_no_mistake(tmp_path):
    code = "def f(a, b):\n    if a == b or a is not b or a < b:\n        return 2.0, 1.0\n"
    (tmp_path / "code.py").write_text(code, "utf-8")
    same = {one.change.partition("  =>  ")[2] for change in changes_of(tmp_path, "code.py")
            if (one := change.mutant()) and one.same}
    assert same == {
        "if b == a or a is not b or a < b:", "if a == b or b is not a or a < b:", "return (2.0, 1)"}


def test_a_survivor_lowers_the_share_and_an_equivalent_mutant_does_not():
    verdicts = [CAUGHT, CAUGHT, CAUGHT, SURVIVED, EQUIVALENT, NO_VERDICT]
    assert summary(10, [Verdict("", "", 1, "", one, "", 1, 1, 0.0) for one in verdicts])["share"] == 0.75


def test_at_most_sixty_faults_are_kept_by_hand_and_each_names_one_place():
    assert 0 < len(planted(ROOT)) <= 60


def test_every_mutant_listed_as_equivalent_can_be_made():
    made = {
        (change.file, change.function, words(change.statement, change.old, change.new))
        for file in {file for file, _, _ in listed(ROOT)} for change in changes_of(ROOT, file)}
    assert {(file, function, change.partition("  #")[0]) for file, function, change in listed(ROOT)} <= made
