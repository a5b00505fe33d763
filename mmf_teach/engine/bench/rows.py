"""One row a measurement: what was run, how long it took, how long it would take at its roof.

Course    notebook 04, "Fast kernels"
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from numpy import ndarray

from mmf_teach.engine.bench.clock import Time
from mmf_teach.hardware import cores

Report = Callable[[str], None]               # says what is being measured


@dataclass(frozen=True)
class Effort:
    """How much time to spend."""

    samples: int                             # wanted of each candidate
    seconds: float                           # at most, for candidates that take turns


FULL, QUICK = Effort(samples=41, seconds=1.0), Effort(samples=3, seconds=0.1)


@dataclass(frozen=True)
class Row:
    """One measurement."""

    name: str
    shape: tuple[int, int]                   # outputs, inputs
    batch: int                               # tokens at once
    threads: int
    state: str                               # warm: weights stay in the caches; cold: they come from memory
    median_us: float
    samples: int                             # that the median is of
    disturbed: int                           # that were thrown away
    bits: float | None = None                # a weight
    multiplies: bool | None = None           # does the product multiply anywhere?
    floor_us: float | None = None
    floor: str | None = None                 # what the floor is
    times_floor: float | None = None
    faster_than: dict[str, float] = field(default_factory=dict)      # name of a peer: how many times
    exact: bool | None = None                # compared bit for bit in this run? None for floats
    bytes_moved: int | None = None           # counted, not measured
    tokens_per_s: float | None = None        # of a whole model
    kind: str = "measured"

    def as_dict(self) -> dict:
        """For JSON."""
        return asdict(self) | {"shape": list(self.shape)}


def four_digits(number: float) -> float:
    """As much of a ratio as means anything.

    >>> four_digits(72.0468), four_digits(0.00212851)
    (72.05, 0.002129)
    """
    return float(f"{number:.4g}")


def row(
    name: str, shape: tuple[int, int], batch: int, threads: int, state: str, time: Time,
    floor_us: float | None = None, **rest: object,
) -> Row:
    """A row, with microseconds rounded to what the clock can tell."""
    return Row(
        name, shape, batch, threads, state, round(time.median_us, 2), time.samples, time.disturbed,
        floor_us=None if floor_us is None else round(floor_us, 2),
        times_floor=None if floor_us is None else four_digits(time.median_us / floor_us), **rest)


def thread_counts(quick: bool) -> list[int]:
    """One, and two where there are two cores: more do not make memory faster."""
    return [1, 2] if cores() > 1 and not quick else [1]


def random_matrix(outputs: int, inputs: int) -> ndarray:
    """Trits, all three equally often."""
    return np.random.default_rng([outputs, inputs]).integers(-1, 2, (outputs, inputs), dtype=np.int8)


def random_codes(batch: int, inputs: int) -> ndarray:
    """Codes of all 256 values."""
    return np.random.default_rng([batch, inputs]).integers(-128, 128, (batch, inputs), dtype=np.int8)


def exact_sums(codes: ndarray, trits: ndarray) -> ndarray:
    """The product, some rows at a time in float64, which holds such integers without rounding."""
    wide = codes.astype(np.float64)
    blocks = [wide @ trits[first:first + 512].T.astype(np.float64) for first in range(0, len(trits), 512)]
    return np.concatenate(blocks, axis=1).astype(np.int64)


class TorchThreads:
    """Torch works with so many threads inside the block, and with as many as before after it."""

    def __init__(self, threads: int):
        self.threads = threads

    def __enter__(self) -> None:
        self.before = torch.get_num_threads()
        torch.set_num_threads(self.threads)

    def __exit__(self, *problem: object) -> None:
        torch.set_num_threads(self.before)
