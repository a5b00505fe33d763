"""`mmf bench matvec`: one token times a matrix, where the weights are read once and memory is the roof.

Course    notebook 04, "Fast kernels"
"""

import numpy as np
from numpy import ndarray

from mmf_teach.engine.bench import peers, probe
from mmf_teach.engine.bench.clock import Time, Work, take_turns
from mmf_teach.engine.bench.rows import (
    FULL,
    QUICK,
    Effort,
    Report,
    Row,
    TorchThreads,
    exact_sums,
    four_digits,
    random_codes,
    random_matrix,
    row,
    thread_counts,
)
from mmf_teach.engine.intrinsics.simd import aligned_empty
from mmf_teach.engine.ternary_matmul.choice import runnable
from mmf_teach.engine.ternary_matmul.kernel import Compiled, Kernel, Packed, Plain

SHAPES = [(256, 256), (2048, 5632), (4096, 4096)]
QUICK_SHAPES = [(256, 256), (384, 512)]
FITS_NO_CACHE = 1 << 20                      # weights; a smaller matrix is only measured warm
PLAIN_LIMIT = 1 << 16                        # weights up to which the slowest kernels are tried

# Other libraries' kernels on another machine, an AMD EPYC Zen 4, measured for this project in 2026 (4096 x 4096, warm,
# one and two threads), and the probe of 2-bit bytes on that machine, by which they are scaled to this one.
ELSEWHERE_SHAPE = (4096, 4096)
ELSEWHERE_US = {"bitnet.cpp I2_S, scaled": {1: 201.0, 2: 101.0}, "ggml TQ2_0, scaled": {1: 281.0, 2: 143.0}}
ELSEWHERE_PROBE_US = {1: 47.0, 2: 27.0}


def copies_of(packed: Packed, copies: int) -> list[Packed]:
    """The same matrix several times, one after the other in one array."""
    size = packed.weights.size
    arena = aligned_empty(copies * size, packed.weights.dtype)
    arena.reshape(copies, size)[:] = packed.weights
    return [
        Packed(packed.kernel, arena[i * size:(i + 1) * size], packed.outputs, packed.inputs) for i in range(copies)
    ]


def product_and_probe(kernel: Kernel, codes: ndarray, packed: Packed, threads: int, cold: bool) -> tuple[Work, Work]:
    """Two calls over the same bytes: one multiplies, one only reads. Cold, they are half a round apart."""
    stored = [packed]
    if cold and isinstance(kernel, Compiled):
        stored = copies_of(packed, probe.copies_for_cold(packed.weights.nbytes))
    whole = packed.weights.nbytes // 8 * 8
    as_read = [one.weights.reshape(-1).view(np.uint8)[:whole].view(np.uint64) for one in stored]
    return (
        lambda number: kernel.product(codes, stored[number % len(stored)], threads),
        lambda number: probe.read(as_read[(number + len(stored) // 2) % len(stored)], threads),
    )


def measure_torch(
    trits: ndarray, codes: ndarray, threads: int, cold: bool, effort: Effort,
) -> dict[str, Time]:
    """Torch's products, by name."""
    with TorchThreads(threads):
        return take_turns(peers.torch_works(trits, codes, cold), effort.samples, effort.seconds * 2)


def torch_rows(
    times: dict[str, Time], shape: tuple[int, int], batch: int, threads: int, state: str,
) -> list[Row]:
    """What is printed of them."""
    return [row(name, shape, batch, threads, state, time) for name, time in times.items()]


def measure(quick: bool, report: Report) -> list[Row]:
    """All rows."""
    effort, rows = QUICK if quick else FULL, []
    for shape in QUICK_SHAPES if quick else SHAPES:
        trits, codes = random_matrix(*shape), random_codes(1, shape[1])
        wanted = exact_sums(codes, trits)
        for state in ("warm", "cold") if shape == QUICK_SHAPES[-1] or trits.size >= FITS_NO_CACHE else ("warm",):
            for threads in thread_counts(quick):
                report(f"{shape[0]} x {shape[1]}, {state}, {threads} thread{'s' * (threads > 1)}")
                rows += _rows_of(trits, codes, wanted, state, threads, effort)
    return rows


def _rows_of(
    trits: ndarray, codes: ndarray, wanted: ndarray, state: str, threads: int, effort: Effort,
) -> list[Row]:
    shape, ours = trits.shape, []
    for kernel in runnable():
        if isinstance(kernel, Plain) and (trits.size > PLAIN_LIMIT or threads > 1 or state == "cold"):
            continue
        packed = kernel.pack(trits)
        exact = bool(np.array_equal(kernel.product(codes, packed, threads), wanted))
        product, reading = product_and_probe(kernel, codes, packed, threads, state == "cold")
        times = take_turns({"product": product, "probe": reading}, effort.samples, effort.seconds)
        ours.append((kernel, packed, times["product"], times["probe"].median_us, exact))
    torch_times = measure_torch(trits, codes, threads, state == "cold", effort)
    torch_us = {name: time.median_us for name, time in torch_times.items()}
    two_bits_us = next((floor for kernel, _, _, floor, _ in ours if kernel.name == "bit planes"), None)
    rows = []
    for kernel, packed, time, floor_us, exact in ours:
        faster = peers.ratios(time.median_us, torch_us)
        if shape == ELSEWHERE_SHAPE and state == "warm" and threads in ELSEWHERE_PROBE_US:
            slower_machine = two_bits_us / ELSEWHERE_PROBE_US[threads]
            faster |= {
                name: four_digits(us[threads] * slower_machine / time.median_us) for name, us in ELSEWHERE_US.items()}
        rows.append(row(
            kernel.name, shape, len(codes), threads, state, time, floor_us, bits=round(packed.bits, 3),
            multiplies=kernel.multiplies, floor=f"reading its {packed.weights.nbytes:,} packed bytes, {state}",
            faster_than=faster, exact=exact))
    return rows + torch_rows(torch_times, shape, len(codes), threads, state)
