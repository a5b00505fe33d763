"""Threads that help the caller's with one piece of work after the other, and stay awake for a while in between.

Course    notebook 04, "Fast kernels"

To wake a sleeping thread, or to pass Python's lock to one that waits for it, takes some 50 us on a virtual machine: a
thirtieth of a token of a large model. So a helper that has done a job looks at a bell for a while (team.py), in
compiled code that needs no lock, and begins with the next one at once; it comes back with the number of the last job it
did. Only when the bell has not rung for a millisecond or so does it sleep, and take its next job from here.
"""

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field

Work = Callable[[int, int], int]             # given its own number and that of its thread, from 0: the last one done


@dataclass
class _Desk:
    """The jobs by their numbers, of which a helper that comes late leaves none out, and the number of the last."""

    jobs: dict[int, Work | None] = field(default_factory=dict)       # None: go home
    last: int = 0
    helpers: list["_Helper"] = field(default_factory=list)

    def put(self, work: Work | None) -> int:
        number = self.last + 1
        self.jobs[number] = work
        self.last = number
        for helper in self.helpers:
            if not helper.awake.is_set():
                helper.awake.set()
        return number


class _Helper(threading.Thread):
    def __init__(self, desk: _Desk, me: int):
        super().__init__(daemon=True)
        self.desk, self.me, self.awake = desk, me, threading.Event()

    def run(self) -> None:
        done = 0
        while True:
            while done == self.desk.last:
                self.awake.clear()
                if done == self.desk.last:   # no job came before others could see that we sleep
                    self.awake.wait()
            work = self.desk.jobs[done + 1]
            if work is None:
                return
            done = work(done + 1, self.me)


class Helpers:
    """So many threads beside the caller's; they end with this object, or with the process."""

    def __init__(self, count: int):
        """Begin them; they wait."""
        self._desk = _Desk()
        self._desk.helpers += [_Helper(self._desk, me) for me in range(1, count + 1)]
        for helper in self._desk.helpers:
            helper.start()
        weakref.finalize(self, self._desk.put, None)

    def work(self, work: Work) -> int:
        """What `work(number, 0)` returns: its number when the helpers have done `work(number, 1)` and so on, too.

        When it is interrupted, or returns 0, they do their part before that of the next.
        """
        done = work(self._desk.put(work), 0)
        if done:
            self._desk.jobs.clear()          # and let go all that they hold
        return done
