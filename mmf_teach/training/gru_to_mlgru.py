"""A GRU loses one part after the other: what does each deletion do to the loss on the language of known entropy?

Course    notebook 05, "Memory without attention"

    python -m mmf_teach.tools.comparisons gru_to_mlgru      some minutes on one core

All rungs have two blocks of the same width, see the same windows in the same order for the same number of steps,
and are tried at the same learning rates. Only the last one has ternary maps, and those everywhere.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import silu

from mmf_teach.files import write_file
from mmf_teach.hardware import describe
from mmf_teach.layers.block import Block
from mmf_teach.layers.glu import GLU
from mmf_teach.layers.gru import GRU
from mmf_teach.layers.rms_norm import RMSNorm
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.language_model import LanguageModel
from mmf_teach.model.matmul_free import MatMulFree
from mmf_teach.paths import DATA
from mmf_teach.training.corpus import Corpus, grammar
from mmf_teach.training.grammar import Grammar
from mmf_teach.training.loop import batch
from mmf_teach.training.recipe import Recipe
from mmf_teach.training.schedule import learning_rate
from mmf_teach.training.step import MakeStep, make_optimiser, make_step
from mmf_teach.training.validation_loss import loss_nats

RESULTS = DATA / "sweeps" / "deletions.json"
RATES = (2e-3, 5e-3, 1e-2, 2e-2)
HELD_OUT = 20_000                            # characters of the held-out text that are read at the end
RECIPE = Recipe(
    corpus="grammar", kind="matmul_free", width=64, blocks=2, heads=1, steps=400, batch=16, window=128,
    learning_rate=5e-3, warmup=50, betas=(0.9, 0.99), weight_decay=0.1, dropout=0.0, clip=1.0, seed=1, evaluations=1,
)
_input_gates = partial(GRU, gates_look_back=False)
_no_loop = partial(_input_gates, candidate_looks_back=False)
MIXERS: dict[str, Callable[[int], nn.Module]] = {
    "no memory (control)": partial(_no_loop, remembers=False),
    "GRU": GRU,
    "gates read the token only": _input_gates,
    "candidate too: no loop": _no_loop,
    "silu for tanh": partial(_no_loop, curve=silu),
    "an output gate": partial(_no_loop, curve=silu, output_gate=True),
}
TRITS = "trits for floats: MLGRU"
RUNGS = (*MIXERS, TRITS)


def model_of(rung: str, config: ModelConfig) -> LanguageModel:
    """The language model of a rung. ValueError for one that there is not."""
    if rung == TRITS:
        return MatMulFree(config)
    if rung not in MIXERS:
        raise ValueError(f"there is no rung {rung!r}: choose one of {', '.join(RUNGS)}")
    width, dense = config.width, partial(nn.Linear, bias=False)
    norm = partial(RMSNorm, width, gain=True)
    blocks = [
        Block(width, MIXERS[rung](width), GLU(width, config.inner, dense), norm) for _ in range(config.blocks)]
    return LanguageModel(config, blocks, head=nn.Sequential(norm(), dense(width, config.vocab)))


def learn(
    rung: str, rate: float, corpus: Corpus, recipe: Recipe = RECIPE, make_step: MakeStep = make_step,
) -> dict[str, Any]:
    """Train a rung's model at a learning rate; what came of it, as a row for the file of results."""
    torch.manual_seed(recipe.seed)
    model = model_of(rung, ModelConfig(recipe.kind, len(corpus.vocabulary), recipe.width, recipe.blocks))
    step_once, text = make_step(model, make_optimiser(model, recipe), recipe.clip), torch.from_numpy(corpus.train)
    for step in range(recipe.steps):
        step_once(*batch(text, recipe, step), learning_rate(step, recipe.steps, rate, recipe.warmup))
    return {
        "rung": rung, "learning_rate": rate, "parameters": model.count_parameters(),
        "held_out_nats": round(loss_nats(model.eval(), corpus.held_out[:HELD_OUT], recipe.window), 4),
    }


def ladder(results: Path, report: Callable[[str], None] = print, make_step: MakeStep = make_step) -> None:
    """Train all rungs at all rates and write one file; a rung that stands in it is not trained again."""
    torch.set_num_threads(1)
    corpus, rows = grammar(), []
    if results.exists():
        rows = json.loads(results.read_text("utf-8"))["rows"]
    for rung in RUNGS:
        for rate in RATES:
            if not any((row["rung"], row["learning_rate"]) == (rung, rate) for row in rows):
                rows.append(learn(rung, rate, corpus, make_step=make_step))
                report(str(rows[-1]))
                document = {
                    "recipe": RECIPE.to_json(), "hardware": describe("cpu"), "threads": 1,
                    "floor_nats": round(Grammar().floor_nats, 4),
                    "floor_without_recall_nats": round(Grammar().floor_without_recall_nats, 4), "rows": rows}
                write_file(results, (json.dumps(document, indent=1) + "\n").encode("utf-8"))


def best_rows(path: Path = RESULTS) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The row of each rung at its best learning rate, in order, and all the rest of the file."""
    document = json.loads(path.read_text("utf-8"))
    rows = sorted(document.pop("rows"), key=lambda row: row["held_out_nats"])
    return {rung: next(row for row in rows if row["rung"] == rung) for rung in RUNGS}, document
