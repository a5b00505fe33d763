"""The scoreboard: order is kept, nothing is used twice at a time, nothing waits without a reason."""

from itertools import combinations, pairwise

from hypothesis import given, settings, strategies as st

from hardware_sim.isa import Instruction
from hardware_sim.paper2024.isa import OPERATIONS
from hardware_sim.paper2024.machine import paper2024
from hardware_sim.scoreboard import PORT, Work, run, schedule
from hardware_sim.trace import Event, busy, moved, named, stalls, total_cycles, waits

works = st.lists(st.builds(
    lambda unit, registers, cycles, port, early: Work(
        unit, "", registers, cycles, 0, cycles if port else 0, max(cycles - early, 0) if unit else None),
    unit=st.sampled_from(["", "a", "b", "c"]), registers=st.lists(st.integers(0, 4), max_size=3).map(tuple),
    cycles=st.integers(0, 9), port=st.booleans(), early=st.integers(0, 3)), max_size=12)
widths, latencies = st.sampled_from([2, 4, 6, 8, 16]), st.integers(1, 12)


def waveform(events: list[Event]) -> list[str]:
    """One line an instruction, one letter a cycle: - waits to be issued, > is issued, # is at work, . neither."""
    lines = [
        "." * (event.issued - waited) + "-" * waited + ">" + "#" * (event.end - event.start)
        for event, waited in zip(events, waits(events), strict=True)
    ]
    return [line.ljust(total_cycles(events) - 1, ".") for line in lines]


@st.composite
def programs(draw, longest: int = 12):
    """Random instructions; few registers, so that they often meet."""
    program = []
    for mnemonic in draw(st.lists(st.sampled_from(list(OPERATIONS)), max_size=longest)):
        operands = {n: draw(st.integers(0, 1000 if n == "@" else 3)) for n in OPERATIONS[mnemonic].names}
        program.append(Instruction(mnemonic, operands))
    return program


def apart(one: Event, other: Event) -> bool:
    return one.end <= other.start or other.end <= one.start


def naive_schedule(listed: list[Work]) -> list[tuple[int, int]]:
    """The rule of core.py read word by word: look at every earlier instruction again."""
    done = []
    for work in listed:
        issued = max([0, *(start for start, _ in done[-1:])])
        for earlier, (start, end) in zip(listed, done, strict=False):
            if set(earlier.registers) & set(work.registers):
                issued = max(issued, end)
            if earlier.unit and earlier.unit == work.unit:
                issued = max(issued, end if earlier.unit_cycles is None else start + earlier.unit_cycles)
            if earlier.port_cycles and work.port_cycles:
                issued = max(issued, start + earlier.port_cycles)
        done.append((issued + 1, issued + 1 + work.cycles))
    return done


def test_a_program_drawn():
    """A load, a product that needs the memory port, a sum that needs the load's register, one that needs nothing."""
    events = schedule([
        Work("load", "", (0,), 3, port_cycles=3), Work("product", "", (1, 2), 4, port_cycles=4),
        Work("row", "", (3, 0), 2), Work("other", "", (), 1)])
    assert waveform(events) == [
        ">###.....",
        ".--->####",
        ".....>##.",
        "......>#.",
    ]
    assert [(event.reason, event.blocker) for event in events] == [("", None), (PORT, 0), ("", None), ("", None)]
    assert total_cycles(events) == 10


def test_the_reason_names_what_was_free_last_and_who_held_it():
    events = schedule([Work("a", "", (0,), 9), Work("b", "", (1,), 5), Work("b", "", (1, 0), 1), Work("a", "", (), 1)])
    assert [(event.reason, event.blocker) for event in events] == [("", None), ("", None), ("v0", 0), ("", None)]
    assert waits(events) == [0, 0, 8, 0] and stalls(events) == {"a register": 8}
    second = schedule([Work("a", "", (), 4), Work("a", "", (), 1)])
    assert second[1].reason == "unit a" and stalls(second) == {"unit a": 4}


@given(works)
def test_the_scoreboard_does_what_its_rule_says(listed):
    assert [(event.start, event.end) for event in schedule(listed)] == naive_schedule(listed)


@given(works)
def test_instructions_are_issued_in_order_and_at_most_one_a_cycle(listed):
    issued = [event.issued for event in schedule(listed)]
    assert all(later > earlier for earlier, later in pairwise(issued))


@given(works)
def test_every_cycle_before_an_issue_is_another_issue_or_a_wait_with_a_reason(listed):
    events = schedule(listed)
    assert sum(waits(events)) + len(events) == (events[-1].issued + 1 if events else 0)
    for event, waited in zip(events, waits(events), strict=True):
        assert bool(waited) == bool(event.reason) == (event.blocker is not None)
    assert sum(stalls(events).values()) == sum(waits(events))


@given(works, st.data())
def test_a_longer_instruction_never_makes_any_other_start_sooner(listed, data):
    if listed:
        place, more = data.draw(st.integers(0, len(listed) - 1)), data.draw(st.integers(1, 5))
        work = listed[place]
        longer = work._replace(cycles=work.cycles + more, port_cycles=work.port_cycles and work.port_cycles + more,
                               unit_cycles=None if work.unit_cycles is None else work.unit_cycles + more)
        slower = schedule([*listed[:place], longer, *listed[place + 1:]])
        assert all(s.start >= f.start for f, s in zip(schedule(listed), slower, strict=True))


def test_a_register_given_back_early_is_free_early():
    one, two = Work("a", "", (0,), 9, released=((0, 3),)), Work("b", "", (0,), 1)
    assert schedule([one, two])[1].start == 1 + 3 + 1
    assert schedule([one._replace(released=()), two])[1].start == 1 + 9 + 1


@given(programs(), widths, latencies, latencies)
def test_nothing_is_used_twice_at_a_time(program, width, read, write):
    machine = paper2024(width, read, write)
    events = run(program, machine)
    needs = [machine.work(instruction) for instruction in program]
    for (one, work), (other, next_work) in combinations(zip(events, needs, strict=True), 2):
        same_register = set(work.registers) & set(next_work.registers)
        same_unit = work.unit and work.unit == next_work.unit
        if same_register or same_unit or (work.port_cycles and next_work.port_cycles):
            assert apart(one, other) and one.end <= other.start      # and in the order of the program


@given(programs(), widths, latencies, latencies, st.integers(0, 5), st.integers(0, 5))
def test_a_slower_memory_never_makes_a_program_faster(program, width, read, write, more, more_written):
    faster, slower = (run(program, paper2024(width, *latency)) for latency in
                      ((read, write), (read + more, write + more_written)))
    assert all(s.start >= f.start and s.end >= f.end for f, s in zip(faster, slower, strict=True))


@given(programs(), widths, latencies, latencies)
def test_no_program_beats_its_units_its_memory_or_its_longest_chain(program, width, read, write):
    machine = paper2024(width, read, write)
    events = run(program, machine)
    total = total_cycles(events)
    assert all(total > cycles for cycles in busy(events).values())
    assert total >= moved(events) * min(read, write)                 # one byte in each latency: the memory's roof
    longest = {}
    for work in map(machine.work, program):
        chain = work.cycles + max((longest.get(register, 0) for register in work.registers), default=0)
        longest.update(dict.fromkeys(work.registers, chain))
    assert total > max(longest.values(), default=-1)


@given(programs(), widths)
def test_bytes_are_conserved(program, width):
    each = [width if i.mnemonic in ("ldv", "sv") else width ** 2 // 4 if i.mnemonic == "tmatmul" else 0
            for i in program]
    events = run(program, paper2024(width, 3, 3))
    assert [event.bytes for event in events] == each and moved(events) == sum(each)


@given(programs(), widths, st.integers(0, 1000))
def test_neither_addresses_nor_the_names_of_registers_change_a_time(program, width, shift):
    """Data cannot: the scoreboard is never given any."""
    machine = paper2024(width, 2, 3)
    moved_on = [Instruction(i.mnemonic, {n: v + shift if n == "@" else 7 - v for n, v in i.operands.items()})
                for i in program]
    times = [[(event.start, event.end) for event in run(each, machine)] for each in (program, moved_on)]
    assert times[0] == times[1]


def test_no_instruction_leaves_no_event():
    assert schedule([]) == [] and total_cycles([]) == 0 and waveform([]) == [] and waits([]) == []


@settings(max_examples=30)
@given(programs())
def test_views_only_read_the_events(program):
    events = run(program, paper2024(4, 2, 2))
    assert [len(line) for line in waveform(events)] == [max(total_cycles(events) - 1, 0)] * len(events)
    for line, event, waited in zip(waveform(events), events, waits(events), strict=True):
        assert line.count("#") == event.end - event.start and line.count("-") == waited
    assert sum(busy(events).values()) == sum(event.end - event.start for event in events)
    assert [event.text for event in named(events, [str(n) for n in range(len(events))])] == [
        str(event.number) for event in events]
