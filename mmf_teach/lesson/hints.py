"""Hints, one more each time, and at last the library's source."""

import inspect
from collections import Counter
from collections.abc import Callable

from mmf_teach.lesson import ledger
from mmf_teach.lesson.exercise import exercise

_given: Counter = Counter()                  # hints given since the kernel started


def hint(name: str) -> None:
    """Print the next hint to an exercise; after the last one, how to see the library's answer."""
    one = exercise(name)
    number = _given[name]
    if number < len(one.hints):
        _given[name] += 1
        print(f"hint {number + 1} of {len(one.hints)}: {one.hints[number]}")
    else:
        print(f'no more hints; show("{name}") prints the library\'s own function')
    ledger.record("hint", id=name, number=min(number + 1, len(one.hints)))


def show(what: str | Callable) -> None:
    """Print the source of a function, or of the answer to an exercise."""
    function = exercise(what).answer if isinstance(what, str) else what
    print(f"# {inspect.getmodule(function).__name__.replace('.', '/')}.py\n{inspect.getsource(function)}", end="")
