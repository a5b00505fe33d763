"""Our core: units hold to the formats, the golden simulator to the units, and both fast ways to their definitions."""

import json
from dataclasses import replace
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hardware_sim.__main__ import main, parser
from hardware_sim.assembler import assemble, disassemble
from hardware_sim.dram.bus import Bus
from hardware_sim.isa import Instruction
from hardware_sim.scoreboard import PORT, run
from hardware_sim.ternary_core import timing
from hardware_sim.ternary_core.check import check
from hardware_sim.ternary_core.command import machine_of, random_memory as drawn_memory, shown as in_one_line
from hardware_sim.ternary_core.cost_table import TernaryCore, cycles, unit_cycles
from hardware_sim.ternary_core.decode import decode, instructions
from hardware_sim.ternary_core.golden import HIGH, LOW, Golden
from hardware_sim.ternary_core.image import CONSTANT, LINE, MEMORY, WORK, AddressMap, Region
from hardware_sim.ternary_core.isa import FIELDS, INSTRUCTION_SET, OPERATIONS, TMATMUL
from hardware_sim.ternary_core.machine import TERNARY_CORE, WIDE, Machine
from hardware_sim.ternary_core.read_stream import Stream, stream
from hardware_sim.ternary_core.units import load_store, norm, rowwise, tmatmul
from hardware_sim.trace import moved, total_cycles
from mmf_teach.engine.ternary_core import scoreboard as compiled
from mmf_teach.engine.ternary_core.values import CompiledCore, _root
from mmf_teach.ternary import fixed_point as fp

SMALL = Machine(d=16, lanes=8, row_lanes=4, port_bytes=8, burst_bytes=16, outstanding=3, read_latency=5)
LAWS = settings(deadline=None, derandomize=True, max_examples=80)
PLACES = 6                                   # vectors or tiles in the memory of a random program
numbers = st.integers(LOW, HIGH) | st.integers(-70_000, 70_000) | st.sampled_from([LOW, HIGH, 0, -1, 127, 1 << 15])


def random_program(dice: np.random.Generator, length: int, machine: Machine) -> list[Instruction]:
    """Any instructions on any registers, also such as make no sense: what they do is defined all the same."""
    program = [
        Instruction("ldv", {"y": register, "@": register % PLACES * machine.vector_bytes})
        for register in range(machine.registers)]
    for mnemonic in dice.choice([name for name in OPERATIONS if name != "end"], length):
        values = {
            "y": dice.integers(machine.registers), "a": dice.integers(machine.registers),
            "b": dice.integers(machine.registers), "@": dice.integers(PLACES) * machine.vector_bytes,
            "s": dice.integers(1, 32), "bits": dice.integers(10, 21), "n": dice.choice([1, 2, 16, 352, 65_535]),
            "w": dice.choice([0, 1, 400_000, (1 << 31) - 1]),
        }
        if mnemonic == "ldx":
            values["n"] = machine.d
        operands = {name: int(values[name]) for name in OPERATIONS[mnemonic].names}
        program.append(Instruction(str(mnemonic), operands))
    return program


def random_memory(dice: np.random.Generator, machine: Machine) -> np.ndarray:
    """Numbers of all magnitudes."""
    spread = 1 << dice.choice([3, 12, 17, 30, 31], (PLACES + 4) * machine.d)
    return load_store.store(dice.integers(-spread, spread).clip(LOW, HIGH))


@st.composite
def machines(draw, **fixed):
    """Small machines of all proportions."""
    powers = st.sampled_from([1, 2, 4, 8, 16])
    port = draw(st.sampled_from([4, 8, 16, 32, 64]))
    sizes = {
        "d": 16, "registers": draw(st.integers(4, 9)), "lanes": draw(powers), "row_lanes": draw(powers),
        "port_bytes": port, "burst_bytes": port * draw(st.sampled_from([1, 2, 4])),
        "read_latency": draw(st.integers(1, 30)), "outstanding": draw(st.integers(1, 9)),
        "double_buffer": draw(st.booleans()),
    }
    return Machine(**sizes | fixed)


# The table, and the machine's sizes.

@LAWS
@given(st.sampled_from(list(OPERATIONS)), st.data())
def test_every_instruction_survives_its_word_and_its_text(mnemonic, data):
    kinds = {name: INSTRUCTION_SET.kinds[name] for name in OPERATIONS[mnemonic].names}
    ranges = st.fixed_dictionaries({name: st.integers(kind.low, kind.limit - 1) for name, kind in kinds.items()})
    instruction = Instruction(mnemonic, data.draw(ranges))
    assert INSTRUCTION_SET.decode(INSTRUCTION_SET.encode(instruction)) == instruction
    assert list(assemble(INSTRUCTION_SET.text(instruction), INSTRUCTION_SET)) == [instruction]
    assert INSTRUCTION_SET.from_bytes(INSTRUCTION_SET.to_bytes([instruction, instruction])) == [instruction] * 2


@LAWS
@given(st.binary(max_size=60) | st.binary(min_size=14, max_size=14))
def test_bytes_at_random_are_a_program_or_a_sentence(stored):
    try:
        assert INSTRUCTION_SET.to_bytes(INSTRUCTION_SET.from_bytes(stored)) == stored
    except ValueError as problem:
        assert len(str(problem)) > 20


@LAWS
@given(st.text(max_size=40) | st.from_regex(r"(\w{2,4} ?[vw]?\d*,?[@x]?\d{0,9}\n){1,3}", fullmatch=True))
def test_text_at_random_is_a_program_or_a_sentence_with_its_line(text):
    try:
        program = assemble(text, INSTRUCTION_SET, TernaryCore(SMALL).region_bytes)
        again = assemble(disassemble(program, INSTRUCTION_SET), INSTRUCTION_SET, TernaryCore(SMALL).region_bytes)
        assert [i.mnemonic for i in again] == [i.mnemonic for i in program]
    except ValueError as problem:
        assert str(problem).startswith("line ")


@pytest.mark.parametrize(("sizes", "sentence"), [
    ({"lanes": 0}, "lanes must be a power of two"), ({"lanes": 3}, "lanes must be a power of two"),
    ({"row_lanes": 256}, "more lanes than the 128"), ({"d": 2, "lanes": 1, "row_lanes": 1}, "at least 4"),
    ({"registers": 3}, "registers must be a whole number from 4"), ({"registers": 33}, "room for 32 registers"),
    ({"outstanding": 0}, "outstanding must be"), ({"read_latency": 0}, "read_latency must be"),
    ({"read_latency": 2.5}, "read_latency must be"), ({"port_bytes": 128}, "a beat of 128 bytes"),
    ({"port_bytes": 2}, "a beat of 2 bytes"), ({"clock_mhz": 0}, "megahertz above zero"),
    ({"clock_mhz": float("nan")}, "megahertz above zero"), ({"double_buffer": 1}, "True or False"),
    ({"address_bits": 33}, "addresses of 32 bits"), ({"d": 1 << 21}, "d must be a power of two"),
])
def test_a_machine_that_cannot_be_built_is_refused(sizes, sentence):
    with pytest.raises(ValueError, match=sentence):
        replace(TERNARY_CORE, **sizes)


# Memory.

def answers(streams: list[Stream], begin: list[int]) -> list[list[int]]:
    """When each request of each stream is answered, from the rule alone; `begin`: when each may ask first."""
    done, all_ends = [], []
    for one, first in zip(streams, begin, strict=True):
        ends = []
        for _ in range(one.requests):
            asked = max(first, done[-one.outstanding][0] if len(done) >= one.outstanding else 0)
            at_work = max(asked + one.latency, done[-1][0] if done else 0)
            done.append((at_work + one.busy, asked))
            ends.append(at_work + one.busy)
        all_ends.append(ends)
    return all_ends


streams = st.builds(
    Stream, requests=st.integers(1, 40), beats=st.integers(1, 4), cycles_a_beat=st.integers(1, 5),
    latency=st.integers(2, 60), outstanding=st.integers(1, 9))


@LAWS
@given(streams)
def test_the_closed_form_of_a_stream_is_its_rule(one):
    assert [one.answered(r) for r in range(one.requests)] == answers([one], [0])[0]


@LAWS
@given(streams, st.integers(1, 40), st.integers(1, 5))
def test_the_next_stream_takes_as_long_as_it_would_alone(one, requests, cycles_a_beat):
    """Its requests find room among those of the last one: beginning so early costs it nothing."""
    second = replace(one, requests=requests, cycles_a_beat=cycles_a_beat)
    begin = one.next_request
    assert answers([one, second], [0, begin])[1][-1] == begin + second.cycles
    assert begin <= one.cycles and begin + second.latency >= one.cycles


@LAWS
@given(streams.filter(lambda one: one.cycles_a_beat == 1))
def test_our_port_is_the_bus_of_the_memory_model(one):
    """Two cycles more at the start: one until the first request is out, one until the last beat has been taken."""
    bus = Bus(one.latency - 1, one.outstanding, one.beats, 4)
    assert one.cycles == bus.cycles(4 * one.beats * one.requests, gap=2) + 2


def test_a_tile_by_hand():
    """16 x 16 trits are 64 bytes, 4 requests of 2 beats, each beat 32 trits for 8 lanes: 4 cycles; 3 under way."""
    tile = stream(SMALL.tile_bytes, SMALL.cycles_a_beat, SMALL)
    assert tile == Stream(requests=4, beats=2, cycles_a_beat=4, latency=6, outstanding=3)
    assert tile.cycles == 6 + 4 * 8 and tmatmul.cycles(SMALL) == tile.cycles + 16 // 4 + 1
    assert tmatmul.busy(SMALL) == tile.cycles - 4 and tmatmul.busy(replace(SMALL, double_buffer=False)) == 43


# Units.

@LAWS
@given(st.lists(numbers, min_size=16, max_size=16), st.lists(numbers, min_size=16, max_size=16), st.integers(1, 31))
def test_rows_are_what_the_formats_say(a, b, s):
    x, y = np.array(a), np.array(b)
    assert rowwise.add(x, y).tolist() == [p + q for p, q in zip(a, b, strict=True)]
    assert rowwise.sub(x, y).tolist() == [p - q for p, q in zip(a, b, strict=True)]
    assert rowwise.mul(x, y, s).tolist() == [(p * q + (1 << s - 1)) >> s for p, q in zip(a, b, strict=True)]
    assert rowwise.sig(x).tolist() == fp.sigmoid(x).tolist()
    gate, candidate = np.clip(x, 0, 1 << fp.GATE), y >> 8
    assert rowwise.mix(y, x, candidate).tolist() == fp.remember(gate, candidate, y).tolist()


@LAWS
@given(st.lists(st.integers(-(2**20), 2**20), min_size=1, max_size=70), st.integers(10, 20), st.integers(0, 2**23))
def test_a_wide_vector_is_normed_in_parts_as_in_one_piece(values, bits, w):
    x, stats = np.array(values), norm.clear(norm.RowStats(largest=99, squares=99, inverse=1, code_scale=1))
    for first in range(0, len(x), 16):
        stats = norm.accumulate(stats, np.pad(x[first:first + 16], (0, 16))[:16])
    stats = norm.finish(stats, len(x), bits)
    codes, largest = fp.codes(x)
    code_scale = fp.code_scale(largest, fp.root_mean_square(x, bits))
    assert norm.code(stats, x).tolist() == codes.tolist() and stats.code_scale == int(code_scale[0])
    sums = x >> 4
    assert norm.rescale(stats, sums, w).tolist() == fp.rescale(sums[None], code_scale[None], w)[0].tolist()


def test_sums_of_squares_and_multipliers_stop_where_their_registers_end():
    largest = np.full(4, LOW)
    stats = norm.accumulate(norm.RowStats(), largest)
    assert stats.largest == 1 << 31 and stats.squares == norm.LARGEST_SQUARES
    assert norm.accumulate(stats, largest).squares == norm.LARGEST_SQUARES
    wide_scale = norm.RowStats(code_scale=1 << 27)
    assert norm.rescale(wide_scale, np.array([1 << 12]), (1 << 31) - 1).tolist() == [(1 << 31) - 1]
    wide = norm.finish(norm.clear(norm.RowStats()), 5, 12)       # of nothing: as if the largest were 1
    assert wide.inverse == 127 << 24 and wide.code_scale == (1 << 32) // (127 * int(np.sqrt(17 << 16)))


@LAWS
@given(st.integers(0, (1 << 64) - 1))
def test_the_compiled_root_is_exact_for_64_bits(n):
    r = int(_root(np.uint64(n)))
    assert r * r <= n < (r + 1) ** 2


def test_tiles_lie_column_by_column_four_trits_a_byte():
    tile = np.zeros((4, 4), np.int8)
    tile[:, 0], tile[:, 1] = [1, 0, -1, 0], [-1, -1, -1, -1]
    packed = tmatmul.pack(tile)
    assert packed.tolist() == [1 + 16 * 3, 255, 0, 0]
    assert np.array_equal(tmatmul.unpack(packed, 4), tile)
    assert not tmatmul.unpack(np.full(4, 0b10101010, np.uint8), 4).any()     # the code 10 is no trit: it counts as zero


@LAWS
@given(st.integers(0, 10**6))
def test_tiles_survive_packing_and_multiply_low_bytes(seed):
    dice = np.random.default_rng(seed)
    trits = dice.integers(-1, 2, (2, 3, 8, 8)).astype(np.int8)
    assert np.array_equal(tmatmul.unpack(tmatmul.pack(trits), 8), trits)
    a, y = dice.integers(-1000, 1000, 8), dice.integers(-1000, 1000, 8)
    low = (a + 128) % 256 - 128
    assert np.array_equal(tmatmul.result(y, a, trits[0, 0]), y + trits[0, 0] @ low)


def test_along_a_row_takes_the_row_and_one_cycle_to_begin():
    assert rowwise.cycles(SMALL) == 5 and norm.cycles("clr", SMALL) == 1 and norm.cycles("fin", SMALL) == 229
    assert norm.cycles("acc", SMALL) == norm.cycles("code", SMALL) == norm.cycles("resc", SMALL) == 5
    assert load_store.cycles("sv", SMALL) == 9 and load_store.cycles("ldv", SMALL) == 6 + 8 + (6 + 2 - 6)


# Values: the golden simulator, and the compiled one.

def test_a_program_by_hand():
    core = TernaryCore(SMALL)
    program = assemble("""
        ldv v0,x
        add v1,v0,v0            ; twice
        mul v2,v1,v0,1          ; x · x
        sub v3,v2,v0
        sv  v3,out
        end
        sv  v0,out              ; nobody gets here
    """, INSTRUCTION_SET, core.region_bytes)
    memory = np.zeros(192, np.uint8)
    memory[:64] = load_store.store(np.arange(-8, 8))
    golden = Golden(SMALL, memory)
    golden.run(program)
    assert load_store.load(memory[64:128]).tolist() == [x * x - x for x in range(-8, 8)] and golden.saturated == 0


def test_what_does_not_fit_into_a_register_is_cut_and_counted():
    golden = Golden(SMALL, np.zeros(64, np.uint8))
    golden.registers[0, :3], golden.registers[1, :3] = [HIGH, LOW, 5], [1, -1, 6]
    golden.step(Instruction("add", {"y": 2, "a": 0, "b": 1}))
    assert golden.registers[2, :3].tolist() == [HIGH, LOW, 11] and golden.saturated == 2


def test_a_token_chooses_its_row():
    memory = np.concatenate([load_store.store(np.full(16, row)) for row in range(6)])
    program = [Instruction("ldx", {"y": 0, "@": 64, "n": 32}), Instruction("end")]
    golden, fast = Golden(SMALL, memory), CompiledCore(SMALL, memory, decode(program))
    golden.run(program, token=2)
    fast.run(2)
    assert (golden.registers[0] == 5).all() and (fast.registers[0] == 5).all()
    for core in (lambda: golden.run(program, 3), lambda: fast.run(3)):
        with pytest.raises(ValueError, match="memory"):
            core()


@pytest.mark.parametrize("seed", range(60))
def test_the_compiled_core_leaves_the_golden_numbers_whatever_the_program(seed):
    dice = np.random.default_rng(seed)
    machine = replace(SMALL, registers=5)
    program = random_program(dice, 60, machine)
    tiles = {i["@"] for i in program if OPERATIONS[i.mnemonic].unit == TMATMUL}
    program = [i for i in program if i.mnemonic != "sv" or i["@"] not in tiles]      # trits are constant
    memory, token = random_memory(dice, machine), int(dice.integers(3))
    golden, fast = Golden(machine, memory.copy()), CompiledCore(machine, memory.copy(), decode(program))
    for _ in range(2):                       # the second time registers are not zero
        golden.run(program, token)
        fast.run(token)
    assert np.array_equal(golden.registers, fast.registers) and np.array_equal(golden.memory, fast.memory)
    stats = golden.row_stats
    assert fast.row_stats.tolist() == [stats.largest, stats.squares, stats.inverse, stats.code_scale]
    assert fast.saturated == golden.saturated
    assert golden.registers.min() >= LOW and golden.registers.max() <= HIGH


@LAWS
@given(st.integers(0, 10**6), st.integers(-1, 3))
def test_programs_that_this_machine_cannot_run_are_refused_and_never_crash(seed, token):
    """Registers and addresses of any size: a sentence, from both, or the same numbers."""
    dice = np.random.default_rng(seed)
    memory = random_memory(dice, SMALL)
    ends = {"@": len(memory) + 4, "y": 9, "a": 9, "b": 9}
    program = [
        Instruction(i.mnemonic, {n: 4 * int(dice.integers(ends[n] // 4)) if n == "@" else int(dice.integers(ends[n]))
                                 if n in ends and not dice.integers(12) else v for n, v in i.operands.items()})
        for i in random_program(dice, 6, SMALL) if i.mnemonic != "sv"]
    told, left = [], []
    for make in (lambda: Golden(SMALL, memory.copy()), lambda: CompiledCore(SMALL, memory.copy(), decode(program))):
        try:
            core = make()
            core.run(program, token) if isinstance(core, Golden) else core.run(token)
            left.append(core.registers.tolist())
        except ValueError as problem:
            told.append(str(problem))
    assert len(told) == 2 or (not told and left[0] == left[1])
    assert all(len(sentence) > 20 for sentence in told)


def test_compiled_code_is_given_no_address_between_numbers():
    with pytest.raises(ValueError, match="a multiple of 4"):
        CompiledCore(SMALL, np.zeros(256, np.uint8), decode([Instruction("ldv", {"y": 0, "@": 6})]))


def test_random_programs_do_saturate():
    """Else the test above would say little."""
    lost = []
    for seed in range(20):
        dice, machine = np.random.default_rng(seed), replace(SMALL, registers=5)
        program = random_program(dice, 60, machine)
        golden = Golden(machine, random_memory(dice, machine))
        golden.run(program)
        lost.append(golden.saturated)
    assert sum(lost) > 100 and sum(one > 0 for one in lost) > 8


# Time.

@LAWS
@given(st.integers(0, 10**6), machines())
def test_the_compiled_scoreboard_gives_every_event_of_the_scoreboard_itself(seed, machine):
    program = random_program(np.random.default_rng(seed), 40, machine)
    table = decode(program)
    events, fast = run(program, TernaryCore(machine)), compiled.time(table, machine)
    assert fast.events() == events and fast.cycles == total_cycles(events) and fast.bytes == moved(events)
    assert timing.count_cycles(table, machine) == compiled.count_cycles(table, machine) == fast.cycles
    assert instructions(table) == program, "a decoded program is the program"


def test_an_empty_program_takes_no_time():
    assert compiled.time(decode([]), SMALL).cycles == total_cycles(run([], TernaryCore(SMALL))) == 0


SLOWER = {
    "read_latency": lambda m: m.read_latency + 3, "lanes": lambda m: max(1, m.lanes // 2),
    "row_lanes": lambda m: max(1, m.row_lanes // 2), "outstanding": lambda m: max(1, m.outstanding - 1),
    "double_buffer": lambda m: False,
}


@LAWS
@given(st.integers(0, 10**6), machines(), st.sampled_from(list(SLOWER)))
def test_a_slower_machine_never_finishes_anything_earlier(seed, machine, what):
    table = decode(random_program(np.random.default_rng(seed), 30, machine))
    fast, slow = (compiled.time(table, m) for m in (machine, replace(machine, **{what: SLOWER[what](machine)})))
    assert (fast.ends <= slow.ends).all() and (fast.starts <= slow.starts).all()


@LAWS
@given(st.integers(0, 10**6), machines())
def test_no_program_is_faster_than_its_bytes_its_units_or_its_longest_chain(seed, machine):
    program = random_program(np.random.default_rng(seed), 40, machine)
    fast = compiled.time(decode(program), machine)
    assert fast.cycles >= fast.bytes / machine.port_bytes                    # the roof of memory,
    assert fast.cycles >= len(program)                                       # of issuing,
    adding = sum(i.mnemonic in ("tmm", "tma") for i in program) * machine.d**2
    assert fast.cycles >= ceil(adding / machine.lanes)                       # of the lanes,
    written, chain = {}, 0
    for instruction in program:              # and what each result must wait for: the registers that it reads
        core = TernaryCore(machine).work(instruction)
        begin = max((written.get(register, 0) for register in core.registers), default=0)
        if "y" in instruction.operands:
            written[instruction["y"]] = begin + core.cycles
        chain = max(chain, begin + core.cycles)
    assert fast.cycles >= chain


@LAWS
@given(st.integers(0, 10**6), machines())
def test_registers_units_and_the_port_serve_one_at_a_time(seed, machine):
    program = random_program(np.random.default_rng(seed), 30, machine)
    core = TernaryCore(machine)
    works, events = [core.work(i) for i in program], run(program, core)
    kept = {}
    for work, event in zip(works, events, strict=True):
        early = dict(work.released)
        spans = {f"v{r}": early.get(r, work.cycles) for r in work.registers}
        spans |= {work.unit: work.unit_cycles} | ({PORT: work.port_cycles} if work.port_cycles else {})
        for what, length in spans.items():
            assert event.start >= kept.get(what, 0), (what, event)
            kept[what] = event.start + length


def test_time_knows_no_numbers():
    """Other weights, other scales, another token: the same cycles. The scoreboard is not even given the memory."""
    dice = np.random.default_rng(0)
    program = random_program(dice, 50, SMALL)
    other = [replace(i, operands={**i.operands, **{name: 7 for name in ("w", "s", "n") if name in i.operands}})
             for i in program]
    assert compiled.time(decode(program), SMALL).ends.tolist() == compiled.time(decode(other), SMALL).ends.tolist()


def test_with_two_buffers_tiles_stream_without_a_gap():
    """The cycle in which the next is issued, no more; with one buffer the latency and the copying out lie between."""
    program = assemble("".join(f"tmm v{y},v0,{y * WIDE.tile_bytes}\n" for y in range(1, 6)), INSTRUCTION_SET)
    fast = compiled.time(decode(program), WIDE)
    gaps = np.diff(fast.starts).tolist()
    assert gaps == [WIDE.d**2 // WIDE.lanes + 1] * 4
    slow = compiled.time(decode(program), replace(WIDE, double_buffer=False))
    assert np.diff(slow.starts).tolist() == [tmatmul.cycles(WIDE) + 1] * 4


@pytest.mark.parametrize("machine", [SMALL, TERNARY_CORE, WIDE], ids=["small", "preset", "wide"])
def test_who_takes_the_next_instruction_when(machine):
    """A store, and with one buffer everything, when all is done; with two a read one latency earlier, if it can."""
    single = replace(machine, double_buffer=False)
    for mnemonic in OPERATIONS:
        done, next_one = cycles(mnemonic, machine), unit_cycles(mnemonic, machine)
        assert unit_cycles(mnemonic, single) == cycles(mnemonic, single) == done
        assert (next_one < done) == (mnemonic in ("ldv", "ldx", "tmm", "tma")) or next_one == done
        if mnemonic in ("ldv", "ldx"):
            reads = stream(machine.vector_bytes, 1, machine)
            assert next_one == done - min(reads.latency, (reads.outstanding - 1) * reads.beats)
    assert cycles("sv", machine) == unit_cycles("sv", machine) == machine.vector_bytes // machine.port_bytes + 1


def test_a_unit_has_one_number_in_its_words_and_no_two_instructions_have_the_same():
    units = {(operation.unit, operation.code["unit"]) for operation in OPERATIONS.values()}
    assert len(units) == len({unit for unit, _ in units}) == len({number for _, number in units})
    words = [tuple(sorted(operation.code.items())) for operation in OPERATIONS.values()]
    assert len(set(words)) == len(words)
    for unit in {unit for unit, _ in units} - {""}:      # and within a unit they are counted from 0
        numbers = [operation.code["op"] for operation in OPERATIONS.values() if operation.unit == unit]
        assert numbers == list(range(len(numbers)))


def test_each_field_of_a_word_has_the_fewest_bits_that_hold_its_values():
    limits = {name: kind.limit for name, kind in INSTRUCTION_SET.kinds.items()}
    for name in ("unit", "op"):
        limits[name] = 1 + max(operation.code.get(name, 0) for operation in OPERATIONS.values())
    assert {name: (limit - 1).bit_length() for name, limit in limits.items()} == FIELDS
    assert LINE == TERNARY_CORE.burst_bytes, "a region begins where a burst does"


# What can be said before a program runs.

MAP = AddressMap((Region("w", 0, 64, CONSTANT), Region("h", 64, 64, MEMORY), Region("out", 128, 128, WORK)), 16)


@pytest.mark.parametrize(("text", "sentence"), [
    ("add v1,v0,v0\nend", "instruction 0, add v1,v0,v0: v0 is read, but nobody"),
    ("ldv v0,64\ntma v1,v0,0\nend", "instruction 1, .*v1 is read"), ("ldv v0,64\nmix v1,v0,v0\nend", "v1 is read"),
    ("ldv v0,64\nacc v0\nend", "needs what clr leaves"), ("clr\nfin 3,12\nend", "needs what acc leaves"),
    ("ldv v0,64\ncode v1,v0\nend", "needs what fin leaves"), ("ldv v0,64\nresc v1,v0,3\nend", "needs what fin leaves"),
    ("ldv v0,128\nend", "0x80 in out is read, but nobody"), ("ldv v0,512\nend", "do not lie in one region"),
    ("ldv v0,32\nend", "do not lie in one region"), ("ldv v0,64\nsv v0,0\nend", "w is constant"),
    ("ldv v0,64\ntmm v1,v0,64\nend", "must be constant"), ("ldv v0,130\nend", "not a multiple of 4"),
    ("ldv v9,64\nend", "register v9 is out of range"), ("ldv v0,64", "last instruction is end"), ("", "is end"),
    ("end\nldv v0,64\nend", "comes after end"), ("ldv v0,70000\nend", "address 70000 is out of range"),
])
def test_an_unsound_program_is_refused_with_the_place_and_the_reason(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        check(assemble(text, INSTRUCTION_SET), MAP, replace(SMALL, address_bits=16))


def test_a_sound_program_is_not():
    norm_and_product = "ldv v0,64\nclr\nacc v0\nfin 16,12\ncode v1,v0\ntmm v2,v1,0\ntma v2,v1,0\n"
    check(assemble(norm_and_product + "sv v2,192\nldv v3,192\nsv v3,64\nend", INSTRUCTION_SET), MAP, SMALL)


def test_regions_that_overlap_or_lie_outside_are_refused():
    with pytest.raises(ValueError, match="one and two overlap from address 0x3f on"):
        AddressMap((Region("two", 63, 10, WORK), Region("one", 0, 64, WORK)), 16)
    with pytest.raises(ValueError, match="far takes the bytes 65500 to 65564, but this machine has 65536"):
        AddressMap((Region("far", 65500, 64, WORK),), 16)
    assert MAP.size == 256 and MAP.at(192, 64).name == "out" and MAP.at(100, 64) is None
    with pytest.raises(ValueError, match="no region is called 'x'"):
        MAP.named("x")
    assert MAP.named("h").start == 64


def test_regions_are_found_in_whatever_order_they_are_given():
    mixed = AddressMap(MAP.regions[::-1], 16)
    assert mixed.regions == MAP.regions and mixed == MAP
    for region in MAP.regions:
        assert mixed.at(region.start, region.size) == region


def test_the_bytes_of_a_vector_are_bytes_and_say_the_same_numbers():
    numbers_ = np.array([LOW, HIGH, 0, -1, 127, -128])
    stored = load_store.store(numbers_)
    assert stored.dtype == np.uint8 and len(stored) == 4 * len(numbers_) and stored[12:16].tolist() == [255] * 4
    assert load_store.load(stored).tolist() == numbers_.tolist() and load_store.load(stored).dtype == np.int64


# The command line.

PROGRAM = "ldv v0,x\nclr\nacc v0\nfin 16,12\ncode v1,v0\ntmm v2,v1,w\nresc v3,v2,500000\nsig v4,v3\nsv v4,out\nend\n"


@pytest.fixture
def written(tmp_path):
    def write(text):
        (tmp_path / "program.txt").write_text(text)
        return str(tmp_path / "program.txt")
    return write


def test_time_prints_the_cycles(written, capsys):
    arguments = ["--preset", "ternary", "--d", "16", "--lanes", "8", "--row-lanes", "4", "--port-bytes", "8",
                 "--burst-bytes", "16", "--outstanding", "3", "--read-latency", "5"]
    assert main(["time", written(PROGRAM), *arguments]) == 0
    program = assemble(PROGRAM, INSTRUCTION_SET, TernaryCore(SMALL).region_bytes)
    assert int(capsys.readouterr().out) == total_cycles(run(program, TernaryCore(SMALL)))
    assert main(["time", written(PROGRAM), "--single-buffer", *arguments]) == 0


def machine_for(*arguments: str) -> Machine:
    """What the command line makes of its options."""
    return machine_of(parser("ternary").parse_args(["time", "program.txt", "--preset", "ternary", *arguments]))


@pytest.mark.parametrize("d", [4, 8, 16, 32, 64, 128, 256, 512])
def test_a_machine_of_any_width_is_the_preset_as_far_as_its_width_allows(d):
    machine = machine_for("--d", str(d))
    assert machine == replace(
        TERNARY_CORE, d=d, lanes=min(TERNARY_CORE.lanes, d), row_lanes=min(TERNARY_CORE.row_lanes, d),
        port_bytes=min(TERNARY_CORE.port_bytes, 4 * d, d * d // 4))


def test_options_of_a_machine_are_taken_and_what_they_leave_open_fits_them():
    assert machine_for() == TERNARY_CORE
    assert machine_for("--single-buffer") == replace(TERNARY_CORE, double_buffer=False)
    for name in ("registers", "outstanding", "read_latency"):
        assert machine_for(f"--{name.replace('_', '-')}", "5") == replace(TERNARY_CORE, **{name: 5})
    assert machine_for("--burst-bytes", "8") == replace(TERNARY_CORE, burst_bytes=8, port_bytes=8)
    wide = 2 * TERNARY_CORE.burst_bytes
    assert machine_for("--port-bytes", str(wide)) == replace(TERNARY_CORE, port_bytes=wide, burst_bytes=wide)


def test_run_prints_numbers_that_follow_from_the_seed(written, capsys):
    shown = []
    for seed in ("1", "1", "2"):
        assert main(["run", written(PROGRAM), "--preset", "ternary", "--d", "16", "--seed", seed]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1] != shown[2] and "memory written\n  out " in shown[0]
    assert "drawn at random, seed 1: x, w" in shown[0] and "did not fit into 32 bits: 0" in shown[0]


def test_what_is_drawn_are_trits_for_the_lanes_and_activations_from_minus_4_to_4_and_nothing_for_results():
    regions = AddressMap((Region("w", 0, 64, CONSTANT), Region("x", 64, 4096, MEMORY), Region("y", 4160, 64, WORK)), 16)
    memory = drawn_memory(regions, 16, 0)
    assert set(tmatmul.unpack(memory[:64], 16).ravel().tolist()) == {-1, 0, 1}
    activations = load_store.load(memory[64:4160])
    assert -4 << 12 <= activations.min() < -3 << 12 and 3 << 12 < activations.max() <= 4 << 12
    assert not memory[4160:].any() and (memory != drawn_memory(regions, 16, 1)).any()
    with pytest.raises(ValueError, match="a seed is a number from zero up, not -1"):
        drawn_memory(regions, 16, -1)


def test_where_nothing_is_drawn_nothing_is_said_to_be(written, capsys):
    assert main(["run", written("clr\nend"), "--preset", "ternary"]) == 0
    assert "drawn" not in capsys.readouterr().out


@pytest.mark.parametrize(("values", "said"), [
    ([], ""), ([1, -2], "1 -2"), (list(range(16)), " ".join(map(str, range(16)))),
    (list(range(17)), " ".join(map(str, range(16))) + " ... 17 in all"),
])
def test_a_long_vector_is_shown_by_its_beginning_and_its_length(values, said):
    assert in_one_line(values) == said


def test_run_prints_every_register_that_was_written_in_order_and_the_same_as_json(written, capsys):
    arguments = ["run", written("ldv v3,x\nadd v1,v3,v3\nsv v1,out\nend"), "--preset", "ternary", "--d", "16"]
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["registers"]) == ["v1", "v3"] and list(told["memory"]) == ["out"] and told["random"] == ["x"]
    assert told["memory"]["out"] == told["registers"]["v1"] == [2 * x for x in told["registers"]["v3"]]
    assert (told["seed"], told["saturated"], len(told["memory"]["out"])) == (0, 0, 16)
    assert main(arguments) == 0
    lines = capsys.readouterr().out.split("\n")
    assert [line.split()[0] for line in lines[1:-2]] == ["registers", "v1", "v3", "memory", "out"]
    assert lines[2].split()[1:] == list(map(str, told["registers"]["v1"]))


@pytest.mark.parametrize(("text", "options", "sentence"), [
    (PROGRAM, ["--lanes", "0"], "lanes must be a power of two"),
    ("add v1,v0,v0\nend", [], "line 1, add v1,v0,v0: v0 is read"),
    ("ldv v0,0\nldv v1,4\nend", [], "overlap"), ("ldv v0,x", [], "is end"), ("; nothing", [], "holds no instruction"),
    ("ldv v0,x\nadd v0,v0,v8\nend", [], "line 2, column 11: register v8 is out of range"),
    ("foo v1", [], "line 1, column 1: 'foo' is no instruction"), (PROGRAM, ["--address-bits", "8"], "no room is left"),
])
def test_what_is_wrong_is_said_in_one_sentence(written, capsys, text, options, sentence):
    assert main(["time", written(text), "--preset", "ternary", *options]) == 1
    told = capsys.readouterr()
    assert sentence in told.err and told.out == "" and len(told.err.splitlines()) == 1
