"""What a bench prints is what it measured: clean samples, exact products, ratios that follow from the times."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from mmf_teach import hardware
from mmf_teach.__main__ import main
from mmf_teach.engine.bench import clock, engine, fused, matmul, matvec, peers, probe, rows, table
from mmf_teach.engine.ternary_matmul.choice import best, runnable
from mmf_teach.engine.ternary_matmul.kernel import Compiled

pytestmark = pytest.mark.usefixtures("without_type_checks")
FIELDS = {
    "name", "shape", "batch", "threads", "state", "median_us", "samples", "disturbed", "bits", "multiplies", "floor_us",
    "floor", "times_floor", "faster_than", "exact", "bytes_moved", "tokens_per_s", "kind",
}
silent = lambda text: None


# The clock.

class Machine:
    """A clock and a system that do as they are told: each call lasts so long, and some are disturbed."""

    def __init__(self, monkeypatch, durations, interrupted=(), waiting=()):
        self.now, self.calls, self.switches, self.waited = 0.0, 0, 0, 0.0
        self.durations, self.interrupted, self.waiting = durations, set(interrupted), set(waiting)
        monkeypatch.setattr(clock.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(clock, "interruptions", lambda: self.switches)
        monkeypatch.setattr(clock, "waited_s", lambda: self.waited)

    def work(self, number):
        turn, timed = divmod(number, 2)
        if timed:                            # the first call, number 0, only compiles
            duration = self.durations[(turn - 1) % len(self.durations)]
            self.now += duration
            self.switches += turn in self.interrupted
            self.waited += duration * 0.5 * (turn in self.waiting)
        self.calls += 1


def test_the_median_is_of_the_clean_samples(monkeypatch):
    machine = Machine(monkeypatch, [1e-6, 900e-6, 3e-6, 500e-6, 5e-6], interrupted=[2], waiting=[4])
    measured = clock.take_turns({"it": machine.work}, samples=3, seconds=1.0)["it"]
    assert measured == clock.Time(median_us=pytest.approx(3.0), samples=3, disturbed=2)


def test_if_every_sample_was_disturbed_they_are_used_and_said_to_be(monkeypatch):
    machine = Machine(monkeypatch, [10e-6, 30e-6, 20e-6], interrupted=range(100_000))
    measured = clock.take_turns({"it": machine.work}, samples=3, seconds=60e-6)["it"]
    assert measured == clock.Time(median_us=pytest.approx(20.0), samples=3, disturbed=3)


def test_it_stops_when_the_time_is_over_but_not_before_each_was_called(monkeypatch):
    machine = Machine(monkeypatch, [1.0])
    measured = clock.take_turns({"one": machine.work, "two": machine.work}, samples=50, seconds=0.0)
    assert [one.samples for one in measured.values()] == [1, 1] and machine.calls == 6


def test_calls_that_are_not_timed_go_on_until_the_others_threads_are_out_of_the_way(monkeypatch):
    calls = []
    monkeypatch.setattr(clock.time, "perf_counter", lambda: 0.001 * len(calls))      # each call takes a millisecond
    clock.take_turns(dict.fromkeys(("one", "two"), calls.append), samples=1, seconds=0.0, settle_s=0.0045)
    assert calls == [0, 0] + 2 * ([2] * 5 + [3])


def test_candidates_take_turns_and_know_the_number_of_the_call():
    calls = []
    works = {name: lambda number, name=name: calls.append((name, number)) for name in "ab"}
    clock.take_turns(works, samples=2, seconds=5.0)
    assert calls[:8] == [("a", 0), ("b", 0), ("a", 2), ("a", 3), ("b", 2), ("b", 3), ("a", 4), ("a", 5)]


def test_the_system_tells_something_or_nothing_but_never_fails(monkeypatch):
    assert clock.interruptions() >= 0 and clock.waited_s() >= 0
    monkeypatch.setattr(clock, "resource", None)
    monkeypatch.setattr(clock, "Path", lambda path: __import__("pathlib").Path("/nowhere"))
    assert clock.interruptions() == 0 and clock.waited_s() == 0


# The probe.

def test_the_probe_reads_every_word():
    weights = np.random.default_rng(0).integers(0, 2**64, 10_007, dtype=np.uint64)
    for threads in (1, 2, 3):
        assert int(probe.read(weights, threads)) == int(weights.sum())


def test_cold_means_more_than_the_last_level_cache(monkeypatch):
    monkeypatch.setattr(probe, "last_level_cache_bytes", lambda: 1000)
    assert probe.copies_for_cold(100) == 60
    assert probe.copies_for_cold(7000) == 2                  # at least two
    assert probe.copies_for_cold(100, memory_bytes=32_000) == 10         # no more than a thirty-second of the memory
    assert probe.copies_for_cold(0) >= 2


def test_the_last_level_cache_is_the_largest():
    assert 1 << 18 <= hardware.last_level_cache_bytes() <= 4 << 30


def test_copies_lie_one_after_the_other_and_are_equal():
    packed = best().pack(rows.random_matrix(40, 30))
    copies = matvec.copies_of(packed, 3)
    assert len(copies) == 3 and len({copy.weights.ctypes.data for copy in copies}) == 3
    assert all(np.array_equal(copy.weights, packed.weights) for copy in copies)
    assert copies[1].weights.ctypes.data - copies[0].weights.ctypes.data == packed.weights.nbytes


def test_cold_calls_take_another_copy_each_time_and_the_probe_another_one_still(monkeypatch):
    monkeypatch.setattr(probe, "copies_for_cold", lambda weight_bytes: 4)
    used, kernel, trits = [], best(), rows.random_matrix(40, 30)
    monkeypatch.setattr(
        Compiled, "product", lambda self, codes, packed, threads: used.append(packed.weights.ctypes.data))
    monkeypatch.setattr(probe, "read", lambda weights, threads: used.append(weights.ctypes.data))
    product, reading = matvec.product_and_probe(kernel, rows.random_codes(1, 30), kernel.pack(trits), 1, cold=True)
    for number in range(4):
        product(number)
        reading(number)
    assert len(set(used)) == 4 and used[0::2] == used[5::2] + used[1:5:2] and used[0] != used[1]


# Torch.

@pytest.mark.parametrize("batch", [1, 32])
@pytest.mark.parametrize("cold", [False, True])
def test_what_torch_is_timed_with_is_the_same_product(batch, cold, monkeypatch):
    monkeypatch.setattr(peers, "copies_for_cold", lambda weight_bytes: 2)
    trits, codes = rows.random_matrix(256, 384), rows.random_codes(batch, 384)
    works, wanted = peers.torch_works(trits, codes, cold), rows.exact_sums(codes, trits)
    assert "torch fp32" in works and set(works) <= set(peers.KINDS)
    for name, work in works.items():
        for number in (0, 1):
            got = work(number).float().numpy()
            close = 0 if "int8 x int8" in name or name == "torch fp32" else 0.02 * np.abs(wanted).max()
            assert np.abs(got - wanted).max() <= close, name


def test_a_product_that_this_torch_lacks_is_left_out(monkeypatch):
    def missing(*operands):
        raise RuntimeError("not on this processor")

    monkeypatch.setattr(torch, "_int_mm", missing)
    works = peers.torch_works(rows.random_matrix(16, 16), rows.random_codes(1, 16), False)
    assert not any("int8 x int8" in name for name in works) and "torch fp32" in works


def test_ratios_are_to_the_best_of_each_kind():
    times = {"torch fp32": 100.0, "torch int8 x int8": 30.0, "torch int8 weights": 20.0, "torch int8 dynamic": 40.0}
    assert peers.ratios(10.0, times) == {"torch fp32": 10.0, "torch int8": 2.0}


def test_the_number_of_torchs_threads_is_given_back():
    before = torch.get_num_threads()
    with rows.TorchThreads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_the_sums_to_compare_with_are_exact():
    trits, codes = rows.random_matrix(700, 50), rows.random_codes(3, 50)
    np.testing.assert_array_equal(rows.exact_sums(codes, trits), codes.astype(int) @ trits.T.astype(int))


# The benches.

@pytest.mark.parametrize("bench", ["matvec", "matmul", "fused"])
def test_a_bench_prints_rows_that_agree_with_themselves(bench, capsys):
    assert main(["bench", bench, "--quick", "--json"]) == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert "measuring" in told.err and len(found) >= 4
    for one in found:
        assert set(one) == FIELDS and one["kind"] == "measured" and len(one["shape"]) == 2
        assert one["median_us"] > 0 and one["samples"] >= 1 and one["threads"] >= 1
        if one["floor_us"] is not None:
            assert one["floor"] and one["times_floor"] == pytest.approx(one["median_us"] / one["floor_us"], rel=0.05)
    ours = [one for one in found if one["multiplies"] is not None]
    torchs = {(tuple(one["shape"]), one["state"], one["name"]): one["median_us"] for one in found
              if one["name"].startswith("torch")}
    assert torchs and all(one["exact"] is not False for one in found) and any(one["exact"] for one in ours)
    for one in ours:
        if "torch fp32" in one["faster_than"]:
            fp32_us = torchs[tuple(one["shape"]), one["state"], "torch fp32"]
            assert one["faster_than"]["torch fp32"] == pytest.approx(fp32_us / one["median_us"], rel=0.01)


def test_the_bench_of_the_engine_says_how_many_tokens_and_compares_them(capsys):
    assert main(["bench", "engine", "--quick", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["batch"] for one in found] == [1, 8, 256] and {one["name"] for one in found} == {"the shipped model"}
    for one in found:
        assert set(one) == FIELDS and one["exact"] is True and one["floor_us"] < one["median_us"]
        assert one["multiplies"] is best(one["batch"]).multiplies      # many tokens may have another kernel
        assert one["tokens_per_s"] == pytest.approx(1e6 * one["batch"] / one["median_us"], rel=0.01)
    assert found[0]["faster_than"]["torch bf16"] > 0


def test_a_wrong_engine_is_told(monkeypatch):
    monkeypatch.setattr(engine.Engine, "step", lambda self, tokens, state: (np.zeros((1, 65), np.int64), state))
    assert not engine.measure(quick=True, report=silent)[0].exact


def test_every_kernel_that_runs_here_is_measured_and_exact():
    found = matvec.measure(quick=True, report=silent)
    first = [one for one in found if one.shape == matvec.QUICK_SHAPES[0]]
    assert {one.name for one in first if one.bits} == {kernel.name for kernel in runnable()}
    assert all(one.exact for one in found if one.bits) and {one.state for one in found} == {"warm", "cold"}


def test_a_wrong_product_is_told(monkeypatch):
    right = Compiled.product
    monkeypatch.setattr(Compiled, "product", lambda *operands: right(*operands) + 1)
    found = matmul.measure(quick=True, report=silent)
    assert {one.exact for one in found if one.bits} == {False}


def test_a_wrong_layer_is_told(monkeypatch):
    right = fused.fused.bit_linear
    monkeypatch.setattr(fused.fused, "bit_linear", lambda *operands: right(*operands) * np.float32(1.000001))
    assert [one.exact for one in fused.measure(quick=True, report=silent) if one.name == "fused"] == [False]


def test_the_layer_in_steps_is_the_layer():
    x = np.random.default_rng(0).standard_normal((3, 60), dtype=np.float32)
    packed = fused.fused.KERNEL.pack(rows.random_matrix(50, 60))
    np.testing.assert_allclose(
        fused.in_steps(x, packed, 1), fused.fused.bit_linear(x, packed, fused.W_SCALE), atol=2 / 127)


def test_peers_from_elsewhere_are_scaled_by_the_probe(monkeypatch):
    monkeypatch.setattr(matvec, "ELSEWHERE_SHAPE", matvec.QUICK_SHAPES[0])
    found = [one for one in matvec.measure(quick=True, report=silent) if one.shape == matvec.QUICK_SHAPES[0]]
    by_name = {one.name: one for one in found}
    probe_us = by_name["bit planes"].floor_us
    ours = by_name[best().name]
    assert ours.faster_than["bitnet.cpp I2_S, scaled"] == pytest.approx(
        201 * probe_us / 47 / ours.median_us, rel=0.05)


# The table.

def test_the_table_shows_units_and_where_it_was_measured(capsys):
    assert main(["bench", "fused", "--quick"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Measured here: ") and " us" in shown and "floor: its product alone" in shown
    moved = best().count(256, 256) * np.dtype(best().word).itemsize + 4 * 256 + 4 * 256        # weights, x and y
    assert "256 x 256, 1 token, warm, 1 thread" in shown and f"fused moves {moved:,} bytes" in shown


def test_a_row_is_a_line_of_the_table():
    time = clock.Time(median_us=46.25, samples=40, disturbed=3)
    one = rows.row(
        "tables of nine", (4096, 4096), 1, 2, "cold", time, 41.0, bits=1.78, multiplies=False,
        floor="reading its 3,735,552 packed bytes, cold", exact=True,
        faster_than={"torch fp32": 72.05, "torch int8": 3.1, "ggml TQ2_0, scaled": 3.25})
    other = rows.row("torch fp32", (4096, 4096), 1, 2, "cold", clock.Time(3370.0, 5, 0))
    assert table.table([one, other]).splitlines() == [
        "4096 x 4096, 1 token, cold, 2 threads",
        "                  bits  multiplies     time  floor  x floor  fp32  bf16  int8  int4  exact",
        "  tables of nine  1.78          no  46.2 us  41 us     1.13  72.0         3.1          yes",
        "  torch fp32                        3.37 ms",
        "  floor: reading its packed bytes, cold",
        "  tables of nine is 3.2 times as fast as ggml TQ2_0, scaled",
    ]


@pytest.mark.parametrize(("us", "text"), [(0.5, "0.5 us"), (998.0, "998 us"), (999.7, "1 ms"), (25_340, "25.3 ms")])
def test_times_have_three_digits_and_a_unit(us, text):
    assert table.time_text(us) == text


def test_the_help_of_the_command_needs_neither_torch_nor_numba():
    code = ("import sys; from mmf_teach.tools.commands import bench; import argparse; "
            "bench.add_arguments(argparse.ArgumentParser()); print('torch' in sys.modules or 'numba' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
