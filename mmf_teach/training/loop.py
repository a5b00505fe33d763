"""The training loop. It can be killed at any moment and goes on from where it last saved.

Course    notebook 08, "Training with three values"

Nothing random is carried along: the batch and the dropout of step n follow from the seed and n alone, so a
run that was interrupted ends with the same weights as one that was not.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from numpy import ndarray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from mmf_teach.files import write_file
from mmf_teach.model.build import build
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.language_model import LanguageModel
from mmf_teach.training.corpus import Corpus
from mmf_teach.training.recipe import Recipe
from mmf_teach.training.schedule import learning_rate
from mmf_teach.training.step import MakeStep, make_optimiser, make_step, state_tensors
from mmf_teach.training.validation_loss import loss_nats

STATE = "training.safetensors"
REPORT_EVERY_S, SAVE_EVERY_S = 0.5, 30.0
CURVE = ("step", "train_nats", "held_out_nats")


@dataclass
class Run:
    """A training run: the model so far, and its curve (step, training loss, loss on held-out text)."""

    model: LanguageModel
    recipe: Recipe
    curve: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in CURVE})
    seconds: float = 0.0
    device: str = "cpu"


def train(
    recipe: Recipe,
    corpus: Corpus,
    folder: Path | None = None,
    device: str = "cpu",
    report: Callable[[int, float, float], None] = lambda step, loss, tokens_per_second: None,
    make_step: MakeStep = make_step,
) -> Run:
    """Follow the recipe to its end; with a `folder`, save there and continue what was saved there.

    `report(step, loss, tokens_per_second)` is called from time to time; `make_step` may be another that updates the
    weights in the same way. ValueError when the folder holds a run of another recipe or a damaged one.
    """
    torch.manual_seed(recipe.seed)
    config = ModelConfig(recipe.kind, len(corpus.vocabulary), recipe.width, recipe.blocks, recipe.heads)
    run = Run(build(config).to(device), recipe, device=device)
    for module in run.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = recipe.dropout
    optimiser = make_optimiser(run.model, recipe)
    first, losses = 0, []
    if folder and (folder / STATE).exists():
        first, losses = resume(folder / STATE, run, optimiser)

    text = torch.from_numpy(corpus.train).to(device)
    step_once = make_step(run.model, optimiser, recipe.clip)
    points = {round((i + 1) * recipe.steps / recipe.evaluations) for i in range(recipe.evaluations)}
    spent, reported = run.seconds, first
    began = saved = clock = time.perf_counter()
    for step in range(first, recipe.steps):
        x, y = batch(text, recipe, step)
        torch.manual_seed(recipe.seed + step)
        rate = learning_rate(step, recipe.steps, recipe.learning_rate, recipe.warmup)
        losses.append(step_once(x, y, rate))
        done, last = step + 1, step + 1 == recipe.steps
        if last or time.perf_counter() - clock > REPORT_EVERY_S:
            loss = float(losses[-1])         # waits for a GPU to catch up
            tokens = (done - reported) * recipe.batch * recipe.window
            report(done, loss, tokens / (time.perf_counter() - clock))
            reported, clock = done, time.perf_counter()
        if done in points:
            record_point(run, done, losses, corpus.held_out)
            reported, clock = done, time.perf_counter()
        run.seconds = spent + time.perf_counter() - began
        if folder and (last or time.perf_counter() - saved > SAVE_EVERY_S):
            save_state(folder / STATE, run, optimiser, done, losses)
            saved = time.perf_counter()
    return run


def batch(text: Tensor, recipe: Recipe, step: int) -> tuple[Tensor, Tensor]:
    """Windows drawn anywhere in the text, and the same windows one character on: inputs and targets [b t]."""
    if len(text) <= recipe.window:
        raise ValueError(f"the text has {len(text)} characters; a window of {recipe.window} needs at least one more")
    starts = np.random.default_rng([recipe.seed, step]).integers(0, len(text) - recipe.window, recipe.batch)
    at = torch.from_numpy(starts).to(text.device)[:, None] + torch.arange(recipe.window, device=text.device)
    return text[at], text[at + 1]


def record_point(run: Run, done: int, losses: list[Tensor], held_out: Int64[ndarray, "n"]) -> None:
    """Add a point to the curve: the mean training loss since the last one, and the loss on held-out text."""
    after = loss_nats(run.model, held_out, run.recipe.window)
    learnt = sum(map(float, losses)) / len(losses)
    for name, value in zip(CURVE, (done, learnt, after), strict=True):
        run.curve[name].append(value)
    losses.clear()


def save_state(path: Path, run: Run, optimiser, done: int, losses: list[Tensor]) -> None:
    """Write all that `resume` needs to one file, in one step."""
    notes = {
        "recipe": run.recipe.to_json(), "curve": run.curve, "seconds": run.seconds, "done": done,
        "losses": [float(loss) for loss in losses],
    }
    write_file(path, save(state_tensors(run.model, optimiser), {"notes": json.dumps(notes)}))


def resume(path: Path, run: Run, optimiser) -> tuple[int, list[Tensor]]:
    """Put back what was saved; return the number of steps done and the losses since the last point."""
    mine = state_tensors(run.model, optimiser)
    try:
        with safe_open(path, "pt") as file:
            notes = json.loads(file.metadata()["notes"])
            if notes["recipe"] != run.recipe.to_json():
                raise ValueError(f"{path.parent} holds a run of another recipe: choose another folder or remove it")
            if set(file.keys()) != set(mine):
                raise KeyError("other tensors")
            for name, tensor in mine.items():
                tensor.copy_(file.get_tensor(name))
        run.curve, run.seconds = notes["curve"], notes["seconds"]
        return notes["done"], [torch.tensor(loss) for loss in notes["losses"]]
    except (SafetensorError, KeyError, TypeError, RuntimeError, json.JSONDecodeError) as problem:
        raise ValueError(f"{path} is damaged ({problem}): remove it to start again") from None
