"""What all widgets of the course share: a sentence where no browser draws them, one stylesheet, one set of parts."""

from pathlib import Path

import anywidget

HERE = Path(__file__).parent


def script(name: str) -> str:
    """The parts that all widgets use, and the script of this one."""
    return (HERE / "explorer.js").read_text("utf-8") + (HERE / f"{name}.js").read_text("utf-8")


class Explorer(anywidget.AnyWidget):
    """A subclass sets `_esm = script("its_name")` and `sentence`, which says what it is to those who cannot see it."""

    _css = HERE / "explorer.css"
    sentence = "An interactive explorer: run this cell to use it."

    def __repr__(self) -> str:
        return self.sentence
