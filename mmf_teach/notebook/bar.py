"""A progress bar for whatever takes a notebook more than two seconds."""

from collections.abc import Iterable, Iterator
from typing import Any

from IPython.display import clear_output, display
from ipywidgets import IntProgress


def bar(items: Iterable, what: str, total: int | None = None) -> Iterator[Any]:
    """The items one by one, with a bar above the cell's output that is gone when all are done."""
    progress = IntProgress(max=len(items) if total is None else total, description=what)
    display(progress)
    for item in items:
        yield item
        progress.value += 1
    progress.close()
    clear_output()
