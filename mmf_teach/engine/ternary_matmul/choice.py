"""Which kernels this machine can run, and which is the fastest: a short measurement, made once, says so.

Course    notebook 04, "Fast kernels"

Which lookup table or dot product is ahead depends on the processor and its memory: from memory, tables of nine lead on
an Intel Xeon, and were beaten by tables of five and by the int8 dot product on an AMD EPYC (Zen 4). So the candidates
multiply one token with weights from memory, in turns, and the shortest time of each is kept with the compiled code
(compilation_cache.py), whose folder is another one for another processor.
"""

import json
import os
import time
from contextlib import suppress
from functools import cache

import numpy as np

from mmf_teach.engine.compilation_cache import FOLDER
from mmf_teach.engine.intrinsics.simd import aligned_empty
from mmf_teach.engine.ternary_matmul import (
    amx_tiles,
    int8_dot,
    lookup_5_in_8,
    lookup_9_in_16,
    pairs,
    popcount,
    skipping,
)
from mmf_teach.engine.ternary_matmul.kernel import Compiled, Kernel, Plain
from mmf_teach.files import write_file
from mmf_teach.hardware import last_level_cache_bytes
from mmf_teach.reference import masked_product as masked, ternary_matmul as naive

NAIVE = Plain(
    name="naive", idea="look at each trit: add, subtract or skip", bits=8.0, multiplies=False, needs=(),
    function=naive.ternary_matmul)
MASKED = Plain(
    name="masks", idea="let NumPy pick the inputs to add and to subtract", bits=8.0, multiplies=False, needs=(),
    function=masked.ternary_matmul)

LADDER = (                                   # slowest first for one token, as measured (head of each file)
    NAIVE, MASKED, skipping.KERNEL, amx_tiles.KERNEL, popcount.KERNEL, pairs.KERNEL, int8_dot.KERNEL,
    lookup_5_in_8.KERNEL, lookup_9_in_16.KERNEL,
)
MANY = 4                                     # tokens at once, from which on tiles are the fastest where there are any
CANDIDATES = (                               # for one token: the first group that the processor can run any of
    (int8_dot.KERNEL, lookup_5_in_8.KERNEL, lookup_9_in_16.KERNEL), (popcount.KERNEL, pairs.KERNEL))
SHAPE, ROUNDS = (1024, 2048), 7              # of the matrix that is measured with, and how often
LARGEST = 128 << 20                          # bytes of weights for each candidate: twice most last-level caches


def runnable() -> tuple[Kernel, ...]:
    """The kernels of the ladder that this machine's processor can run."""
    return tuple(kernel for kernel in LADDER if not kernel.missing())


def best(tokens: int = 1) -> Kernel:
    """The fastest kernel on this machine for so many tokens at once; what was packed for one token serves many, too.

    The environment variable MMF_KERNEL names another, for one token. ValueError when it cannot run here.
    """
    tiles, kernel = amx_tiles.KERNEL, _for_one_token()
    return tiles if tokens >= MANY and tiles.reads == kernel.name and not tiles.missing() else kernel


def candidates() -> tuple[Compiled, ...]:
    """What may be the fastest for one token, the likeliest last.

    Where tiles multiply many tokens, in a fifth of anyone else's time, it is the kernel whose weights they read.
    """
    if not amx_tiles.KERNEL.missing():
        return (lookup_9_in_16.KERNEL,)
    able = (tuple(kernel for kernel in group if not kernel.missing()) for group in CANDIDATES)
    return next(filter(None, able))


def _for_one_token() -> Compiled:
    if name := os.environ.get("MMF_KERNEL"):
        able = {kernel.name: kernel for kernel in runnable() if isinstance(kernel, Compiled)}
        if name not in able:
            raise ValueError(f"MMF_KERNEL is {name!r}, and this machine has: {', '.join(able)}")
        return able[name]
    return _fastest(candidates())


@cache
def _fastest(kernels: tuple[Compiled, ...]) -> Compiled:
    """Of these, as measured now or by an earlier process; the last where nothing can be kept, so as not to wait."""
    if len(kernels) == 1 or FOLDER is None:
        return kernels[-1]
    path = FOLDER / "kernel_us.json"
    try:
        measured_us = json.loads(path.read_text("utf-8"))
        return min(kernels, key=lambda kernel: float(measured_us[kernel.name]))
    except (OSError, ValueError, KeyError, TypeError):       # none yet, a damaged one, or one of other kernels
        measured_us = measure_us(kernels)
        with suppress(OSError):              # a full disk: then it is measured once more the next time
            write_file(path, json.dumps(measured_us).encode())
        return min(kernels, key=lambda kernel: measured_us[kernel.name])


def measure_us(kernels: tuple[Compiled, ...]) -> dict[str, float]:
    """The shortest time that each needed for one token and one matrix from memory: half a second in all."""
    dice, (outputs, inputs) = np.random.default_rng(0), SHAPE
    trits = dice.integers(-1, 2, SHAPE, dtype=np.int8)
    codes, sums = dice.integers(-128, 128, (1, inputs), dtype=np.int8), np.empty((1, outputs), np.int32)
    works, shortest = [], {}
    for kernel in kernels:
        packed = kernel.pack(trits).weights
        count = -(-min(LARGEST, 2 * last_level_cache_bytes()) // packed.nbytes)
        copies = aligned_empty(count * len(packed), kernel.word).reshape(count, len(packed))
        copies[:] = packed
        works.append((kernel, copies, kernel.workspace(inputs)))
    for _ in range(ROUNDS):
        for kernel, copies, workspace in works:
            product_into, began = kernel.product_into, time.perf_counter()
            for weights in copies:
                product_into(weights, codes, sums, workspace, 0, outputs)
            took_us = 1e6 * (time.perf_counter() - began) / len(copies)
            shortest[kernel.name] = min(took_us, shortest.get(kernel.name, took_us))
    return shortest


KERNELS = runnable()
