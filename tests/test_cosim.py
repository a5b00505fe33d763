"""Circuit and model, side by side: values and the cycle of every event, also where the circuit is broken on purpose."""

import os
from dataclasses import replace
from functools import cache
from itertools import islice
from random import Random

import numpy as np
import pytest
from amaranth import Value

from hardware_sim.assembler import assemble
from hardware_sim.isa import Instruction
from hardware_sim.rtl import __main__ as command, cosim, load_store, norm, random_programs, rowwise, tmatmul, verilated
from hardware_sim.rtl.adder import Adder
from hardware_sim.rtl.cosim import Circuit, on_model
from hardware_sim.rtl.memory import FixedLatencyMemory, Request
from hardware_sim.rtl.timer import Timer
from hardware_sim.rtl.walk import Walk
from hardware_sim.ternary_core.image import empty
from hardware_sim.ternary_core.isa import INSTRUCTION_SET
from hardware_sim.ternary_core.lowering import lower
from hardware_sim.ternary_core.machine import Machine
from mmf_teach.model.config import ModelConfig

TOY = dict(d=16, registers=4, lanes=8, row_lanes=4, port_bytes=8, burst_bytes=16, outstanding=3, read_latency=5)
HEADER = """
    ldv v0,0
    ldv v1,64
    ldv v2,128
"""
DIRECTED = {
    "each reads what the last one wrote":
        "add v1,v0,v0 / mul v2,v1,v1,12 / sig v3,v2 / mix v3,v3,v1 / sv v3,0 / ldv v0,0",
    "each writes what the last one reads":
        "sv v0,192 / ldv v0,64 / add v1,v0,v2 / ldv v2,0 / sub v0,v2,v1 / sig v1,v2",
    "one register for everything":
        "add v1,v1,v1 / mul v1,v1,v1,8 / sig v1,v1 / mix v1,v1,v1 / tma v1,v1,512 / code v1,v1",
    "tiles one after the other":
        "tmm v1,v0,512 / tma v2,v0,576 / tmm v3,v0,640 / tma v1,v0,512 / tma v1,v1,640",
    "a tile's input is changed behind it":
        "tmm v1,v0,512 / sig v0,v0 / tmm v2,v0,576 / ldv v0,64 / tma v2,v0,640",
    "loads on the heels of tiles":
        "tmm v1,v0,512 / ldv v0,64 / ldv v2,128 / tmm v3,v2,576 / ldx v2,0,16 / ldv v0,0",
    "a tile is written over behind the lanes":
        "tmm v1,v0,512 / sv v2,512 / tmm v3,v0,512 / sv v1,576 / tma v3,v0,576",
    "loads and stores take turns":
        "sv v0,192 / ldv v1,192 / sv v1,256 / ldv v2,256 / ldv v3,192 / sv v2,0 / ldx v0,64,16",
    "two wide vectors in turn":
        "clr / acc v0 / acc v1 / fin 32,12 / code v2,v0 / clr / acc v1 / fin 16,16 / code v3,v1 / tmm v1,v2,512 / "
        "resc v1,v1,99999 / tma v1,v3,512 / resc v0,v1,1048576",
    "numbers at the edges":
        "ldv v0,448 / mul v1,v1,v2,31 / clr / acc v0 / fin 65535,10 / resc v1,v1,2147483647 / acc v0 / fin 1,20 / "
        "code v2,v0 / resc v3,v0,2147483647 / mul v2,v0,v0,1 / sub v0,v2,v0 / tma v0,v3,512",
    "nothing but the end": "",
    "the norm unit without a vector": "clr / fin 1,10 / resc v0,v0,1 / fin 7,12 / code v1,v0",
}


def machine(**sizes: int | bool) -> Machine:
    return Machine(**TOY | sizes)


@cache
def circuit(one: Machine) -> Circuit:
    return Circuit(one)


def program(text: str) -> list[Instruction]:
    return list(assemble("\n".join([HEADER, *text.split("/"), "end"]), INSTRUCTION_SET))


def toy_memory(seed: int) -> np.ndarray:
    """Eight vectors and four tiles."""
    random = np.random.default_rng(seed)
    vectors = random.integers(-200_000, 200_000, 128).astype("<i4")
    vectors[-16:-14] = -1 << 31              # in the vector at 448
    return np.concatenate([vectors.view(np.uint8), random.integers(0, 256, 256, np.uint8)])


def differences(one: Circuit, lines: list[Instruction], memory: np.ndarray, token: int = 0) -> list[str]:
    return one.run(lines, memory, token).differences(on_model(one.machine, lines, memory, token))


@pytest.mark.parametrize("double_buffer", [False, True], ids=["single", "double"])
@pytest.mark.parametrize("text", DIRECTED.values(), ids=DIRECTED)
def test_circuit_and_model_agree_where_instructions_meet(text, double_buffer):
    assert differences(circuit(machine(double_buffer=double_buffer)), program(text), toy_memory(1), token=2) == []


@pytest.mark.parametrize(("width", "machines", "each", "length"), [
    (16, 4, 3, 12),
    *(pytest.param(*sizes, marks=pytest.mark.slow) for sizes in [(16, 10, 6, 12), (32, 3, 5, 12), (64, 2, 2, 12)]),
])
def test_circuit_and_model_agree_on_random_programs(width, machines, each, length):
    """More machines, and wider ones, ask the same question again: they are slow."""
    random, cycles, found = Random(width), 0, []
    for one in islice(random_programs.machines(width, seed=width), machines):
        built = Circuit(one)
        for _ in range(each):
            memory, lines = random_programs.memory(one, random), random_programs.program(one, random, length)
            seen = built.run(lines, memory, token=1)
            cycles += seen.cycles
            found += [f"{one}: {said}" for said in seen.differences(on_model(one, lines, memory, token=1))]
    print(f"{machines * each} programs of width {width}, {cycles:,} cycles")
    assert found == []


def test_a_whole_model_of_one_block_runs_on_the_circuit():
    """Every map of a MatMul-free block, norms, gates, recurrence, embedding and scores; weights from chance."""
    one, random = machine(registers=8, double_buffer=True), np.random.default_rng(3)
    lowered = lower(ModelConfig("matmul_free", vocab=16, width=16, blocks=1, inner_width=32), one, lambda name: 1 << 20)
    memory = empty(lowered.map.regions)
    for region in lowered.layout.trits.values():
        memory[region.start:region.end] = random.integers(0, 256, region.size)
    for region in (lowered.layout.embedding, lowered.layout.memories, *lowered.layout.bias.values()):
        numbers = random.integers(-20_000, 20_000, region.size // 4).astype("<i4")
        memory[region.start:region.end] = numbers.view(np.uint8)
    lines = list(lowered.program)
    assert differences(circuit(one), lines, memory, token=5) == []
    scores = on_model(one, lines, memory, token=5).memory[lowered.layout.scores.start:lowered.layout.scores.end]
    assert len(set(scores.view("<i4").tolist())) > 8, "the scores say something"


def test_time_on_the_circuit_does_not_depend_on_data():
    lines, one = program(DIRECTED["two wide vectors in turn"]), circuit(machine(double_buffer=True))
    times = {tuple(one.run(lines, memory).times) for memory in (toy_memory(1), toy_memory(2), np.zeros(768, np.uint8))}
    assert len(times) == 1


class ClearsOnOutput0(Adder):
    """As published in 2024: the sum is cleared with the first output, not with the first input."""

    def begins(self, block, number):
        return block == 0


class CopiesFromNowhere(Adder):
    """As published in 2024: while the sums are copied out, nobody drives their address."""

    def copy(self, m, port):
        m.d.comb += Value.cast(self.sums).eq(port.data)          # address 0: the first slice, again and again


class LongWalk(Walk):
    """One cycle too many."""

    def __init__(self, slices):
        super().__init__(slices)
        self.slices += 1


class EarlyTimer(Timer):
    """One cycle too few."""

    def __init__(self, cycles):
        super().__init__(cycles - 1)


class LateTimer(Timer):
    """One cycle too many."""

    def __init__(self, cycles):
        super().__init__(cycles + 1)


class SlowMemory(FixedLatencyMemory):
    """Answers one cycle later than it says."""

    def __init__(self, machine, held):
        super().__init__(machine, held)
        self.latency += 1


BROKEN = {
    "sums cleared on output 0": (tmatmul, "Adder", ClearsOnOutput0, "tiles one after the other"),
    "sums copied from no address": (tmatmul, "Adder", CopiesFromNowhere, "tiles one after the other"),
    "tiles a cycle early": (tmatmul, "Timer", EarlyTimer, "tiles one after the other"),
    "tiles a cycle late": (tmatmul, "Timer", LateTimer, "tiles one after the other"),
    "loads a cycle early": (load_store, "Timer", EarlyTimer, "loads on the heels of tiles"),
    "loads a cycle late": (load_store, "Timer", LateTimer, "loads on the heels of tiles"),
    "stores a cycle long": (load_store, "Walk", LongWalk, "loads and stores take turns"),
    "sums a cycle long": (rowwise, "Walk", LongWalk, "each reads what the last one wrote"),
    "codes a cycle long": (norm, "Walk", LongWalk, "two wide vectors in turn"),
    "a memory that answers a cycle late": (cosim, "FixedLatencyMemory", SlowMemory, "loads and stores take turns"),
}


@pytest.mark.parametrize(("module", "name", "broken", "text"), BROKEN.values(), ids=BROKEN)
def test_a_broken_circuit_is_seen(module, name, broken, text, monkeypatch):
    """Two bugs of published hardware and latencies that are off by one; unbroken, the same program shows nothing."""
    one = machine(double_buffer=True)
    assert differences(circuit(one), program(DIRECTED[text]), toy_memory(1)) == []
    monkeypatch.setattr(module, name, broken)
    assert differences(Circuit(one), program(DIRECTED[text]), toy_memory(1)) != []


def test_every_kind_of_difference_is_told():
    one, lines, memory = machine(), program("clr / acc v0 / fin 16,12"), toy_memory(1)
    seen = on_model(one, lines, memory)
    assert seen.differences(on_model(one, lines, memory)) == []
    others = {
        "registers": seen.registers + (np.arange(16) == 3), "norm": seen.norm | {"code_scale": 0},
        "memory": seen.memory ^ (np.arange(768) == 5).astype(np.uint8), "times": [(1, 2), *seen.times[1:]],
        "cycles": seen.cycles + 1,
    }
    said = {name: seen.differences(replace(seen, **{name: value})) for name, value in others.items()}
    assert {name: len(found) for name, found in said.items()} == {
        "registers": 4, "norm": 1, "memory": 1, "times": 1, "cycles": 1}
    assert said["times"] == ["instruction 0: (1, 17) here, (1, 2) there"]
    assert len(seen.differences(replace(seen, times=seen.times[:-1]))) == 1


def test_a_program_that_does_not_end_is_given_up(monkeypatch):
    monkeypatch.setattr(cosim, "LONGEST", 20)
    with pytest.raises(TimeoutError, match="not ended after 20 cycles"):
        Circuit(machine()).run(program(""), toy_memory(1))


def test_what_the_circuit_has_no_room_for_is_refused():
    one = circuit(machine())
    lines = [Instruction("clr")] * one.core.words
    with pytest.raises(ValueError, match="257 instructions, but this core keeps 256"):
        one.run([*lines, Instruction("end")], toy_memory(1))
    with pytest.raises(ValueError, match="token 65536 does not fit"):
        one.run(program(""), toy_memory(1), token=1 << 16)
    with pytest.raises(ValueError, match="asks for the bytes 0x300 to 0x308 of 0x300"):
        Circuit(machine()).run(program("ldv v0,768"), toy_memory(1))
    with pytest.raises(ValueError, match="asks for the bytes 0x300 to 0x308 of 0x300"):
        Circuit(machine()).run(program("sv v0,744"), toy_memory(1))


def test_memory_answers_in_order_a_beat_a_cycle():
    one = machine(read_latency=2)
    memory, idle = FixedLatencyMemory(one, np.arange(32, dtype=np.uint8)), Request(*[0] * 7)
    requests = [Request(1, 16, 2, 1, 1, 16, 255), Request(1, 0, 1, 0, 0, 0, 0), *[idle] * 4]
    responses = [memory.after(wires) for wires in requests]
    assert [(one.valid, one.tag) for one in responses] == [(0, 0), (1, 1), (1, 1), (1, 0), (0, 0), (0, 0)]
    assert [one.data & 255 for one in responses[1:4]] == [255, 24, 0], "what is written in the same cycle is read"


def test_the_command_says_what_differs(capsys, monkeypatch):
    assert command.main(["--machines", "1", "--programs", "1"]) == 0
    assert "no difference" in capsys.readouterr().out
    monkeypatch.setattr(cosim, "FixedLatencyMemory", SlowMemory)
    assert command.main(["--machines", "1", "--programs", "1"]) == 1
    assert "1 of them with a difference" in capsys.readouterr().out
    monkeypatch.setattr(verilated, "which", lambda tool: None)
    for nonsense in (["--machines", "0"], ["--shipped", "0"], ["--shipped", "1"]):
        with pytest.raises(SystemExit, match="2"):
            command.main(nonsense)
    assert "not installed here: yosys, verilator" in capsys.readouterr().err


def test_a_core_512_wide_agrees_under_verilator(tmp_path):
    """Registers are compared through memory: the program ends by storing them all.

    Nearly all the time goes into compiling, and a core of 32 would take as long.
    """
    if verilated.missing_tools():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have {' and '.join(verilated.missing_tools())}")
        pytest.skip(f"{' and '.join(verilated.missing_tools())} not installed")
    one, random = Machine(d=512, registers=4, lanes=32, row_lanes=4), Random(512)
    memory = np.concatenate([random_programs.memory(one, random), np.zeros(one.registers * one.vector_bytes, np.uint8)])
    end = len(memory) - one.registers * one.vector_bytes
    stores = [Instruction("sv", {"a": n, "@": end + n * one.vector_bytes}) for n in range(one.registers)]
    *lines, last = random_programs.program(one, random, 60)
    lines = [*lines, *stores, last]
    assert {"tmm", "tma", "mul", "sig", "mix", "fin", "code", "resc", "ldx"} <= {line.mnemonic for line in lines}
    seen = verilated.run(verilated.build(one, tmp_path), one, lines, memory, token=3)
    assert seen.differences(on_model(one, lines, memory, token=3)) == []
