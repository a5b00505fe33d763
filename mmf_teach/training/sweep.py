"""Many training runs that differ in a few settings, one after the other; stops and goes on like a single one.

Course    notebook 16, "A fair sweep"
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmf_teach.files import write_file
from mmf_teach.hardware import describe
from mmf_teach.training.corpus import Corpus
from mmf_teach.training.loop import train
from mmf_teach.training.recipe import Recipe

Trial = dict[str, Any]                       # what a trial changes in the recipe
ENTRIES = {"trial", "held_out_nats"}         # of a result; the others are not looked at again


def sweep(
    recipe: Recipe, trials: list[Trial], results: Path, corpus: Corpus, device: str = "cpu",
    report: Callable[[int, str], None] = lambda done, text: None,
) -> list[dict[str, Any]]:
    """Train once for each trial and keep the results in a JSON file; trials that stand in it are not run again.

    ValueError, before anything is trained, for a trial that makes no recipe or a file that holds no results.
    """
    recipes = [changed(recipe, trial) for trial in trials]
    rows = read_rows(results) if results.exists() else []
    for number, trial in enumerate(trials):
        report(number, str(trial))
        if any(row["trial"] == trial for row in rows):
            continue
        run = train(recipes[number], corpus, device=device)
        rows.append({
            "trial": trial,
            "held_out_nats": round(run.curve["held_out_nats"][-1], 4),
            "curve": {name: [round(value, 4) for value in values] for name, values in run.curve.items()},
            "seconds": round(run.seconds, 1),
            "hardware": describe(device),
        })
        write_file(results, (json.dumps(rows, indent=1) + "\n").encode("utf-8"))
    report(len(trials), "done")
    return rows


def changed(recipe: Recipe, trial: Trial) -> Recipe:
    """The recipe of a trial."""
    try:
        return Recipe.from_json(recipe.to_json() | trial)
    except ValueError as problem:
        raise ValueError(f"the trial {trial}: {problem}") from None


def read_rows(results: Path) -> list[dict[str, Any]]:
    """The results of an earlier sweep."""
    try:
        rows = json.loads(results.read_text("utf-8"))
    except ValueError:
        rows = None
    if not isinstance(rows, list) or not all(isinstance(row, dict) and ENTRIES <= row.keys() for row in rows):
        raise ValueError(f"{results} holds no results of a sweep: choose another file or remove it")
    return rows
