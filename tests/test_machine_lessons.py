"""Notebooks 10 and 11: what is written by hand agrees with the library, and pictures and the stepper tell the truth."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hardware_sim.assembler import assemble
from hardware_sim.dram.ddr4 import Ddr4
from hardware_sim.dram.fixed_latency import FixedLatency
from hardware_sim.paper2024 import golden
from hardware_sim.paper2024.inputs import random_memory
from hardware_sim.paper2024.isa import OPERATIONS, instruction_set
from hardware_sim.paper2024.machine import TOKEN_MIXER, paper2024
from hardware_sim.paper2024.reference import (
    ROWWISE,
    decode,
    divide,
    encode,
    multiply,
    place,
    product,
    read_line,
    remember,
    run_lines,
    step,
)
from hardware_sim.paper2024.timing_reference import (
    CLOSED,
    CONFLICT,
    HIT,
    answers,
    burst_cycles,
    product_cycles,
    schedule,
    total,
)
from hardware_sim.paper2024.units import rowwise, tmatmul
from hardware_sim.scoreboard import run
from hardware_sim.trace import total_cycles, waits
from mmf_teach.lesson.figures.register_trace import register_trace
from mmf_teach.lesson.figures.timeline import UNIT_COLOURS, timeline
from mmf_teach.lesson.widgets.stepper import SHOWN, Stepper, instruction_rows
from tests.test_scoreboard import programs

SHORT = instruction_set(address_bits=16)
EVERY = np.arange(-128, 128, dtype=np.int8)


@pytest.fixture(scope="module")
def mixer():
    """The token mixer, its memory and a small machine."""
    machine = paper2024(8, 3, 2)
    program = assemble(TOKEN_MIXER.read_text("utf-8"), machine.instruction_set, machine.region_bytes)
    return program, random_memory(program, machine, 0), machine


@pytest.mark.parametrize("mnemonic", ROWWISE)
def test_an_element_by_hand_is_an_element_of_the_unit_for_all_that_there_are(mnemonic):
    a, b = (grid.ravel() for grid in np.meshgrid(EVERY, EVERY))
    given = (a,) if mnemonic in ("exp", "sig") else (a, b)
    by_hand = [ROWWISE[mnemonic](*pair) for pair in zip(*(x.tolist() for x in given), strict=True)]
    assert by_hand == rowwise.result(mnemonic, *given).tolist()


def test_products_and_quotients_are_those_of_fractions():
    """12.5 · 12.5 saturates; -5.125 over the whole part of 2.875 goes towards zero."""
    assert (multiply(100, 100), multiply(-100, 100), multiply(-1, 1)) == (127, -128, -1)
    assert (divide(-41, 23), divide(127, 8), divide(-128, -1)) == (-20, 127, 127)


@given(programs(longest=6))
def test_words_by_hand_are_the_words_of_the_table(program):
    fields = list(SHORT.fields.items())
    for instruction in program:
        values = dict(OPERATIONS[instruction.mnemonic].code) | dict(instruction.operands)
        values = {name: instruction[value] if isinstance(value, str) else value for name, value in values.items()}
        word = SHORT.encode(instruction)
        assert encode(fields, values) == word
        assert decode(fields, word) == dict.fromkeys(SHORT.fields, 0) | values


@pytest.mark.parametrize("value", [-1, 8, 100])
def test_a_value_that_its_field_cannot_hold_is_refused(value):
    with pytest.raises(ValueError, match=f"y is {value}: 3 bits cannot hold that"):
        encode([("unit", 2), ("y", 3)], {"unit": 1, "y": value})
    assert encode([("unit", 2), ("y", 3)], {"y": 7}) == 7 and encode([], {}) == 0


def test_a_register_that_nobody_wrote_is_refused():
    with pytest.raises(ValueError, match="reads what nobody wrote"):
        step({"v0": [8]}, "add v1,v0,v2")


@given(st.lists(st.sampled_from(["x", "y", "w", "k"]), max_size=8))
def test_places_by_hand_are_the_assemblers(names):
    machine = paper2024(4)
    text = "\n".join(f"tmatmul v0,v1,{name}" if name in "wk" else f"ldv v0,{name}" for name in names)
    uses = [(name, 4) for name in names]                 # width 4: a matrix has 16 trits in 4 bytes
    assert place(uses) == dict(assemble(text, machine.instruction_set, machine.region_bytes).names)


def test_a_line_by_hand_is_read_as_the_assembler_reads_it(mixer):
    lines = [read_line(line) for line in TOKEN_MIXER.read_text("utf-8").splitlines()]
    assert [mnemonic for mnemonic, _ in lines if mnemonic] == [instruction.mnemonic for instruction in mixer[0]]
    assert all(len(words) == len(OPERATIONS[mnemonic].names) for mnemonic, words in lines if mnemonic)


@given(st.integers(0, 99))
def test_a_product_by_hand_is_the_units(seed):
    dice = np.random.default_rng(seed)
    trits, x = dice.integers(-1, 2, (6, 6)).astype(np.int8), dice.integers(-128, 128, 6).astype(np.int8)
    assert product(trits.tolist(), x.tolist()) == tmatmul.result(trits, x).tolist()


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(-50, 50), st.integers(-50, 50)), min_size=1, max_size=4))
def test_the_memory_program_keeps_all_for_a_gate_of_one_and_nothing_for_zero(drawn):
    f, c, h = (list(column) for column in zip(*drawn, strict=True))
    kept = remember(f, c, h)
    for gate, candidate, old, new in zip(f, c, h, kept, strict=True):
        assert new == candidate + (gate * (old - candidate) >> 3)
        assert gate not in (0, 8) or new == (candidate if gate == 0 else old)


def test_lines_run_one_after_the_other_and_leave_what_they_were_given():
    before = {"v0": [8]}
    assert run_lines("add v1,v0,v0\n; nothing\n\nadd v1,v1,v0", before) == {"v0": [8], "v1": [24]}
    assert before == {"v0": [8]}


@given(st.integers(1, 20), st.integers(1, 16), st.integers(0, 2))
def test_times_by_hand_are_the_librarys(half, latency, gap):
    assert answers(half, latency, gap) == FixedLatency(latency).arrivals(half, gap).tolist()
    assert product_cycles(2 * half, latency) == paper2024(2 * half, latency, 1).cycles("tmatmul")


@settings(deadline=None)
@given(programs())
def test_the_scoreboard_by_hand_is_the_librarys(program):
    machine = paper2024(8, 5, 2)
    works = [machine.work(instruction) for instruction in program]
    needs = [([*map(str, work.registers), *([work.unit] * bool(work.unit)), *(["port"] * bool(work.port_cycles))],
              work.cycles) for work in works]
    events = run(program, machine)
    assert schedule(needs) == [(event.start, event.end) for event in events]
    assert total(schedule(needs)) == total_cycles(events)


def test_the_three_cases_of_a_burst_are_what_the_table_of_ddr4_gives():
    memory = Ddr4()
    assert memory.access(0, 0) == CLOSED == burst_cycles({}, 0, 0)
    assert memory.access(1000, 0) - 1000 == HIT == burst_cycles({0: 0}, 0, 0)
    assert memory.access(2000, 1 << 17) - 2000 == CONFLICT == burst_cycles({0: 0}, 0, 1)


def test_the_stepper_shows_what_the_golden_simulator_and_the_scoreboard_say(mixer):
    program, memory, machine = mixer
    rows, events = instruction_rows(program, memory, machine), run(program, machine)
    states = list(golden.steps(program, memory, machine))
    for row, event, waited, state in zip(rows, events, waits(events), states, strict=True):
        assert (row["start"], row["end"], row["issued"]) == (event.start, event.end, event.start - 1)
        assert row["issued"] - row["waits"] == waited
        assert (row["reason"], row["blocker"]) == (event.reason, event.blocker)
        if row["target"] is not None:
            assert row["values"] == (state.registers[row["target"]][:SHOWN] / 8).tolist()
    assert [row["text"] for row in rows][:3] == ["ldv v0,x", "norm v0", "tmatmul v1,v0,w_key"]
    assert set(rows[6]["names"]) == {1, 3} and rows[21]["target"] is None


def test_the_stepper_ends_with_the_last_instruction_or_the_last_cycle(mixer):
    assert Stepper(*mixer).last == 29
    assert Stepper(*mixer, clocked=True).last == total_cycles(run(mixer[0], mixer[2])) - 1


def test_a_chart_has_a_bar_for_each_piece_of_work_and_says_how_busy_each_unit_is():
    drawn = [("norm", 0, 6), ("waiting", 2, 5), ("tmatmul", 6, 9), ("norm", 9, 10)]
    bars = [{"unit": unit, "start": start, "end": end, "text": unit} for unit, start, end in drawn]
    figure = timeline(bars, "A title", 12)
    assert [trace.name for trace in figure.data] == ["norm", "tmatmul", "waiting"]
    assert list(figure.data[0].base) == [0, 9] and list(figure.data[0].x) == [6, 1]
    assert figure.data[0].marker.color == UNIT_COLOURS["norm"]
    assert "norm works in 58.3 %; tmatmul works in 25 %" in figure.layout.meta["alt"]
    part = timeline(bars, "A title", 12, window=(4, 8))
    assert "clock cycles 4 to 8" in part.layout.meta["alt"] and "norm works in 50 %" in part.layout.meta["alt"]
    assert list(part.data[0].base) == [0] and tuple(part.layout.xaxis.range) == (4, 8)


def test_a_table_of_registers_shows_each_value_and_marks_what_was_written():
    figure = register_trace(["ldv v0,x", "add v1,v0,v0"], ["v0", "v1"], [[0.5, None], [0.5, 1.0]], ["v0", "v1"], "T")
    assert [list(row) for row in figure.data[0].text] == [["<b>0.5</b>", ""], ["0.5", "<b>1</b>"]]
    assert list(figure.layout.yaxis.ticktext) == ["ldv v0,x", "add v1,v0,v0"] and figure.data[0].zmax == 1.0
    assert "add v1,v0,v0 makes v1 1" in figure.layout.meta["alt"]
    assert register_trace(["nop"], ["v0"], [[None]], [""], "T").data[0].zmax == 1.0
