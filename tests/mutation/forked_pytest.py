"""pytest in a copy of the project, in a process forked from one that has loaded torch and numpy already.

Loading them takes three seconds, which a mutant would otherwise pay; of our own packages nothing is loaded before the
fork. Examples that hypothesis draws are the same each time. Types and shapes are checked where beartype is installed.
"""

import gc
import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path

from tests.mutation.recorder import SINK

LOADED_BEFORE = (
    "numpy", "scipy.optimize", "scipy.stats", "torch", "torch.nn.functional", "numba", "hypothesis", "jaxtyping",
    "safetensors.numpy", "safetensors.torch", "beartype", "joblib", "plotly.graph_objects", "anywidget", "_pytest.main",
)
HERE = Path(__file__).resolve().parent.parent.parent
LOG = ".mutation.log"                        # what the last process in a copy said
HIDDEN_BUT_OURS = {".ci", ".gitignore", ".gitattributes"}
WRITTEN_BY_US = {"runs", "site", "data/cache"}           # folders, seen from the project
EVERY_PROCESS = f"""import os
if {SINK!r} in os.environ:
    from tests.mutation.recorder import record_this_process
    record_this_process()
"""
OURS = {"mmf_teach", "hardware_sim", "tests", "conftest"}        # loaded before the fork from elsewhere, if at all
CRASHED = 70                                 # exit code of a process in which not pytest failed but this file


def load_before() -> None:
    """Load what others have written; what is not installed is done without."""
    os.environ["OMP_NUM_THREADS"] = "1"
    plugins = [entry.module for entry in entry_points(group="pytest11")]
    for name in (*LOADED_BEFORE, *plugins):
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()                              # what is loaded is not looked through again in every fork


def copy_project(root: Path, to: Path) -> None:
    """All files that git knows or does not ignore, or where there is no git all but caches."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True)
    if listed.returncode:
        shutil.copytree(root, to, dirs_exist_ok=True, ignore=partial(_no_source, root))
    for name in filter(None, listed.stdout.decode("utf-8").split("\0")):
        if (root / name).is_file():          # one that was deleted but not yet committed is still listed
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, to / name)
    (to / "sitecustomize.py").write_text(EVERY_PROCESS, "utf-8")


def _no_source(root: Path, folder: str, names: list[str]) -> set[str]:
    here = Path(folder).relative_to(root)
    return {
        name for name in names if name == "__pycache__" or (here / name).as_posix() in WRITTEN_BY_US
        or (name.startswith(".") and name not in HIDDEN_BUT_OURS)}


def in_fork(root: Path, copy: Path, work: Callable[[], int], limit_s: float) -> int | None:
    """Exit code of some work in the copy, or None when it was stopped for taking too long, with all it had started."""
    process = os.fork()
    if process == 0:
        code = CRASHED
        try:
            os.setsid()
            _enter(root, copy)
            code = work()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            _end_all(process)
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    _end_all(process)
    os.waitpid(process, 0)
    return None


def _end_all(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _enter(root: Path, copy: Path) -> None:
    """Make this process one that was started in the copy."""
    log = os.open(copy / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.chdir(copy)
    elsewhere = {"", *(str(place) for project in (root, HERE) for place in (project, project / "tests"))}
    others = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place not in elsewhere]
    os.environ |= {
        "PYTHONPATH": os.pathsep.join([str(copy), *others]), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1",
        "NUMBA_CACHE_DIR": str(copy / ".numba")}
    sys.dont_write_bytecode = True
    sys.path[:] = [str(copy), *(place for place in sys.path if place not in elsewhere)]
    for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[name]
    importlib.invalidate_caches()
    _same_examples()
    _check_types(copy)


def _same_examples() -> None:
    with suppress(ImportError):
        from hypothesis import settings
        settings.register_profile("mutation", parent=settings.default, database=None, derandomize=True)
        settings.load_profile("mutation")


def _check_types(copy: Path) -> None:
    """As pytest does with the option that pyproject.toml gives it."""
    settings = copy / "pyproject.toml"
    option = re.search(r"--jaxtyping-packages=(\S+)", settings.read_text("utf-8") if settings.is_file() else "")
    with suppress(ImportError):
        import beartype  # noqa: F401
        from jaxtyping import install_import_hook
        if option:
            *packages, checker = option[1].split(",")
            install_import_hook(packages, checker)


def run_pytest(test_file: str, plugin: object, stop: bool = True) -> int:
    """pytest of one file, in this process, without what other configurations ask for."""
    import pytest
    left_out = [option for name in ("cacheprovider", "nbval", "xdist") for option in ("-p", f"no:{name}")]
    options = ["-q", "--no-header", "-o", "addopts=", *left_out, *["-x"] * stop]
    return int(pytest.main([*options, test_file], plugins=[plugin]))
