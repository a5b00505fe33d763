"""Memory at three levels: each is what it says, no command breaks a rule, and the simple levels bound the others."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hardware_sim.dram.bus import Bus
from hardware_sim.dram.ddr4 import COMMANDS, Ddr4, Ddr4Port, Rule, place, rules, table
from hardware_sim.dram.fixed_latency import FixedLatency

small = st.integers(1, 6)
IMPLIED = {("bank", "ACT", "ACT")}          # a row is closed in between, which takes as long
buses = st.builds(Bus, latency=st.integers(1, 20), pending=small, burst=small, width=small)


def naive_bus(bus: Bus, count: int, gap: int) -> list[int]:
    """Cycle by cycle: deliver a beat when one is due, send a request when a place is free."""
    under_way, places, arrived, asked, cycle = [], [0] * bus.pending, [], 0, 0
    wanted = -(-count // bus.width)
    while len(arrived) < wanted:
        if under_way and cycle >= under_way[0][0]:
            arrived.append(cycle)
            under_way[0][1] -= 1
            if not under_way[0][1]:
                under_way.pop(0)
                places.append(cycle + gap)
        if places and places[0] <= cycle and asked < wanted:
            under_way.append([cycle + bus.latency, bus.burst])
            asked += bus.burst
            places.pop(0)
        cycle += 1
    return [cycle for cycle in arrived for _ in range(bus.width)][:count]


def broken_rules(memory: Ddr4, checked: list[Rule]) -> list[str]:
    """Every pair of commands against every rule: brute force, and nothing shared with the memory's own way."""
    found = []
    for rule in checked:
        scopes = {}
        for command in memory.commands:
            scopes.setdefault(place(rule.level, command.group, command.bank), []).append(command)
        for commands in scopes.values():
            if rule.back == 1:
                pairs = combinations(commands, 2)
            else:
                same = [command for command in commands if command.name == rule.before]
                pairs = zip(same, same[rule.back:], strict=False)
            found += [f"{rule}: {one}, {two}" for one, two in pairs if (one.name, two.name) == (rule.before, rule.after)
                      and two.cycle - one.cycle < rule.cycles]
    return found


def misused(memory: Ddr4) -> list[str]:
    """Commands that find their bank in the wrong state, and refreshes that come too late."""
    opened, found, refreshed, last = {}, [], 0, -1
    for command in memory.commands:
        where = command.group, command.bank
        if command.cycle <= last:
            found.append(f"two commands at once: {command}")
        if command.name == "ACT" and where in opened:
            found.append(f"opens what is open: {command}")
        if command.name in ("RD", "WR", "PRE") and opened.get(where) != command.row:
            found.append(f"its row is not open: {command}")
        if command.name == "REF":
            if opened or command.cycle - refreshed > 2 * table()["refresh_interval"].value:
                found.append(f"too late, or with open rows: {command}")
            refreshed = command.cycle
        if command.name == "ACT":
            opened[where] = command.row
        if command.name == "PRE":
            opened.pop(where, None)
        last = command.cycle
    return found


@pytest.mark.parametrize("gap", [0, 1])
def test_a_fixed_latency_answers_each_byte_before_the_next_is_asked_for(gap):
    memory = FixedLatency(3)
    assert memory.arrivals(4, gap).tolist() == [3, 6 + gap, 9 + 2 * gap, 12 + 3 * gap]
    assert memory.cycles(4, gap) == 12 + 3 * gap


@given(st.integers(1, 20), st.integers(1, 30), st.integers(0, 2))
def test_a_bus_of_single_bytes_is_a_fixed_latency(latency, count, gap):
    assert Bus(latency).arrivals(count, gap).tolist() == FixedLatency(latency).arrivals(count, gap).tolist()


def test_a_bus_drawn():
    """Latency 4, bursts of 2 beats, 2 of them under way: beats in cycles 4 5, 5 6 -> 6 7, then two new requests."""
    assert Bus(latency=4, pending=2, burst=2).arrivals(8).tolist() == [4, 5, 6, 7, 9, 10, 11, 12]


@settings(max_examples=200)
@given(buses, st.integers(1, 40), st.integers(0, 2))
def test_a_bus_does_what_one_stepped_cycle_by_cycle_does(bus, count, gap):
    assert bus.arrivals(count, gap).tolist() == naive_bus(bus, count, gap)
    assert bus.cycles(count, gap) == naive_bus(bus, count, gap)[-1]


@given(buses)
def test_a_long_stream_comes_at_the_rate_that_littles_law_gives(bus):
    requests = 40 * bus.pending
    arrivals = bus.arrivals(requests * bus.burst * bus.width)
    period = requests * bus.burst / 2
    half = len(arrivals) // 2
    rate = half / (arrivals[-1] - arrivals[half - 1])
    under_way, round_trip = bus.pending * bus.burst, bus.latency + bus.burst - 1
    assert rate == pytest.approx(min(1, under_way / round_trip) * bus.width, rel=0.1 + bus.pending / period)


@given(buses, st.sampled_from(["latency", "pending", "burst", "width"]), st.integers(1, 60))
def test_more_of_what_helps_is_never_slower_and_more_latency_never_faster(bus, field, count):
    changed = Bus(**{**vars(bus), field: getattr(bus, field) + 1})
    if field == "burst":
        count *= bus.burst * changed.burst * bus.width               # a longer burst also fetches what nobody wants
    slow, fast = (bus, changed) if field != "latency" else (changed, bus)
    assert fast.cycles(count) <= slow.cycles(count) or field == "burst"


@pytest.mark.parametrize(("make", "problem"), [
    (lambda: FixedLatency(0), "latency must be a whole number of at least 1, not 0"),
    (lambda: Bus(1, pending=0), "pending must be"), (lambda: Bus(1, burst=-2), "burst must be"),
    (lambda: Bus(1, width=0), "width must be"), (lambda: Bus(1.5), "not 1.5"),
    (lambda: Ddr4Port(0), "a clock above 0 MHz"), (lambda: Ddr4Port(60, -1), "a bridge of 0 ns or more"),
    (lambda: Ddr4Port(60, float("nan")), "a bridge"), (lambda: Ddr4Port(60, 0, 0), "at least one byte"),
])
def test_a_memory_that_cannot_be_is_refused(make, problem):
    with pytest.raises(ValueError, match=problem):
        make()


def test_a_row_hit_a_closed_bank_and_a_conflict_take_what_the_data_sheet_says():
    """21, 38 and 55 cycles of 1200 MHz: 17.5, 31.7 and 45.8 ns."""
    memory = Ddr4()
    assert memory.access(0, 0) == 38
    assert memory.access(1000, 0) == 1000 + 21
    other_row = 8192 * 16                    # one row further in the same bank
    assert memory.where(0)[:2] == memory.where(other_row)[:2]
    assert memory.access(2000, other_row) == 2000 + 55
    assert [command.name for command in memory.commands] == ["ACT", "RD", "RD", "PRE", "ACT", "RD"]


def test_the_address_map_gives_every_burst_its_own_place():
    for interleaved in (False, True):
        memory = Ddr4(interleaved)
        places = {(*memory.where(64 * burst), burst) for burst in range(4096)}
        assert len({place[:3] for place in places}) == 4096 * 64 // 8192
    with pytest.raises(ValueError, match="an address is a number from zero up"):
        Ddr4().access(0, -1)


@settings(max_examples=60, deadline=None)
@given(st.booleans(), st.lists(st.tuples(
    st.integers(0, 400) | st.integers(0, 20000), st.integers(0, 63).map(lambda k: k * 64) | st.integers(0, 1 << 33),
    st.booleans()), max_size=40))
def test_no_command_breaks_any_rule_of_the_table(interleaved, requests):
    memory, now, done = Ddr4(interleaved), 0, 0
    for wait, address, write in requests:
        now += wait
        finished = memory.access(now, address, write)
        assert finished > max(now, done if not write else 0)
        done = max(done, finished if not write else 0)
    assert broken_rules(memory, rules(table())) == [] and misused(memory) == []


def busy_memory(memory: Ddr4, rounds: int = 8) -> Ddr4:
    """Told commands as soon as may be, and closer together than requests in order would be.

    A round: two refreshes, all banks opened, many random reads, writes and reopenings, all closed again.
    """
    draw = np.random.default_rng(0)
    banks = [(group, bank) for bank in range(4) for group in range(4)]
    for number in range(rounds):
        banks.sort(key=lambda where: where[number % 2])      # neighbours share a group, or they do not
        told = [("REF", (-1, -1)), ("REF", (-1, -1)), *(("ACT", where) for where in banks)]
        for pick in draw.integers(0, len(banks), 40).tolist():
            name = str(draw.choice(["RD", "RD", "RD", "WR", "WR", "WR", "again"]))
            again = [("PRE", banks[pick]), ("ACT", banks[pick])]
            told += again if name == "again" else [(name, banks[pick])]
        for name, where in [*told, *(("PRE", where) for where in banks)]:
            memory.issue(name, 0, *where, -1 if name == "REF" else 0)
    return memory


@pytest.mark.parametrize("rule", rules(table()), ids=lambda rule: " ".join(map(str, rule[:4])))
def test_every_rule_of_the_table_is_kept_and_a_cycle_too_few_is_found(rule):
    assert broken_rules(busy_memory(Ddr4()), [rule]) == []
    hasty = Ddr4()
    hasty.rules_for = {name: [each._replace(cycles=each.cycles - (each == rule)) for each in listed]
                       for name, listed in hasty.rules_for.items()}
    assert broken_rules(busy_memory(hasty), [rule]) != [] or rule[:3] in IMPLIED


def test_streaming_through_one_group_of_banks_wastes_a_third_of_the_bus():
    """4 cycles of data in every 6; with neighbours in different groups nearly all cycles; refresh takes its part."""
    used = {}
    for interleaved in (False, True):
        memory, end = Ddr4(interleaved), 0
        for burst in range(6000):
            end = memory.access(0, 64 * burst)
        used[interleaved] = 6000 * 4 / end
        assert misused(memory) == [] and sum(command.name == "REF" for command in memory.commands) == end // 9360
    assert 0.60 < used[False] < 4 / 6 and 0.88 < used[True] < 0.96


def test_the_table_has_only_rules_of_the_commands_there_are():
    for rule in rules(table()):
        assert rule.level in ("bank", "group", "rank") and rule.cycles > 0
        assert {rule.before, rule.after} <= set(COMMANDS)


def test_behind_no_bridge_ddr4_answers_a_slow_core_within_three_cycles():
    """38 or 21 memory cycles are 2 of a core at 60 MHz, and one passes between answer and request: refreshes show."""
    arrivals = Ddr4Port(60).arrivals(400, gap=1)
    steps = np.diff(arrivals)
    assert arrivals[0] == 2 and set(steps[steps < 20].tolist()) == {3} and (steps >= 20).sum() == 2


@settings(max_examples=20, deadline=None)
@given(st.floats(10, 500), st.floats(0, 300), st.integers(1, 64), st.booleans(), st.integers(1, 300), st.integers(0, 2))
def test_a_bridge_only_ever_adds_and_answers_come_in_order(clock, bridge, wanted, write, count, gap):
    port = Ddr4Port(clock, bridge, wanted, write)
    arrivals = port.arrivals(count, gap)
    assert len(arrivals) == count and (np.diff(arrivals) >= 0).all() and port.cycles(count, gap) == arrivals[-1]
    assert arrivals[-1] >= Ddr4Port(clock, 0, wanted, write).cycles(count, gap)
    assert (np.diff(arrivals) > 0).sum() == -(-count // wanted) - 1
