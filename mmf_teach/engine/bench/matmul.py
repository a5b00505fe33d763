"""`mmf bench matmul`: many tokens times a matrix, as when a prompt is read: now arithmetic takes the time.

Course    notebook 04, "Fast kernels"
"""

import numpy as np

from mmf_teach.engine.bench import peers
from mmf_teach.engine.bench.clock import take_turns
from mmf_teach.engine.bench.matvec import measure_torch, product_and_probe, torch_rows
from mmf_teach.engine.bench.rows import (
    FULL,
    QUICK,
    Report,
    Row,
    exact_sums,
    random_codes,
    random_matrix,
    row,
    thread_counts,
)
from mmf_teach.engine.ternary_matmul.choice import runnable
from mmf_teach.engine.ternary_matmul.kernel import Compiled

CASES = [((4096, 4096), 32), ((4096, 4096), 512)]
QUICK_CASES = [((384, 512), 32)]
SLOW = ("skipping",)                         # kernels that are left out here: batch 1 says enough about them


def measure(quick: bool, report: Report) -> list[Row]:
    """All rows."""
    effort, rows = QUICK if quick else FULL, []
    for shape, batch in QUICK_CASES if quick else CASES:
        trits, codes = random_matrix(*shape), random_codes(batch, shape[1])
        wanted = exact_sums(codes, trits)
        for threads in thread_counts(quick):
            report(f"{shape[0]} x {shape[1]}, {batch} tokens, {threads} thread{'s' * (threads > 1)}")
            torch_times = measure_torch(trits, codes, threads, False, effort)
            torch_us = {name: time.median_us for name, time in torch_times.items()}
            for kernel in runnable():
                if not isinstance(kernel, Compiled) or kernel.name in SLOW:
                    continue
                packed = kernel.pack(trits)
                exact = bool(np.array_equal(kernel.product(codes, packed, threads), wanted))
                product, reading = product_and_probe(kernel, codes, packed, threads, cold=False)
                times = take_turns({"product": product, "probe": reading}, effort.samples, effort.seconds)
                rows.append(row(
                    kernel.name, shape, batch, threads, "warm", times["product"], times["probe"].median_us,
                    bits=round(packed.bits, 3), multiplies=kernel.multiplies,
                    floor=f"reading its {packed.weights.nbytes:,} packed bytes once, warm; the rest is arithmetic",
                    faster_than=peers.ratios(times["product"].median_us, torch_us), exact=exact))
            rows += torch_rows(torch_times, shape, batch, threads, "warm")
    return rows
