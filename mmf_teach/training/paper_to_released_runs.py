"""Each difference between paper and released code by itself: what does it do to a small training run?

Course    notebook 07, "A whole language model"

    python -m mmf_teach.tools.comparisons paper_to_released      some minutes on one core

All models have the same sizes and read the same windows of the language of known entropy. Each is trained at two
learning rates, and at the better one of them, which is the same for all, with a second seed. The released code's
wider channel mixer is left out: it would only add weights.
"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mmf_teach.files import write_file
from mmf_teach.hardware import describe
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.paper_to_released import BIASES, BOUND, DIFFERENCES, Between
from mmf_teach.paths import DATA
from mmf_teach.training.corpus import Corpus, grammar
from mmf_teach.training.grammar import Grammar
from mmf_teach.training.gru_to_mlgru import RECIPE as LONGER
from mmf_teach.training.loop import batch
from mmf_teach.training.recipe import Recipe
from mmf_teach.training.schedule import learning_rate
from mmf_teach.training.step import MakeStep, make_optimiser, make_step
from mmf_teach.training.validation_loss import loss_nats

RESULTS = DATA / "sweeps" / "differences.json"
RECIPE = dataclasses.replace(LONGER, steps=200)
RUNS = ((1, 5e-3), (1, 1e-2), (2, 1e-2))    # seed and learning rate: the better rate once more with another seed
HELD_OUT = 10_000                            # characters of the held-out text that are read at the end
PAPER, PAIR, RELEASED = "paper's form", "no biases, but a lower bound", "all of them: released form"
VARIANTS: dict[str, tuple[str, ...]] = {
    PAPER: (), **{name: (name,) for name in DIFFERENCES}, PAIR: (BIASES, BOUND), RELEASED: DIFFERENCES}


def learn(variant: str, recipe: Recipe, corpus: Corpus, make_step: MakeStep = make_step) -> float:
    """Nats per character of held-out text after training a variant by a recipe."""
    torch.manual_seed(recipe.seed)
    model = Between(ModelConfig("matmul_free", len(corpus.vocabulary), recipe.width, recipe.blocks), VARIANTS[variant])
    step_once, text = make_step(model, make_optimiser(model, recipe), recipe.clip), torch.from_numpy(corpus.train)
    for step in range(recipe.steps):
        rate = learning_rate(step, recipe.steps, recipe.learning_rate, recipe.warmup)
        step_once(*batch(text, recipe, step), rate)
    return round(loss_nats(model.eval(), corpus.held_out[:HELD_OUT], recipe.window), 4)


def run_all(
    results: Path, recipe: Recipe = RECIPE, corpus: Corpus | None = None, report: Callable[[str], None] = print,
    make_step: MakeStep = make_step,
) -> None:
    """Train all variants and write one file; a run that stands in it is not made again."""
    torch.set_num_threads(1)
    corpus = corpus or grammar()
    rows = json.loads(results.read_text("utf-8"))["rows"] if results.exists() else []
    for seed, rate in RUNS:
        for variant in VARIANTS:
            row: dict[str, Any] = {"variant": variant, "learning_rate": rate, "seed": seed}
            if any(row.items() <= done.items() for done in rows):
                continue
            changed = dataclasses.replace(recipe, learning_rate=rate, seed=seed)
            row["held_out_nats"] = learn(variant, changed, corpus, make_step)
            rows.append(row)
            report(str(row))
            document = {
                "recipe": recipe.to_json(), "hardware": describe("cpu"), "threads": 1,
                "floor_nats": round(Grammar().floor_nats, 4), "rows": rows}
            write_file(results, (json.dumps(document, indent=1) + "\n").encode("utf-8"))


def best(path: Path = RESULTS) -> dict[str, list[float]]:
    """For each variant the losses of its seeds, each at its better learning rate, the smallest first."""
    rows = json.loads(path.read_text("utf-8"))["rows"]
    seeds = sorted({seed for seed, _ in RUNS})
    return {
        variant: sorted(min(
            row["held_out_nats"] for row in rows if (row["variant"], row["seed"]) == (variant, seed)) for seed in seeds)
        for variant in VARIANTS}
