"""`mmf sweep`: one recipe, many trials."""

import argparse
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from mmf_teach.commands.train import choose_device
from mmf_teach.progress import Progress
from mmf_teach.training import corpus
from mmf_teach.training.recipe import Recipe
from mmf_teach.training.sweep import sweep


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", type=Path, help="a TOML file, such as data/recipes/shakespeare.toml")
    parser.add_argument("trials", type=Path, help="a TOML file with a table [[trial]] of changes for each run")
    parser.add_argument("--out", type=Path, required=True, help="JSON file of results; a sweep cut short goes on there")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="where to train")
    parser.add_argument("--json", action="store_true", help="print the results as one JSON document")


def run(options: argparse.Namespace) -> None:
    recipe = Recipe.read(options.recipe)
    trials = read_trials(options.trials)
    bar = Progress(len(trials))
    rows = sweep(recipe, trials, options.out, corpus.load(recipe.corpus), choose_device(options.device), bar.show)
    if options.json:
        json.dump(rows, sys.stdout)
        print()
        return
    for row in sorted(rows, key=lambda row: row["held_out_nats"]):
        settings = "  ".join(f"{name} {value}" for name, value in row["trial"].items())
        print(f"{row['held_out_nats']:.4f} nat per character (measured)  {settings}")


def read_trials(path: Path) -> list[dict[str, Any]]:
    """The changes of each trial; ValueError for a file that lists none."""
    try:
        trials = tomllib.loads(path.read_text("utf-8")).get("trial")
    except ValueError as problem:            # no TOML, or no UTF-8
        raise ValueError(f"{path}: {problem}") from None
    if not isinstance(trials, list) or not all(isinstance(trial, dict) for trial in trials):
        raise ValueError(f"{path} is no list of trials: write a table [[trial]] of changes for each run")
    return trials
