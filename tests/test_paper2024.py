"""The published core: its times equal the released circuit's, its values the published meaning of each instruction."""

import tomllib

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from hardware_sim.assembler import assemble
from hardware_sim.dram.bus import Bus
from hardware_sim.isa import Instruction
from hardware_sim.paper2024 import clocked, golden
from hardware_sim.paper2024.inputs import named_memory, needed, random_memory, stored_vector
from hardware_sim.paper2024.isa import INSTRUCTION_SET
from hardware_sim.paper2024.machine import TOKEN_MIXER, Paper2024Core, facts, paper2024
from hardware_sim.paper2024.units import load_store, norm, rowwise, tmatmul
from hardware_sim.scoreboard import run
from hardware_sim.trace import total_cycles
from tests.test_scoreboard import latencies, programs

MIXER = TOKEN_MIXER.read_text("utf-8")
elements = st.integers(-128, 127)
vectors = st.sampled_from([2, 4, 8, 16]).flatmap(lambda d: arrays(np.int8, d, elements=elements))


def mixer_cycles(*machine: int) -> int:
    built = paper2024(*machine)
    return total_cycles(run(assemble(MIXER, INSTRUCTION_SET, built.region_bytes), built))


def exact(text: str, width: int, memory: dict | None = None) -> golden.State:
    """The state after a program; memory by name, in eighths or trits."""
    machine = paper2024(width, 1, 1)
    program = assemble(text, INSTRUCTION_SET, machine.region_bytes)
    return golden.run(program, named_memory(memory or {}, program, machine), machine)


@pytest.mark.parametrize("latency", [1, 2, 3, 4, 12])
def test_the_token_mixer_takes_as_many_cycles_as_the_released_circuit_with_its_own_program(latency):
    measured = facts()[f"cycles_at_latency_{latency}"]
    assert measured.kind == "simulated"
    assert mixer_cycles(512, latency, latency) == measured.value


def test_a_latency_of_twelve_gives_the_published_43_ms():
    cycles, published = mixer_cycles(512), facts()["block_time"].value
    assert round(cycles / (facts()["closed_clock"].value * 1e3)) == published
    assert abs(cycles / (facts()["clock"].value * 1e3) - published) < 1


@settings(max_examples=60, deadline=None)
@given(programs(longest=8), st.sampled_from([2, 4, 6, 8, 12, 16]), latencies, latencies)
def test_the_closed_forms_give_every_start_and_end_of_the_core_run_cycle_by_cycle(program, width, read, write):
    events = run(program, paper2024(width, read, write))
    assert [(event.start, event.end) for event in events] == clocked.run(program, width, read, write)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([2, 3, 5, 7, 8, 12, 16, 30]), st.integers(1, 16))
def test_each_unit_is_busy_as_long_as_its_closed_form_says(width, latency):
    machine = paper2024(width, latency, latency)
    lasting = {"sv": clocked.load_store(width, latency), "add": clocked.rowwise(width), "norm": clocked.norm(width)}
    if width % 2 == 0:
        lasting["tmatmul"] = clocked.tmatmul(width, latency)
    for mnemonic, cycles in lasting.items():
        assert machine.cycles(mnemonic) == sum(1 for _ in cycles), mnemonic


@pytest.mark.parametrize("width", [2, 4, 16, 512, 1024])
def test_norm_takes_three_cycles_an_element_where_the_width_is_a_power_of_two(width):
    assert norm.cycles(width) == 3 * width


def test_a_full_queue_of_matrix_bytes_costs_no_cycle():
    """At latency 1 the reader is faster than the adder, and 2,048 bytes fill up long before 4,096 are read."""
    width = 128
    assert paper2024(width, 1, 1).cycles("tmatmul") == sum(1 for _ in clocked.tmatmul(width, 1))


@pytest.mark.parametrize("latency", [1, 2, 3, 4, 12])
def test_a_bus_that_asks_for_one_byte_at_a_time_is_the_fixed_latency(latency):
    fixed, bus = paper2024(16, latency, latency), Paper2024Core(16, Bus(latency), Bus(latency))
    assert [fixed.cycles(m) for m in ("ldv", "sv", "tmatmul")] == [bus.cycles(m) for m in ("ldv", "sv", "tmatmul")]


def test_an_odd_width_has_no_product():
    assert paper2024(7, 1, 1).cycles("add") == 8
    with pytest.raises(ValueError, match="tmatmul needs an even width, not 7"):
        paper2024(7, 1, 1).cycles("tmatmul")


@pytest.mark.parametrize(("machine", "problem"), [
    ((0, 1, 1), "width must be a whole number of elements from 2 to 8589934592"),
    ((1, 1, 1), "not 1"),
    ((1 << 34, 1, 1), "addresses reach"),
    ((8, 0, 1), "a read latency of 0 cycles is impossible"),
    ((8, 1, -3), "a write latency of -3 cycles is impossible"),
])
def test_a_machine_that_cannot_be_built_is_refused(machine, problem):
    with pytest.raises(ValueError, match=problem):
        paper2024(*machine)


def test_the_preset_is_what_the_paper_says():
    preset = tomllib.loads((TOKEN_MIXER.parent.parent / "machine" / "paper2024.toml").read_text("utf-8"))
    assert paper2024() == paper2024(512, 12, 12) and preset["width"]["value"] == 512


def test_the_host_would_have_given_up_just_when_the_published_time_was_over():
    """10·d² cycles at 61 MHz: the coincidence that notebook 11 tells of."""
    timeout_ms = facts()["timeout_factor"].value * 512 ** 2 / (facts()["closed_clock"].value * 1e3)
    assert round(timeout_ms, 2) == 42.97


@pytest.mark.parametrize(("mnemonic", "a", "b", "y"), [
    ("add", 12, 20, 32), ("add", 100, 100, 127), ("add", -100, -100, -128), ("sub", -100, 100, -128), ("sub", 3, 5, -2),
    ("mul", 12, 20, 30), ("mul", -1, 4, -1), ("mul", 127, 127, 127), ("mul", -128, 127, -128), ("mul", -128, -128, 127),
    ("div", 40, 16, 20), ("div", -41, 16, -20), ("div", 41, 23, 20), ("div", 41, -16, -20), ("div", 41, -1, -41),
    ("div", 5, 7, 127), ("div", -5, 7, -128), ("div", 0, 7, 0), ("div", -128, -8, 127), ("div", -128, 8, -128),
    ("exp", 0, 0, 8), ("exp", 8, 0, 22), ("exp", 127, 0, 127), ("exp", -128, 0, 0), ("exp", -8, 0, 3),
    ("sig", 0, 0, 4), ("sig", 127, 0, 8), ("sig", -128, 0, 0), ("sig", 8, 0, 6),
])
def test_an_element_at_a_time(mnemonic, a, b, y):
    """In eighths: 12 is 1.5. Quotients go towards zero, over the whole part of b; over 0 they saturate."""
    inputs = [np.array([value], np.int8) for value in (a, b)]
    assert rowwise.result(mnemonic, *inputs).tolist() == [y]


@given(vectors)
def test_tables_are_the_functions_to_within_half_an_eighth(x):
    """Where an element can hold the value."""
    values = x / 8
    assert np.abs(rowwise.result("sig", x) / 8 - 1 / (1 + np.exp(-values))).max() <= 1 / 16
    held = np.minimum(np.exp(values), 127 / 8)
    assert np.abs(rowwise.result("exp", x) / 8 - held).max() <= 1 / 16


def test_the_sigmoid_has_nine_levels():
    assert set(rowwise.SIGMOID.tolist()) == set(range(9))


@given(vectors, vectors)
def test_sums_and_products_are_those_of_numbers_cut_to_eighths(a, b):
    if len(a) == len(b):
        wide = a.astype(int), b.astype(int)
        for mnemonic, value in (("add", wide[0] + wide[1]), ("sub", wide[0] - wide[1]),
                                ("mul", np.floor(wide[0] * wide[1] / 8))):
            assert rowwise.result(mnemonic, a, b).tolist() == np.clip(value, -128, 127).tolist()


@given(st.sampled_from([2, 4, 6, 8]).flatmap(lambda d: st.tuples(
    arrays(np.int8, (d, d), elements=st.integers(-1, 1)), arrays(np.int8, d, elements=elements))))
def test_the_product_is_the_sum_of_the_inputs_under_the_trits(case):
    trits, x = case
    sums = trits.astype(int) @ x.astype(int)
    assert tmatmul.result(trits, x).tolist() == np.clip(sums, -128, 127).tolist()


def test_every_sum_saturates_at_sixteen_bits_on_the_way():
    """259 · 127 up is kept as 32,767, and 258 · 127 down leave 1, where the whole sum would be 127."""
    width = 518
    trits, x = np.ones((width, width), np.int8), np.full(width, 127, np.int8)
    trits[:, 259:], trits[:, -1] = -1, 0
    trits[0, 0] = 0                          # this row stops one below the top, and comes down to 0
    assert tmatmul.result(trits, x).tolist() == [0] + [1] * (width - 1)
    assert tmatmul.result(-trits, x).tolist() == [0] + [-2] * (width - 1)        # the other end is -32,768
    assert one_sum_at_a_time(trits, x) == [0] + [1] * (width - 1)


@pytest.mark.parametrize(("first", "many", "second", "few", "left"), [
    (127, 300, -128, 256, -1), (-128, 300, 127, 258, -2), (-128, 257, 127, 258, -2), (127, 259, -128, 256, -1),
])
def test_inputs_that_go_up_and_down_saturate_on_the_way_too_though_their_sum_is_small(first, many, second, few, left):
    x = np.array([first] * many + [second] * few, np.int8)
    trits = np.ones((len(x), len(x)), np.int8)
    assert tmatmul.result(trits, x).tolist() == [left] * len(x)
    assert one_sum_at_a_time(trits[:1], x) == [left]


def one_sum_at_a_time(trits, x):
    """The rule itself: sums of 16 bits, added to in the order of the inputs, and cut to a byte at the end."""
    sums = [0] * len(trits)
    for i, value in enumerate(x.tolist()):
        for o, trit in enumerate(trits[:, i].tolist()):
            sums[o] = min(max(sums[o] + trit * value, -(1 << 15)), (1 << 15) - 1)
    return [min(max(total, -128), 127) for total in sums]


def test_a_second_product_knows_nothing_of_the_first():
    """In the released circuit it does: it clears a sum for the wrong index."""
    trits, x = np.array([[1, 1], [-1, 1]], np.int8), np.array([8, 24], np.int8)
    assert [tmatmul.result(trits, x).tolist() for _ in range(2)] == [[32, 16], [32, 16]]


def test_a_matrix_is_stored_input_by_input():
    trits = np.array([[1, 0], [-1, 1]], np.int8)          # inputs: (1, -1), then (0, 1)
    stored = tmatmul.to_bytes(trits)
    assert stored.tolist() == [0b01_00_11_01]
    assert tmatmul.from_bytes(stored, 2).tolist() == trits.tolist()
    with pytest.raises(ValueError, match="code 10"):
        tmatmul.from_bytes(np.array([0b10], np.uint8), 2)


@pytest.mark.parametrize(("y", "expected"), [
    ([16] * 8, [8] * 8),                                  # all 2.0: rms 2, so all 1.0
    ([16] * 4 + [64] * 4, [3] * 4 + [12] * 4),            # halves of 2 and 8: rms 5.83, whole part 5
    ([4] * 8, [127] * 8), ([0] * 8, [0] * 8),             # rms below 1: its whole part is 0, the quotient saturates
    ([-128] * 2, [-8] * 2),                               # 256 is kept as 255, of which the root is 15.97
])
def test_norm_divides_by_the_whole_part_of_the_root_mean_square(y, expected):
    assert norm.result(np.array(y, np.int8)).tolist() == expected


@given(vectors)
def test_norm_sees_the_whole_vector(y):
    """The released circuit leaves out the last mean, and with it the second half."""
    assert norm.mean_of_pairs(norm.squares(y)) == norm.mean_of_pairs(norm.squares(np.roll(y, len(y) // 2)))


def test_norm_has_no_meaning_for_other_widths():
    with pytest.raises(ValueError, match="only powers of two"):
        norm.result(np.zeros(6, np.int8))


def test_a_program_moves_numbers_from_memory_through_registers_to_memory():
    text = "ldv v0,x\ntmatmul v1,v0,w\nadd v2,v1,v0\nnop\nsv v2,y"
    memory = {"x": [0.5, -1.0, 2.0, 0.0], "w": [[0, 1, 0, 0], [1, 1, 1, 1], [-1, 0, 0, 0], [0, 0, 0, 0]]}
    state = exact(text, 4, memory)
    assert (state.registers[2] / 8).tolist() == [-0.5, 0.5, 1.5, 0.0]
    assert state.memory[8].view(np.int8).tolist() == [-4, 4, 12, 0]


def test_the_token_mixer_computes_the_equations_it_was_written_from():
    """Numbers so small that nothing saturates before the last norm, each rounded as its instruction rounds."""
    identity = np.eye(4, dtype=int).tolist()
    memory = {"x": [2.0] * 4, "w_key": [[0] * 4] * 4, "w_value": identity, "w_gate": identity,
              "a": [1.0, 2.0, 3.0, 4.0], "b": [1.0] * 4, "e_bonus": [3.0] * 4, "e_decay": [0.5] * 4}
    state = exact(MIXER, 4, memory)
    program = assemble(MIXER, INSTRUCTION_SET, paper2024(4, 1, 1).region_bytes)
    found = {name: (state.memory[program.names[name]].view(np.int8) / 8).tolist() for name in ("o", "a", "b")}
    n, k, v = np.ones(4), 0.0, np.ones(4)                 # norm(x) = 1, no key, value = n
    r = np.rint(8 / (1 + np.exp(-n))) / 8
    mixed = np.floor(8 * r * ((np.arange(1, 5) + 3 * v) / (1 + 3 * np.exp(k)))) / 8
    assert found["a"] == (0.5 * np.arange(1, 5) + v).tolist() and found["b"] == [1.5] * 4
    assert found["o"] == (norm.result((mixed * 8).astype(np.int8)) / 8).tolist()


@pytest.mark.parametrize(("text", "problem"), [
    ("add v0,v1,v2", "line 1: v1 is read, and nobody wrote it before"),
    ("\n\nnorm v3", "line 3: v3 is read, and nobody wrote it"),
    ("ldv v0,100", "line 1: 4 bytes at 0x64 are read, and nobody wrote them"),
    ("ldv v0,x\nsv v0,100\nsv v0,102", "line 3: the 4 bytes at 0x66 overlap the 4 bytes at 0x64"),
    ("ldv v0,x\nsv v0,8589934590", "line 2: 4 bytes at 0x1fffffffe reach beyond the 8589934592 bytes of memory"),
])
def test_a_program_that_cannot_be_done_is_refused_with_its_line(text, problem):
    with pytest.raises(ValueError, match=problem):
        exact(text, 4, {"x": [1, 2, 3, 4]} if "x\n" in text else None)


def test_regions_that_overlap_are_found_when_the_memory_is_filled():
    machine = paper2024(4, 1, 1)
    with pytest.raises(ValueError, match="overlap"):
        golden.run(assemble("nop", INSTRUCTION_SET), {0: np.zeros(4, np.uint8), 3: np.zeros(4, np.uint8)}, machine)


def test_a_state_is_not_changed_by_the_next_step():
    machine = paper2024(2, 1, 1)
    program = assemble("ldv v0,x\nadd v0,v0,v0\nadd v0,v0,v0", INSTRUCTION_SET, machine.region_bytes)
    states = list(golden.steps(program, {0: stored_vector([1, 2])}, machine))
    assert [(state.registers[0] / 8).tolist() for state in states] == [[1, 2], [2, 4], [4, 8]]
    with pytest.raises(TypeError):
        states[0].registers[0] = None


@pytest.mark.parametrize(("values", "problem"), [
    ({"y": [1, 2, 3, 4]}, "the program has no region 'y'; it has x"),
    ({"x": [1, 2, 3]}, "region x: it needs 4 numbers, or as many rows of as many trits"),
    ({"x": [1, 2, 3, 16]}, "region x: an element must lie between -16 and 15.875"),
    ({"x": [1, 2, 3, float("nan")]}, "region x: an element must lie between"),
    ({"x": [[2, 0, 0, 0]] * 4}, "region x: a trit must be -1, 0 or 1"),
    ({"x": "abc"}, "region x: "), ({"x": [[1], [1, 2]]}, "region x: "), ({"x": None}, "region x: "),
    ({"x": {"a": 1}}, "region x: "),
])
def test_numbers_that_cannot_be_stored_are_refused_with_the_region(values, problem):
    machine = paper2024(4, 1, 1)
    with pytest.raises(ValueError, match=problem):
        named_memory(values, assemble("ldv v0,x", INSTRUCTION_SET, machine.region_bytes), machine)


def test_what_a_program_needs_is_what_it_reads_before_it_writes():
    text = "ldv v0,x\nsv v0,y\nldv v1,y\ntmatmul v2,v1,w\nldv v0,x"
    assert needed(assemble(text, INSTRUCTION_SET, paper2024(4).region_bytes)) == {0: "ldv", 8: "tmatmul"}


@settings(max_examples=60, deadline=None)
@given(programs(longest=8), st.integers(0, 3))
def test_any_program_runs_or_is_refused_with_a_sentence(program, seed):
    machine = paper2024(8, 1, 1)
    listed = assemble("\n".join(INSTRUCTION_SET.text(i) for i in program), INSTRUCTION_SET, machine.region_bytes)
    try:
        state = golden.run(listed, random_memory(listed, machine, seed), machine)
    except ValueError as problem:
        assert "\n" not in str(problem)
    else:
        assert all(value.dtype == np.int8 and value.shape == (8,) for value in state.registers.values())


def test_the_same_seed_draws_the_same_memory():
    machine = paper2024(8)
    program = assemble(MIXER, INSTRUCTION_SET, machine.region_bytes)
    one, same, other = (random_memory(program, machine, seed) for seed in (3, 3, 4))
    assert all((one[at] == same[at]).all() for at in one) and any((one[at] != other[at]).any() for at in one)
    with pytest.raises(ValueError, match="a seed is a number from zero up"):
        random_memory(program, machine, -1)


def test_values_have_a_limit_that_times_have_not():
    assert load_store.cycles(1 << 20, paper2024(8, 1, 1).reads) == (1 << 20) + 1
    with pytest.raises(ValueError, match="values are computed for widths up to 16384"):
        golden.State(1 << 15)


def test_an_unknown_instruction_is_none_of_the_rowwise_unit():
    with pytest.raises(KeyError):
        rowwise.result("norm", np.zeros(2, np.int8))
    assert Instruction("nop").operands == {}
