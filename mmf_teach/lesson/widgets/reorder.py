"""Lines to be moved into their right order."""

from collections.abc import Callable
from typing import Any

import traitlets

from mmf_teach.lesson.widgets.explorer import Explorer, script


class Reorder(Explorer):
    """Question to the reader: which line needs which other before it?"""

    _esm = script("reorder")

    ask = traitlets.Unicode().tag(sync=True)
    lines = traitlets.List().tag(sync=True)
    said = traitlets.Unicode("").tag(sync=True)

    def __init__(self, name: str, ask: str, lines: list[str], check: Callable[[list[int]], Any]):
        super().__init__(ask=ask, lines=lines)
        self.sentence, self._check = f"{name} Lines to put in order: run this cell.", check
        self.on_msg(lambda _widget, message, _buffers: self.answer(message))

    def answer(self, order: list[int]) -> None:
        """Check the lines in this order and show what came of it."""
        self.said = repr(self._check(order))
