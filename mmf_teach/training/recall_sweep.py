"""Who recalls how much: every model learns the same task, at several widths and learning rates, and is then asked.

Course    notebook 05, "Memory without attention": accuracy against pairs, and against the numbers a model can keep;
          notebook 09, "Long contexts": accuracy against the distance between a fact and the question
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmf_teach.hardware import describe
from mmf_teach.model.build import build
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.language_model import LanguageModel
from mmf_teach.paths import DATA
from mmf_teach.training.recall import VOCAB, Recall, mixed
from mmf_teach.training.recipe import Recipe
from mmf_teach.training.schedule import learning_rate
from mmf_teach.training.step import MakeStep, make_optimiser, make_step
from mmf_teach.training.sweep import Trial, changed, one_by_one, read_rows

TASKS = {
    "pairs": [Recall(pairs) for pairs in (2, 4, 8, 16, 32)],
    "distance": [Recall(4, gap) for gap in (0, 16, 32, 64, 128, 256)],
}
MODEL_SIZES = ("reach", "state")             # of a trial; everything else in it changes the recipe
RESULTS = DATA / "sweeps" / "recall.json"
EXAM = 512                                   # sequences of each task that a model is asked
AT_ONCE = 64                                 # of them read together


def recall_sweep(
    recipe: Recipe, trials: list[Trial], results: Path, device: str = "cpu",
    report: Callable[[int, str], None] = lambda done, text: None, make_step: MakeStep = make_step,
) -> list[dict[str, Any]]:
    """Train and examine a model for each trial and keep the rows in a JSON file; goes on where it was stopped.

    A trial names its `task`, "pairs" or "distance", and what it changes in the recipe; `reach` and `state` are sizes
    of the model. ValueError, before anything is trained, for a trial that makes no recipe or no model.
    """
    for trial in trials:
        _model_of(recipe, trial)
    return one_by_one(trials, results, "accuracy", lambda trial: _examined(recipe, trial, device, make_step), report)


def accuracy(model: LanguageModel, task: Recall, exam: int = EXAM, seed: int = 1) -> float:
    """Share of the questions whose answer has the highest score, over `exam` sequences that this seed makes."""
    device = model.embedding.weight.device
    right = asked = 0
    tokens, targets = map(torch.from_numpy, task.sequences(exam, np.random.default_rng([seed, task.pairs, task.gap])))
    with torch.no_grad():
        for x, y in zip(tokens.split(AT_ONCE), targets.split(AT_ONCE), strict=True):
            where = y >= 0
            right += int((model(x.to(device))[0].argmax(dim=-1).cpu() == y)[where].sum())
            asked += int(where.sum())
    return right / asked


def numbers_kept(model: LanguageModel, tokens: int) -> int:
    """How many numbers a model's memory holds after as many tokens."""
    device = model.embedding.weight.device
    with torch.no_grad():
        _, state = model(torch.zeros(1, tokens, dtype=torch.int64, device=device))
    return sum(tensor.numel() for tensor in _tensors(state) if tensor.is_floating_point())


def recall_rows(task: str, path: Path = RESULTS) -> list[dict[str, Any]]:
    """The stored result of each model of a task, at its best learning rate: plain data, in the order of the file.

    A row has kind, width, reach and state (None where the trial names none), learning_rate, parameters, hardware and
    x (pairs, or words of noise in between), and for each x the accuracy (a share) and numbers_kept (in the memory
    after the facts and the noise). One seed was run. ValueError for a task that there is not.
    """
    if task not in TASKS:
        raise ValueError(f"there are the tasks {' and '.join(TASKS)}, not {task!r}")
    best: dict[tuple, dict[str, Any]] = {}
    for row in read_rows(path, "accuracy"):
        trial = row["trial"]
        model = tuple((name, trial.get(name)) for name in ("kind", "width", *MODEL_SIZES))
        if trial["task"] == task and (model not in best or sum(row["accuracy"]) > sum(best[model]["accuracy"])):
            best[model] = row
    measured = ("parameters", "x", "accuracy", "numbers_kept", "hardware")
    return [
        dict(model) | {"learning_rate": row["trial"].get("learning_rate")} | {name: row[name] for name in measured}
        for model, row in best.items()
    ]


def _model_of(recipe: Recipe, trial: Trial) -> tuple[Recipe, ModelConfig]:
    """The recipe and the sizes of a trial."""
    trial = dict(trial)
    if trial.pop("task", None) not in TASKS:
        raise ValueError(f"the trial {trial} must name a task: {' or '.join(TASKS)}")
    sizes = {name: trial.pop(name) for name in MODEL_SIZES if name in trial}
    recipe = changed(recipe, trial)
    return recipe, ModelConfig(recipe.kind, VOCAB, recipe.width, recipe.blocks, recipe.heads, **sizes)


def _examined(recipe: Recipe, trial: Trial, device: str, make_step: MakeStep) -> dict[str, Any]:
    """What stands in the row of a trial."""
    recipe, config = _model_of(recipe, trial)
    tasks = TASKS[trial["task"]]
    model = learn(recipe, config, tasks, device, make_step)
    return {
        "x": [task.pairs if trial["task"] == "pairs" else task.gap for task in tasks],
        "accuracy": [round(accuracy(model, task), 4) for task in tasks],
        "numbers_kept": [numbers_kept(model, 2 * task.pairs + task.gap) for task in tasks],
        "parameters": model.count_parameters(),
        "hardware": describe(device),
    }


def learn(
    recipe: Recipe, config: ModelConfig, tasks: list[Recall], device: str = "cpu", make_step: MakeStep = make_step,
) -> LanguageModel:
    """A model that has learnt from all tasks at once."""
    torch.manual_seed(recipe.seed)
    model = build(config).to(device)
    step_once = make_step(model, make_optimiser(model, recipe), recipe.clip)
    for step in range(recipe.steps):
        x, y = map(torch.from_numpy, mixed(tasks, recipe.batch, np.random.default_rng([recipe.seed, step])))
        rate = learning_rate(step, recipe.steps, recipe.learning_rate, recipe.warmup)
        step_once(x.to(device), y.to(device), rate)
    return model.eval()


def _tensors(state: Any) -> Iterator[torch.Tensor]:
    """All tensors in a model's memory, whatever they lie in."""
    if isinstance(state, torch.Tensor):
        yield state
    else:
        for part in state:
            yield from _tensors(part)
