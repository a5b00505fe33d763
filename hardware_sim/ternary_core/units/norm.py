"""The norm unit: statistics of a wide vector become one reciprocal and one scale, by which all its parts go.

Course    notebook 13, "The model on the machine"
Equation  ternary/fixed_point.py: codes, root_mean_square, code_scale, rescale; one wide vector may fill many registers
"""

from dataclasses import dataclass, replace
from math import isqrt

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from hardware_sim.ternary_core.machine import Machine
from mmf_teach.ternary import fixed_point as fp

Vector = Int64[ndarray, "d"]
LARGEST_SQUARES = (1 << 63) - 1              # the sum of squares stops here,
LARGEST_MULTIPLIER = (1 << 31) - 1           # and what sums are multiplied with here
FIN_CYCLES = 229               # load, 64 bits of mean, load, 32 of root, load, 64 of inverse, load, 64 of scale, keep


@dataclass(frozen=True)
class RowStats:
    """The unit's own four numbers."""

    largest: int = 0               # magnitude so far
    squares: int = 0               # their sum so far
    inverse: int = 0               # 127 / largest, with 24 bits behind the point
    code_scale: int = 0            # what a code is worth after the norm, as a scale


def clear(stats: RowStats) -> RowStats:
    """A new vector begins; what was finished before stays."""
    return replace(stats, largest=0, squares=0)


def accumulate(stats: RowStats, a: Vector) -> RowStats:
    """One more register of the same wide vector. Whole numbers of Python here, which never overflow."""
    squares = sum(value * value for value in a.tolist())
    return replace(
        stats, largest=max(stats.largest, int(np.abs(a).max())), squares=min(stats.squares + squares, LARGEST_SQUARES))


def finish(stats: RowStats, n: int, bits: int) -> RowStats:
    """Inverse and code_scale of n numbers with so many bits behind the point, once all are accumulated."""
    largest = max(stats.largest, 1)
    mean = stats.squares // n + int(fp.to_fixed(fp.SMALLEST_SQUARE, 2 * bits))
    fits = mean < fp.LARGEST_MEAN
    rms = isqrt(mean << 2 * fp.ROOT) if fits else isqrt(mean) << fp.ROOT
    inverse = (fp.LARGEST_CODE << fp.INVERSE) // largest
    return replace(stats, inverse=inverse, code_scale=(largest << fp.SCALE + fp.ROOT) // (fp.LARGEST_CODE * rms))


def code(stats: RowStats, a: Vector) -> Vector:
    """a as codes of one byte."""
    return np.clip(fp.shift(a * stats.inverse, fp.INVERSE), -fp.LARGEST_CODE, fp.LARGEST_CODE)


def rescale(stats: RowStats, a: Vector, w: int) -> Vector:
    """Sums of codes under trits as activations: sum · code_scale · scale of the weights."""
    multiplier = min(stats.code_scale * w >> fp.SCALE, LARGEST_MULTIPLIER)
    return fp.shift(a * multiplier, fp.SCALE - fp.ACTIVATION)


def cycles(mnemonic: str, machine: Machine) -> int:
    """Along a row as everything else; dividing and taking roots bit by bit, always all bits."""
    return {"clr": 1, "fin": FIN_CYCLES}.get(mnemonic, machine.steps + 1)
