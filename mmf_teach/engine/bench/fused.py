"""`mmf bench fused`: a whole BitLinear layer, floats in and floats out, against its product alone.

Course    notebook 04, "Fast kernels"
"""

import numpy as np
import torch
from numpy import ndarray

from mmf_teach.cost.bit_linear_bytes import bytes_fused, bytes_in_steps
from mmf_teach.engine.bench.clock import Work, take_turns
from mmf_teach.engine.bench.rows import (
    FULL,
    QUICK,
    Report,
    Row,
    TorchThreads,
    four_digits,
    random_matrix,
    row,
    thread_counts,
)
from mmf_teach.engine.bit_linear import inference as fused
from mmf_teach.engine.ternary_matmul.kernel import Packed
from mmf_teach.reference import bit_linear as naive
from mmf_teach.ternary.quantise import absmax

SHAPES = [(256, 256), (1024, 1024), (5632, 2048), (4096, 4096)]
QUICK_SHAPES = [(256, 256)]
W_SCALE = np.float32(0.02)
BATCH = 1


def in_steps(x: ndarray, packed: Packed, threads: int) -> ndarray:
    """The reference's steps, each over whole arrays, with the fastest product."""
    codes, x_scale = absmax(naive.rms_norm(x))
    return fused.KERNEL.product(codes, packed, threads).astype(np.float32) * (x_scale * W_SCALE)


def is_exact(x: ndarray, packed: Packed, trits: ndarray, threads: int) -> bool:
    """Are the fused layer's sums those of the definition, for the codes that it made?"""
    codes, y = np.empty(x.shape, np.int8), fused.bit_linear(x, packed, W_SCALE, threads)
    scales = np.array([[fused.quantise_token(token, out)] for token, out in zip(x, codes, strict=True)], np.float32)
    sums = codes.astype(np.int64) @ trits.T.astype(np.int64)
    return bool(np.array_equal(y, sums.astype(np.float32) * (scales * W_SCALE)))


def torch_layers(x: ndarray, trits: ndarray) -> dict[str, Work]:
    """The same layer with torch's norm and a dense product of floats, which needs no codes."""
    works: dict[str, Work] = {}
    for name, kind in (("torch norm and fp32", torch.float32), ("torch norm and bf16", torch.bfloat16)):
        works[name] = _torch_layer(torch.from_numpy(x).to(kind), torch.from_numpy(trits).to(kind))
    return works


def _torch_layer(x: torch.Tensor, w: torch.Tensor) -> Work:
    normed = (x.shape[1],)
    return lambda _: torch.nn.functional.linear(torch.nn.functional.rms_norm(x, normed), w)


def measure(quick: bool, report: Report) -> list[Row]:
    """All rows."""
    effort, rows = QUICK if quick else FULL, []
    for shape in QUICK_SHAPES if quick else SHAPES:
        outputs, inputs = shape
        trits = random_matrix(outputs, inputs)
        x = np.random.default_rng(0).standard_normal((BATCH, inputs), dtype=np.float32)
        packed, codes = fused.KERNEL.pack(trits), absmax(x)[0]
        moved = bytes_fused(BATCH, outputs, inputs, packed.weights.nbytes)
        moved_in_steps = bytes_in_steps(BATCH, outputs, inputs, packed.weights.nbytes)
        for threads in thread_counts(quick):
            report(f"{outputs} x {inputs}, {threads} thread{'s' * (threads > 1)}")
            times = take_turns({
                "fused": lambda _, threads=threads, x=x, packed=packed: fused.bit_linear(x, packed, W_SCALE, threads),
                "in steps": lambda _, threads=threads, x=x, packed=packed: in_steps(x, packed, threads),
                "product": lambda _, threads=threads, codes=codes, packed=packed:
                    fused.KERNEL.product(codes, packed, threads),
            }, effort.samples, effort.seconds)
            with TorchThreads(threads):
                torch_times = take_turns(torch_layers(x, trits), effort.samples, effort.seconds)
            floor_us = times["product"].median_us
            common = {
                "bits": round(packed.bits, 3), "multiplies": fused.KERNEL.multiplies, "floor": "its product alone"}
            for name, bytes_moved in (("fused", moved), ("in steps", moved_in_steps)):
                us = times[name].median_us
                faster = {other: four_digits(time.median_us / us) for other, time in torch_times.items()}
                exact = is_exact(x, packed, trits, threads) if name == "fused" else None
                rows.append(row(
                    name, shape, BATCH, threads, "warm", times[name], floor_us, faster_than=faster, exact=exact,
                    bytes_moved=sum(bytes_moved.values()), **common))
            rows += [row(name, shape, BATCH, threads, "warm", time) for name, time in torch_times.items()]
    return rows
