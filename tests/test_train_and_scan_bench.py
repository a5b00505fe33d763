"""The benches of training and of the scan: rivals that compute what they say, ratios that follow from the times."""

import json
import re
from statistics import mean

import pytest
import torch

from mmf_teach.__main__ import main
from mmf_teach.engine.bench import scan, train
from mmf_teach.layers import mlgru_scan as naive
from mmf_teach.layers.bit_linear import BitLinear
from mmf_teach.paths import DATA

pytestmark = pytest.mark.usefixtures("without_type_checks")
ROUNDING = 1e-5                              # of floats that have been rounded to codes, multiplied as floats
silent = lambda text: None


def test_the_loop_with_lerp_computes_the_naive_memories():
    torch.manual_seed(0)
    f, c, h = torch.rand(2, 9, 5), torch.randn(2, 9, 5), torch.randn(2, 5)
    torch.testing.assert_close(scan.lerp_loop(f, c, h), naive.mlgru_scan(f, c, h), rtol=1e-6, atol=1e-6)


def test_the_layer_in_rounded_floats_is_the_textbook_s_but_for_the_rounding_of_floats():
    torch.manual_seed(0)
    layer, textbook = BitLinear(33, 9, bias=True), train.TextbookBitLinear(33, 9, bias=True)
    textbook.load_state_dict(layer.state_dict())
    x, above = torch.randn(5, 33), torch.randn(5, 9)
    y, own = layer(x), textbook(x)
    torch.testing.assert_close(own, y, rtol=ROUNDING, atol=ROUNDING)
    for a, b in zip(torch.autograd.grad(own, list(textbook.parameters()), above),
                    torch.autograd.grad(y, list(layer.parameters()), above), strict=True):
        torch.testing.assert_close(a, b, rtol=ROUNDING, atol=ROUNDING)


def test_all_candidates_have_the_same_2_3_million_parameters_to_a_hundredth():
    sizes = {name: train.update_of(name, train.SIZES, 1, 8)[0].count_parameters() for name in train.CANDIDATES}
    assert all(abs(size / 2.31e6 - 1) < 0.01 for size in sizes.values()), sizes


@pytest.mark.parametrize("name", train.CANDIDATES)
def test_the_timed_call_updates_every_weight(name):
    model, work = train.update_of(name, train.QUICK_SIZES, 2, 16)
    before = [p.detach().clone() for p in model.parameters()]
    work(0)
    assert all((p != old).any() for p, old in zip(model.parameters(), before, strict=True))


def test_the_narrow_transformer_multiplies_in_bfloat16_and_learns_in_float32():
    model, _ = train.update_of("Transformer++ bf16", train.QUICK_SIZES, 2, 16)
    scores, _ = model(torch.zeros(1, 4, dtype=torch.int64))
    assert scores.dtype == torch.bfloat16 and {p.dtype for p in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("bench", [scan, train], ids=["scan", "train"])
def test_ratios_follow_from_the_medians(bench):
    rows = bench.measure(True, silent)
    by_name = {row.name: row for row in rows}
    for row in rows:
        assert row.median_us > 0 and row.tokens_per_s > 0 and row.kind == "measured"
        backwards = re.sub("^[^,]*", "", row.name)
        for other, ratio in row.faster_than.items():
            assert ratio == pytest.approx(by_name[other + backwards].median_us / row.median_us, rel=0.01)
        assert len(row.faster_than) >= len(scan.LOOPS) - 1


def test_the_scan_bench_says_which_memories_are_exact():
    exact = {row.name.partition(",")[0]: row.exact for row in scan.measure(True, silent)}
    assert exact.pop("compiled") and exact.pop("torch: loop over unbind") and not exact["doubling"]


def test_the_command_prints_one_document(capsys):
    assert main(["bench", "train", "--quick", "--json"]) == 0
    assert {row["name"] for row in json.loads(capsys.readouterr().out)} == set(train.CANDIDATES)


# The stored sweep of learning rates.

def rates() -> list[dict]:
    return json.loads((DATA / "sweeps" / "learning_rates.json").read_text("utf-8"))


def test_both_models_got_the_same_trials_with_three_seeds_each():
    trials = {kind: sorted((row["trial"]["learning_rate"], row["trial"]["seed"]) for row in rates()
                           if row["trial"]["kind"] == kind) for kind in ("matmul_free", "transformer")}
    assert trials["matmul_free"] == trials["transformer"] and len(trials["transformer"]) == 8 * 3
    assert len(rates()) == 2 * 8 * 3


def test_the_matmul_free_model_wants_the_larger_rate_and_forgives_more():
    """What notebook 08 says of the stored sweep: best rates a factor apart, and how much twice to four times costs."""
    means = {(kind, rate): mean(row["held_out_nats"] for row in rates() if (
        row["trial"]["kind"], row["trial"]["learning_rate"]) == (kind, rate))
        for kind in ("matmul_free", "transformer") for rate in (5e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2)}
    best = {kind: min((loss, rate) for (k, rate), loss in means.items() if k == kind)[1]
            for kind in ("matmul_free", "transformer")}
    assert best == {"matmul_free": 4e-3, "transformer": 2e-3}
    assert means["matmul_free", 1.6e-2] - means["matmul_free", 4e-3] < 0.05
    assert means["transformer", 8e-3] - means["transformer", 2e-3] > 0.1
