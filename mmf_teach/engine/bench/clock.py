"""The median time of a call, from samples in which this process had the processor to itself.

Course    notebook 04, "Fast kernels"

On a shared machine a call that was interrupted, or whose second thread had to wait for a core, takes many times as
long as it needs. Linux counts how often it took the processor away from this process, and how long its threads were
ready and had to wait; samples in which that happened are thrown away. Candidates that are to be compared take turns,
so that a slow minute is slow for all of them; and each timed call follows one of the same kind that is not timed, as in
a model product follows product: else the clock, too, would be in the caches.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

try:
    import resource
except ImportError:                          # Windows does not tell
    resource = None

MAY_WAIT = 0.05                              # of a sample's time, in which one of the threads waited for a core

Work = Callable[[int], object]               # a call, given its number: for "cold" it picks another copy each time


@dataclass(frozen=True)
class Time:
    """What was measured for one candidate."""

    median_us: float
    samples: int                             # that the median is of
    disturbed: int                           # that were thrown away, or kept when there were no others


def interruptions() -> int:
    """How often this process was taken off a processor against its will, so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw if resource else 0


def waited_s() -> float:
    """How long the threads of this process were ready to run and had to wait for a core, so far, all together."""
    total_ns = 0
    try:
        for thread in Path("/proc/self/task").iterdir():
            total_ns += int((thread / "schedstat").read_bytes().split()[1])
    except OSError:
        return 0.0                           # not on Linux, or not counted: then only interruptions tell
    return total_ns * 1e-9


def take_turns(works: dict[str, Work], samples: int, seconds: float, settle_s: float = 0.0) -> dict[str, Time]:
    """Call each candidate in turn until each has so many clean samples, or the time is over; at least once each.

    The calls that are not timed go on for `settle_s`: so long the threads of another candidate may be in the way.
    """
    clean: dict[str, list[float]] = {name: [] for name in works}
    dirty: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work(0)                              # compiles, and fills what is filled on the first call
    began, number = time.perf_counter(), 0
    while number == 0 or (time.perf_counter() - began < seconds and min(map(len, clean.values())) < samples):
        number += 1
        for name, work in works.items():
            settled = time.perf_counter() + settle_s
            work(2 * number)
            while time.perf_counter() < settled:
                work(2 * number)
            waited, interrupted = waited_s(), interruptions()
            start = time.perf_counter()
            work(2 * number + 1)
            took = time.perf_counter() - start
            alone = interruptions() == interrupted and waited_s() - waited < MAY_WAIT * took
            (clean if alone else dirty)[name].append(took * 1e6)
    return {
        name: Time(statistics.median(clean[name] or dirty[name]), len(clean[name] or dirty[name]), len(dirty[name]))
        for name in works
    }
