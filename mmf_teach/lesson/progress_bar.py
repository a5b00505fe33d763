"""A progress bar for whatever takes a notebook more than two seconds."""

from collections.abc import Iterable, Iterator
from typing import Any

from IPython.display import clear_output, display
from ipywidgets import IntProgress

WIDGET = "application/vnd.jupyter.widget-view+json"


def bar(items: Iterable, what: str, total: int | None = None) -> Iterator[Any]:
    """The items one by one, with a bar above the cell's output that is gone when all are done."""
    progress = IntProgress(max=len(items) if total is None else total, description=what)
    view = {"version_major": 2, "version_minor": 0, "model_id": progress.model_id}
    display({WIDGET: view}, raw=True)        # without words: nothing of it stays, so there is nothing to compare
    for item in items:
        yield item
        progress.value += 1
    progress.close()
    clear_output()
