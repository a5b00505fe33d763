"""Exercises of notebook 11: a memory's answers, a unit's cycles, the scoreboard, a bug in the total, DDR4, 43 ms."""

from collections.abc import Callable, Sequence

from hardware_sim.paper2024.timing_reference import (
    CLOSED,
    CONFLICT,
    HIT,
    answers,
    burst_cycles,
    issue,
    product_cycles,
    reproducing,
    schedule,
    total,
)
from mmf_teach.lesson.exercise import Exercise
from mmf_teach.lesson.property_test import PropertyTest

NEEDS = ("load", "rowwise", "tmatmul", "port", "v0", "v1", "v2")
PROGRAMS = (                                    # what a test of a scheduler is given to try
    [],
    [(["load", "port", "v0"], 9), (["rowwise", "v1"], 2), (["tmatmul", "port", "v2"], 3), (["rowwise", "v1"], 1)],
    [(["load", "v0"], 5), (["rowwise", "v0"], 2), (["tmatmul", "v1"], 1), (["load", "v1"], 4), (["rowwise"], 3)],
    [(["rowwise", "v0"], 0), (["load", "v0"], 0), (["tmatmul"], 6), ([], 1), (["tmatmul"], 1)],
)


def is_a_schedule(schedule: Callable) -> bool:
    """Whether every instruction starts as soon as order, one issue a cycle and all that it needs allow; not sooner."""
    for works in PROGRAMS:
        intervals, issued = schedule(works), -1
        if len(intervals) != len(works):
            return False
        for number, ((needs, cycles), (start, end)) in enumerate(zip(works, intervals, strict=True)):
            held = [intervals[earlier][1] for earlier in range(number) if set(works[earlier][0]) & set(needs)]
            issued = max([issued + 1, *held])
            if (start, end) != (issued + 1, issued + 1 + cycles):
                return False
    return True


def _reads():
    from hypothesis import strategies as st
    return st.tuples(st.integers(0, 5), st.integers(1, 9), st.integers(0, 3))


def _products():
    from hypothesis import strategies as st
    return st.tuples(st.integers(1, 20).map(lambda half: 2 * half), st.integers(1, 16))


def _issues():
    from hypothesis import strategies as st
    return st.tuples(
        st.dictionaries(st.sampled_from(NEEDS), st.integers(0, 20), max_size=4),
        st.lists(st.sampled_from(NEEDS), max_size=3, unique=True), st.integers(0, 20))


def _works():
    from hypothesis import strategies as st
    needs = st.lists(st.sampled_from(NEEDS), max_size=3, unique=True)
    return st.tuples(st.lists(st.tuples(needs, st.integers(0, 9)), max_size=6))


def _intervals():
    from hypothesis import strategies as st
    pair = st.tuples(st.integers(1, 20), st.integers(0, 20)).map(lambda drawn: (drawn[0], sum(drawn)))
    return st.tuples(st.lists(pair, max_size=5))


def _bursts():
    from hypothesis import strategies as st
    small = st.integers(0, 2)
    return st.tuples(st.dictionaries(small, small, max_size=3), small, small)


def _measured():
    from hypothesis import strategies as st
    counts = st.dictionaries(st.integers(1, 16), st.integers(500_000, 4_000_000), max_size=4)
    return st.tuples(counts, st.sampled_from([50, 60, 61, 75]), st.integers(10, 60))


def _scheduled(works: Sequence, holds: Callable = lambda needs: needs, gap: int = 1, late: int = 0) -> list:
    """The scoreboard, with another idea of what an instruction holds, of the next issue, or a cycle too late."""
    free_at, intervals, ready = {}, [], 0
    for needs, cycles in works:
        issued = max([ready, *(free_at.get(need, 0) for need in holds(needs))]) + late
        end = issued + 1 + cycles
        intervals.append((issued + 1, end))
        free_at |= dict.fromkeys(needs, end)
        ready = issued + gap
    return intervals


def _overwritten(works: Sequence) -> list:
    """Only the last need decides: each one overwrites what the one before has asked for."""
    free_at, intervals, ready = {}, [], 0
    for needs, cycles in works:
        issued = ready
        for need in needs:
            issued = max(ready, free_at.get(need, 0))
        intervals.append((issued + 1, issued + 1 + cycles))
        free_at |= dict.fromkeys(needs, issued + 1 + cycles)
        ready = issued + 1
    return intervals


def _all_at_once(works: Sequence) -> list:
    """Out of order: each waits for its needs only, never for the one before."""
    free_at, intervals = {}, []
    for needs, cycles in works:
        issued = max([0, *(free_at.get(need, 0) for need in needs)])
        intervals.append((issued + 1, issued + 1 + cycles))
        free_at |= dict.fromkeys(needs, issued + 1 + cycles)
    return intervals


def _without(*dropped: str) -> Callable:
    return lambda works: _scheduled(works, lambda needs: [need for need in needs if not need.startswith(dropped)])


EXERCISES = [
    Exercise(
        id="11.1",
        ask="Return the cycle in which each byte is there, each asked for `gap` cycles after the one before has come.",
        answer=answers,
        cases=[(3, 2, 1), (3, 2, 0), (1, 5, 3), (0, 5, 3), (4, 12, 1)],
        mistakes={
            "The first request goes out in cycle 0, so the first byte is there after one latency.":
                lambda count, latency, gap: [time - latency for time in answers(count, latency, gap)],
            "The gap lies between an answer and the next request: there is none before the first.":
                lambda count, latency, gap: [(latency + gap) * k for k in range(1, count + 1)],
            "The core waits for each answer: the next request cannot go out before it.":
                lambda count, latency, gap: [latency + gap * k for k in range(count)],
            "The gap is missing: the next request goes out that many cycles after the answer.":
                lambda count, latency, gap: [latency * k for k in range(1, count + 1)],
        },
        hints=["Keep the cycle of the request: asked = 0 at first, then the answer's cycle plus the gap.",
               "Each answer comes at asked + latency."],
        inputs=_reads,
    ),
    Exercise(
        id="11.2",
        ask="Return the busy cycles of tmatmul: 3 + latency, then the slower of adding and streaming, then d.",
        answer=product_cycles,
        cases=[(4, 1), (4, 2), (4, 3), (4, 9), (512, 2), (512, 12), (2, 1), (2, 16)],
        mistakes={
            "Adding and streaming happen at the same time: the slower of them decides, not their sum.":
                lambda d, latency: 3 + latency + d * d + (latency + 1) * (d * d // 4 - 1) + 4 + d,
            "A byte holds four weights: d·d weights are d·d/4 bytes.":
                lambda d, latency: 3 + latency + max(d * d, (latency + 1) * (d * d - 1) + 4) + d,
            "The next request goes out one cycle after the byte: a byte every latency + 1 cycles.":
                lambda d, latency: 3 + latency + max(d * d, latency * (d * d // 4 - 1) + 4) + d,
            "The sums are copied out at the end, one a cycle: d more.":
                lambda d, latency: product_cycles(d, latency) - d,
            "After the last byte has come its four weights are still to be added.":
                lambda d, latency: 3 + latency + max(d * d, (latency + 1) * (d * d // 4 - 1)) + d,
            "From the first byte to the last there is one step fewer than there are bytes.":
                lambda d, latency: 3 + latency + max(d * d, (latency + 1) * (d * d // 4) + 4) + d,
        },
        hints=["adding: four weights a byte, one a cycle: d * d cycles.",
               "streaming: (latency + 1) for each byte after the first, and four more for the last one's weights."],
        inputs=_products,
    ),
    Exercise(
        id="11.3",
        ask="Return the cycle of issue: not before `ready`, and not before everything it needs is free.",
        answer=issue,
        cases=[({"v0": 9, "rowwise": 4}, ["rowwise", "v0", "v1"], 6), ({}, ["v0"], 3), ({"v0": 9}, ["v1"], 3),
               ({"v0": 9}, ["v0"], 12), ({"v0": 9}, [], 0)],
        mistakes={
            "What nobody has used yet is free from the beginning: free_at.get(need, 0).":
                lambda free_at, needs, ready: max([ready, *(free_at[need] for need in needs)]),
            "Order counts: an instruction cannot be issued before `ready`, even if all is free.":
                lambda free_at, needs, ready: max([0, *(free_at.get(need, 0) for need in needs)]),
            "Only what this instruction needs can hold it back.":
                lambda free_at, needs, ready: max([ready, *free_at.values()]),
            "All of it must be free, so the latest decides, not the earliest.":
                lambda free_at, needs, ready: max(ready, min([free_at.get(need, 0) for need in needs], default=0)),
        },
        hints=["The largest of several numbers: `ready`, and free_at.get(need, 0) for each need."],
        inputs=_issues,
    ),
    Exercise(
        id="11.4",
        ask="Put the lines in order: the scoreboard, first and last cycle of each instruction.",
        answer=schedule,
        cases=[([(["load", "v0"], 3), (["rowwise", "v0", "v1"], 2), (["rowwise"], 1)],), ([],),
               ([(["load", "port"], 9), (["tmatmul", "port"], 2), (["rowwise"], 1)],),
               ([(["rowwise", "v0"], 4), (["load", "v1"], 1), (["norm", "v1", "v0"], 2)],)],
        mistakes={
            "`ready` moves to the cycle after this issue: at most one instruction leaves in a cycle.":
                lambda works: _scheduled(works, gap=0),
            "What an instruction needs is taken until its end: write that down before the next one is looked at.":
                lambda works: _scheduled(works, lambda needs: []),
            "You return inside the loop: only the first instruction gets its turn.":
                lambda works: schedule(works[:1]) if works else None,
        },
        hints=["What is remembered between instructions comes before the loop; the return after it.",
               "Within the loop: when is it issued, when does it end; then note who is busy until then."],
        inputs=_works,
        lines=(
            "def schedule(works):",
            "    free_at, intervals, ready = {}, [], 0",
            "    for needs, cycles in works:",
            "        issued = max([ready, *(free_at.get(need, 0) for need in needs)])",
            "        end = issued + 1 + cycles",
            "        intervals.append((issued + 1, end))",
            "        for need in needs:",
            "            free_at[need] = end",
            "        ready = issued + 1",
            "    return intervals",
        ),
    ),
    Exercise(
        id="11.5",
        ask="Mend total: the core is ready again one cycle after all work has ended; no instructions take no cycles.",
        answer=total,
        planted=lambda intervals: intervals[-1][1] + 1 if intervals else 0,
        cases=[([(1, 9), (2, 4)],), ([(1, 3)],), ([],), ([(1, 5), (6, 8), (7, 30), (8, 9)],), ([(1, 1)],)],
        mistakes={
            "The core notices the end one cycle later: add 1.":
                lambda intervals: max((end for _, end in intervals), default=0),
            "You add up the work of all units; they work at the same time.":
                lambda intervals: sum(end - start for start, end in intervals) + 1 if intervals else 0,
            "No instructions take no cycles.": lambda intervals: max((end for _, end in intervals), default=0) + 1,
            "The longest instruction is not the whole program: look at ends, not at lengths.":
                lambda intervals: max((end - start for start, end in intervals), default=-1) + 1,
        },
        hints=["Whose end is the last? Think of a long load followed by a short sum."],
        inputs=_intervals,
    ),
    PropertyTest(
        id="11.6",
        ask="Write a test that is True for a right scoreboard, and False for one that is too early or too late.",
        answer=is_a_schedule,
        right=(schedule,),
        wrong={
            "Two instructions may use the memory port at once.": (_without("port"),),
            "Two instructions may be in the same unit at once.": (_without("load", "rowwise", "tmatmul"),),
            "An instruction does not wait for its registers.": (_without("v"),),
            "Two instructions are issued in the same cycle.": (lambda works: _scheduled(works, gap=0),),
            "Instructions overtake those before them.": (_all_at_once,),
            "Only the last thing that an instruction needs is looked at.": (_overwritten,),
            "Each instruction starts a cycle later than it could.": (lambda works: _scheduled(works, late=1),),
            "The last instruction is forgotten.": (lambda works: schedule(works)[:-1],),
            "Work takes a cycle less than it should.":
                (lambda works: schedule([(needs, max(cycles - 1, 0)) for needs, cycles in works]),),
        },
        hints=[
            "A few small programs whose right intervals you have worked out on paper are a test.",
            "Two loads and a product; a sum whose register a load fills; an instruction that needs nothing.",
            "Order: a short instruction behind one that must wait.",
        ],
    ),
    Exercise(
        id="11.7",
        ask="Return the latencies at which the measured cycles, rounded to whole milliseconds, are the published ones.",
        answer=reproducing,
        cases=[({1: 60_000, 2: 89_000, 3: 150_000}, 60, 1), ({12: 2_623_542}, 61, 43), ({12: 2_623_542}, 60, 43),
               ({}, 60, 43), ({11: 2_427_000, 12: 2_623_542, 13: 2_820_000}, 61, 43),
               ({5: 2_653_000, 2: 2_593_000}, 61, 43)],
        mistakes={
            "A clock of 61 MHz makes 61,000 cycles in a millisecond.":
                lambda cycles, mhz, ms: [at for at, n in cycles.items() if round(n / mhz) == ms],
            "Round to the nearest whole millisecond; cutting off the rest takes 43.9 for 43.":
                lambda cycles, mhz, ms: [at for at, n in cycles.items() if n // (1000 * mhz) == ms],
            "Return the latencies, which are the keys, not the cycles.":
                lambda cycles, mhz, ms: [n for n in cycles.values() if round(n / (1000 * mhz)) == ms],
            "There may be none, or several: return a list of all that fit.":
                lambda cycles, mhz, ms: reproducing(cycles, mhz, ms)[:1],
        },
        hints=["cycles / (1000 * clock_mhz) are milliseconds.",
               "Go through cycles.items() and keep the latency where round(...) == published_ms."],
        inputs=_measured,
    ),
    Exercise(
        id="11.8",
        ask="Return the cycles of a burst: 21 if its row is open, 38 if the bank is closed, 55 if another row is open.",
        answer=burst_cycles,
        cases=[({0: 7}, 0, 7), ({0: 7}, 1, 7), ({0: 7}, 0, 8), ({}, 0, 0), ({1: 0}, 1, 0), ({0: 0}, 1, 0)],
        mistakes={
            "A bank that is not in the dictionary is closed: there is nothing to close first.":
                lambda rows, bank, row: HIT if rows.get(bank) == row else CONFLICT,
            "If another row is open it must be closed before the right one is opened.":
                lambda rows, bank, row: HIT if rows.get(bank) == row else CLOSED,
            "Each bank has its own row: look only at the one that is asked.":
                lambda rows, bank, row: HIT if row in rows.values() else CLOSED if bank not in rows else CONFLICT,
            "A row that is open already is the fast case.":
                lambda rows, bank, row: CLOSED if bank not in rows else CONFLICT if rows[bank] == row else HIT,
        },
        hints=["Three cases: bank not in open_rows; open_rows[bank] == row; all others."],
        inputs=_bursts,
    ),
]
