"""`mmf bench simulator`: how fast our accelerator is simulated, its clock and its numbers, and how long lowering takes.

Course    notebook 13, "The model on the machine"

These are times of the simulator on this computer. What the simulated machine takes is in cycles, and another matter.
"""

import time
from collections.abc import Iterator

import numpy as np

from hardware_sim.scoreboard import run
from hardware_sim.ternary_core.cost_table import TernaryCore
from hardware_sim.ternary_core.decode import decode
from hardware_sim.ternary_core.golden import Golden
from hardware_sim.ternary_core.lowering import lower
from hardware_sim.ternary_core.machine import TERNARY_CORE, WIDE, Machine
from hardware_sim.ternary_core.weights import lower_model
from mmf_teach.cost.sizes import sizes
from mmf_teach.engine.accelerator import Accelerator
from mmf_teach.engine.bench.clock import Time, take_turns
from mmf_teach.engine.bench.engine import SIZES, random_model
from mmf_teach.engine.bench.rows import FULL, QUICK, Effort, Report, Row, four_digits, row
from mmf_teach.engine.ternary_core.scoreboard import time as issue
from mmf_teach.model.checkpoint import load_model
from mmf_teach.model.integer import integer_model
from mmf_teach.paths import SHIPPED_MODEL
from mmf_teach.reference.integer_model import IntegerModel

LOWERED = "the 370M shape, random trits"     # with its weights
TIMED = {"shipped": TERNARY_CORE, "370M": WIDE, "1.3B": WIDE, "2.7B": WIDE}


def measure(quick: bool, report: Report) -> list[Row]:
    """The clock of a token, then its numbers, then a large model lowered with its weights."""
    effort = QUICK if quick else FULL
    rows = list(clock_rows(["shipped"] if quick else list(TIMED), effort, report))
    report("the numbers of a token")
    rows.append(values_row(integer_model(load_model(SHIPPED_MODEL)[0]), effort))
    if not quick:
        report("lowering the 370M shape")
        rows.append(lowering_row(*SIZES[LOWERED]))
    return rows


def clock_rows(names: list[str], effort: Effort, report: Report) -> Iterator[Row]:
    """Cycles of a token, once lowered: the compiled scoreboard against the one that is the definition."""
    for name in names:
        report(f"the clock of a token, {name}")
        config, machine = sizes(name, "matmul_free"), TIMED[name]
        program = lower(config, machine).program
        table, core = decode(program), TernaryCore(machine)
        exact = issue(table, machine).events() == run(program, core)
        times = take_turns({
            "compiled": lambda _, table=table, machine=machine: issue(table, machine),
            "scoreboard": lambda _, program=program, core=core: run(program, core),
        }, effort.samples, effort.seconds)
        yield row(
            f"clock of a token, {name} shape", (len(program), machine.d), 1, 1, "warm", times["compiled"], exact=exact,
            faster_than={"scoreboard": ratio(times, "scoreboard", "compiled")})


def values_row(model: IntegerModel, effort: Effort, machine: Machine = TERNARY_CORE) -> Row:
    """Scores and memories of a token, and its cycles: the compiled core against the golden one."""
    lowered, memory = lower_model(model, machine)
    golden, fast = Golden(machine, memory), Accelerator(model, machine)
    state = fast.initial_state(1)
    exact = is_exact(model, fast)

    def step(number: int) -> int:
        fast.step(np.array([number % fast.vocabulary]), state)
        return fast.cycles

    times = take_turns({
        "compiled": step, "golden": lambda number: golden.run(lowered.program, number % fast.vocabulary),
    }, effort.samples, effort.seconds)
    return row(
        "numbers and cycles of a token, shipped model", (len(lowered.program), machine.d), 1, 1, "warm",
        times["compiled"], exact=exact, faster_than={"golden": ratio(times, "golden", "compiled")},
        tokens_per_s=four_digits(1e6 / times["compiled"].median_us))


def is_exact(model: IntegerModel, fast: Accelerator, tokens: int = 3) -> bool:
    """Are scores and memories those of the naive integer model, token after token?"""
    want_state, state, same = model.initial_state(1), fast.initial_state(1), True
    for token in range(tokens):
        want, want_state = model.step(np.array([token]), want_state)
        got, state = fast.step(np.array([token]), state)
        same &= np.array_equal(got, want) and np.array_equal(state, want_state)
    return bool(same)


def lowering_row(width: int, inner: int, blocks: int, vocabulary: int, machine: Machine = WIDE) -> Row:
    """A program and a memory image from a model with random weights. One sample: it takes seconds."""
    model = random_model(width, inner, blocks, vocabulary)
    began = time.perf_counter()
    lowered, memory = lower_model(model, machine)
    taken = Time((time.perf_counter() - began) * 1e6, samples=1, disturbed=0)
    return row(
        f"lowering {LOWERED}", (len(lowered.program), machine.d), 1, 1, "cold", taken, bytes_moved=memory.nbytes)


def ratio(times: dict[str, Time], slow: str, fast: str) -> float:
    """How many times as fast."""
    return four_digits(times[slow].median_us / times[fast].median_us)
