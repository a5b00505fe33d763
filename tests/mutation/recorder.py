"""Which functions of a project run: noticed by Python itself, each once a test.

From Python 3.12 on sys.monitoring tells of each function once and is then silent until it is asked again; before,
sys.settrace tells of every call. What runs while a module is imported, or inside a function that keeps what it
returns (a cache, a fixture of many tests), serves later tests too, which never run it: it counts for the whole file.
Knows nothing but the standard library: processes that tests start load it as they start (sitecustomize.py).
"""

import ast
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType

TOOL = 4                                     # a number of sys.monitoring that no profiler or debugger takes
SINK = "MMF_FUNCTIONS_RUN"                   # the file to which processes that a test starts add what they run
KEEPERS = {"cache", "lru_cache", "cached_property"}


class Recorder:
    """Functions as file::name. `of_test` since the last `begin`, `of_file` whatever serves several tests."""

    def __init__(
        self, root: Path, packages: list[str], keepers: frozenset[str] = frozenset(),
        said: Callable[[str], None] | None = None,
    ):
        """Look at the Python files of these packages in a project; `said` hears of each function at once."""
        self.root, self.keepers, self.said = f"{root}/", keepers, said
        self.folders = tuple(f"{root}/{package}/" for package in packages)
        self.of_test: set[str] = set()
        self.of_file: set[str] = set()
        self.in_test = False
        self._names: dict[int, tuple[CodeType, str]] = {}        # the code is kept, or its id could be another's

    def begin(self, in_test: bool) -> None:
        """From here on everything counts for the next test, or for all tests of the file."""
        self.of_test, self.in_test = set(), in_test
        if sys.version_info >= (3, 12):
            sys.monitoring.restart_events()

    def start(self) -> None:
        if sys.version_info >= (3, 12):
            events = sys.monitoring.events.PY_START
            sys.monitoring.use_tool_id(TOOL, "functions run")
            sys.monitoring.register_callback(TOOL, events, self._started)
            sys.monitoring.set_events(TOOL, events)
        else:
            threading.settrace(self._traced)
            sys.settrace(self._traced)

    def _started(self, code: CodeType, _: int) -> object:
        self._note(code, sys._getframe(1))
        return sys.monitoring.DISABLE

    def _traced(self, frame: FrameType, *_: object) -> None:
        self._note(frame.f_code, frame)

    def _note(self, code: CodeType, frame: FrameType) -> None:
        name = self._names.get(id(code), (None, None))[1]
        if name is None:
            inside = code.co_filename.startswith(self.folders)
            name = self._name(code) if inside else ""
            self._names[id(code)] = code, name
        if not name or name in self.of_test or name in self.of_file:
            return
        if self.in_test and not self._is_kept(frame):
            self.of_test.add(name)
        else:
            self.of_file.add(name)
        if self.said:
            self.said(name)

    def _name(self, code: CodeType) -> str:
        return f"{code.co_filename.removeprefix(self.root)}::{code.co_qualname.partition('.<locals>')[0]}"

    def _is_kept(self, frame: FrameType | None) -> bool:
        """Whether something outlives the test: a module, or what a function with a memory returns."""
        while frame:
            code = frame.f_code
            if code.co_filename.startswith(self.root) and (
                    code.co_name == "<module>" or self._name(code) in self.keepers):
                return True
            frame = frame.f_back
        return False


def functions_with_a_memory(root: Path, packages: list[str]) -> frozenset[str]:
    """Those that are cached, and the tests' fixtures that serve more than one test."""
    found = set()

    def look(body: list[ast.stmt], file: str, inside: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef):
                look(node.body, file, f"{inside}{node.name}.")
            elif isinstance(node, ast.FunctionDef) and any(map(_keeps, node.decorator_list)):
                found.add(f"{file}::{inside}{node.name}")

    for path in (path for package in (*packages, "tests") for path in (root / package).rglob("*.py")):
        look(ast.parse(path.read_text("utf-8")).body, path.relative_to(root).as_posix(), "")
    return frozenset(found)


def _keeps(decorator: ast.expr) -> bool:
    call = decorator if isinstance(decorator, ast.Call) else None
    name = call.func if call else decorator
    last = name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "")
    return last in KEEPERS or (last == "fixture" and bool(call) and any(each.arg == "scope" for each in call.keywords))


def record_this_process() -> None:
    """In a process that a test has started: add each function to the test's file as soon as it runs."""
    sink, root, packages = os.environ[SINK].split(os.pathsep)

    def said(name: str) -> None:
        with open(sink, "a", encoding="utf-8") as file:
            file.write(f"{name}\n")

    Recorder(Path(root), packages.split(","), said=said).start()
