"""Threads that help the caller's with one piece of work after the other, and stay awake for a while in between.

Course    notebook 04, "Fast kernels"

To wake a sleeping thread, or to pass Python's lock to one that waits for it, takes some 50 us on a virtual machine: a
thirtieth of a token of a large model. So the work of a helper ends with a look at a bell (team.py), in compiled code
that needs no lock, and the caller's work begins with ringing it, when it has given its own lock away. Only when the
bell has not rung for a millisecond or so does the helper return and sleep.
"""

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field

Work = Callable[[int], object]               # given the number of its thread, from 0


@dataclass(slots=True)
class _Job:
    """A piece of work, and the one after it when there is one: who comes late leaves none out."""

    work: Work | None = None                 # None: go home
    after: "_Job | None" = None


class _Helper(threading.Thread):
    """One of them, and the job it did last: nothing else may hold a job, or all that were ever put would stay."""

    def __init__(self, me: int, job: _Job):
        super().__init__(daemon=True)
        self.me, self.job, self.awake = me, job, threading.Event()

    def run(self) -> None:
        while True:
            while self.job.after is None:
                self.awake.clear()
                if self.job.after is None:   # none came before others could see that we sleep
                    self.awake.wait()
            self.job = self.job.after
            if self.job.work is None:
                return
            self.job.work(self.me)


@dataclass(slots=True)
class _Desk:
    """Where the caller puts the jobs."""

    last: _Job = field(default_factory=_Job)
    helpers: list[_Helper] = field(default_factory=list)

    def put(self, work: Work | None) -> None:
        job = _Job(work)
        self.last.after, self.last = job, job
        for helper in self.helpers:
            if not helper.awake.is_set():
                helper.awake.set()


class Helpers:
    """So many threads beside the caller's; they end with this object, or with the process."""

    def __init__(self, count: int):
        """Begin them; they wait."""
        self._desk = _Desk()
        self._desk.helpers += [_Helper(me, self._desk.last) for me in range(1, count + 1)]
        for helper in self._desk.helpers:
            helper.start()
        weakref.finalize(self, self._desk.put, None)

    def work(self, work: Work) -> object:
        """What `work(0)` returns, while the helpers do `work(1)` and so on, each of them all that is put, in order."""
        self._desk.put(work)
        return work(0)
