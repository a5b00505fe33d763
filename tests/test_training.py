"""Training learns, ends the same whether it was interrupted or not, and loses nothing."""

import dataclasses
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from math import log

import numpy as np
import pytest
import torch
from fixtures.tiny import CORPUS, RECIPE, TEXT, environment, recipe_file
from hypothesis import given, settings, strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from mmf_teach.__main__ import main
from mmf_teach.engine import accelerate, training_step as engine
from mmf_teach.engine.training import train as fast_train
from mmf_teach.hardware import one_thread
from mmf_teach.model.build import MODELS, build
from mmf_teach.model.checkpoint import load_model
from mmf_teach.model.config import ModelConfig
from mmf_teach.training import loop, recall_sweep
from mmf_teach.training.corpus import Corpus
from mmf_teach.training.recall import VOCAB, Recall
from mmf_teach.training.step import make_optimiser, make_step, state_tensors
from mmf_teach.training.validation_loss import loss_nats

pytestmark = pytest.mark.usefixtures("without_type_checks", "in_one_thread")         # the first is four times as fast
ROUNDINGS = 2e-6                             # a few updates in float32, computed in another order
FLOAT32 = 1e-6                               # relative: a few roundings of a single float32
KILLS = 3
LONGEST_LIFE_S = 0.15                        # of a training run after its first save: about twenty steps
PART_OF_THE_WAY = {torch.float32: 1e-4, torch.bfloat16: 0.1}     # that weights went: roundings, which AdamW magnifies
BOTH = {"textbook": loop.train, "engine": fast_train}
BOTH_STEPS = pytest.mark.parametrize("make_step", [make_step, engine.make_step], ids=BOTH)
ALL_KINDS = [("textbook", "matmul_free"), *(("engine", kind) for kind in MODELS)]


class Interrupted(Exception):
    pass


@pytest.fixture
def in_one_thread():
    """The first parallel function that numba starts sets torch's number of threads as well."""
    with one_thread():
        yield


@pytest.fixture
def every_step_reported(monkeypatch):
    monkeypatch.setattr(loop, "REPORT_EVERY_S", -1)


def same(a: loop.Run, b: loop.Run) -> bool:
    """Equal to the last bit: weights and curve."""
    left, right = a.model.state_dict(), b.model.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left) and a.curve == b.curve


def interrupted_at(k: int, folder, recipe=RECIPE, train=loop.train) -> None:
    """Train until the report of step `k` fails, as when somebody presses Ctrl-C in it."""
    def report(step, loss, speed):
        if step == k:
            raise Interrupted

    with pytest.raises(Interrupted), pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "SAVE_EVERY_S", -1)
        train(recipe, CORPUS, folder, report=report)


@pytest.mark.parametrize(("code", "kind"), ALL_KINDS)
def test_a_model_learns_more_than_how_often_each_letter_comes(code, kind):
    entropy = -sum(n / len(TEXT) * log(n / len(TEXT)) for n in Counter(TEXT).values())
    larger = dataclasses.replace(RECIPE, kind=kind, width=32, window=32, batch=8, steps=40)
    run = BOTH[code](larger, CORPUS)
    assert run.curve["held_out_nats"][-1] < entropy / 2
    assert run.curve["train_nats"] == sorted(run.curve["train_nats"], reverse=True)


@pytest.mark.parametrize(("code", "kind"), ALL_KINDS)
def test_a_run_interrupted_at_any_step_ends_like_one_that_was_not(tmp_path, every_step_reported, code, kind):
    recipe, train = dataclasses.replace(RECIPE, kind=kind), BOTH[code]
    whole = train(recipe, CORPUS)
    for k in range(1, RECIPE.steps + 1):
        interrupted_at(k, tmp_path / str(k), recipe, train)
        assert same(train(recipe, CORPUS, tmp_path / str(k)), whole)


@settings(max_examples=10, deadline=None)
@given(moments=st.lists(st.integers(1, RECIPE.steps), unique=True).map(sorted))
def test_a_run_interrupted_again_and_again_ends_like_one_that_was_not(moments, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "REPORT_EVERY_S", -1)
        for k in moments:
            interrupted_at(k, folder)
    assert same(loop.train(RECIPE, CORPUS, folder), loop.train(RECIPE, CORPUS))


def test_a_run_goes_on_where_it_was_last_saved_and_counts_its_time_in_all(tmp_path, every_step_reported):
    interrupted_at(RECIPE.steps, tmp_path)
    with safe_open(tmp_path / loop.STATE, "pt") as file:
        saved = json.loads(file.metadata()["notes"])
    assert saved["done"] == RECIPE.steps - 1
    steps = []
    run = loop.train(RECIPE, CORPUS, tmp_path, report=lambda step, loss, speed: steps.append(step))
    assert steps == [RECIPE.steps]
    assert run.seconds > saved["seconds"] > 0


def test_a_finished_run_is_taken_up_without_another_step(tmp_path):
    whole = loop.train(RECIPE, CORPUS, tmp_path)
    steps = []
    again = loop.train(RECIPE, CORPUS, tmp_path, report=lambda *told: steps.append(told))
    assert same(again, whole) and steps == [] and again.seconds == whole.seconds


def test_it_saves_no_more_often_than_asked_and_always_at_the_end(tmp_path, monkeypatch):
    saved, now = [], [0.0]

    def clock():
        now[0] += 1
        return now[0]

    monkeypatch.setattr(loop.time, "perf_counter", clock)
    monkeypatch.setattr(loop, "save_state", lambda path, run, optimiser, done, losses: saved.append(done))
    for every_s, folder, moments in (
            (1e9, tmp_path, [RECIPE.steps]), (0, tmp_path, [*range(1, RECIPE.steps + 1)]), (0, None, [])):
        monkeypatch.setattr(loop, "SAVE_EVERY_S", every_s)
        loop.train(RECIPE, CORPUS, folder)
        assert saved == moments
        saved.clear()


def test_the_same_recipe_gives_the_same_weights_whatever_else_draws_random_numbers(every_step_reported):
    def elsewhere(step, loss, speed):
        torch.rand(step)
        np.random.rand(step)

    torch.manual_seed(99)
    first = loop.train(RECIPE, CORPUS, report=elsewhere)
    assert same(first, loop.train(RECIPE, CORPUS))
    assert not same(first, loop.train(dataclasses.replace(RECIPE, seed=4), CORPUS))


def test_reading_the_held_out_text_more_often_changes_no_weight():
    often = dataclasses.replace(RECIPE, evaluations=RECIPE.steps)
    a, b = loop.train(often, CORPUS), loop.train(dataclasses.replace(RECIPE, evaluations=1), CORPUS)
    assert all(torch.equal(p, q) for p, q in zip(a.model.parameters(), b.model.parameters(), strict=True))


def test_dropout_acts_while_training_differs_from_step_to_step_and_is_silent_when_the_loss_is_measured():
    seeds, shares = [], set()

    def watched(model, optimiser, clip):
        shares.update(module.p for module in model.modules() if isinstance(module, nn.Dropout))
        step = make_step(model, optimiser, clip)

        def step_once(x, y, rate):
            assert model.training
            seeds.append(torch.initial_seed())
            return step(x, y, rate)

        return step_once

    silenced = loop.train(dataclasses.replace(RECIPE, dropout=0.5), CORPUS, make_step=watched)
    assert shares == {0.5} and len(set(seeds)) == RECIPE.steps
    assert not same(silenced, loop.train(dataclasses.replace(RECIPE, dropout=0.0), CORPUS))
    assert silenced.curve["held_out_nats"][-1] == loss_nats(silenced.model, CORPUS.held_out, RECIPE.window)


@pytest.mark.parametrize(("evaluations", "points"), [(1, [8]), (3, [3, 5, 8]), (8, [1, 2, 3, 4, 5, 6, 7, 8])])
def test_the_curve_has_the_mean_loss_of_the_steps_since_its_last_point(every_step_reported, evaluations, points):
    losses = []
    recipe = dataclasses.replace(RECIPE, evaluations=evaluations)
    run = loop.train(recipe, CORPUS, report=lambda step, loss, speed: losses.append(loss))
    assert run.curve["step"] == points
    between = zip([0, *points], points, strict=False)
    means = [float(np.mean(losses[start:end])) for start, end in between]
    assert run.curve["train_nats"] == pytest.approx(means, rel=FLOAT32)
    assert len(run.curve["held_out_nats"]) == len(points)


def test_more_points_than_steps_are_as_many_as_there_are_steps():
    run = loop.train(dataclasses.replace(RECIPE, evaluations=50), CORPUS)
    assert run.curve["step"] == list(range(1, RECIPE.steps + 1))


def test_the_report_tells_the_last_step_and_a_speed():
    told = []
    loop.train(RECIPE, CORPUS, report=lambda *news: told.append(news))
    step, loss, speed = told[-1]
    assert step == RECIPE.steps and 0 < loss < 10 and speed > 0


def test_reports_keep_their_distance_and_their_speed_is_that_of_training_alone(monkeypatch):
    """By a clock on which a step takes three seconds and reading the held-out text a hundred."""
    now, told = [1000.0], []

    def passing(seconds, result=None):
        now[0] += seconds
        return result

    monkeypatch.setattr(loop.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(loop, "record_point", lambda *_: passing(100))
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 5)
    loop.train(
        dataclasses.replace(RECIPE, evaluations=2), CORPUS, report=lambda step, loss, speed: told.append((step, speed)),
        make_step=lambda *_: lambda x, y, rate: passing(3, torch.tensor(1.0)))
    assert told == [(step, RECIPE.batch * RECIPE.window / 3) for step in (2, 4, 6, 8)]


def test_what_is_learnt_from_is_brought_to_where_the_model_is(monkeypatch):
    places = []

    def watched(model, *_):
        return lambda x, y, rate: places.extend((model.embedding.weight.device, x.device, y.device)) or torch.zeros(())

    for module in (loop, recall_sweep):
        monkeypatch.setattr(module, "make_optimiser", lambda *_: None)
    monkeypatch.setattr(loop, "record_point", lambda *_: None)
    recipe = dataclasses.replace(RECIPE, steps=1)
    loop.train(recipe, CORPUS, device="meta", make_step=watched)
    recall_sweep.learn(recipe, ModelConfig("matmul_free", VOCAB, 16, 1), [Recall(1)], "meta", watched)
    assert places == 6 * [torch.device("meta")]


@given(length=st.integers(RECIPE.window + 1, 60), step=st.integers(0, 10**6))
def test_windows_lie_anywhere_in_the_text_and_the_targets_are_one_letter_on(length, step):
    text = torch.arange(length)
    x, y = loop.batch(text, RECIPE, step)
    assert x.shape == (RECIPE.batch, RECIPE.window) and torch.equal(y, x + 1)
    assert torch.equal(x - x[:, :1], torch.arange(RECIPE.window).expand_as(x))
    assert x.min() >= 0 and y.max() < length


def test_every_window_is_drawn_sooner_or_later_and_each_step_and_seed_draws_its_own():
    text = torch.arange(RECIPE.window + 5)
    starts = {int(start) for step in range(50) for start in loop.batch(text, RECIPE, step)[0][:, 0]}
    assert starts == set(range(5))
    text = torch.arange(1000)
    draws = [loop.batch(text, dataclasses.replace(RECIPE, seed=seed), step)[0][:, 0].tolist()
             for seed in range(5) for step in range(5)]
    assert len(set(map(tuple, draws))) == 25


def test_a_text_too_short_for_one_window_is_refused_by_both_numbers():
    with pytest.raises(ValueError, match="the text has 16 characters; a window of 16 needs at least one more"):
        loop.train(RECIPE, Corpus.of("short", TEXT[:18]))


def model_and_optimiser(kind: str = "matmul_free", **changes):
    torch.manual_seed(0)
    model = build(ModelConfig(kind, len(CORPUS.vocabulary), 16, 2))
    return model, make_optimiser(model, dataclasses.replace(RECIPE, **changes))


def test_weight_decay_shrinks_matrices_and_nothing_else():
    model, optimiser = model_and_optimiser(weight_decay=0.5)
    for group in optimiser.param_groups:
        group["lr"].fill_(0.25)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimiser.step()
    for name, p in model.named_parameters():
        assert torch.equal(p, before[name] * (1 - 0.5 * 0.25) if p.dim() > 1 else before[name]), name
    assert {p.dim() for p in model.parameters()} == {1, 2}


@BOTH_STEPS
@pytest.mark.parametrize("clip", [1e-3, 1e6])
def test_updates_are_those_of_adamw_as_published_after_clipping_the_gradient(clip, make_step):
    """Loshchilov & Hutter 2019, algorithm 2, with its numbers at their defaults and decay times learning rate."""
    beta1, beta2, decay, rate, epsilon = 0.8, 0.95, 0.3, 0.01, 1e-8
    model, optimiser = model_and_optimiser(betas=(beta1, beta2), weight_decay=decay)
    step_once, text = make_step(model, optimiser, clip), torch.from_numpy(CORPUS.train)
    p = {name: value.detach().clone() for name, value in model.named_parameters()}
    m = {name: torch.zeros_like(value) for name, value in p.items()}
    v = {name: torch.zeros_like(value) for name, value in p.items()}
    for t in (1, 2, 3):
        x, y = loop.batch(text, RECIPE, t)
        model.zero_grad()
        nn.functional.cross_entropy(model(x)[0].flatten(0, 1), y.flatten()).backward()
        gradients = {name: value.grad.clone() for name, value in model.named_parameters()}
        length = torch.stack([g.norm() for g in gradients.values()]).norm()
        step_once(x, y, rate)
        for name, g in gradients.items():
            g = g * min(1.0, clip / float(length))
            m[name] = beta1 * m[name] + (1 - beta1) * g
            v[name] = beta2 * v[name] + (1 - beta2) * g * g
            if p[name].dim() > 1:
                p[name] = p[name] * (1 - rate * decay)
            p[name] = p[name] - rate * m[name] / (1 - beta1**t) / ((v[name] / (1 - beta2**t)).sqrt() + epsilon)
        for name, value in model.named_parameters():
            torch.testing.assert_close(value.detach(), p[name], rtol=ROUNDINGS, atol=ROUNDINGS)
            p[name] = value.detach().clone()         # each update is compared by itself


@pytest.mark.parametrize("rows", [4, 5])
def test_cores_that_share_a_batch_find_the_gradient_of_the_whole(rows, monkeypatch):
    """Uneven shares count by their size. A model without codes, in float64: only the order of the sums differs."""
    torch.manual_seed(0)
    monkeypatch.setattr(engine, "SMALLEST_SHARE", 16)
    model = build(ModelConfig("transformer", len(CORPUS.vocabulary), 16, 2)).double()
    text = torch.from_numpy(CORPUS.train)
    x, y = loop.batch(text, dataclasses.replace(RECIPE, batch=rows), 0)
    threads, gradients, losses = [], [], []
    read = model.forward
    model.forward = lambda tokens: threads.append(threading.get_ident()) or read(tokens)
    for shares in (1, 2, 3):
        torch.set_num_threads(shares)
        model.zero_grad()
        with ThreadPoolExecutor(shares) as pool:
            losses.append(engine._shared_gradient(model, pool, x, y).item())
        assert torch.get_num_threads() == shares
        gradients.append([p.grad.clone() for p in model.parameters()])
    assert len(threads) == 1 + 2 + 3 and threading.get_ident() not in threads[1:]
    for loss, gradient in zip(losses, gradients, strict=True):
        assert loss == pytest.approx(losses[0], rel=1e-12)
        for a, b in zip(gradient, gradients[0], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("narrow", PART_OF_THE_WAY)
@pytest.mark.parametrize("kind", MODELS)
def test_some_updates_by_the_engine_lead_where_the_textbook_s_lead(kind, narrow, monkeypatch):
    """The first loss is equal to the last bit; what follows differs by rounding, as far as AdamW magnifies it."""
    plain, part = accelerate.trained_bit_linears, PART_OF_THE_WAY[narrow]
    monkeypatch.setattr(accelerate, "trained_bit_linears", lambda *given: plain(*given, narrow=narrow))
    losses, weights = [], []
    for make in (make_step, engine.make_step):
        model, optimiser = model_and_optimiser(kind)
        begun = torch.cat([p.detach().flatten().clone() for p in model.parameters()])
        step_once, text = make(model, optimiser, 1.0), torch.from_numpy(CORPUS.train)
        losses.append([step_once(*loop.batch(text, RECIPE, k), 0.01).item() for k in range(6)])
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]) - begun)
    assert losses[0][0] == losses[1][0] and losses[0][-1] < losses[0][0]
    assert losses[1] == pytest.approx(losses[0], rel=part)
    assert (weights[1] - weights[0]).norm() < part * weights[0].norm()


def test_a_whole_run_by_the_engine_ends_where_the_textbook_s_ends():
    textbook, fast = (train(RECIPE, CORPUS).curve for train in (loop.train, fast_train))
    assert fast["train_nats"] == pytest.approx(textbook["train_nats"], rel=2e-2)
    assert fast["held_out_nats"] == pytest.approx(textbook["held_out_nats"], rel=2e-2)


def test_the_engine_s_update_is_of_an_accelerated_model_with_the_same_parameters():
    model, optimiser = model_and_optimiser()
    before = [*model.parameters()]
    engine.make_step(model, optimiser, 1.0)
    assert all(p is old for p, old in zip(model.parameters(), before, strict=True))
    assert sum(type(layer).__name__.startswith("Fast") for layer in model.modules()) == 2 * 9 + 1


@pytest.mark.parametrize(("dropout", "least"), [(0.5, 1), (0.0, 33)])
def test_a_batch_is_not_shared_where_dropout_draws_random_numbers_or_there_is_little_to_do(dropout, least, monkeypatch):
    monkeypatch.setattr(engine, "SMALLEST_SHARE", least)        # the batch has 64 tokens
    model, _ = model_and_optimiser()
    model.dropout.p = dropout
    torch.set_num_threads(2)
    x, y = loop.batch(torch.from_numpy(CORPUS.train), RECIPE, 0)
    engine._shared_gradient(model, None, x, y)         # no pool: work given to it would be an error
    assert all(p.grad is not None for p in model.parameters())


def test_a_system_without_glibc_keeps_its_memory_as_it_likes(monkeypatch):
    monkeypatch.setattr(engine.ctypes, "CDLL", lambda name: object())
    engine.keep_memory()


@BOTH_STEPS
def test_an_update_at_rate_zero_changes_no_weight(make_step):
    model, optimiser = model_and_optimiser()
    before = [p.detach().clone() for p in model.parameters()]
    x, y = loop.batch(torch.from_numpy(CORPUS.train), RECIPE, 0)
    make_step(model, optimiser, 1.0)(x, y, 0.0)
    assert all(torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))


@BOTH_STEPS
@pytest.mark.parametrize("kind", MODELS)
def test_what_is_saved_covers_everything_that_an_update_changes(kind, make_step):
    model, optimiser = model_and_optimiser(kind)
    tensors = state_tensors(model, optimiser)
    names = {name for name, _ in model.named_parameters()}
    assert set(tensors) == {f"{part}/{name}" for part in ("weight", "step", "exp_avg", "exp_avg_sq") for name in names}
    saved = {tensor.data_ptr() for tensor in tensors.values()}
    assert len(saved) == len(tensors)
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    x, y = loop.batch(torch.from_numpy(CORPUS.train), RECIPE, 0)
    make_step(model, optimiser, 1.0)(x, y, 0.1)
    changing = list(model.parameters()) + [v for state in optimiser.state.values() for v in state.values()]
    assert {tensor.data_ptr() for tensor in changing} == saved
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in model.named_buffers())


def test_the_run_follows_the_schedule():
    rates = []

    def watched(model, optimiser, clip):
        assert clip == RECIPE.clip
        step = make_step(model, optimiser, clip)
        return lambda x, y, rate: rates.append(rate) or step(x, y, rate)

    loop.train(RECIPE, CORPUS, make_step=watched)
    expected = [loop.learning_rate(k, RECIPE.steps, RECIPE.learning_rate, RECIPE.warmup) for k in range(RECIPE.steps)]
    assert rates == expected


def test_a_folder_with_a_run_of_another_recipe_is_refused_and_left_as_it_is(tmp_path):
    loop.train(RECIPE, CORPUS, tmp_path)
    before = (tmp_path / loop.STATE).read_bytes()
    for changes in ({"seed": 4}, {"learning_rate": 0.01}, {"width": 32}, {"betas": (0.9, 0.98)}):
        with pytest.raises(ValueError, match="holds a run of another recipe") as told:
            loop.train(dataclasses.replace(RECIPE, **changes), CORPUS, tmp_path)
        assert str(tmp_path) in str(told.value) and "\n" not in str(told.value)
    assert (tmp_path / loop.STATE).read_bytes() == before


def changed_notes(path, change):
    with safe_open(path, "pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    save_file(tensors, path, change(metadata))


def without(entry):
    def change(metadata):
        notes = json.loads(metadata["notes"])
        del notes[entry]
        return {"notes": json.dumps(notes)}
    return change


def lacking_a_tensor(path):
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, path, metadata)


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "one byte short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "other bytes": lambda path: path.write_bytes(random.Random(0).randbytes(1000)),
    "no notes": lambda path: changed_notes(path, lambda metadata: None),
    "notes cut short": lambda path: changed_notes(path, lambda metadata: {"notes": metadata["notes"][:-9]}),
    "no recipe": lambda path: changed_notes(path, without("recipe")),
    "no number of steps": lambda path: changed_notes(path, without("done")),
    "no curve": lambda path: changed_notes(path, without("curve")),
    "no losses": lambda path: changed_notes(path, without("losses")),
    "a tensor missing": lacking_a_tensor,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_run_is_refused_in_one_sentence_and_left_for_inspection(tmp_path, damage):
    loop.train(RECIPE, CORPUS, tmp_path)
    DAMAGE[damage](tmp_path / loop.STATE)
    before = (tmp_path / loop.STATE).read_bytes()
    with pytest.raises(ValueError, match=r"is damaged .*: remove it to start again") as told:
        loop.train(RECIPE, CORPUS, tmp_path)
    assert str(tmp_path / loop.STATE) in str(told.value) and "\n" not in str(told.value)
    assert (tmp_path / loop.STATE).read_bytes() == before


@pytest.fixture
def own_text(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT, "utf-8")
    return recipe_file(tmp_path / "recipe.toml", corpus=str(tmp_path / "text.txt"))


def test_the_command_trains_with_the_engine_s_update(own_text, tmp_path, monkeypatch):
    made, make = [], engine._shared
    monkeypatch.setattr(engine, "_shared", lambda *given: made.append(given) or make(*given))
    assert main(["train", str(own_text), "--out", str(tmp_path / "model"), "--device", "cpu"]) == 0
    assert len(made) == 1


def test_the_command_leaves_a_model_its_record_and_nothing_else(own_text, tmp_path, capsys):
    assert main(["train", str(own_text), "--out", str(tmp_path / "model"), "--device", "cpu", "--steps", "4"]) == 0
    folder = tmp_path / "model"
    assert {path.name for path in folder.iterdir()} == {
        "config.json", "vocabulary.json", "weights.safetensors", "training.json"}
    record = json.loads((folder / "training.json").read_text("utf-8"))
    model, vocabulary = load_model(folder)
    assert record["recipe"]["steps"] == 4 and record["curve"]["step"][-1] == 4
    held_out = Corpus("", TEXT, vocabulary).held_out
    assert record["held_out_nats"] == round(loss_nats(model, held_out, RECIPE.window), 4)
    assert f"in windows of {RECIPE.window}" in record["held_out_nats_is"]
    assert record["hardware"] and record["seconds"] >= 0 and record["held_out_nats_is"].startswith("measured")
    assert capsys.readouterr().out.startswith(f"{folder}: {sum(p.stat().st_size for p in folder.iterdir()):,} bytes")


def test_the_command_reads_another_text_when_asked_and_prints_one_document(own_text, tmp_path, capsys):
    (tmp_path / "other.txt").write_text(TEXT.upper(), "utf-8")
    arguments = ["train", own_text, "--out", tmp_path / "model", "--corpus", tmp_path / "other.txt", "--json"]
    assert main([str(a) for a in arguments]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["recipe"]["corpus"] == str(tmp_path / "other.txt") and document["folder"] == str(tmp_path / "model")
    assert document["size_bytes"] == sum(path.stat().st_size for path in (tmp_path / "model").iterdir())
    assert "A" in load_model(tmp_path / "model")[1].symbols


def test_a_folder_with_a_finished_model_is_refused_and_left_as_it_is(own_text, tmp_path, capsys):
    arguments = ["train", str(own_text), "--out", str(tmp_path / "model")]
    assert main(arguments) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    capsys.readouterr()
    assert main(arguments) == 1
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and "finished model: choose another folder" in told.err
    assert {path: path.read_bytes() for path in (tmp_path / "model").iterdir()} == before


def test_a_gpu_that_is_not_there_is_told_before_anything_is_written(own_text, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["train", str(own_text), "--out", str(tmp_path / "model"), "--device", "cuda"]) == 1
    assert "no CUDA GPU here" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


SAVING_OFTEN = """
import sys
from mmf_teach.training import loop
loop.SAVE_EVERY_S = 0
from mmf_teach.__main__ import main
from mmf_teach.hardware import one_thread
sys.exit(main(sys.argv[1:]))
"""


def test_a_process_killed_at_random_moments_and_started_again_writes_the_same_model(tmp_path, capsys):
    """A real `mmf train`, which only saves more often than every half minute, ended by SIGKILL."""
    (tmp_path / "text.txt").write_text(TEXT, "utf-8")
    long = dataclasses.replace(RECIPE, corpus=str(tmp_path / "text.txt"), steps=200, evaluations=20)
    recipe, moments = str(recipe_file(tmp_path / "recipe.toml", long)), random.Random(0)
    assert main(["train", recipe, "--out", str(tmp_path / "whole"), "--device", "cpu"]) == 0
    arguments = ["train", recipe, "--out", str(tmp_path / "killed"), "--device", "cpu"]
    state = tmp_path / "killed" / loop.STATE
    for _ in range(KILLS):
        before = state.stat().st_mtime_ns if state.exists() else None
        command = [sys.executable, "-c", SAVING_OFTEN, *arguments]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment()) as process:
            while process.poll() is None and (not state.exists() or state.stat().st_mtime_ns == before):
                time.sleep(0.01)
            time.sleep(moments.uniform(0, LONGEST_LIFE_S))
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL and not (tmp_path / "killed" / "training.json").exists()
    assert main(arguments) == 0
    records = [json.loads((tmp_path / name / "training.json").read_text("utf-8")) for name in ("whole", "killed")]
    assert records[0]["curve"] == records[1]["curve"]
    for name in ("weights.safetensors", "config.json", "vocabulary.json"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not state.exists()
