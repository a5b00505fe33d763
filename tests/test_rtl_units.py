"""Each part of the circuit against the arithmetic that it stands for, bit for bit, and against its law of cycles."""

from itertools import product
from math import isqrt
from random import Random

import numpy as np
import pytest
from amaranth.sim import Simulator

from hardware_sim.isa import Instruction
from hardware_sim.rtl.adder import Adder
from hardware_sim.rtl.cosim import Circuit
from hardware_sim.rtl.divider import DIVIDEND, DIVISOR, Divider
from hardware_sim.rtl.finish import Finish
from hardware_sim.rtl.lane import TernaryLane
from hardware_sim.rtl.memory import FixedLatencyMemory, Request
from hardware_sim.rtl.norm import NormLane
from hardware_sim.rtl.root import Root
from hardware_sim.rtl.rowwise import RowLane
from hardware_sim.rtl.sigmoid import Sigmoid
from hardware_sim.rtl.stream import Stream
from hardware_sim.rtl.timer import Timer
from hardware_sim.rtl.walk import Walk
from hardware_sim.ternary_core.cost_table import cycles
from hardware_sim.ternary_core.isa import INSTRUCTION_SET, OPERATIONS
from hardware_sim.ternary_core.machine import Machine
from hardware_sim.ternary_core.read_stream import stream
from hardware_sim.ternary_core.units import norm, rowwise
from mmf_teach.ternary import fixed_point as fp

LOW, HIGH = -(1 << 31), (1 << 31) - 1
EDGES = [0, 1, -1, 127, -128, 2047, 2048, -2048, 32767, 32768, 32769, -32768, -32769, 1 << 24, HIGH, LOW, LOW + 1]


def numbers(seed: int, count: int) -> list[int]:
    """Numbers of 32 bits: small ones as often as large ones."""
    random = Random(seed)
    return [random.randrange(-(1 << bits), 1 << bits) for bits in random.choices(range(1, 32), k=count)]


def simulate(component, bench) -> None:
    """Run a testbench on a component with a clock."""
    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def outputs(component, cases: list[dict[str, int]], name: str) -> list[int]:
    """What a component without memory makes of each case."""
    found = []

    async def bench(sim):
        for case in cases:
            for port, value in case.items():
                signal = getattr(component, port)
                sim.set(signal.as_value() if port == "word" else signal, value)
            found.append(sim.get(getattr(component, name)))
            await sim.delay(1e-9)

    simulator = Simulator(component)
    simulator.add_testbench(bench)
    simulator.run()
    return found


def saturated(values: np.ndarray) -> list[int]:
    return np.clip(values, LOW, HIGH).tolist()


def word(mnemonic: str, **operands: int) -> int:
    whole = {name: 1 for name in OPERATIONS[mnemonic].names} | operands
    return INSTRUCTION_SET.encode(Instruction(mnemonic, whole))


def test_a_lane_adds_subtracts_or_leaves_the_sum_alone():
    cases = [
        {"sum": total, "code": code, "trit": trit}
        for total, code, trit in product((0, 5, -1920, 1920), (0, 1, -1, 127, -128), range(4))
    ]
    want = [case["sum"] + (0, 1, 0, -1)[case["trit"]] * case["code"] for case in cases]
    assert outputs(TernaryLane(16), cases, "total") == want


def test_the_sigmoid_is_that_of_the_integer_model():
    z = np.array([*EDGES, *range(-33_000, 33_000, 61), *numbers(1, 200)])
    assert outputs(Sigmoid(), [{"z": value} for value in z.tolist()], "gate") == fp.sigmoid(z).tolist()


@pytest.mark.parametrize("mnemonic", ["add", "sub"])
def test_sums_and_differences_saturate(mnemonic):
    a, b = np.array(list(product(EDGES, EDGES))).T
    cases = [{"word": word(mnemonic), "a": x, "b": y} for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert outputs(RowLane(), cases, "result") == saturated(getattr(rowwise, mnemonic)(a, b))


@pytest.mark.parametrize("s", [1, 8, 15, 31])
def test_products_are_rounded_and_saturate(s):
    a, b = np.array([*product(EDGES, EDGES), *zip(numbers(2, 200), numbers(3, 200), strict=True)]).T
    cases = [{"word": word("mul", s=s), "a": x, "b": y} for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert outputs(RowLane(), cases, "result") == saturated(rowwise.mul(a, b, s))


def test_memories_mix_with_gates_of_any_size():
    a, b, y = np.array([
        *product((-1, 0, 1, 16384, 32767, 32768, 40000), EDGES, (0, 5, HIGH, LOW)),
        *zip(np.abs(numbers(4, 200)) % 32769, numbers(5, 200), numbers(6, 200), strict=True),
    ]).T
    cases = [{"word": word("mix"), "y": h, "a": f, "b": c} for h, f, c in np.stack([y, a, b], axis=1).tolist()]
    assert outputs(RowLane(), cases, "result") == saturated(rowwise.mix(y, a, b))
    gates = (a >= 0) & (a <= 1 << fp.GATE)
    assert (rowwise.mix(y, a, b) == fp.remember(a, b, y))[gates].all()


def test_the_sigmoid_goes_through_the_row_lane():
    assert outputs(RowLane(), [{"word": word("sig"), "a": a} for a in EDGES], "result") == fp.sigmoid(
        np.array(EDGES)).tolist()


@pytest.mark.parametrize("largest", [1, 5, 127, 4096, HIGH])
def test_codes_are_those_of_the_integer_model(largest):
    a = np.array([value for value in [*EDGES, *numbers(7, 300)] if abs(value) <= largest] + [largest])
    codes, found = fp.codes(a)
    inverse = int((fp.LARGEST_CODE << fp.INVERSE) // found[0])
    cases = [{"word": word("code"), "a": value, "inverse": inverse} for value in a.tolist()]
    assert outputs(NormLane(), cases, "result") == codes.tolist()


def test_codes_of_what_was_not_accumulated_stop_at_127():
    cases = [{"word": word("code"), "a": value, "inverse": 127 << 24} for value in EDGES]
    want = norm.code(norm.RowStats(inverse=127 << 24), np.array(EDGES)).tolist()
    assert outputs(NormLane(), cases, "result") == want
    assert max(want) == 127 and min(want) == -127


@pytest.mark.parametrize("multiplier", [0, 1, 12345, HIGH])
def test_sums_are_rescaled_as_the_integer_model_does(multiplier):
    a = np.array([*EDGES, *numbers(8, 200)])
    cases = [{"word": word("resc"), "a": value, "multiplier": multiplier} for value in a.tolist()]
    assert outputs(NormLane(), cases, "result") == saturated(fp.shift(a * multiplier, 12))


def test_magnitudes_and_squares_are_exact_to_the_last_bit():
    cases = [{"word": word("acc"), "a": value} for value in EDGES]
    assert outputs(NormLane(), cases, "magnitude") == [abs(value) for value in EDGES]
    assert outputs(NormLane(), cases, "square") == [value * value for value in EDGES]


def steps(component, cases: list[dict[str, int]], names: tuple[str, ...]) -> list[tuple[list[int], int]]:
    """For each case what comes out, and for how many cycles after its start the component is busy."""
    found = []

    async def bench(sim):
        for case in cases:
            for port, value in (case | {"start": 1}).items():
                sim.set(getattr(component, port), value)
            await sim.tick()
            sim.set(component.start, 0)
            count = 0
            while sim.get(component.busy):
                await sim.tick()
                count += 1
            found.append(([sim.get(getattr(component, name)) for name in names], count))

    simulate(component, bench)
    return found


def test_a_division_is_exact_and_takes_64_cycles_whatever_the_numbers():
    random = Random(9)
    cases = [(0, 1), (1, 1), (5, 7), ((1 << DIVIDEND) - 1, 1), ((1 << DIVIDEND) - 1, (1 << DIVISOR) - 1), (1 << 63, 3)]
    cases += [(random.getrandbits(random.randint(1, 64)), random.getrandbits(random.randint(1, 48)) | 1)
              for _ in range(12)]
    found = steps(Divider(), [{"dividend": a, "divisor": b} for a, b in cases], ("quotient",))
    assert found == [([a // b], 64) for a, b in cases]
    by_nothing = steps(Divider(), [{"dividend": 5, "divisor": 0}], ("quotient",))
    assert by_nothing == [([(1 << DIVIDEND) - 1], 64)]


def test_a_root_is_exact_and_takes_32_cycles_whatever_the_number():
    random = Random(10)
    cases = [0, 1, 2, 3, 4, (1 << 64) - 1, (1 << 62) - 1, ((1 << 32) - 1) ** 2, ((1 << 32) - 1) ** 2 - 1]
    cases += [random.getrandbits(random.randint(1, 64)) for _ in range(16)]
    found = steps(Root(), [{"radicand": n} for n in cases], ("root",))
    assert found == [([isqrt(n)], 32) for n in cases]


@pytest.mark.parametrize("bits", [10, fp.ACTIVATION, fp.MEMORY, 20])
def test_inverse_and_code_scale_are_those_of_the_integer_model(bits):
    vectors = [[0, 0], [1], [LOW] * 3, [3, -4, 5], numbers(bits, 9), [value % 4096 for value in numbers(bits + 1, 16)]]
    cases, want = [], []
    for vector in vectors:
        x = np.array(vector)
        largest, squares = int(np.abs(x).max()), sum(value * value for value in vector)
        rms = fp.root_mean_square(x, bits) if squares < 1 << 63 else None
        stats = norm.finish(norm.RowStats(largest, min(squares, norm.LARGEST_SQUARES)), len(vector), bits)
        if rms is not None:
            assert stats.code_scale == fp.code_scale(np.array([max(largest, 1)]), rms)[0]
        cases.append({"largest": largest, "squares": min(squares, (1 << 63) - 1), "n": len(vector), "bits": bits})
        want.append(([stats.inverse, stats.code_scale], norm.FIN_CYCLES))
    assert steps(Finish(), cases, ("inverse", "code_scale")) == want


@pytest.mark.parametrize(("squares", "n"), [((1 << 63) - 1, 1), ((1 << 63) - 1, 2), ((1 << 62) + 5, 1), (1 << 46, 1)])
def test_the_largest_sums_of_squares_have_exact_roots(squares, n):
    bits = fp.MEMORY
    mean = squares // n + int(fp.to_fixed(fp.SMALLEST_SQUARE, 2 * bits))
    rms = isqrt(mean << 16) if mean < 1 << 46 else isqrt(mean) << 8
    case = {"largest": 1 << 31, "squares": squares, "n": n, "bits": bits}
    want = [(127 << 24) >> 31, (1 << 63) // (127 * rms)]
    assert steps(Finish(), [case], ("inverse", "code_scale")) == [(want, 229)]
    stats = norm.finish(norm.RowStats(1 << 31, squares), n, bits)
    assert [stats.inverse, stats.code_scale] == want


@pytest.mark.parametrize("slices", [1, 2, 8])
def test_a_walk_reads_a_slice_and_writes_it_in_the_next_cycle(slices):
    walk, drawn = Walk(slices), []

    async def bench(sim):
        for cycle in range(2 * slices + 6):
            sim.set(walk.start, cycle in (0, slices + 2))
            names = [walk.busy, walk.read, walk.writes, walk.written, walk.done]
            drawn.append([sim.get(name) for name in names])
            await sim.tick()

    simulate(walk, bench)
    for begin in (1, slices + 3):
        walked = drawn[begin:begin + slices + 1]
        assert [busy for busy, *_ in walked] == [1] * (slices + 1) and not drawn[begin + slices + 1][0]
        assert [read for _, read, *_ in walked[:-1]] == list(range(slices))
        assert [written for _, _, writes, written, _ in walked if writes] == list(range(slices))
        assert [done for *_, done in walked] == [0] * slices + [1]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_timer_is_ready_after_as_many_cycles(count):
    timer, drawn = Timer(count), []

    async def bench(sim):
        for cycle in range(count + 4):
            sim.set(timer.start, cycle == 1)
            drawn.append(sim.get(timer.ready))
            await sim.tick()

    simulate(timer, bench)
    assert drawn == [1, 1] + [0] * count + [1, 1]


STREAMS = [
    (4, 4, 1, 1), (4, 4, 1, 7), (4, 4, 3, 1), (4, 4, 3, 9), (4, 16, 1, 5), (4, 16, 3, 24), (8, 8, 9, 12), (8, 32, 2, 3),
    (16, 64, 1, 2), (64, 256, 2, 4),
]


@pytest.mark.parametrize(("port", "burst", "outstanding", "latency"), STREAMS)
@pytest.mark.parametrize("turns", [1, 4])
def test_a_stream_is_read_in_order_and_in_the_cycles_of_its_law(port, burst, outstanding, latency, turns):
    """The reader works for so many turns on every beat."""
    machine = Machine(d=16, lanes=1, row_lanes=1, port_bytes=port, burst_bytes=burst, outstanding=outstanding,
                      read_latency=latency)
    held = np.arange(256, dtype=np.uint8)
    one, memory, beats, ends = Stream(machine, machine.vector_bytes), FixedLatencyMemory(machine, held), [], []

    async def bench(sim):
        sim.set(one.start, 1)
        sim.set(one.address, 64)
        await sim.tick()
        sim.set(one.start, 0)
        turn = 0
        for cycle in range(2_000):
            turn = turn + sim.get(one.valid)
            ready = sim.get(one.valid) and turn == turns
            sim.set(one.ready, ready)
            if ready:
                beats.append(sim.get(one.beat).to_bytes(machine.port_bytes, "little"))
                ends.append(cycle + 1)
                turn = 0
            wires = map(sim.get, (one.port.request, one.port.address, one.port.beats))
            response = memory.after(Request(*wires, 0, 0, 0, 0))
            await sim.tick()
            sim.set(one.port.response, response.valid)
            sim.set(one.port.data, response.data)

    simulate(one, bench)
    law = stream(machine.vector_bytes, turns, machine)
    beats_of_one = one.beats
    assert b"".join(beats) == held[64:128].tobytes()
    assert ends[beats_of_one - 1::beats_of_one] == [law.answered(request) for request in range(law.requests)]
    assert ends[-1] == law.cycles


@pytest.mark.parametrize(
    ("d", "lanes", "row_lanes", "port"), [(4, 1, 4, 4), (4, 4, 1, 4), (8, 2, 4, 4), (16, 16, 2, 8)])
def test_sums_begin_at_zero_and_the_banks_take_turns(d, lanes, row_lanes, port):
    """Three matrices one after the other, with beats that come now and then."""
    random, machine = Random(11), Machine(d=d, lanes=lanes, row_lanes=row_lanes, port_bytes=port, burst_bytes=64)
    adder, sums, want = Adder(machine), [], []
    matrices = [np.array(random.choices((-1, 0, 1), k=d * d)).reshape(d, d) for _ in range(3)]
    inputs = [np.array([random.randrange(-128, 128) for _ in range(d)]) for _ in range(3)]

    async def bench(sim):
        for number, (trits, a) in enumerate(zip(matrices, inputs, strict=True)):
            bank, slices = number % 2, d // row_lanes
            sim.set(adder.code_write, 1)
            for place in range(slices):
                sim.set(adder.code_place, bank * slices + place)
                sim.set(adder.codes, a[place * row_lanes:][:row_lanes].tolist())
                await sim.tick()
            sim.set(adder.code_write, 0)
            bits = sum(int(code & 3) << 2 * place for place, code in enumerate(trits.T.ravel()))
            for beat in range(d * d // 4 // port):
                sim.set(adder.beat, bits >> 8 * port * beat & (1 << 8 * port) - 1)
                taken = 0
                while not taken:
                    sim.set(adder.valid, random.random() < 0.7)
                    taken = sim.get(adder.ready)
                    await sim.tick()
            sim.set(adder.valid, 0)
            read = []
            for place in range(slices):
                sim.set(adder.sum_place, bank * slices + place)
                read += list(sim.get(adder.sums))
                await sim.tick()
            sums.append(read)
            want.append((trits @ a).tolist())

    simulate(adder, bench)
    assert sums == want


@pytest.mark.parametrize("sizes", [
    (1, 1, 4, 4, 1, 1, False), (4, 4, 16, 32, 2, 9, True), (16, 16, 64, 64, 1, 24, False), (16, 2, 4, 16, 8, 3, True)])
def test_every_instruction_takes_the_cycles_of_its_law(sizes):
    names = ("lanes", "row_lanes", "port_bytes", "burst_bytes", "outstanding", "read_latency", "double_buffer")
    machine = Machine(d=16, registers=4, **dict(zip(names, sizes, strict=True)))
    circuit, memory = Circuit(machine), np.zeros(1024, np.uint8)
    mnemonics = [mnemonic for mnemonic in OPERATIONS if mnemonic != "end"]
    program = [
        Instruction(mnemonic, {name: {"bits": 12, "@": 64}.get(name, 1) for name in OPERATIONS[mnemonic].names})
        for mnemonic in mnemonics
    ]
    times = circuit.run([*program, Instruction("end")], memory).times
    assert {name: end - start for name, (start, end) in zip(mnemonics, times, strict=False)} == {
        name: cycles(name, machine) for name in mnemonics}
