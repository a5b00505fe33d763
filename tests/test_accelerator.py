"""The model on the machine: the engine's numbers token for token, with cycles that follow the trace, and its joules."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from test_engine import random_model

from hardware_sim import energy
from hardware_sim.scoreboard import run
from hardware_sim.ternary_core import operation_counts as joules, timing
from hardware_sim.ternary_core.cost_table import TernaryCore
from hardware_sim.ternary_core.isa import OPERATIONS
from hardware_sim.ternary_core.lowering import lower
from hardware_sim.ternary_core.machine import TERNARY_CORE, WIDE, Machine
from hardware_sim.trace import moved, total_cycles
from mmf_teach.__main__ import main
from mmf_teach.cost.sizes import sizes
from mmf_teach.engine.accelerator import Accelerator
from mmf_teach.engine.bench import simulator
from mmf_teach.engine.runtime import Engine
from mmf_teach.model.checkpoint import load_model
from mmf_teach.model.generate import Reader, generate
from mmf_teach.model.integer import integer_model
from mmf_teach.paths import DATA, SHIPPED_MODEL
from mmf_teach.quantity import Quantity, load

LAWS = settings(deadline=None, derandomize=True, max_examples=60)


@pytest.fixture(scope="module")
def shipped():
    return load_model(SHIPPED_MODEL)


@pytest.fixture(scope="module")
def integers(shipped):
    return integer_model(shipped[0])


@pytest.fixture(scope="module")
def accelerator(integers):
    return Accelerator(integers)


@pytest.fixture(scope="module")
def engine(integers):
    return Engine(integers)


# Numbers.

def test_every_score_and_memory_over_many_tokens_is_the_engines(shipped, accelerator, engine):
    text = shipped[1].encode((DATA / "corpus" / "held_out_excerpt.txt").read_text("utf-8"))[:600].reshape(2, 300)
    want, want_state = engine.read(text, every=True)
    got, state = accelerator.read(text, every=True)
    assert np.array_equal(got, want) and np.array_equal(state, want_state)
    assert got.dtype == want.dtype and accelerator.saturated == 0


def test_reading_on_from_a_state_is_reading_at_once(accelerator):
    tokens = np.arange(24).reshape(2, 12)
    once, state = accelerator.read(tokens)
    _, kept = accelerator.read(tokens[:, :5])
    before = kept.copy()
    accelerator.read(tokens[:1])                             # another text in between
    parts, after = accelerator.read(tokens[:, 5:], kept)
    assert np.array_equal(parts, once) and np.array_equal(after, state) and np.array_equal(kept, before)


def test_a_text_is_the_engines_letter_by_letter(accelerator, engine):
    assert isinstance(accelerator, Reader)
    texts = [list(generate(model, np.array([18, 27]), 120, temperature=0.8, seed=5)) for model in (accelerator, engine)]
    assert texts[0] == texts[1] and len(set(texts[0])) > 10


def test_a_machine_of_another_width_says_the_same_in_other_cycles(accelerator):
    model = random_model(40, 70, 2, 9, seed=3)
    machines = Machine(d=16, lanes=4, row_lanes=4), replace(TERNARY_CORE, d=32, lanes=32)
    one, other = (Accelerator(model, machine) for machine in machines)
    tokens = np.array([[1, 8, 0, 3]])
    got, want = one.read(tokens, every=True), Engine(model).read(tokens, every=True)
    assert np.array_equal(got[0], want[0]) and np.array_equal(other.read(tokens, every=True)[0], want[0])
    assert one.cycles != other.cycles and one.cycles == 4 * one.timing.cycles


def test_cycles_are_those_of_the_trace_and_the_same_for_every_token(integers, accelerator):
    before = accelerator.cycles
    accelerator.step(np.array([7]), accelerator.initial_state(1))
    events = run(accelerator.lowered.program, TernaryCore(TERNARY_CORE))
    assert accelerator.cycles - before == accelerator.timing.cycles == total_cycles(events)
    assert accelerator.timing.cycles == timing.token_cycles(sizes("shipped", "matmul_free"), TERNARY_CORE)
    assert timing.tokens_per_second(sizes("shipped", "matmul_free"), TERNARY_CORE) == 2e8 / accelerator.timing.cycles


@pytest.mark.usefixtures("without_type_checks")
def test_wrong_tokens_and_states_are_refused(accelerator):
    for tokens in ([65], [-1], [0.5]):
        with pytest.raises(ValueError, match="whole numbers from 0 to 64"):
            accelerator.step(np.array(tokens), accelerator.initial_state(1))
    for state in (accelerator.initial_state(2), accelerator.initial_state(1).astype(np.int32)):
        with pytest.raises(ValueError, match="state must be int64"):
            accelerator.step(np.array([1]), state)
    with pytest.raises(ValueError, match="at least one token"):
        accelerator.read(np.zeros((1, 0), np.int64))


# The command.

def test_generate_on_the_machine_writes_the_packed_engines_text_and_says_what_it_took(capsys, accelerator):
    texts, told = [], []
    for name in ("machine", "packed"):
        assert main(["generate", "ROMEO:", "--tokens", "60", "--engine", name]) == 0
        captured = capsys.readouterr()
        texts.append(captured.out)
        told.append(captured.err)
    assert texts[0] == texts[1] and told[1] == ""
    assert f"{accelerator.timing.cycles:,} cycles a token" in told[0] and "simulated" in told[0]
    assert "µJ a token, between" in told[0] and "modelled" in told[0] and len(told[0].splitlines()) == 1


def test_generate_gives_cycles_and_joules_with_their_kinds_as_json(capsys, accelerator):
    assert main(["generate", "A", "--tokens", "3", "--engine", "machine", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["tokens"] == 3 and told["cycles_per_token"] == accelerator.timing.cycles and told["saturated"] == 0
    assert told["cycles_kind"] == "simulated" and told["joules_kind"].startswith("modelled")
    assert 0 < told["joules_low"] < told["joules_per_token"] < told["joules_high"] < 1e-3
    assert told["machine"]["d"] == TERNARY_CORE.d and told["bytes_per_token"] == accelerator.timing.bytes
    assert told["tokens_per_second"] == pytest.approx(TERNARY_CORE.clock_mhz * 1e6 / told["cycles_per_token"])


def test_generate_on_the_machine_refuses_a_dense_model_before_it_is_read(capsys):
    assert main(["generate", "A", "--engine", "machine", "--model", str(DATA / "checkpoints" / "dense_small")]) == 1
    told = capsys.readouterr()
    assert "a transformer cannot be lowered" in told.err and told.out == "" and len(told.err.splitlines()) == 1


# Joules.

def token_energy(config, machine, memory="ddr4"):
    return joules.energy(timing.token_table(config, machine), machine, memory)


def test_what_an_instruction_does_by_hand():
    assert joules.actions("add", TERNARY_CORE) == {"instruction": 1, "add": 128, "register bits": 3 * 32 * 128}
    assert joules.actions("tma", TERNARY_CORE) == {
        "instruction": 1, "add": 128, "ternary mac": 128**2, "register bits": 3 * 32 * 128}
    assert joules.actions("tmm", TERNARY_CORE)["register bits"] == 2 * 32 * 128
    assert joules.actions("mix", TERNARY_CORE)["multiply"] == 2 * 128
    assert joules.actions("end", TERNARY_CORE) == {"instruction": 1}
    assert joules.actions("sig", TERNARY_CORE)["register bits"] == (2 * 32 + 32) * 128
    assert joules.actions("fin", TERNARY_CORE) == {"instruction": 1, "add": 458}
    with pytest.raises(KeyError):
        joules.actions("div", TERNARY_CORE)
    for mnemonic in OPERATIONS:
        assert joules.actions(mnemonic, TERNARY_CORE)["instruction"] == 1


@pytest.mark.parametrize(("mnemonic", "adds", "multiplies"), [
    ("add", 1, 0), ("sub", 1, 0),
    ("mul", 1, 1),               # a product, and half a unit added to round it
    ("sig", 3, 1),               # where in the table, the slope times the rest, added, rounded
    ("mix", 4, 2),               # 1 - a, two products, their sum, rounded; what saturates is compared
    ("acc", 2, 1),               # a square, added; the largest compared
    ("code", 1, 1), ("resc", 1, 1),                      # a product, rounded
    ("tma", 1, 0), ("tmm", 0, 0), ("ldv", 0, 0), ("ldx", 0, 0), ("sv", 0, 0), ("clr", 0, 0), ("end", 0, 0),
])
def test_an_element_of_a_vector_takes_the_additions_and_products_of_its_equation(mnemonic, adds, multiplies):
    done = joules.actions(mnemonic, WIDE)
    assert (done.get("add", 0), done.get("multiply", 0)) == (adds * WIDE.d, multiplies * WIDE.d)


def test_joules_of_a_trace_are_counts_times_costs():
    config, machine = sizes("shipped", "matmul_free"), TERNARY_CORE
    program = lower(config, machine).program
    events = run(program, TernaryCore(machine))
    done = Counter(event.text.partition(" ")[0] for event in events)
    assert done["tmm"] + done["tma"] == 6 * 13 + 1 and done["fin"] == 6 * 4 + 1
    counted = energy.counts(done, moved(events), lambda mnemonic: joules.actions(mnemonic, machine))
    rows = energy.account(counted, energy.costs())
    assert rows == token_energy(config, machine)
    assert counted["ternary mac"] == 79 * 128**2 and counted[energy.MOVED] == 8 * moved(events)
    assert rows["ternary mac"].value == counted["ternary mac"] * load("gates_45nm")["ternary_mac"].value
    assert rows["multiply"].value == counted["multiply"] * load("horowitz_2014")["int32_mul"].value
    assert rows["register bits"].value == counted["register bits"] / 64 * 10


def test_kinds_and_ranges_are_kept():
    rows = token_energy(sizes("shipped", "matmul_free"), TERNARY_CORE)
    kinds = {what: row.kind for what, row in rows.items()}
    assert kinds["ternary mac"] == "simulated" and kinds["multiply"] == "quoted" and kinds[energy.MOVED] == "modelled"
    whole = energy.total(rows)
    assert whole.kind == "modelled" and not whole.verified and whole.low < whole.value < whole.high
    assert whole.value == pytest.approx(sum(row.value for row in rows.values()))
    assert whole.high - whole.low == pytest.approx(
        sum(row.high - row.low for row in rows.values() if row.low is not None))
    assert all(row.unit == "pJ" and row.source for row in rows.values()) and rows["multiply"].low is None


def test_a_large_model_pays_for_its_bits_and_hardly_for_its_arithmetic():
    """340 million weights of two bits at 14.5 pJ a bit are 10 mJ; all the rest is a fiftieth of it."""
    machine = replace(TERNARY_CORE, d=1024, lanes=128, port_bytes=32, outstanding=16)
    rows = token_energy(sizes("370M", "matmul_free"), machine)
    whole = energy.total(rows).value
    assert 0.009e12 < whole < 0.012e12 and rows[energy.MOVED].value > 0.98 * whole
    assert rows["ternary mac"].value < 0.01 * whole
    near = token_energy(sizes("370M", "matmul_free"), machine, memory="hbm2")
    assert near[energy.MOVED].value == pytest.approx(rows[energy.MOVED].value * 3.9 / 14.5)


def test_nothing_unknown_is_free():
    with pytest.raises(KeyError):
        energy.account({"division": 1}, energy.costs())
    with pytest.raises(KeyError):
        energy.costs("core memory")
    odd = {"x": Quantity(1.0, "pJ/bit/mm", "quoted", "somewhere")}
    with pytest.raises(ValueError, match="the cost of one x is in pJ/bit/mm"):
        energy.account({"x": 1}, odd)


@LAWS
@given(st.dictionaries(st.sampled_from(list(OPERATIONS)), st.integers(0, 50)), st.integers(0, 10**6))
def test_twice_the_work_is_twice_the_energy(done, moved_bytes):
    def whole(times):
        again = {mnemonic: times * count for mnemonic, count in done.items()}
        counted = energy.counts(again, times * moved_bytes, lambda mnemonic: joules.actions(mnemonic, WIDE))
        return energy.total(energy.account(counted, energy.costs()))

    one, two = whole(1), whole(2)
    assert two.value == pytest.approx(2 * one.value) and two.high == pytest.approx(2 * one.high)


# The bench.

def test_the_bench_of_the_simulator_compares_what_it_times(capsys):
    assert main(["bench", "simulator", "--quick", "--json"]) == 0
    clock, values = json.loads(capsys.readouterr().out)
    assert clock["exact"] and values["exact"] and clock["faster_than"]["scoreboard"] > 1
    assert values["faster_than"]["golden"] > 1
    assert values["tokens_per_s"] == pytest.approx(1e6 / values["median_us"], rel=0.01)
    assert main(["bench", "simulator", "--quick"]) == 0 and "tokens/s" in capsys.readouterr().out


def test_a_wrong_core_is_told(monkeypatch, integers, accelerator):
    assert simulator.is_exact(integers, accelerator)
    right = Accelerator.step
    monkeypatch.setattr(Accelerator, "step", lambda self, *given: (right(self, *given)[0] + 1, right(self, *given)[1]))
    assert not simulator.is_exact(integers, accelerator)


def test_lowering_is_timed_with_its_weights():
    row = simulator.lowering_row(32, 64, 1, 10, Machine(d=16, lanes=4, row_lanes=4))
    assert row.median_us > 0 and row.samples == 1 and row.bytes_moved > 3 * 32 * 64 // 4
