"""A thread pool whose workers spin for a while between one job and the next, and sleep only then.

Course    notebook 04, "Fast kernels"

To wake a sleeping thread, or to pass Python's lock to one that waits for it, takes some 50 us on a virtual machine: a
thirtieth of a token of a large model. So a worker that has done a job waits at a doorbell (barrier.py), in compiled
code that needs no lock, and begins with the next one at once; it comes back with the number of the last job it did.
Only when the doorbell has not rung for a millisecond or so does it sleep, and take its next job from here.
"""

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field

Job = Callable[[int, int], int]              # given its own number and that of its thread, from 0: the last one done


@dataclass
class _Queue:
    """The jobs by their numbers, of which a worker that comes late leaves none out, and the number of the last."""

    jobs: dict[int, Job | None] = field(default_factory=dict)        # None: exit
    last: int = 0
    workers: list["_Worker"] = field(default_factory=list)

    def put(self, job: Job | None) -> int:
        number = self.last + 1
        self.jobs[number] = job
        self.last = number
        for worker in self.workers:
            if not worker.awake.is_set():
                worker.awake.set()
        return number


class _Worker(threading.Thread):
    def __init__(self, queue: _Queue, me: int):
        super().__init__(daemon=True)
        self.queue, self.me, self.awake = queue, me, threading.Event()

    def run(self) -> None:
        done = 0
        while True:
            while done == self.queue.last:
                self.awake.clear()
                if done == self.queue.last:  # no job came before others could see that we sleep
                    self.awake.wait()
            job = self.queue.jobs[done + 1]
            if job is None:
                return
            done = job(done + 1, self.me)


class ThreadPool:
    """So many workers beside the caller's thread; they end with this object, or with the process."""

    def __init__(self, workers: int):
        """Start them; they wait."""
        self._queue = _Queue()
        self._queue.workers += [_Worker(self._queue, me) for me in range(1, workers + 1)]
        for worker in self._queue.workers:
            worker.start()
        weakref.finalize(self, self._queue.put, None)

    def run(self, job: Job) -> int:
        """What `job(number, 0)` returns: its number when the workers have done `job(number, 1)` and so on, too.

        When it is interrupted, or returns 0, they do their part before that of the next.
        """
        done = job(self._queue.put(job), 0)
        if done:
            self._queue.jobs.clear()         # and let go all that they hold
        return done
