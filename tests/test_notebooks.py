"""What runs the notebooks in the tests finds every fault that a notebook can have, and none where there is none."""

import subprocess
import sys
from xml.etree import ElementTree

import nbformat
import pytest
from fixtures import make
from fixtures.tiny import ROOT, environment

from mmf_teach.tools import guards

FIXTURES = ROOT / "tests" / "fixtures"
CONTROL = FIXTURES / "must_pass" / "control.ipynb"
CODE_CELLS = 3


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """What the project's own settings make of each notebook: for every cell the reason it failed, or ""."""
    report = tmp_path_factory.mktemp("nbval") / "report.xml"
    paths = [CONTROL, *sorted((FIXTURES / "must_fail").glob("*.ipynb"))]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *map(str, paths)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment())
    assert done.returncode == 1, done.stdout
    found = {path.stem: {} for path in paths}
    for case in ElementTree.parse(report).iter("testcase"):
        cell = int(case.get("name").removeprefix("Cell "))
        notebook = case.get("classname").removesuffix(".ipynb").rpartition(".")[2]
        found[notebook][cell] = "".join(fault.text for fault in case.findall("failure"))
    return found


def failed(cells: dict[int, str]) -> set[int]:
    return {number for number, reason in cells.items() if reason}


def test_a_notebook_without_fault_is_green(verdicts):
    assert verdicts["control"] == dict.fromkeys(range(CODE_CELLS), "")


def test_a_cell_that_raises_is_red(verdicts):
    assert failed(verdicts["broken_cell"]) == {0} and "ValueError" in verdicts["broken_cell"][0]


def test_a_callback_that_raises_is_red_though_its_cell_goes_on(verdicts):
    assert failed(verdicts["raising_callback"]) == {1} and "ZeroDivisionError" in verdicts["raising_callback"][1]


def test_stored_outputs_that_are_not_what_the_code_gives_are_red_printed_and_drawn_alike(verdicts):
    assert failed(verdicts["stale_output"]) == {0, 2}
    assert all("outputs differ" in verdicts["stale_output"][number] for number in (0, 2))


def test_the_notebooks_that_must_fail_are_these(verdicts):
    assert set(verdicts) == {"control", "broken_cell", "raising_callback", "stale_output"}
    assert all(len(cells) == CODE_CELLS for cells in verdicts.values())


def test_the_notebooks_here_are_what_their_script_writes(tmp_path, monkeypatch):
    make.write(tmp_path / "must_pass" / "control.ipynb")
    assert (tmp_path / "must_pass" / "control.ipynb").read_bytes() == CONTROL.read_bytes()


def test_the_guards_have_nothing_against_the_control():
    assert guards.problems(nbformat.read(CONTROL, 4), executed=True) == []


@pytest.mark.parametrize("what", [{"outputs": []}, {"execution_count": None}, {"outputs": [], "execution_count": None}])
def test_a_notebook_that_was_stripped_so_that_nothing_is_compared_is_refused(what):
    """nbval passes over cells that were never run, and reports them as passed."""
    notebook = nbformat.read(CONTROL, 4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.update(what)
    assert len(guards.problems(notebook, executed=True)) == 1


def test_a_solved_notebook_is_run_by_the_tests_for_every_one_that_is_read():
    names = [path.name for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    assert names and names == [path.name for path in sorted((ROOT / "notebooks" / "solved").glob("*.ipynb"))]
    assert ".ipynb_checkpoints/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()    # JupyterLab leaves them
