"""`mmf bench engine`: a whole model, token after token, against the time it takes to read its weights.

Course    notebook 04, "Fast kernels"
"""

import numpy as np
import torch

from mmf_teach.engine.bench import probe
from mmf_teach.engine.bench.clock import Time, take_turns
from mmf_teach.engine.bench.rows import FULL, QUICK, Effort, Report, Row, TorchThreads, four_digits, row, thread_counts
from mmf_teach.engine.runtime import Engine
from mmf_teach.engine.ternary_matmul.choice import best
from mmf_teach.hardware import last_level_cache_bytes
from mmf_teach.model.checkpoint import load_model
from mmf_teach.model.integer import integer_model
from mmf_teach.paths import SHIPPED_MODEL
from mmf_teach.reference.integer_model import IntegerBlock, IntegerLinear, IntegerModel

ONE = 1 << 12                                # an activation of 1.0
SIZES = {                                    # width, inner width, blocks, vocabulary
    "a small model, random trits": (256, 704, 3, 96),
    "the 370M shape, random trits": (1024, 2816, 24, 32_000),
}
BATCHES = (1, 8)
SETTLING_S = 0.015                           # so long the reading threads look out for work, on the engine's cores, and
                                             # what the engine needs is not in its caches: its first five tokens
PROMPT = 256                                 # tokens read at once, as when a prompt is read


def random_model(width: int, inner: int, blocks: int, vocabulary: int, seed: int = 0) -> IntegerModel:
    """An integer model of any shape with trits at random, and scales that keep its numbers near one."""
    dice = np.random.default_rng(seed)

    def linear(out: int, inputs: int) -> IntegerLinear:
        trits = dice.integers(-1, 2, (out, inputs), dtype=np.int8)
        return IntegerLinear(trits, int(2**24 / inputs**0.5), np.zeros(out, np.int64))

    shapes = [(width, width)] * 4 + [(inner, width)] * 2 + [(width, inner)]
    embedding = dice.integers(-ONE, ONE, (vocabulary, width))
    stack = [IntegerBlock(*(linear(*shape) for shape in shapes)) for _ in range(blocks)]
    return IntegerModel(embedding, stack, linear(vocabulary, width))


def maps(model: IntegerModel) -> list[IntegerLinear]:
    """All matrices of a model."""
    return [each for block in model.blocks for each in vars(block).values()] + [model.head]


def is_exact(model: IntegerModel, engine: Engine) -> bool:
    """Do the scores and the memory after a token equal those of the naive model?"""
    token = np.array([1])
    want, memory = model.step(token, model.initial_state(1))
    got, after = engine.step(token, engine.initial_state(1))
    return bool(np.array_equal(got, want) and np.array_equal(after, memory))


def torch_step(model: IntegerModel, kind: torch.dtype, threads: int, effort: Effort) -> Time:
    """One token through dense matrices of the same shapes, products alone: what torch would need at the very least."""
    weights = [torch.from_numpy(each.trits).to(kind) for each in maps(model)]
    inputs = {len(w[0]): torch.ones(1, len(w[0]), dtype=kind) for w in weights}
    with TorchThreads(threads), torch.inference_mode():
        def step(_: int) -> None:
            for w in weights:
                torch.nn.functional.linear(inputs[w.shape[1]], w)
        return take_turns({"torch": step}, effort.samples, effort.seconds)["torch"]


def measure(quick: bool, report: Report) -> list[Row]:
    """All rows; `batch` is the number of sequences, or of tokens of one prompt, and the time is of one call."""
    effort, rows = QUICK if quick else FULL, []
    rows += rows_of("the shipped model", integer_model(load_model(SHIPPED_MODEL)[0]), quick, effort, report)
    for name, size in {} if quick else SIZES.items():
        rows += rows_of(name, random_model(*size), quick, effort, report)
    return rows


def rows_of(name: str, model: IntegerModel, quick: bool, effort: Effort, report: Report) -> list[Row]:
    """One model: a token of each sequence at a time, then a prompt at once."""
    weights, width = sum(each.trits.size for each in maps(model)), model.embedding.shape[1]
    shape, rows = (weights // width, width), []
    for threads in thread_counts(quick):
        report(f"{name}, {threads} thread{'s' * (threads > 1)}")
        engine = Engine(model, threads)
        words = engine._weights.packed.view(np.uint64)
        exact = is_exact(model, engine)
        state = "warm" if words.nbytes < last_level_cache_bytes() // 2 else "cold"
        dense = torch_step(model, torch.bfloat16, threads, effort)
        common = {
            "bits": four_digits(8 * words.nbytes / weights), "exact": exact,
            "floor": f"reading the model's {words.nbytes:,} packed bytes",
        }
        calls = {batch: (np.ones((batch, 1), np.int64), batch) for batch in BATCHES} | {
            PROMPT: (np.ones((1, PROMPT), np.int64), 1)}
        for batch, (tokens, sequences) in calls.items():
            memory = engine.initial_state(sequences)
            times = take_turns({
                "engine": lambda _, tokens=tokens, memory=memory, engine=engine: engine.read(tokens, memory),
                "reading": lambda _, words=words, threads=threads: probe.read(words, threads),
            }, effort.samples, effort.seconds, SETTLING_S)
            faster = {"torch bf16": four_digits(dense.median_us / times["engine"].median_us)} if batch == 1 else {}
            rows.append(row(
                name, shape, batch, threads, state, times["engine"], times["reading"].median_us, faster_than=faster,
                tokens_per_s=four_digits(1e6 * batch / times["engine"].median_us),
                multiplies=best(batch).multiplies, **common))
    return rows
