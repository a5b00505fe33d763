"""Run a reader's function without being run over by it: endless loops, exit(), printing, changed arguments."""

import builtins
import copy
import ctypes
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any, TypeVar

from mmf_teach.lesson.compare import same

LIMIT_S = 10.0                               # for a whole check, all its cases and the search for a small one
T = TypeVar("T")


class Todo(NotImplementedError):
    """Raised by `todo()`: the stub is still in place."""


class TooLong(BaseException):
    """Raised inside a function that has used up its time. No `except Exception` of the reader's catches it."""


@dataclass(frozen=True)
class Outcome:
    """What came of one call: a value or an error, and whether the arguments were changed on the way."""

    value: Any = None
    error: BaseException | None = None
    changed: bool = False


def todo(what: str = "your code here") -> Any:
    """Marks a stub: replace the line that calls this."""
    raise Todo(what)


def call(function: Callable, arguments: tuple) -> Outcome:
    """Call with copies of the arguments; catch whatever comes, except that the stub is in place or time is up."""
    mine = copy.deepcopy(arguments)
    try:
        value = function(*mine)
    except (Todo, TooLong):
        raise
    except BaseException as error:           # SystemExit and KeyboardInterrupt too: a check survives them
        return Outcome(error=error)
    return Outcome(value=value, changed=not same(mine, arguments))


def within_time(work: Callable[[], T], limit_s: float = LIMIT_S) -> T:
    """The result of `work`, run in silence in a thread of its own; TooLong when it takes longer than the limit.

    A thread can be told to stop on every system, which an alarm signal cannot do on Windows. It hears that between two
    steps of Python. One that waits (a sleep, a download) or catches whatever is thrown at it is left behind, still
    running. Nothing helps against one long step of C that never lets go, such as 9**9**9, nor against os._exit().
    """
    box: dict[str, Any] = {}

    def run() -> None:
        try:
            box["result"] = work()
        except BaseException as error:
            box["error"] = error

    thread = threading.Thread(target=run, daemon=True)
    with silence(), no_exit():
        thread.start()
        thread.join(limit_s)
        late = thread.is_alive()
        for _ in range(20):                  # a loop that catches everything may need to be told again
            if not thread.is_alive():
                break
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(TooLong))
            thread.join(0.05)
    if "result" in box:
        return box["result"]
    if late:                                 # whatever it says now comes of being told to stop
        raise TooLong
    raise box["error"]


class Nowhere(io.TextIOBase):
    """Takes all that is printed and keeps none of it, however much."""

    def write(self, text: str) -> int:
        return len(text)


@contextmanager
def silence() -> Iterator[None]:
    """Nothing printed inside is shown."""
    with redirect_stdout(Nowhere()), redirect_stderr(Nowhere()):
        yield


@contextmanager
def no_exit() -> Iterator[None]:
    """Inside, exit() and quit() end the function that calls them, and not the notebook's kernel."""
    def leave(code: Any = None) -> None:
        raise SystemExit(code)

    places = [vars(builtins)]
    try:
        from IPython import get_ipython
        shell = get_ipython()
        if shell is not None:
            places.append(shell.user_ns)
    except ImportError:
        pass
    before = [(place, name, place[name]) for place in places for name in ("exit", "quit") if name in place]
    for place, name, _ in before:
        place[name] = leave
    try:
        yield
    finally:
        for place, name, old in before:
            place[name] = old
