"""What is built on the reference's model; paper and released code are the two ends of a row of differences."""

import dataclasses
import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from fixtures.tiny import CORPUS
from safetensors.numpy import load_file

from mmf_teach.cost.multiplications_left import bit_linear_multiplications, multiplications_left
from mmf_teach.engine.stored_map import StoredMap
from mmf_teach.lesson.folders import exercises
from mmf_teach.model import paper_to_released as differences
from mmf_teach.model.checkpoint import load_model
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.matmul_free import MatMulFree
from mmf_teach.model.matmul_free_released import MatMulFreeReleased
from mmf_teach.model.paper_to_released import DIFFERENCES, Between
from mmf_teach.paths import SHIPPED_MODEL
from mmf_teach.reference.language_model import read_token, surprise, write_greedily
from mmf_teach.reference.mlgru_released import lower_bounds
from mmf_teach.training import paper_to_released_runs as training

carries_its_state = exercises("07").carries_its_state

TEXT = torch.tensor([[1, 4, 2, 0, 3, 3, 1]])
CONFIG = ModelConfig("matmul_free", 5, 16, 3)


# The reference


def test_a_token_goes_through_every_block_and_leaves_a_memory_in_each():
    """The example of the notebook: rows 1, -2, 0.5; one block adds its memory, one doubles."""
    blocks = [lambda x, h: (x + h, h + x), lambda x, h: (2 * x, h)]
    before = [10.0, 7.0]
    scores, after = read_token(1, before, [1.0, -2.0, 0.5], blocks, lambda x: [x, -x])
    assert scores == [16.0, -16.0] and after == [8.0, 7.0] and before == [10.0, 7.0]


def test_surprise_is_minus_the_logarithm_of_a_share_however_large_the_scores():
    scores = np.array([2.0, 0.0, -1.0])
    assert surprise(scores, 0) == pytest.approx(0.170, abs=1e-3)
    assert surprise(scores, 2) == pytest.approx(3.170, abs=1e-3)
    assert sum(np.exp(-surprise(scores, token)) for token in range(3)) == pytest.approx(1)
    assert surprise(scores + 5000, 1) == pytest.approx(surprise(scores, 1))
    assert surprise(np.array([0.0, -5000.0, -5000.0]), 1) == 5000        # one score far above all others
    torch_says = torch.nn.functional.cross_entropy(torch.tensor(scores)[None], torch.tensor([1]))
    assert surprise(scores, 1) == pytest.approx(float(torch_says))


def test_writing_feeds_back_what_was_written_and_carries_the_state():
    def step(token, state):
        total = (token + state) % 5
        return np.eye(5)[total], total

    assert write_greedily(step, 1, 0, 5) == [1, 2, 4, 3, 1]
    assert write_greedily(step, 1, 0, 0) == []


def test_lower_bounds_are_the_model_s_and_leave_the_last_block_something_to_forget():
    torch.manual_seed(0)
    model = MatMulFreeReleased(ModelConfig("matmul_free_released", 5, 16, 4))
    with torch.no_grad():
        model.bounds.normal_(std=3)
    bounds = lower_bounds(model.bounds.detach().numpy())
    np.testing.assert_allclose(bounds, model.lower_bounds().detach(), rtol=1e-4, atol=1e-6)
    assert (bounds[0] == 0).all() and all((low < high).all() for low, high in pairwise(bounds)) and (bounds < 1).all()


def test_multiplications_add_up_from_maps_memory_and_gate():
    """Width 8, inner width 32, five letters: as tests/test_formulas.py counts one block by hand."""
    assert bit_linear_multiplications(8, 5) == 3 * 8 + 5 + 2
    assert multiplications_left(8, 32, 1, 5) == 485
    assert multiplications_left(8, 32, 2, 5) - multiplications_left(8, 32, 1, 5) == 485 - 31


def test_a_map_whose_sizes_do_not_fit_its_bytes_is_refused():
    stored = load_file(SHIPPED_MODEL / "weights.safetensors")
    with pytest.raises(ValueError, match="trits take"):
        StoredMap.of(stored, "head", 128, 66)


def test_the_test_of_carried_state_passes_a_model_of_every_kind_of_memory():
    model, _ = load_model(SHIPPED_MODEL)
    assert carries_its_state(lambda text, state: _flat(*model.read(np.array([text]), state)))


def _flat(scores, state):
    """Scores and memories that NumPy can compare; the state itself is handed on."""
    class Kept(list):
        def __array__(self, dtype=None, copy=None):
            return np.concatenate([h.numpy().ravel() for h in self])
    return scores, Kept(state)


# From the paper to the released code


def renamed(state: dict) -> dict:
    """Names of a model between, as the released form calls them."""
    return {name.replace("token_mixer.to_c", "token_mixer.to_i"): each for name, each in state.items()}


def test_without_differences_it_is_the_paper_s_form():
    torch.manual_seed(0)
    between = Between(CONFIG, ())
    paper = MatMulFree(CONFIG)
    state = {name.replace("head.1.", "head."): each for name, each in between.state_dict().items()}
    for name, bias in paper.named_parameters():
        if name.endswith("to_f.bias"):       # the same memories, short and long, to begin with
            assert torch.equal(bias, state[name])
    paper.load_state_dict(state)
    torch.testing.assert_close(between(TEXT)[0], paper(TEXT)[0], rtol=0, atol=0)


def test_with_all_differences_it_is_the_released_form():
    torch.manual_seed(0)
    between = Between(dataclasses.replace(CONFIG, inner_width=64), DIFFERENCES)
    released = MatMulFreeReleased(ModelConfig("matmul_free_released", 5, 16, 3, inner_width=64))
    with torch.no_grad():
        for parameter in between.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    released.load_state_dict(renamed(between.state_dict()))
    torch.testing.assert_close(between(TEXT)[0], released(TEXT)[0], rtol=0, atol=0)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_each_difference_changes_the_model_and_nothing_else_does(name):
    def shapes(*chosen):
        return {key: tuple(each.shape) for key, each in Between(CONFIG, chosen).state_dict().items()}

    plain, changed = shapes(), shapes(name)
    told = {
        differences.BOUND: {"bounds"}, differences.GATE: {"gate_norm"}, differences.BIASES: {"bias"},
        differences.NORMS: set(), differences.GAINS: {"gain"}, differences.ONE_MAP: {"to_gate", "to_up"},
    }[name]
    odd = plain.items() ^ changed.items()
    assert all(any(part in key for part in told) for key, _ in odd) and bool(odd) == bool(told)
    blocks = Between(CONFIG, (name,)).blocks
    assert isinstance(blocks[0].token_norm, torch.nn.Identity) == (name != differences.NORMS)


def test_a_difference_that_is_none_is_refused():
    with pytest.raises(ValueError, match="there is no difference 'larger'"):
        Between(CONFIG, ("larger",))


def test_the_results_are_of_every_variant_rate_and_seed_and_the_best_rate_counts():
    document = json.loads(training.RESULTS.read_text("utf-8"))
    kept = {(row["variant"], row["seed"], row["learning_rate"]) for row in document["rows"]}
    assert kept == {(variant, *run) for variant in training.VARIANTS for run in training.RUNS}
    rates = [row["learning_rate"] for row in document["rows"]]
    assert len(kept) == len(rates) and max(rates) == 1e-2
    assert all(row["held_out_nats"] > document["floor_nats"] for row in document["rows"])
    found = training.best()
    assert list(found) == list(training.VARIANTS)
    for variant, (low, high) in found.items():
        own = {row["learning_rate"]: row["held_out_nats"] for row in document["rows"] if row["variant"] == variant}
        first = {rate: row["held_out_nats"] for row in document["rows"] for rate in [row["learning_rate"]]
                 if (row["variant"], row["seed"]) == (variant, 1)}
        assert first[1e-2] < first[5e-3] and low <= own[1e-2] <= high


def test_a_sweep_cut_short_goes_on_and_a_run_depends_on_its_seed_and_rate(tmp_path, monkeypatch):
    recipe = dataclasses.replace(training.RECIPE, width=16, blocks=1, steps=3, batch=2, window=16, warmup=1)
    one = training.learn(training.RELEASED, recipe, CORPUS)
    assert one == training.learn(training.RELEASED, recipe, CORPUS) == round(one, 4)
    assert one != training.learn(training.RELEASED, dataclasses.replace(recipe, seed=5), CORPUS)
    assert one != training.learn(training.PAPER, recipe, CORPUS)
    asked, told, path = [], [], tmp_path / "rows.json"
    monkeypatch.setattr(training, "learn", lambda *given: asked.append(given) or 1.0)
    training.run_all(path, recipe, CORPUS, report=told.append)
    everything = len(training.VARIANTS) * len(training.RUNS)
    assert len(asked) == everything
    assert {(variant, changed.seed, changed.learning_rate) for variant, changed, *_ in asked} == {
        (variant, *run) for variant in training.VARIANTS for run in training.RUNS}
    document = json.loads(path.read_text("utf-8"))
    assert told == [str(row) for row in document["rows"]]
    document["rows"] = document["rows"][:5]
    path.write_text(json.dumps(document), "utf-8")
    training.run_all(path, recipe, CORPUS, report=lambda said: None)
    assert len(asked) == 2 * everything - 5 and len(json.loads(path.read_text("utf-8"))["rows"]) == everything
