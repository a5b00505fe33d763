"""Many training runs that differ in a few settings, one after the other; stops and goes on like a single one.

Course    notebook 16, "A fair sweep"
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmf_teach.files import write_file
from mmf_teach.hardware import describe
from mmf_teach.training.loop import Run
from mmf_teach.training.recipe import Recipe

Trial = dict[str, Any]                       # what a trial changes in the recipe


def sweep(
    recipe: Recipe, trials: list[Trial], results: Path, train: Callable[[Recipe], Run],
    report: Callable[[int, str], None] = lambda done, text: None,
    also: Callable[[Run], dict[str, Any]] = lambda run: {},
) -> list[dict[str, Any]]:
    """Call `train` once for each trial and keep the results in a JSON file; trials that stand in it are not run again.

    What `also` finds out about a finished run is kept with it. ValueError, before anything is trained, for a trial
    that makes no recipe or a file that holds no results.
    """
    recipes = [changed(recipe, trial) for trial in trials]

    def row(trial: Trial) -> dict[str, Any]:
        run = train(recipes[trials.index(trial)])
        return {
            "held_out_nats": round(run.curve["held_out_nats"][-1], 4),
            "curve": {name: [round(value, 4) for value in values] for name, values in run.curve.items()},
            "seconds": round(run.seconds, 1),
            "hardware": describe(run.device),
        } | also(run)

    return one_by_one(trials, results, "held_out_nats", row, report)


def one_by_one(
    trials: list[Trial], results: Path, entry: str, row: Callable[[Trial], dict[str, Any]],
    report: Callable[[int, str], None] = lambda done, text: None,
) -> list[dict[str, Any]]:
    """Keep the row of each trial in a JSON file as soon as there is one; trials that stand in it are not run again.

    ValueError for a file whose rows have no `entry`: it holds the results of something else.
    """
    rows = read_rows(results, entry) if results.exists() else []
    for number, trial in enumerate(trials):
        report(number, str(trial))
        if not any(old["trial"] == trial for old in rows):
            rows.append({"trial": trial} | row(trial))
            write_file(results, (json.dumps(rows, indent=1) + "\n").encode("utf-8"))
    report(len(trials), "done")
    return rows


def changed(recipe: Recipe, trial: Trial) -> Recipe:
    """The recipe of a trial."""
    try:
        return Recipe.from_json(recipe.to_json() | trial)
    except ValueError as problem:
        raise ValueError(f"the trial {trial}: {problem}") from None


def read_rows(results: Path, entry: str = "held_out_nats") -> list[dict[str, Any]]:
    """The results of an earlier sweep, each with its trial and this entry."""
    try:
        rows = json.loads(results.read_text("utf-8"))
    except ValueError:
        rows = None
    if not isinstance(rows, list) or not all(isinstance(row, dict) and {"trial", entry} <= row.keys() for row in rows):
        raise ValueError(f"{results} holds no results of a sweep: choose another file or remove it")
    return rows
