"""`mmf precompile`: compile the kernels for this machine now, so that no first call has to wait for it.

Compiled code is kept until a source or the processor changes (engine/compilation_cache.py). Each kernel is called here
once, in the way its users call it, on numbers that are too small to take time.
"""

import argparse
from collections.abc import Callable, Iterator

from mmf_teach.progress import Progress

SIZES = 16, 32, 1, 5                         # width, inner width, blocks, vocabulary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="show no progress bar")


def run(options: argparse.Namespace) -> None:
    calls = list(kernels())
    progress = Progress(len(calls))
    for done, (name, call) in enumerate(calls):
        if not options.quiet:
            progress.show(done, name)
        call()
    if not options.quiet:
        progress.show(len(calls), "compiled for this machine")


def kernels() -> Iterator[tuple[str, Callable[[], object]]]:
    """What is compiled, in words, and a call that has it compiled. The packages are loaded here: they take seconds."""
    import numpy as np

    from mmf_teach.engine.accelerator import Accelerator
    from mmf_teach.engine.bench.engine import random_model
    from mmf_teach.engine.bit_linear.inference import KERNEL, bit_linear
    from mmf_teach.engine.runtime import Engine
    from mmf_teach.engine.ternary_matmul.choice import KERNELS
    from mmf_teach.engine.ternary_matmul.kernel import Compiled

    trits, codes, tokens = np.ones((2, 16), np.int8), np.ones((1, 16), np.int8), np.zeros((1, 2), np.int64)
    for kernel in KERNELS:
        if isinstance(kernel, Compiled):
            yield f"the product by {kernel.name}", lambda kernel=kernel: kernel.product(codes, kernel.pack(trits))
    yield "a layer in one pass", lambda: bit_linear(np.ones((1, 16), np.float32), KERNEL.pack(trits), np.float32(1), 1)
    yield "training", lambda: _learn("matmul_free")
    yield "training Mamba", lambda: _learn("mamba")
    yield "the integer engine", lambda: Engine(random_model(*SIZES)).read(tokens)
    yield "the accelerator", lambda: Accelerator(random_model(*SIZES)).read(tokens)
    yield "its clock", lambda: Accelerator(random_model(*SIZES)).timing


def _learn(kind: str) -> None:
    import torch

    from mmf_teach.engine.accelerate import accelerate
    from mmf_teach.model.build import build
    from mmf_teach.model.config import ModelConfig

    width, _, blocks, vocabulary = SIZES
    model = accelerate(build(ModelConfig(kind, vocabulary, width, blocks)))
    scores, _ = model(torch.zeros(2, 3, dtype=torch.int64))
    scores.sum().backward()
