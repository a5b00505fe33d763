"""`mmf sweep`: one recipe, many trials."""

import argparse
import dataclasses
import json
import sys
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

from mmf_teach.engine.training import train
from mmf_teach.engine.training_step import make_step
from mmf_teach.progress import Progress
from mmf_teach.tools.commands.train import choose_device
from mmf_teach.training import corpus, floor
from mmf_teach.training.loop import Run
from mmf_teach.training.recall_sweep import recall_sweep
from mmf_teach.training.recipe import Recipe
from mmf_teach.training.sweep import sweep

RECALL = "recall"                            # named in the place of a corpus: the task of training.recall


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", type=Path, help="a TOML file, such as data/recipes/shakespeare.toml")
    parser.add_argument("trials", type=Path, help="a TOML file with a table [[trial]] of changes for each run")
    parser.add_argument("--out", type=Path, required=True, help="JSON file of results; a sweep cut short goes on there")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="where to train")
    parser.add_argument("--steps", type=int, help="another number of steps than the recipe says")
    parser.add_argument("--only", metavar="KIND", help="leave out the trials of other kinds of model")
    parser.add_argument("--json", action="store_true", help="print the results as one JSON document")


def run(options: argparse.Namespace) -> None:
    recipe = Recipe.read(options.recipe)
    if options.steps is not None:
        recipe = dataclasses.replace(recipe, steps=options.steps)
    trials = [
        trial for trial in read_trials(options.trials)
        if options.only is None or trial.get("kind", recipe.kind) == options.only
    ]
    bar, device = Progress(len(trials)), choose_device(options.device)
    if recipe.corpus == RECALL:
        rows = recall_sweep(recipe, trials, options.out, device, bar.show, make_step)
    else:
        learn = partial(train, corpus=corpus.load(recipe.corpus), device=device)
        also = above_floor if recipe.corpus == "grammar" else (lambda run: {})
        rows = sweep(recipe, trials, options.out, learn, bar.show, also)
    if options.json:
        json.dump(rows, sys.stdout)
        print()
        return
    for row in sorted(rows, key=lambda row: row.get("held_out_nats", 0)):
        settings = "  ".join(f"{name} {value}" for name, value in row["trial"].items())
        print(f"{measured(row)}  {settings}")


def above_floor(run: Run) -> dict[str, Any]:
    """What a run on the language of known entropy is told besides its loss."""
    vocabulary = corpus.load(run.recipe.corpus).vocabulary
    return {
        floor.ENTRY: round(floor.nats_above_floor(run.model, vocabulary), 4),
        "parameters": run.model.count_parameters(),
    }


def measured(row: dict[str, Any]) -> str:
    """The result of a trial in a few words."""
    if "accuracy" in row:
        return "recalls " + ", ".join(f"{share:.0%} at {x}" for x, share in zip(row["x"], row["accuracy"], strict=True))
    said = f"{row['held_out_nats']:.4f} nat per character (measured)"
    return said + (f", {row[floor.ENTRY]:.4f} above the floor" if floor.ENTRY in row else "")


def read_trials(path: Path) -> list[dict[str, Any]]:
    """The changes of each trial; ValueError for a file that lists none."""
    try:
        trials = tomllib.loads(path.read_text("utf-8")).get("trial")
    except ValueError as problem:            # no TOML, or no UTF-8
        raise ValueError(f"{path}: {problem}") from None
    if not isinstance(trials, list) or not all(isinstance(trial, dict) for trial in trials):
        raise ValueError(f"{path} is no list of trials: write a table [[trial]] of changes for each run")
    return trials
