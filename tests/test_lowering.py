"""Lowering: any MatMul-free model in the paper's form becomes a program that leaves the integer model's numbers."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from fixtures.engine_loss import engine_loss_nats
from hypothesis import given, settings, strategies as st
from test_engine import random_model

from hardware_sim.isa import Instruction
from hardware_sim.ternary_core import timing
from hardware_sim.ternary_core.allocate import Allocation, Line
from hardware_sim.ternary_core.check import check
from hardware_sim.ternary_core.checkpoint import read_model
from hardware_sim.ternary_core.decode import decode
from hardware_sim.ternary_core.golden import Golden
from hardware_sim.ternary_core.isa import INSTRUCTION_SET, OPERATIONS
from hardware_sim.ternary_core.layout import HEAD, MAPS, names, shape_of
from hardware_sim.ternary_core.lowering import lower
from hardware_sim.ternary_core.lowering_reference import tiles_of
from hardware_sim.ternary_core.machine import TERNARY_CORE, WIDE, Machine
from hardware_sim.ternary_core.model import ModelSizes, sizes_of
from hardware_sim.ternary_core.units import load_store, tmatmul
from hardware_sim.ternary_core.weights import in_tiles, lower_model, maps_of
from mmf_teach.cost.sizes import sizes
from mmf_teach.engine.ternary_core import scoreboard as compiled
from mmf_teach.engine.ternary_core.values import CompiledCore
from mmf_teach.model.checkpoint import load_model
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.integer import integer_model
from mmf_teach.paths import DATA, SHIPPED_MODEL
from mmf_teach.training.validation_loss import loss_nats

LAWS = settings(deadline=None, derandomize=True, max_examples=60)
TINY = Machine(d=16, registers=5, lanes=4, row_lanes=4, port_bytes=4, burst_bytes=16, outstanding=2, read_latency=3)


@pytest.fixture(scope="module")
def shipped():
    return load_model(SHIPPED_MODEL)


@pytest.fixture(scope="module")
def integers(shipped):
    return integer_model(shipped[0])


def part(memory, region):
    return load_store.load(memory[region.start:region.end])


def assert_same_numbers(model, machine, tokens, core):
    """Every score and every memory after every token, and nothing saturated."""
    lowered, memory = lower_model(model, machine)
    check(lowered.program, lowered.map, machine)
    running, state, layout = core(lowered, memory), model.initial_state(1), lowered.layout
    vocab, width = model.embedding.shape
    for token in tokens:
        want, state = model.step(np.array([token]), state)
        running(token)
        scores = part(memory, layout.scores)
        memories = part(memory, layout.memories).reshape(len(model.blocks), -1)
        assert np.array_equal(scores[:vocab], want[0]) and np.array_equal(memories[:, :width], state[:, 0])
        assert not scores[vocab:].any() and not memories[:, width:].any()    # what is filled up stays zero


def golden(machine):
    def core(lowered, memory):
        own = Golden(machine, memory)

        def run(token):
            own.run(lowered.program, token)
            assert own.saturated == 0
        return run
    return core


def fast(machine):
    def core(lowered, memory):
        own = CompiledCore(machine, memory, decode(lowered.program))

        def run(token):
            own.run(token)
            assert own.saturated == 0
        return run
    return core


# The same numbers.

@pytest.mark.parametrize("machine", [
    TERNARY_CORE, Machine(d=64, registers=4, lanes=32), replace(TERNARY_CORE, d=256, registers=12),
], ids=lambda machine: f"{machine.d}-{machine.registers}")
def test_the_shipped_model_runs_number_for_number_on_machines_of_all_widths(integers, machine):
    assert_same_numbers(integers, machine, [18, 63], golden(machine))
    assert_same_numbers(integers, machine, np.random.default_rng(0).integers(0, 65, 40), fast(machine))


@pytest.mark.parametrize("registers", [4, 5, 8, 31])
@pytest.mark.parametrize(("width", "deep", "blocks", "vocabulary"), [
    (8, 24, 2, 5), (16, 16, 1, 16), (34, 65, 2, 17), (2, 1, 3, 2), (48, 80, 1, 33)])
def test_models_of_any_shape_with_any_biases_run_number_for_number(width, deep, blocks, vocabulary, registers):
    model, machine = random_model(width, deep, blocks, vocabulary, seed=width), replace(TINY, registers=registers)
    tokens = np.random.default_rng(1).integers(0, vocabulary, 3)
    assert_same_numbers(model, machine, tokens, golden(machine))


@pytest.mark.usefixtures("without_type_checks")
def test_the_loss_on_held_out_text_is_that_of_the_float_model(shipped, integers):
    """0.02 nat is asked for. The text is read in windows as everywhere, by the machine from an empty memory each."""
    from mmf_teach.engine.accelerator import Accelerator

    text = shipped[1].encode((DATA / "corpus" / "held_out_excerpt.txt").read_text("utf-8"))[:4000]
    assert abs(engine_loss_nats(Accelerator(integers), text) - loss_nats(shipped[0], text)) < 0.002


# A model's arrays.

def test_a_stored_model_is_read_without_torch_as_the_integer_model_has_it(integers):
    stored = read_model(SHIPPED_MODEL)
    assert sizes_of(stored) == sizes_of(integers) == ModelSizes(vocab=65, width=128, inner=352, blocks=6)
    assert np.array_equal(stored.embedding, integers.embedding)
    for (name, one), (other_name, other) in zip(maps_of(stored), maps_of(integers), strict=True):
        assert name == other_name and one.scale == other.scale
        assert np.array_equal(one.trits, other.trits) and np.array_equal(one.bias, other.bias)
    (lowered, memory), (other, wanted) = (lower_model(model, TERNARY_CORE) for model in (stored, integers))
    assert lowered.program == other.program and np.array_equal(memory, wanted)


def test_a_stored_model_of_another_form_is_refused():
    with pytest.raises(ValueError, match="a transformer cannot be lowered"):
        read_model(DATA / "checkpoints" / "dense_small")


# The program.

def test_one_block_drawn(integers):
    """In the order of the head of lowering.py: loads before the matrix, the last sums after it."""
    lowered = lower(sizes_of(integers), TERNARY_CORE)
    called = {address: name for name, address in lowered.program.names.items()}
    lines = [INSTRUCTION_SET.text(instruction, called) for instruction in lowered.program]
    first = [line.partition(" ")[0] for line in lines[:30]]
    assert first == (
        "ldx clr acc fin code ldv tmm ldv tmm resc add sig ldv ldv tmm resc add sig mul "
        "resc add mix sig mul sv clr acc fin code ldv").split()
    assert lines[0] == "ldx v0,embedding,128" and lines[5].endswith("b0.to_f.bias") and lines[6].endswith("b0.to_f")
    assert lines[12].endswith("b0.memory") and lines[24].endswith("b0.memory")
    assert lines[-2].endswith("scores") and lines[-1] == "end"


@pytest.mark.parametrize(("name", "machine"), [("shipped", TERNARY_CORE), ("370M", WIDE), ("2.7B", WIDE)])
def test_a_program_reads_every_weight_once_and_moves_what_it_says(name, machine):
    config = sizes(name, "matmul_free")
    lowered = lower(config, machine)
    tiles = [i["@"] for i in lowered.program if i.mnemonic in ("tmm", "tma")]
    assert len(set(tiles)) == len(tiles)
    assert sum(region.size for region in lowered.layout.trits.values()) == len(tiles) * machine.tile_bytes
    vectors = sum(i.mnemonic in ("ldv", "ldx", "sv") for i in lowered.program)
    timed = compiled.time(decode(lowered.program), machine)
    assert timed.bytes == len(tiles) * machine.tile_bytes + vectors * machine.vector_bytes
    assert timed.cycles == timing.token_cycles(config, machine)
    assert timed.cycles > timed.bytes / machine.port_bytes and lowered.map.size < 1 << 31


def test_a_large_model_is_bound_by_its_weights_not_by_what_lies_between():
    """370M on a machine as wide as its stream, 128 trits a cycle: 344 tiles of 8,192 cycles are 97 % of a token."""
    machine = replace(TERNARY_CORE, d=1024, lanes=128, port_bytes=32, outstanding=16)
    cycles = timing.token_cycles(sizes("370M", "matmul_free"), machine)
    assert 344 * 8192 < cycles < 1.05 * 344 * 8192


def test_no_tile_adds_to_the_sums_of_the_tile_before_it():
    """It would have to wait until those are copied out."""
    program = lower(ModelConfig("matmul_free", 9, 96, 2, inner_width=250), replace(TINY, registers=24)).program
    tiles = [i for i in program if i.mnemonic in ("tmm", "tma")]
    assert sum(i.mnemonic == "tma" for i in tiles) > len(tiles) // 2
    assert all(one["y"] != other["y"] for one, other in pairwise(tiles))


def test_more_registers_never_need_more_memory_traffic():
    config = sizes("370M", "matmul_free")
    machines = [replace(WIDE, registers=registers) for registers in (4, 8, 16, 32)]
    moved = [timing.moved_bytes(timing.token_table(config, machine), machine) for machine in machines]
    assert moved == sorted(moved, reverse=True) and moved[0] > moved[-1]


def test_the_program_is_the_same_for_all_machines_with_as_many_registers_as_wide(integers):
    slow = replace(TERNARY_CORE, lanes=1, read_latency=99, outstanding=1, double_buffer=False)
    one, other = (lower(sizes_of(integers), machine).program for machine in (TERNARY_CORE, slow))
    assert one == other


def test_every_matrix_lies_where_its_name_says(integers):
    machine = replace(TERNARY_CORE, d=64, lanes=32)
    lowered, memory = lower_model(integers, machine)
    assert set(lowered.layout.trits) == set(names(sizes_of(integers))) and len(lowered.layout.trits) == 6 * 7 + 1
    for name, trits in (("b3.to_down", integers.blocks[3].to_down.trits), (HEAD, integers.head.trits)):
        region = lowered.map.named(name)
        tiles = tmatmul.unpack(memory[region.start:region.end].reshape(-1, machine.tile_bytes), 64)
        rows, columns = trits.shape
        whole = tiles.reshape(-1, -(-columns // 64), 64, 64).swapaxes(1, 2).reshape(-1, -(-columns // 64) * 64)
        assert np.array_equal(whole[:rows, :columns], trits) and not whole[rows:].any() and not whole[:, columns:].any()
    assert shape_of("b3.to_down", sizes_of(integers)) == (128, 352) and MAPS[-1] == "to_down"
    assert part(memory, lowered.map.named("b0.to_f.bias")).tolist() == integers.blocks[0].to_f.bias.tolist()


@pytest.mark.parametrize("d", [16, 64, 128])
def test_every_vector_and_tile_has_a_name_of_its_own_at_its_own_address(integers, d):
    machine = replace(TERNARY_CORE, d=d, lanes=16, row_lanes=8)
    lowered = lower(sizes_of(integers), machine)
    layout, called = lowered.layout, lowered.program.names
    assert len(set(called.values())) == len(called)
    assert {i["@"] for i in lowered.program if "@" in i.operands} <= set(called.values())
    parts = [(region, machine.tile_bytes) for region in layout.trits.values()]
    parts += [(region, machine.vector_bytes) for region in (*layout.bias.values(), layout.memories, layout.scores)]
    named = set(called.values())
    for region, size in parts:
        assert {address for address in named if region.start <= address < region.end} == set(
            range(region.start, region.end, size))
    for name, address in called.items():
        base, _, part = name.rpartition(".")
        if part.isdigit() and part != "0":
            before = called[f"{base}.{int(part) - 1}"]
            assert address - before == (machine.tile_bytes if base in layout.trits else machine.vector_bytes)


def test_a_bias_is_kept_if_a_single_output_has_one(integers):
    block = integers.blocks[0]
    bias = np.zeros_like(block.to_g.bias)
    bias[5] = -77
    changed = replace(integers, blocks=[replace(block, to_g=replace(block.to_g, bias=bias)), *integers.blocks[1:]])
    lowered, memory = lower_model(changed, TERNARY_CORE)
    assert part(memory, lowered.layout.bias["b0.to_g"])[:len(bias)].tolist() == bias.tolist()


def test_what_a_tile_has_too_many_is_zero():
    assert tiles_of(np.ones((3, 5), np.int8), 4).sum(axis=(1, 2)).tolist() == [12, 3]
    assert in_tiles(np.ones((2, 5), np.int64), 4).tolist() == [[1] * 5 + [0] * 3] * 2


# Registers.

@st.composite
def lines(draw):
    """Values made of values, in a straight line; some are changed in place, and all that live are stored at the end."""
    made, out = 3, [Line("ldv", {"y": value}, {"@": 64 * value}) for value in range(3)]
    for mnemonic in draw(st.lists(st.sampled_from(["add", "sub", "mix", "mul", "ldv", "sv"]), max_size=40)):
        a, b, y = (draw(st.integers(0, made - 1)) for _ in range(3))
        if mnemonic == "ldv":
            out.append(Line("ldv", {"y": made}, {"@": 64 * draw(st.integers(0, 3))}))
        elif mnemonic == "sv":
            out.append(Line("sv", {"a": a}, {"@": 256 + 64 * draw(st.integers(0, 3))}))
            continue
        elif mnemonic == "mix":
            out.append(Line("mix", {"y": y, "a": a, "b": b}, {}))
            continue
        else:
            out.append(Line(mnemonic, {"y": made, "a": a, "b": b}, {"s": 3} if mnemonic == "mul" else {}))
        made += 1
    return out + [Line("sv", {"a": value}, {"@": 512 + 64 * value}) for value in draw(st.permutations(range(made)))]


def outcome(listed, registers):
    """The program on so few registers, and the memory after it, without the region for work."""
    work, machine = 1 << 13, replace(TINY, registers=registers)
    program = Allocation(listed, registers, lambda number: work + 64 * number).run()
    memory = np.zeros(1 << 14, np.uint8)
    memory[:256] = load_store.store(np.random.default_rng(0).integers(-5000, 5000, 64))
    core = Golden(machine, memory)
    core.run(program)
    return program, core.memory[:work]


@LAWS
@given(lines(), st.integers(4, 7))
def test_few_registers_leave_the_same_memory_as_many(listed, registers):
    program, memory = outcome(listed, registers)
    many, wanted = outcome(listed, 32) if len(listed) < 32 else outcome(listed, 31)
    assert np.array_equal(memory, wanted)
    assert all(i[name] < registers for i in program for name in ("y", "a", "b") if name in i.operands)
    kept = [i for i in program if i.operands.get("@", 0) < 1 << 13 or i.mnemonic not in ("ldv", "sv")]
    assert len(kept) >= len(listed) and len(program) >= len(many)


def test_the_value_needed_last_is_given_up_and_comes_back():
    """Four registers, five values: the third to come is needed again last, so it goes to memory and back."""
    made = [Line("ldx", {"y": value}, {"@": 0, "n": 16}) for value in range(5)]
    used = [Line("add", {"y": 5 + n, "a": a, "b": b}, {}) for n, (a, b) in enumerate([(0, 1), (3, 4), (2, 2)])]
    program = Allocation(made + used, 4, lambda number: 4096 + 64 * number).run()
    assert [i.mnemonic for i in program] == ["ldx"] * 4 + ["sv", "ldx", "add", "add", "ldv", "add"]
    assert program[4].operands == {"a": 2, "@": 4096} and program[8]["@"] == 4096


def test_what_memory_already_holds_is_not_stored_again():
    made = [Line("ldv", {"y": value}, {"@": 64 * value}) for value in range(5)]
    used = [Line("add", {"y": 5 + n, "a": n, "b": n}, {}) for n in range(5)]
    program = Allocation(made + used, 4, lambda number: 4096).run()
    assert not any(i.mnemonic == "sv" for i in program)


def test_what_was_changed_since_it_was_loaded_is():
    made = [Line("ldv", {"y": value}, {"@": 64 * value}) for value in range(5)]
    changed = [*made[:4], Line("mix", {"y": 3, "a": 3, "b": 3}, {}), made[4]]
    used = [Line("add", {"y": 5 + n, "a": a, "b": a}, {}) for n, a in enumerate([0, 1, 2, 4, 3])]
    stored = [i for i in Allocation(changed + used, 4, lambda number: 4096).run() if i.mnemonic == "sv"]
    assert [i.operands for i in stored] == [{"a": 3, "@": 4096}]


# What cannot be lowered.

@pytest.mark.parametrize("kind", ["matmul_free_released", "transformer"])
def test_a_model_of_another_form_is_refused(kind):
    with pytest.raises(ValueError, match=f"a {kind} cannot be lowered: our core runs MatMul-free models"):
        lower(ModelConfig(kind, 65, 128, 2), TERNARY_CORE)


def test_a_model_too_large_for_the_address_space_is_refused(integers):
    with pytest.raises(ValueError, match="this machine has 262144 bytes of memory: give it more address"):
        lower_model(integers, replace(TERNARY_CORE, address_bits=18))
    with pytest.raises(ValueError, match="bytes of memory"):
        timing.token_cycles(sizes("2.7B", "matmul_free"), replace(WIDE, address_bits=29))
    assert lower_model(integers, replace(TERNARY_CORE, address_bits=19))[0].map.size <= 1 << 19


def test_a_vector_too_wide_for_the_norm_is_refused():
    with pytest.raises(ValueError, match="wider than the 65535"):
        lower(ModelConfig("matmul_free", 65, 128, 1, inner_width=65_536), TERNARY_CORE)
    with pytest.raises(ValueError, match="a vector of 65536 numbers is wider"):
        lower(ModelConfig("matmul_free", 2, 65_500, 1, inner_width=8), WIDE)


def test_a_decoded_program_says_what_the_instructions_say():
    program = [Instruction("resc", {"y": 1, "a": 2, "w": 99}), Instruction("end")]
    assert decode(program).tolist() == [
        [list(OPERATIONS).index("resc"), 1, 2, -1, -1, -1, -1, 99, -1], [0, -1, -1, -1, -1, -1, -1, -1, -1]]
