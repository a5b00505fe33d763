"""Recall asks for what was told and nothing else; the stored results are those of the recipes in the project."""

import dataclasses
import json
import tomllib
from functools import partial

import numpy as np
import pytest
import torch
from fixtures.tiny import recipe_file

from mmf_teach.__main__ import main
from mmf_teach.model.build import MODELS, build
from mmf_teach.model.character_tokenizer import Vocabulary
from mmf_teach.model.config import ModelConfig
from mmf_teach.paths import DATA
from mmf_teach.tools.commands import sweep as command
from mmf_teach.training import floor, recall_sweep
from mmf_teach.training.floor import nats_above_floor, rival_rows
from mmf_teach.training.grammar import Grammar
from mmf_teach.training.recall import CHANCE, KEYS, NOT_ASKED, VALUES, VOCAB, Recall, mixed
from mmf_teach.training.recall_sweep import TASKS, accuracy, numbers_kept, recall_rows
from mmf_teach.training.recipe import Recipe

RECIPES = DATA / "recipes"


def dice(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("task", [Recall(1), Recall(5), Recall(20), Recall(3, gap=7), Recall(64, queries=2)])
@pytest.mark.parametrize("longer", [0, 9])
def test_each_question_is_a_key_that_was_told_and_its_answer_the_value_told_with_it(task, longer):
    tokens, targets = task.sequences(30, dice(), task.length + longer)
    assert tokens.shape == targets.shape == (30, task.length + longer)
    for row, wanted in zip(tokens.tolist(), targets.tolist(), strict=True):
        keys, values = row[0 : 2 * task.pairs : 2], row[1 : 2 * task.pairs : 2]
        has = dict(zip(keys, values, strict=True))
        assert len(has) == task.pairs and set(keys) <= set(range(KEYS))
        assert set(values) <= set(range(KEYS, KEYS + VALUES))
        questions = range(2 * task.pairs + task.gap, task.length, 2)
        assert [at for at, target in enumerate(wanted) if target != NOT_ASKED] == list(questions)
        assert len({row[at] for at in questions}) == task.asked == min(task.pairs, task.queries)
        assert all(wanted[at] == has[row[at]] == row[at + 1] for at in questions)
        noise = row[2 * task.pairs : 2 * task.pairs + task.gap] + row[task.length :]
        assert set(noise) <= set(range(KEYS + VALUES, VOCAB)) and len(noise) == task.gap + longer


def test_the_same_dice_make_the_same_sequences_and_others_make_others():
    one, again, other = (Recall(4).sequences(5, dice(seed))[0] for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def test_every_value_is_as_likely_so_that_chance_is_what_it_says():
    """Of 20,000 answers each value should get 312.5 with a standard deviation of 17.5: within five of them."""
    _, targets = Recall(2).sequences(10_000, dice())
    counts = np.bincount(targets[targets != NOT_ASKED] - KEYS, minlength=VALUES)
    assert CHANCE * counts.sum() == 312.5 and abs(counts - 312.5).max() < 5 * 17.5


def test_a_mixture_has_as_many_sequences_of_each_task_all_of_one_length():
    tasks = [Recall(2), Recall(8), Recall(4, gap=10)]
    tokens, targets = mixed(tasks, 12, dice())
    assert tokens.shape == targets.shape == (12, 32)
    assert [(row != NOT_ASKED).sum() for row in targets] == [2] * 4 + [8] * 4 + [4] * 4
    assert len(mixed(tasks, 1, dice())[0]) == 3              # one of each at least


@pytest.mark.parametrize("sizes", [
    {"pairs": 0}, {"pairs": KEYS + 1}, {"pairs": 2, "gap": -1}, {"pairs": 2, "queries": 0}, {"pairs": 2.0},
])
def test_a_task_that_cannot_be_is_refused(without_type_checks, sizes):
    with pytest.raises(ValueError, match=f"1 to {KEYS} pairs"):
        Recall(**sizes)


class Oracle(torch.nn.Module):
    """Knows the answer to the first `knows` questions of each sequence and guesses noise elsewhere."""

    def __init__(self, task: Recall, knows: int):
        super().__init__()
        self.embedding, self.task, self.knows = torch.nn.Embedding(1, 1), task, knows

    def forward(self, x):
        scores = torch.zeros(*x.shape, VOCAB)
        scores[..., VOCAB - 1] = 1.0
        begin = 2 * self.task.pairs + self.task.gap
        for at in range(begin, begin + 2 * self.knows, 2):
            scores[torch.arange(len(x)), at, x[:, at + 1]] = 2.0
        return scores, None


@pytest.mark.parametrize("knows", [0, 1, 3, 4])
def test_accuracy_is_the_share_of_questions_answered_rightly(without_type_checks, knows):
    assert accuracy(Oracle(Recall(4, gap=3), knows), Recall(4, gap=3), exam=70) == knows / 4


@pytest.mark.parametrize(("kind", "sizes", "kept"), [
    ("matmul_free", {}, lambda t: 2 * 16), ("transformer", {}, lambda t: 2 * 2 * 16 * t),
    ("transformer", {"kv_heads": 1}, lambda t: 2 * 16 * t), ("mamba", {"state": 5}, lambda t: 4 * 32 * (3 + 5)),
    ("hybrid", {"reach": 4}, lambda t: 16 + 2 * 16 * min(t, 3)),
])
@pytest.mark.parametrize("tokens", [1, 9])
def test_the_numbers_kept_are_counted(kind, sizes, kept, tokens):
    model = build(ModelConfig(kind, VOCAB, 16, 2, heads=2, **sizes))
    assert numbers_kept(model, tokens) == kept(tokens)


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    """A recall sweep of a moment: two trials, of which the second could not learn anything."""
    monkeypatch.setitem(TASKS, "pairs", [Recall(1), Recall(2)])
    monkeypatch.setattr(recall_sweep, "accuracy", partial(accuracy, exam=8))
    recipe_file(tmp_path / "recipe.toml", corpus="recall", steps=3, heads=2, blocks=2)
    (tmp_path / "trials.toml").write_text(
        '[[trial]]\ntask = "pairs"\nkind = "hybrid"\nreach = 3\n[[trial]]\ntask = "pairs"\nkind = "matmul_free"\n',
        "utf-8")
    named = [tmp_path / "recipe.toml", tmp_path / "trials.toml", "--out", tmp_path / "rows.json", "--device", "cpu"]
    return ["sweep", *map(str, named)]


def test_the_command_trains_and_examines_each_model_and_goes_on_where_it_was(arguments, tmp_path, capsys):
    assert main([*arguments, "--only", "hybrid"]) == 0
    first = json.loads((tmp_path / "rows.json").read_text("utf-8"))
    assert [row["trial"]["kind"] for row in first] == ["hybrid"]
    assert main([*arguments, "--steps", "2"]) == 0
    rows = json.loads((tmp_path / "rows.json").read_text("utf-8"))
    assert rows[:1] == first and [row["trial"]["kind"] for row in rows] == ["hybrid", "matmul_free"]
    assert rows[0]["x"] == [1, 2] and rows[0]["numbers_kept"] == [16 * (1 + 2 * k) for k in (2, 2)]
    assert all(0 <= share <= 1 for row in rows for share in row["accuracy"])
    assert capsys.readouterr().out.splitlines()[-1].startswith("recalls ")


def test_shares_are_kept_to_four_digits(arguments, tmp_path, monkeypatch):
    monkeypatch.setattr(recall_sweep, "accuracy", lambda model, task: task.pairs / 3)
    assert main([*arguments, "--only", "hybrid"]) == 0
    assert json.loads((tmp_path / "rows.json").read_text("utf-8"))[0]["accuracy"] == [0.3333, 0.6667]


@pytest.mark.parametrize(
    "trial", ['task = "all"', 'task = "pairs"\nstate = 3', 'task = "pairs"\nwidht = 3', "width = 8"])
def test_a_trial_without_a_task_or_with_a_wrong_size_is_told_before_anything_is_trained(
        without_type_checks, arguments, tmp_path, capsys, monkeypatch, trial):
    monkeypatch.setattr(command, "make_step", lambda *_: pytest.fail("something was trained"))
    with (tmp_path / "trials.toml").open("a", encoding="utf-8") as file:
        file.write(f"[[trial]]\n{trial}\n")
    assert main(arguments) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("mmf sweep: ")


def test_a_model_learns_to_recall_a_single_pair():
    """With one pair there is only one answer: a model finds it as soon as it can copy."""
    changes = {"width": 32, "steps": 150, "batch": 64, "learning_rate": 0.01, "warmup": 20}
    recipe, config = recall_sweep._model_of(
        Recipe.read(RECIPES / "recall.toml"), {"task": "pairs", "kind": "transformer"} | changes)
    model = recall_sweep.learn(recipe, config, [Recall(1)])
    assert accuracy(model, Recall(1), 100) > 0.9 > 10 * CHANCE


# --- the language of known entropy ------------------------------------------------------------------------------


class Rules(torch.nn.Module):
    """Gives every character the same odds."""

    def __init__(self, letters: int):
        super().__init__()
        self.embedding = torch.nn.Embedding(1, 1)
        self.letters = letters

    def forward(self, x):
        return torch.zeros(*x.shape, self.letters), None


def test_a_reader_who_knows_nothing_is_the_logarithm_of_the_letters_above_zero(without_type_checks):
    letters = Vocabulary.of(Grammar().text(20_000, seed=0))
    got = nats_above_floor(Rules(len(letters)), letters, stories=150)
    assert got == pytest.approx(np.log(len(letters)) - Grammar().floor_nats, rel=1e-6)


def test_stories_are_read_each_alone_and_every_character_counts_once(without_type_checks, monkeypatch):
    letters, read = Vocabulary.of(Grammar().text(20_000, seed=0)), []

    class Watched(Rules):
        def forward(self, x):
            read.extend(letters.decode(row.numpy()) for row in x)
            return super().forward(x)

    monkeypatch.setattr(floor, "AT_ONCE", 7)
    nats_above_floor(Watched(len(letters)), letters, stories=20)
    rng = np.random.default_rng(floor.SEED)
    stories = sorted((Grammar().story(rng) for _ in range(20)), key=len)
    assert len(read) == 20
    assert all(text.startswith("\n" + story[:-1]) for text, story in zip(read, stories, strict=True))


# --- what is stored ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["recall", "rivals"])
def test_every_stored_row_is_of_a_trial_in_the_recipes_and_every_trial_has_its_row(name):
    rows = json.loads((DATA / "sweeps" / f"{name}.json").read_text("utf-8"))
    trials = tomllib.loads((RECIPES / f"{name}_trials.toml").read_text("utf-8"))["trial"]
    assert [row["trial"] for row in rows] == trials
    assert all(row["hardware"] for row in rows)
    Recipe.read(RECIPES / f"{name}.toml")


def test_every_model_was_tried_with_the_same_learning_rates():
    for name in ("recall", "rivals"):
        rates = {}
        for trial in tomllib.loads((RECIPES / f"{name}_trials.toml").read_text("utf-8"))["trial"]:
            if trial.get("seed", 1) == 1:
                model = (trial.get("task"), trial["kind"], trial.get("width"), trial.get("reach"))
                rates.setdefault(model, []).append(trial["learning_rate"])
        assert len({tuple(tried) for tried in rates.values()}) == 1
        assert {model[1] for model in rates} == set(MODELS)


def test_the_stored_sizes_are_those_of_the_models_built_here():
    recipe = Recipe.read(RECIPES / "recall.toml")
    for row in recall_rows("pairs") + recall_rows("distance"):
        sizes = {"reach": row["reach"]} if row["reach"] else {}
        model = build(ModelConfig(row["kind"], VOCAB, row["width"], recipe.blocks, recipe.heads, **sizes))
        assert row["parameters"] == model.count_parameters()
        assert len(row["x"]) == len(row["accuracy"]) == len(row["numbers_kept"])
        assert row["x"] in ([task.pairs for task in TASKS["pairs"]], [task.gap for task in TASKS["distance"]])
        if row["width"] == 32:
            assert row["numbers_kept"] == [numbers_kept(model, 2 * pairs) for pairs in row["x"]]


def test_a_row_is_the_best_of_its_learning_rates():
    stored = json.loads(recall_sweep.RESULTS.read_text("utf-8"))
    for row in recall_rows("pairs"):
        same = [one for one in stored if one["trial"]["task"] == "pairs" and all(
            one["trial"].get(name) == row[name] for name in ("kind", "width", "reach"))]
        assert len(same) == 2 and sum(row["accuracy"]) == max(sum(one["accuracy"]) for one in same)
    assert [(row["kind"], row["reach"]) for row in recall_rows("distance")] == [
        ("transformer", None), ("matmul_free", None), ("mamba", None), ("hybrid", 16), ("hybrid", 64)]
    with pytest.raises(ValueError, match="tasks pairs and distance, not 'all'"):
        recall_rows("all")


def test_no_model_is_below_the_floor_and_each_was_run_twice():
    rows = rival_rows()
    assert {row["kind"] for row in rows} == set(MODELS)
    assert all(len(row[floor.ENTRY]) == 2 and min(row[floor.ENTRY]) > 0 for row in rows)
    config = ModelConfig("mamba", 25, 64, 3, 4)
    assert next(row["parameters"] for row in rows if row["kind"] == "mamba") == build(
        dataclasses.replace(config, vocab=len(Vocabulary.of(Grammar().text(20_000, seed=0))))).count_parameters()
