"""A sweep runs each trial once, keeps every result, and goes on where it was stopped."""

import dataclasses
import json
from functools import partial

import pytest
from fixtures.tiny import CORPUS, RECIPE, TEXT, recipe_file

from mmf_teach.__main__ import main
from mmf_teach.tools.commands import sweep as command
from mmf_teach.training.loop import train
from mmf_teach.training.recipe import Recipe
from mmf_teach.training.sweep import sweep

LEARN = partial(train, corpus=CORPUS)
SHORT = dataclasses.replace(RECIPE, steps=2, evaluations=1)
TRIALS = [{"learning_rate": 0.01}, {"learning_rate": 0.02, "betas": [0.5, 0.9]}, {"steps": 3, "blocks": 2}]


class Interrupted(Exception):
    pass


class Trained(list):
    """Trains, and keeps every recipe in order; the training after as many as `interrupted` is interrupted."""

    interrupted = None

    def __call__(self, recipe):
        if len(self) == self.interrupted:
            self.interrupted = None
            raise Interrupted
        self.append(recipe)
        return LEARN(recipe)


def changed(trial) -> Recipe:
    return Recipe.from_json(SHORT.to_json() | trial)


def timeless(rows):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_each_row_is_the_end_and_the_curve_of_a_run_with_the_changes_of_its_trial(tmp_path):
    rows = sweep(SHORT, TRIALS, tmp_path / "rows.json", LEARN)
    assert [row["trial"] for row in rows] == TRIALS
    assert json.loads((tmp_path / "rows.json").read_text("utf-8")) == rows
    for row, trial in zip(rows, TRIALS, strict=True):
        run = train(changed(trial), CORPUS)
        assert row["held_out_nats"] == round(run.curve["held_out_nats"][-1], 4)
        assert row["curve"] == {name: [round(v, 4) for v in values] for name, values in run.curve.items()}
        assert row["hardware"] and row["seconds"] >= 0
    assert len({row["held_out_nats"] for row in rows}) == 3


@pytest.mark.parametrize("fail", [0, 1, 2])
def test_a_sweep_cut_short_keeps_what_it_has_and_runs_only_the_rest(tmp_path, fail):
    results, trained = tmp_path / "rows.json", Trained()
    trained.interrupted = fail
    with pytest.raises(Interrupted):
        sweep(SHORT, TRIALS, results, trained)
    kept = json.loads(results.read_text("utf-8")) if results.exists() else []
    assert [row["trial"] for row in kept] == TRIALS[:fail]
    rows = sweep(SHORT, TRIALS, results, trained)
    assert trained == [changed(trial) for trial in TRIALS]
    assert rows[:fail] == kept and timeless(rows) == timeless(sweep(SHORT, TRIALS, tmp_path / "whole.json", LEARN))


def test_a_finished_sweep_trains_nothing_and_a_longer_list_only_what_is_new(tmp_path):
    trained = Trained()
    first = sweep(SHORT, TRIALS[:2], tmp_path / "rows.json", LEARN)
    assert sweep(SHORT, TRIALS[:2], tmp_path / "rows.json", trained) == first and trained == []
    assert sweep(SHORT, [TRIALS[2], *TRIALS[:2]], tmp_path / "rows.json", trained)[:2] == first
    assert trained == [changed(TRIALS[2])]


def test_the_report_counts_the_trials(tmp_path):
    told = []
    sweep(SHORT, TRIALS, tmp_path / "rows.json", LEARN, report=lambda done, text: told.append(done))
    assert told == [0, 1, 2, 3]


@pytest.fixture
def arguments(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT, "utf-8")
    recipe_file(tmp_path / "recipe.toml", SHORT, corpus=str(tmp_path / "text.txt"))
    lines = ["[[trial]]", "learning_rate = 1e-5", "[[trial]]", "learning_rate = 0.02", ""]
    (tmp_path / "trials.toml").write_text("\n".join(lines), "utf-8")
    named = [tmp_path / "recipe.toml", tmp_path / "trials.toml", "--out", tmp_path / "rows.json", "--device", "cpu"]
    return ["sweep", *map(str, named)]


def test_the_command_prints_the_best_first(arguments, capsys):
    assert main(arguments) == 0
    losses, settings = zip(*(line.split(" nat per character (measured)  ")
                             for line in capsys.readouterr().out.splitlines()), strict=True)
    assert settings == ("learning_rate 0.02", "learning_rate 1e-05")
    assert float(losses[0]) < float(losses[1])


def test_the_command_prints_one_document_when_asked(arguments, tmp_path, capsys):
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "rows.json").read_text("utf-8"))


@pytest.mark.parametrize("trials", [
    "no toml", "other = 1", "trial = 3", "[trial]\nsteps = 3", "[[trial]]\nstepps = 3", "[[trial]]\nsteps = -3",
    "[[trial]]\nsteps = 'many'",
])
def test_a_list_of_trials_that_is_none_is_told_in_one_line_before_anything_is_trained(
        without_type_checks, arguments, tmp_path, capsys, monkeypatch, trials):
    monkeypatch.setattr(command, "train", lambda *_, **__: pytest.fail("something was trained"))
    (tmp_path / "trials.toml").write_text(f"{trials}\n", "utf-8")
    assert main(arguments) == 1
    told = capsys.readouterr()
    assert told.out == "" and told.err.splitlines()[-1].startswith("mmf sweep: ")
    assert not (tmp_path / "rows.json").exists()


@pytest.mark.parametrize("content", [b"", b"[{", b"\xff", b"{}", b"[3]"])
def test_results_that_are_damaged_are_refused_by_name_and_left_as_they_are(
        without_type_checks, arguments, tmp_path, capsys, content):
    (tmp_path / "rows.json").write_bytes(content)
    assert main(arguments) == 1
    assert str(tmp_path / "rows.json") in capsys.readouterr().err.splitlines()[-1]
    assert (tmp_path / "rows.json").read_bytes() == content
