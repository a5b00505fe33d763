"""The launcher, with every program that it would start replaced by a stand-in: no network, no real set-up."""

import ast
import errno
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = (ROOT / "course.py").read_text(encoding="utf-8")
TREE = ast.parse(SOURCE)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

TORCH = next(text for text in PROJECT["dependencies"] if text.startswith("torch"))
INSTALL_TORCH = f"pip install {TORCH}"
WARM = "mmf_teach precompile"
WHOLE_SET_UP = ["venv", INSTALL_TORCH, INSTALL_TORCH, "pip install -e .", WARM]      # the first of the two is a dry run

PIP_SAYS = {
    "no network": """\
WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(': Name or service not known')'
ERROR: Could not find a version that satisfies the requirement torch<2.14,>=2.9 (from versions: none)
ERROR: No matching distribution found for torch<2.14,>=2.9""",
    "no build": """\
ERROR: Could not find a version that satisfies the requirement torch<2.14,>=2.9 (from versions: 2.2.1, 2.2.2)
ERROR: No matching distribution found for torch<2.14,>=2.9""",
    "no room": "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
    "broken build": """\
error: subprocess-exited-with-error
      error: invalid command 'bdist_wheel'
ERROR: Failed to build installable wheels for mmf-teach
note: This is an issue with the package, not with pip.""",
    "anything": "something\nlast words\n",
    "nothing": "",
}


class Programs:
    """Stands in for subprocess.Popen: venv, pip and uv that do nearly nothing, and a list of what was started."""

    def __init__(self):
        self.started = []
        self.torch = "2.13.0+cpu"             # what pip offers; None when a fitting torch is installed
        self.answers = {}                     # a word of the command -> exit code and output, or an exception

    def __call__(self, command, stdout, **options):
        self.started.append(command)
        for word, answer in self.answers.items():
            if word in command:
                if isinstance(answer, BaseException):
                    raise answer
                stdout.write(answer[1].encode("utf-8"))
                return Ended(answer[0])
        if command[1:3] == ["-m", "venv"]:
            python = Path(command[3], "Scripts/python.exe" if os.name == "nt" else "bin/python")
            python.parent.mkdir(parents=True)
            python.touch()
        if "--report" in command:
            install = [{"metadata": {"version": self.torch}}] if self.torch else []
            Path(command[command.index("--report") + 1]).write_text(json.dumps({"install": install}), encoding="utf-8")
        return Ended(0)

    def lines(self):
        """What was started, in short: `venv`, `pip install torch>=2.9`, ... without paths and options."""
        short = []
        for _, _, module, *words in self.started:
            words = [word for word in words if not word.startswith("--") and not Path(word).is_absolute()]
            short.append(" ".join([module, *words]))
        return short


class Ended:
    """A process that has ended."""

    def __init__(self, code):
        self.returncode = code

    def poll(self):
        return self.returncode

    def wait(self, timeout=None):
        return self.returncode

    def kill(self):
        pass


def load(folder):
    specification = importlib.util.spec_from_file_location("course", folder / "course.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def with_course(folder, script):
    """The command that runs `script` in a new Python, with the launcher of `folder` imported."""
    return [sys.executable, "-c", f"import os, sys; sys.path.insert(0, {str(folder)!r}); import course; {script}"]


@pytest.fixture
def course(tmp_path, monkeypatch):
    """course.py beside pyproject.toml in a folder of its own, started by a Python with no environment active."""
    for name in ("course.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    module = load(tmp_path)
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    module.programs = Programs()
    monkeypatch.setattr(module.subprocess, "Popen", module.programs)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**12, 0, 10**12))
    monkeypatch.setattr(module, "has_nvidia_card", lambda: False)
    monkeypatch.setattr(module.platform, "system", lambda: "Linux")
    module.handed_over = []
    monkeypatch.setattr(module, "hand_over", lambda command, variables: module.handed_over.append(command) or 0)
    return module


def said(capsys):
    """The one sentence on stderr."""
    error = capsys.readouterr().err
    assert error.startswith("course.py: ") and error.count("\n") == 1 and "Traceback" not in error
    return error


# An old Python, and a mistyped command

def test_python_3_6_can_read_the_file_and_import_what_it_imports_first():
    ast.parse(SOURCE, feature_version=(3, 6))
    first = [node for node in TREE.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in first if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in first if isinstance(node, ast.ImportFrom)}
    assert not names & {"__future__", "tomllib", "importlib.metadata", "dataclasses", "graphlib", "zoneinfo"}


def test_no_annotation_is_there_for_python_3_6_to_stumble_over():
    assert not [node for node in ast.walk(TREE) if getattr(node, "annotation", None) or getattr(node, "returns", None)]


def test_only_the_standard_library_is_needed():
    roots = {name.split(".")[0] for node in ast.walk(TREE) if isinstance(node, ast.Import | ast.ImportFrom)
             for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])}
    assert roots - set(sys.stdlib_module_names) == {"packaging"}              # used where it happens to be


def test_the_oldest_python_is_the_projects():
    assert ">={}.{}".format(*load(ROOT).OLDEST) == PROJECT["requires-python"]


def test_an_old_python_is_told_so(course, monkeypatch, capsys):
    monkeypatch.setattr(course, "OLDEST", (99, 0))
    assert course.main(["lab"]) == 1
    assert "needs Python 99.0 or newer" in said(capsys)
    assert not course.programs.started


def test_an_unknown_command_gets_the_usage(course, capsys):
    assert course.main(["labb"]) == 2
    out, error = capsys.readouterr()
    assert "'labb'" in error and re.findall(r"course\.py (\w+)  ", error) == ["lab", "test", "site", "doctor"]
    assert out == "" and not course.programs.started


def test_help_is_no_mistake(course, capsys):
    assert course.main(["--help"]) == 0
    assert "course.py lab" in capsys.readouterr().out


def test_site_says_one_sentence_and_runs_nothing(course, capsys):
    assert course.main(["site"]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert not course.programs.started and not course.handed_over and not course.VENV.exists()


def test_no_host_is_named():
    assert re.findall(r"https?:|[\w-]+\.(?:org|com|io|net|dev)\b", SOURCE) == []


# What is started in the end

@pytest.mark.parametrize("arguments", [[], ["lab"]])
def test_lab_opens_the_first_notebook_on_this_machine_only(course, arguments):
    assert course.main(arguments) == 0
    [[python, *words]] = course.handed_over
    assert python == str(course.PYTHON) and words[:2] == ["-m", "jupyterlab"]
    assert "--ip=127.0.0.1" in words and "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb" in words
    assert not [word for word in words if "token" in word or "password" in word]


def test_lab_passes_its_arguments_on_after_its_own(course):
    course.main(["lab", "--no-browser", "--port=8899"])
    assert course.handed_over[0][-2:] == ["--no-browser", "--port=8899"]


@pytest.mark.parametrize(("user", "allowed"), [(0, True), (1000, False)])
def test_only_root_needs_leave_to_run_as_root(course, monkeypatch, user, allowed):
    monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)
    course.main(["lab"])
    assert ("--allow-root" in course.handed_over[0]) == allowed


def test_test_installs_the_test_extra_and_returns_what_pytest_returns(course, monkeypatch):
    monkeypatch.setattr(course, "hand_over", lambda command, variables: course.handed_over.append(command) or 5)
    assert course.main(["test", "-x"]) == 5
    assert course.handed_over == [[str(course.PYTHON), "-m", "pytest", "-n", "auto", "--dist", "loadfile", "-x"]]
    assert course.programs.lines() == [*WHOLE_SET_UP[:-2], "pip install -e .[test]", WARM]


def test_doctor_is_the_packages_own(course):
    course.main(["doctor"])
    assert course.handed_over[0][1:] == ["-m", "mmf_teach", "doctor"]


def test_the_program_takes_the_place_of_the_launcher(tmp_path):
    shutil.copy(ROOT / "course.py", tmp_path)
    program = "import os; print(os.getcwd()); exit(7)"
    script = f"course.hand_over([sys.executable, '-c', {program!r}], os.environ)"
    done = subprocess.run(with_course(tmp_path, script), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (7, str(tmp_path.resolve()), "")


def test_programs_of_venv_see_nothing_of_another_python(course, monkeypatch):
    for name in ("PYTHONPATH", "PYTHONHOME"):
        monkeypatch.setenv(name, "/opt/other")
    variables = course.variables_of_venv()
    assert "PYTHONPATH" not in variables and "PYTHONHOME" not in variables
    assert variables["PATH"].split(os.pathsep)[0] == str(course.PYTHON.parent)


# The set-up, and what the next call finds

def test_a_set_up_makes_venv_then_torch_then_the_rest(course, capsys):
    assert course.main(["doctor"]) == 0
    assert course.programs.lines() == WHOLE_SET_UP
    out = capsys.readouterr().out
    assert re.findall(r"\d/5", out) == ["1/5", "2/5", "3/5", "4/5", "5/5"] and re.search(r"Ready after \d+ s", out)


def test_a_second_call_starts_nothing(course, capsys):
    course.main(["doctor"])
    course.programs.started.clear()
    capsys.readouterr()
    assert course.main(["doctor"]) == 0
    assert course.programs.started == [] and capsys.readouterr().out == ""


def test_a_changed_kernel_is_compiled_and_nothing_is_installed(course, capsys):
    kernel = course.ROOT / "mmf_teach/engine/kernel.py"
    kernel.parent.mkdir(parents=True)
    kernel.write_text("", encoding="utf-8")
    course.main(["doctor"])
    course.programs.started.clear()
    capsys.readouterr()
    kernel.write_text("changed", encoding="utf-8")
    course.main(["doctor"])
    assert course.programs.lines() == [WARM] and capsys.readouterr().out.count("\n") == 1
    course.main(["doctor"])
    assert course.programs.lines() == [WARM]


def test_a_set_up_for_the_tests_serves_the_other_commands_but_not_the_reverse(course):
    course.main(["lab"])
    course.programs.started.clear()
    course.main(["test"])
    assert course.programs.lines()[-2:] == ["pip install -e .[test]", WARM]
    course.programs.started.clear()
    course.main(["lab"])
    assert course.programs.started == []


def test_kernels_that_cannot_be_compiled_stop_no_set_up(course, capsys):
    course.programs.answers = {"precompile": (1, "mmf precompile: no compiler for this processor")}
    assert course.main(["doctor"]) == 0
    assert "not now" in capsys.readouterr().out and course.is_ready("")


@pytest.mark.parametrize("fact", ["pyproject.toml", "Python", "installation"])
def test_whatever_a_set_up_depends_on_makes_it_run_again(course, monkeypatch, fact):
    course.main(["doctor"])
    course.programs.started.clear()
    if fact == "pyproject.toml":
        with open(course.ROOT / "pyproject.toml", "a", encoding="utf-8") as file:
            file.write("\n# changed\n")
    elif fact == "Python":
        monkeypatch.setattr(sys, "version", "3.99.0")
    else:
        monkeypatch.setattr(sys, "base_prefix", "/opt/moved")
        monkeypatch.setattr(sys, "prefix", "/opt/moved")
    course.main(["doctor"])
    assert course.programs.lines() == ["pip", *WHOLE_SET_UP[1:]]              # .venv still starts, so it is kept


@pytest.mark.parametrize("where", ["venv", "--report", "-e"])
def test_ctrl_c_stops_with_130_and_the_next_call_carries_on(course, capsys, where):
    course.programs.answers = {where: KeyboardInterrupt()}
    assert course.main(["doctor"]) == 130
    error = capsys.readouterr().err
    assert "the next call carries on" in error and "Traceback" not in error
    assert not course.handed_over

    course.programs.answers = {}
    course.programs.started.clear()
    assert course.main(["doctor"]) == 0
    assert course.programs.lines() == (WHOLE_SET_UP if where == "venv" else ["pip", *WHOLE_SET_UP[1:]])
    assert len(course.handed_over) == 1


def test_ctrl_c_leaves_no_program_of_the_set_up_behind(course, monkeypatch):
    monkeypatch.undo()                    # a real program
    course.VENV.mkdir()
    wait, waited_for = subprocess.Popen.wait, []

    def wait_after_ctrl_c(process, timeout=None):
        waited_for.append(process)
        if len(waited_for) == 1:
            raise KeyboardInterrupt
        return wait(process, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", wait_after_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        course.run(sys.executable, "-c", "import time; time.sleep(60)")
    assert waited_for[0].returncode is not None


def test_a_half_made_venv_is_made_anew(course):
    course.PYTHON.parent.mkdir(parents=True)
    course.PYTHON.touch()
    (course.VENV / "pyvenv.cfg").write_text("home = nowhere", encoding="utf-8")
    assert course.main(["doctor"]) == 0
    assert course.programs.lines() == WHOLE_SET_UP
    assert not (course.VENV / "pyvenv.cfg").exists()


def test_a_venv_whose_python_vanished_is_made_anew(course):
    course.main(["doctor"])
    course.PYTHON.unlink()
    try:
        course.PYTHON.symlink_to(course.ROOT / "vanished")
    except OSError:
        pass                              # Windows may refuse links; no file at all is the same case
    course.programs.started.clear()
    assert course.main(["doctor"]) == 0
    assert course.programs.lines() == WHOLE_SET_UP


def test_a_venv_that_moved_with_its_folder_is_made_anew(course, monkeypatch):
    """Its programs name the old place in their first lines."""
    course.main(["doctor"])
    old, new = course.ROOT, course.ROOT.with_name("moved")
    old.rename(new)
    for name in ("ROOT", "VENV", "PYTHON", "LOCK", "LOG", "STAMP"):
        monkeypatch.setattr(course, name, new / getattr(course, name).relative_to(old))
    course.programs.started.clear()
    course.main(["doctor"])
    assert course.programs.lines() == WHOLE_SET_UP


def test_a_venv_whose_pip_does_not_start_is_made_anew(course, monkeypatch):
    course.main(["doctor"])
    monkeypatch.setattr(sys, "version", "3.99.0")
    course.programs.started.clear()
    course.programs.answers = {"--version": (1, "No module named pip")}
    assert course.main(["doctor"]) == 0
    assert course.programs.lines() == ["pip", *WHOLE_SET_UP]


def test_a_package_whose_installation_was_cut_short_is_installed_again(course):
    packages = course.VENV / "lib/python3.11/site-packages"
    for name in ("whole-1.0.dist-info", "half-1.0.dist-info"):
        (packages / name).mkdir(parents=True)
        (packages / name / "METADATA").touch()
    (packages / "whole-1.0.dist-info" / "INSTALLER").touch()
    course.forget_half_installed()
    assert [record.name for record in packages.iterdir()] == ["whole-1.0.dist-info"]


def test_a_kept_venv_is_searched_for_packages_cut_short(course, monkeypatch):
    course.main(["doctor"])
    searched = []
    monkeypatch.setattr(sys, "version", "3.99.0")
    monkeypatch.setattr(course, "forget_half_installed", lambda: searched.append(len(course.programs.started)))
    course.programs.started.clear()
    course.main(["doctor"])
    assert searched == [1]                # after pip was found to start, before it installs


def test_the_stamp_comes_last_and_in_one_step(course, monkeypatch):
    replaced = []
    replace = os.replace
    monkeypatch.setattr(course.os, "replace", lambda old, new: replaced.append(Path(new)) or replace(old, new))
    course.main(["doctor"])
    settings = course.VENV / "share/jupyter/lab/settings/overrides.json"
    assert replaced == [course.STAMP, settings, course.STAMP, course.COMPILED]
    assert course.STAMP.read_text(encoding="utf-8") == course.key("")


def test_jupyterlab_asks_nothing_and_fetches_nothing(course):
    course.main(["doctor"])
    settings = json.loads((course.VENV / "share/jupyter/lab/settings/overrides.json").read_text(encoding="utf-8"))
    assert settings["@jupyterlab/apputils-extension:notification"] == {"fetchNews": "false", "checkForUpdates": False}


# Two calls at once

def test_the_lock_has_one_holder(course):
    course.VENV.mkdir()
    with open(course.LOCK, "a", encoding="utf-8") as one, open(course.LOCK, "a", encoding="utf-8") as other:
        assert course.take_lock(one.fileno())
        assert not course.take_lock(other.fileno())
        one.close()
        assert course.take_lock(other.fileno())


def test_a_call_that_waited_for_another_finds_the_work_done(course, monkeypatch, capsys):
    answers = iter([False, False, True])

    def take_lock(descriptor):
        course.PYTHON.parent.mkdir(parents=True, exist_ok=True)
        course.PYTHON.touch()
        course.STAMP.write_text(course.key(""), encoding="utf-8")
        course.COMPILED.write_text(course.sources(), encoding="utf-8")
        return next(answers)

    monkeypatch.setattr(course, "take_lock", take_lock)
    monkeypatch.setattr(course.time, "sleep", lambda seconds: None)
    assert course.main(["doctor"]) == 0
    assert "waiting for it to end" in capsys.readouterr().out
    assert course.programs.started == [] and len(course.handed_over) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows ties a lock to one process")
def test_a_pip_that_outlives_its_launcher_keeps_the_lock(tmp_path):
    shutil.copy(ROOT / "course.py", tmp_path)
    course = load(tmp_path)
    course.VENV.mkdir()
    pip = "import os, time; print(os.getpid()); time.sleep(60)"
    script = f"lock = course.alone(); lock.__enter__(); course.run(sys.executable, '-c', {pip!r})"
    launcher = subprocess.Popen(with_course(tmp_path, script))
    try:
        deadline = time.monotonic() + 30
        while not (course.LOG.exists() and course.LOG.read_text(encoding="utf-8").endswith("\n")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        launcher.kill()
        launcher.wait()
    with open(course.LOCK, "a", encoding="utf-8") as file:
        held = not course.take_lock(file.fileno())
        os.kill(int(course.LOG.read_text(encoding="utf-8")), signal.SIGKILL)
        assert held
        while not course.take_lock(file.fileno()):
            assert time.monotonic() < deadline
            time.sleep(0.02)


# Which torch

@pytest.mark.parametrize(("system", "nvidia", "offered", "expected"), [
    ("Linux",   False, "2.13.0",     ["pip install uv", f"uv pip install cpu {TORCH}"]),
    ("Linux",   False, "2.13.0+cpu", [INSTALL_TORCH]),
    ("Linux",   True,  "2.13.0",     [INSTALL_TORCH]),
    ("Linux",   True,  "2.13.0+cpu", [INSTALL_TORCH]),
    ("Darwin",  False, "2.13.0",     [INSTALL_TORCH]),
    ("Windows", False, "2.13.0",     [INSTALL_TORCH]),
    ("Windows", True,  "2.13.0",     [INSTALL_TORCH]),
    ("Linux",   False, None,         []),
    ("Darwin",  False, None,         []),
])
def test_cuda_comes_only_to_those_who_can_use_it(course, monkeypatch, system, nvidia, offered, expected):
    monkeypatch.setattr(course.platform, "system", lambda: system)
    monkeypatch.setattr(course, "has_nvidia_card", lambda: nvidia)
    course.programs.torch = offered
    course.VENV.mkdir()
    course.install_torch()
    assert course.programs.lines() == [INSTALL_TORCH, *expected]              # the first is the dry run


def test_the_dry_run_is_one(course):
    course.VENV.mkdir()
    course.install_torch()
    assert {"--dry-run", "--no-deps"} <= set(course.programs.started[0])
    assert "--dry-run" not in course.programs.started[1]


def test_uv_installs_a_cpu_build_into_venv(course):
    course.programs.torch = "2.13.0"
    course.main(["doctor"])
    words = next(command for command in course.programs.started if command[2] == "uv")
    options = dict(pairwise(words))
    assert (options["--torch-backend"], options["--python"]) == ("cpu", str(course.PYTHON))


@pytest.mark.parametrize("fails", ["uv", "--torch-backend"])
def test_without_a_cpu_build_the_learner_hears_of_cuda(course, capsys, fails):
    course.programs.torch = "2.13.0"
    course.programs.answers = {fails: (1, "error: Failed to fetch")}
    assert course.main(["doctor"]) == 0
    assert "2.5 GB of CUDA packages" in capsys.readouterr().out
    assert course.programs.lines()[-3:] == WHOLE_SET_UP[-3:]


def test_cuda_needs_more_room(course, monkeypatch, capsys):
    monkeypatch.setattr(course.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**12, 0, 5 * 10**9))
    monkeypatch.setattr(course, "has_nvidia_card", lambda: True)
    course.programs.torch = "2.13.0"
    assert course.main(["doctor"]) == 1
    assert "needs about 8 GB" in said(capsys)


@pytest.mark.parametrize(("driver", "tool", "card"), [
    (True, None, True), (False, "/usr/bin/nvidia-smi", True), (False, None, False),
])
def test_a_card_shows_by_its_driver_or_its_tool(monkeypatch, driver, tool, card):
    course = load(ROOT)
    there = {"/proc/driver/nvidia"} if driver else {}
    monkeypatch.setattr(course, "Path", lambda path: SimpleNamespace(exists=lambda: path in there))
    monkeypatch.setattr(course.shutil, "which", lambda name: tool)
    assert course.has_nvidia_card() == card


# An environment that is active already

def with_requirements(course, monkeypatch, *requirements):
    """The running Python is in an environment, and the course needs these."""
    monkeypatch.setattr(sys, "prefix", "/opt/environment")
    listed = ", ".join(f'"{each}"' for each in requirements)
    (course.ROOT / "pyproject.toml").write_text(
        f'[project]\ndependencies = [{listed}, "torch>=0", "no-such-package; python_version < \'3\'"]\n'
        '[project.optional-dependencies]\ntest = ["no-such-package"]\n', encoding="utf-8")


def test_an_active_environment_with_everything_is_used_as_it_is(course, monkeypatch):
    with_requirements(course, monkeypatch, "packaging>=20", "pytest")
    monkeypatch.setenv("PYTHONPATH", "/already/there")
    python, variables = course.set_up("")
    assert python == sys.executable
    assert variables == dict(os.environ, PYTHONPATH=f"{course.ROOT}{os.pathsep}/already/there")
    assert not course.programs.started and not course.VENV.exists()


@pytest.mark.parametrize(("requirement", "extra"), [
    ("packaging>=999", ""), ("no-such-package", ""), ("pytest", "test"),
])
def test_an_active_environment_that_lacks_something_is_left_alone(course, monkeypatch, capsys, requirement, extra):
    with_requirements(course, monkeypatch, "packaging>=20", requirement)
    assert course.set_up(extra)[0] == course.PYTHON
    assert course.programs.lines()[0] == "venv"
    assert f"lacks {'no-such-package' if extra else requirement}:" in capsys.readouterr().out


def test_conda_counts_as_an_environment(course, monkeypatch):
    with_requirements(course, monkeypatch, "packaging>=20")
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setenv("CONDA_PREFIX", "/opt/conda")
    assert course.set_up("")[0] == sys.executable


def test_without_an_environment_the_system_is_not_used(course, monkeypatch):
    with_requirements(course, monkeypatch, "packaging>=20")
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert course.set_up("")[0] == course.PYTHON


# One sentence for what can go wrong

@pytest.mark.parametrize(("step", "output", "sentence"), [
    ("--report", "no network", "no package index could be reached"),
    ("-e", "no network", "no package index could be reached"),
    ("--report", "no build", "pip finds no torch<2.14,>=2.9 for Python"),
    ("-e", "no room", "the disk is full"),
    ("venv", "no room", "the disk is full"),
    ("-e", "broken build", "(ERROR: Failed to build installable wheels for mmf-teach)"),
    ("-e", "anything", "(last words)"),
    ("-e", "nothing", "(without a word)"),
])
def test_a_step_that_fails_says_why_and_the_next_call_carries_on(course, capsys, step, output, sentence):
    course.programs.answers = {step: (1, PIP_SAYS[output])}
    assert course.main(["doctor"]) == 1
    assert sentence in said(capsys)
    assert not course.handed_over

    course.programs.answers = {}
    assert course.main(["doctor"]) == 0
    assert len(course.handed_over) == 1


def test_the_full_log_is_where_the_sentence_says(course, capsys):
    course.programs.answers = {"-e": (1, PIP_SAYS["broken build"])}
    course.main(["doctor"])
    assert str(course.LOG) in said(capsys)
    assert "invalid command 'bdist_wheel'" in course.LOG.read_text(encoding="utf-8")


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_without_venv_is_told_what_to_install(course, monkeypatch, capsys, module):
    monkeypatch.setattr(course.importlib.util, "find_spec", lambda name: None if name == module else object())
    assert course.main(["doctor"]) == 1
    sentence = said(capsys)
    assert f"without its module {module}" in sentence and "apt install python3-venv" in sentence
    assert not course.programs.started


def test_a_full_disk_is_noticed_before_anything_is_made(course, monkeypatch, capsys):
    monkeypatch.setattr(course.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**12, 0, 10**9))
    assert course.main(["doctor"]) == 1
    assert re.search(r"needs about 2\.5 GB and the disk of .+ has 1\.0 GB left", said(capsys))
    assert not course.programs.started


@pytest.mark.parametrize(("number", "sentence"), [
    (errno.EACCES, ".venv may not be written"),
    (errno.EROFS, ".venv may not be written"),
    (errno.ENOSPC, "the disk is full"),
    (errno.EIO, "mend that, then call again"),
])
def test_a_folder_that_refuses_gets_a_sentence(course, monkeypatch, capsys, number, sentence):
    def refuse(path, **options):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(course.Path, "mkdir", refuse)
    assert course.main(["doctor"]) == 1
    assert sentence in said(capsys)
