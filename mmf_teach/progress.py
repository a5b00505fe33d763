"""A progress bar for the terminal: one line on standard error, rewritten in place."""

import sys
from typing import TextIO

WIDTH = 24                                   # characters of the bar
PLAIN_LINES = 20                             # lines in all where nothing can be rewritten, as in a log


class Progress:
    """Call `show` as often as you like; it draws no more than can be read."""

    def __init__(self, total: int, stream: TextIO | None = None):
        self.total, self.stream, self.lines = total, stream or sys.stderr, 0

    def show(self, done: int, text: str) -> None:
        """Draw how much is done, and a few words."""
        filled = WIDTH * done // max(1, self.total)
        line = f"[{'=' * filled}{' ' * (WIDTH - filled)}] {done}/{self.total}  {text}"
        if self.stream.isatty():
            self.stream.write(f"\r{line}\x1b[K" + "\n" * (done >= self.total))
        elif done * PLAIN_LINES >= self.lines * self.total:
            self.stream.write(line + "\n")
            self.lines = done * PLAIN_LINES // max(1, self.total) + 1
        self.stream.flush()
