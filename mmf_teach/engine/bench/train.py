"""`mmf bench train`: an update of a small model's weights, against the textbook's way and a Transformer++ as large.

Course    notebook 08, "Training with three values"
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from mmf_teach.engine.bench.clock import Work, take_turns
from mmf_teach.engine.bench.rows import Effort, Report, Row, TorchThreads, four_digits, row, thread_counts
from mmf_teach.engine.training_step import make_step
from mmf_teach.layers.bit_linear import BitLinear, absmax, absmean
from mmf_teach.layers.straight_through import straight_through
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.language_model import LanguageModel
from mmf_teach.model.matmul_free import MatMulFree
from mmf_teach.model.rivals.transformer import Transformer
from mmf_teach.training.recipe import Recipe
from mmf_teach.training.step import make_optimiser

SIZES = {"vocab": 96, "width": 256, "blocks": 3, "heads": 4, "inner_width": 640}         # 2.3 million parameters
QUICK_SIZES = {"vocab": 96, "width": 32, "blocks": 1, "heads": 1, "inner_width": 64}
BATCH, WINDOW = 16, 256
EFFORT, QUICK = Effort(samples=7, seconds=30.0), Effort(samples=1, seconds=0.1)
RATE = 1e-3


class TextbookBitLinear(BitLinear):
    """As it is printed everywhere: floats that have been rounded, multiplied as floats, and a detached difference."""

    def forward(self, x):
        x = self.norm(x)
        with torch.no_grad():
            (codes, x_scale), (trits, w_scale) = absmax(x), absmean(self.weight)
            x_rounded, w_rounded = codes * x_scale, trits * w_scale
        y = nn.functional.linear(straight_through(x, x_rounded), straight_through(self.weight, w_rounded))
        return y if self.bias is None else y + self.bias


class NarrowTransformer(Transformer):
    """Matrix products in bfloat16, all else in float32: torch's automatic mixed precision."""

    def forward(self, tokens, state=None):
        with torch.autocast("cpu", torch.bfloat16):
            return super().forward(tokens, state)


CANDIDATES: dict[str, Callable[[ModelConfig], LanguageModel]] = {
    "MatMul-free": MatMulFree,
    "textbook fp32": lambda config: MatMulFree(config, TextbookBitLinear),
    "Transformer++ fp32": Transformer,
    "Transformer++ bf16": NarrowTransformer,
}
KINDS = {"Transformer++ fp32": "transformer", "Transformer++ bf16": "transformer"}


def update_of(name: str, sizes: dict[str, int], batch: int, window: int) -> tuple[LanguageModel, Work]:
    """A model and a call that updates its weights once: forwards, backwards, clipping and AdamW."""
    torch.manual_seed(0)
    model = CANDIDATES[name](ModelConfig(KINDS.get(name, "matmul_free"), **sizes))
    recipe = Recipe(
        corpus="random", kind=model.config.kind, width=model.config.width, blocks=model.config.blocks,
        heads=model.config.heads, steps=1, batch=batch, window=window, learning_rate=RATE, warmup=1, betas=(0.9, 0.95),
        weight_decay=0.1, dropout=0.0, clip=1.0, seed=0, evaluations=1)
    step = make_step(model, make_optimiser(model, recipe), recipe.clip)
    text = torch.from_numpy(np.random.default_rng(0).integers(0, sizes["vocab"], (batch, window + 1)))
    return model, lambda _: step(text[:, :-1], text[:, 1:], RATE)


def measure(quick: bool, report: Report) -> list[Row]:
    """All rows: time of one update; all candidates share the batch between the cores in the same way."""
    sizes, (batch, window) = (QUICK_SIZES, (2, 16)) if quick else (SIZES, (BATCH, WINDOW))
    effort, rows = QUICK if quick else EFFORT, []
    made = {name: update_of(name, sizes, batch, window) for name in CANDIDATES}
    for threads in thread_counts(quick)[::-1]:
        report(f"{batch} x {window} tokens, {threads} thread{'s' * (threads > 1)}")
        with TorchThreads(threads):
            times = take_turns({name: work for name, (_, work) in made.items()}, effort.samples, effort.seconds)
        for name, (model, _) in made.items():
            us = times[name].median_us
            rows.append(row(
                name, (model.count_parameters() // sizes["width"], sizes["width"]), batch * window, threads, "warm",
                times[name], tokens_per_s=four_digits(batch * window / us * 1e6),
                faster_than={other: four_digits(times[other].median_us / us) for other in made if other != name}))
    return rows
