"""How fast this machine moves bytes and multiplies, measured in a second or two.

Course    notebook 01, "The price of a multiply"
"""

import time
from collections.abc import Callable

import torch

STREAM_BYTES = 256 << 20                     # more than any last-level cache: it must come from memory
SIDE = 1024                                  # of the matrices whose product shows the arithmetic's speed


def best_seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """The shortest of several runs: the one that was disturbed least."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def stream_bandwidth() -> float:
    """Bytes a second that can be read from memory, by adding up a large array."""
    numbers = torch.ones(STREAM_BYTES // 4)
    return STREAM_BYTES / best_seconds(numbers.sum)


def matmul_speed(width: int = SIDE, batch: int = SIDE) -> float:
    """Operations a second of torch's own fp32 product of a square matrix with `batch` vectors."""
    matrix, vectors = torch.randn(width, width), torch.randn(width, batch)
    return 2 * width * width * batch / best_seconds(lambda: matrix @ vectors)
