"""The scoreboard and its memory in small: an instruction is what it needs and how long it takes, nothing else.

Course    notebook 11, "Counting cycles"
"""

from collections.abc import Mapping, Sequence

HIT, CLOSED, CONFLICT = 21, 38, 55           # DDR4-2400, cycles of 1200 MHz until a burst has moved

Works = Sequence[tuple[Sequence[str], int]]  # for each instruction the names of what it needs, and its cycles


def answers(count: int, latency: int, gap: int) -> list[int]:
    """The cycle in which each byte is there: asked for one by one, `gap` cycles after the one before has come.

    >>> answers(3, latency=2, gap=1)
    [2, 5, 8]
    """
    times, asked = [], 0
    for _ in range(count):
        times.append(asked + latency)
        asked = times[-1] + gap
    return times


def product_cycles(width: int, latency: int) -> int:
    """Busy cycles of tmatmul: bytes come every latency + 1 cycles and hold four weights, of which each takes a cycle.

    >>> product_cycles(4, latency=1), product_cycles(4, latency=9)
    (24, 50)
    """
    count = width * width // 4
    adding = 4 * count
    streaming = (latency + 1) * (count - 1) + 4
    return 3 + latency + max(adding, streaming) + width


def issue(free_at: Mapping[str, int], needs: Sequence[str], ready: int) -> int:
    """The cycle in which an instruction is issued: not before `ready`, nor before all that it needs is free.

    >>> issue({"v0": 9, "rowwise": 4}, ["rowwise", "v0", "v1"], ready=6)
    9
    """
    return max([ready, *(free_at.get(need, 0) for need in needs)])


def schedule(works: Works) -> list[tuple[int, int]]:
    """First cycle of each instruction's work and the first one after it, issued in order and at most one a cycle.

    >>> schedule([(["load", "v0"], 3), (["rowwise", "v0", "v1"], 2), (["rowwise"], 1)])
    [(1, 4), (5, 7), (8, 9)]
    """
    free_at, intervals, ready = {}, [], 0
    for needs, cycles in works:
        issued = max([ready, *(free_at.get(need, 0) for need in needs)])
        end = issued + 1 + cycles
        intervals.append((issued + 1, end))
        for need in needs:
            free_at[need] = end
        ready = issued + 1
    return intervals


def total(intervals: Sequence[tuple[int, int]]) -> int:
    """Cycles until the core is ready again: one after the last end, whoever it belongs to; 0 for no instructions.

    >>> total([(1, 9), (2, 4)])
    10
    """
    return max((end for _, end in intervals), default=-1) + 1


def burst_cycles(open_rows: Mapping[int, int], bank: int, row: int) -> int:
    """How long a burst takes: its row is open, or the bank is closed, or another row must be closed first.

    >>> [burst_cycles({0: 7}, bank, row) for bank, row in ((0, 7), (1, 7), (0, 8))]
    [21, 38, 55]
    """
    if bank not in open_rows:
        return CLOSED
    return HIT if open_rows[bank] == row else CONFLICT


def reproducing(cycles: Mapping[int, int], clock_mhz: float, published_ms: int) -> list[int]:
    """The latencies at which the measured cycles, in milliseconds and rounded to whole ones, are what was published.

    >>> reproducing({1: 60_000, 2: 89_000, 3: 150_000}, clock_mhz=60, published_ms=1)
    [1, 2]
    """
    return [latency for latency, count in cycles.items() if round(count / (1000 * clock_mhz)) == published_ms]
