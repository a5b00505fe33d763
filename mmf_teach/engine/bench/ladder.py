"""Every kernel for one token, one after the other, beside three of torch's: what notebook 04 climbs.

Course    notebook 04, "Fast kernels"
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from mmf_teach.engine.bench import probe
from mmf_teach.engine.bench.clock import take_turns
from mmf_teach.engine.bench.matvec import product_and_probe
from mmf_teach.engine.bench.peers import PEERS
from mmf_teach.engine.bench.rows import Effort, TorchThreads, exact_sums, random_codes, random_matrix
from mmf_teach.engine.ternary_matmul.choice import best, runnable

EFFORT = Effort(samples=15, seconds=0.5)
TORCH = {"torch fp32": 32, "torch bf16": 16, "torch int8 x int8": 8}     # name in peers.py, and bits a weight


@dataclass(frozen=True)
class Rung:
    """A kernel, and how long it took; `roof_us` is how long reading its weights took, and nothing else."""

    name: str
    bits: float
    multiplies: bool
    weights: int
    us: float
    roof_us: float

    @property
    def weights_per_us(self) -> float:
        """Weights dealt with in a microsecond."""
        return self.weights / self.us

    @property
    def roof_weights_per_us(self) -> float:
        """Weights that could be read in a microsecond."""
        return self.weights / self.roof_us


def climb(outputs: int, inputs: int) -> Iterator[Rung]:
    """Torch first, then this machine's kernels, slowest first; one core, weights from memory. Sums are compared.

    AssertionError when a kernel's sums are not those of a plain product.
    """
    trits, codes = random_matrix(outputs, inputs), random_codes(1, inputs)
    wanted, size = exact_sums(codes, trits), outputs * inputs
    for name, bits in TORCH.items():
        if (us := _torch_us(name, trits, codes)) is not None:
            yield Rung(name, bits, True, size, us, _reading_us(size * bits // 8))
    for kernel in runnable():
        packed = kernel.pack(trits)
        assert np.array_equal(kernel.product(codes, packed), wanted), kernel.name
        product, reading = product_and_probe(kernel, codes, packed, 1, cold=True)
        times = take_turns({"product": product, "reading": reading}, EFFORT.samples, EFFORT.seconds)
        yield Rung(
            kernel.name, packed.bits, kernel.multiplies, size, times["product"].median_us, times["reading"].median_us)


def many_tokens(outputs: int, inputs: int, tokens: int) -> dict[str, float | None]:
    """Microseconds for many tokens, one core: the best kernel for one, that for many, torch's int8 (None without it).

    AssertionError when a kernel's sums are not those of a plain product.
    """
    trits, codes = random_matrix(outputs, inputs), random_codes(tokens, inputs)
    wanted, packed, works = exact_sums(codes, trits), best().pack(trits), {}
    for kernel in dict.fromkeys((best(), best(tokens))):
        assert np.array_equal(kernel.product(codes, packed), wanted), kernel.name
        works[kernel.name] = lambda _, kernel=kernel: kernel.product(codes, packed)
    times = take_turns(works, EFFORT.samples, EFFORT.seconds)
    ours = {name: time.median_us for name, time in times.items()}
    return ours | {"torch int8 x int8": _torch_us("torch int8 x int8", trits, codes)}


def _torch_us(name: str, trits: np.ndarray, codes: np.ndarray) -> float | None:
    """One of torch's products; its weights come from memory when there is one token. None where torch lacks it."""
    with TorchThreads(1), torch.inference_mode():
        try:
            weights, product = PEERS[name][1](torch.from_numpy(trits), torch.from_numpy(codes))
            product(weights)
        except RuntimeError:
            return None
        copies = probe.copies_for_cold(weights.nbytes) if len(codes) == 1 else 1
        stored = [weights, *(weights.clone() for _ in range(copies - 1))]
        times = take_turns({name: lambda n: product(stored[n % copies])}, EFFORT.samples, EFFORT.seconds)
    return times[name].median_us


def _reading_us(size: int) -> float:
    """How long it takes to read so many bytes from memory."""
    copies = probe.copies_for_cold(size)
    words = np.ones((copies, size // 8), np.uint64)
    times = take_turns({"reading": lambda n: probe.read(words[n % copies], 1)}, EFFORT.samples, EFFORT.seconds)
    return times["reading"].median_us
