"""The norm unit: what it has seen of a wide vector becomes one reciprocal and one scale, by which all parts go.

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
FIN_CYCLES = 229               # load, 64 bits of mean, load, 32 of root, load, 64 of inverse, load, 64 of worth, keep


@dataclass(frozen=True)
class Seen:
    """The unit's own four numbers."""

    largest: int = 0
    squares: int = 0
    inverse: int = 0               # 127 / largest, with 24 bits behind the point
    worth: int = 0                 # of a code after the norm, as a scale


def clear(seen: Seen) -> Seen:
    """Nothing seen yet; what was finished before stays."""
    return replace(seen, largest=0, squares=0)


def accumulate(seen: Seen, a: Vector) -> Seen:
    """One more register of the same wide vector. Whole numbers of Python here, which never overflow."""
    squares = sum(value * value for value in a.tolist())
    return replace(
        seen, largest=max(seen.largest, int(np.abs(a).max())), squares=min(seen.squares + squares, LARGEST_SQUARES))


def finish(seen: Seen, n: int, bits: int) -> Seen:
    """Inverse and worth of n numbers with so many bits behind the point, of which all have been seen."""
    largest = max(seen.largest, 1)
    mean = seen.squares // n + int(fp.to_fixed(fp.SMALLEST_SQUARE, 2 * bits))
    fits = mean < fp.LARGEST_MEAN
    rms = isqrt(mean << 2 * fp.ROOT) if fits else isqrt(mean) << fp.ROOT
    inverse = (fp.LARGEST_CODE << fp.INVERSE) // largest
    return replace(seen, inverse=inverse, worth=(largest << fp.SCALE + fp.ROOT) // (fp.LARGEST_CODE * rms))


def code(seen: Seen, a: Vector) -> Vector:
    """a as codes of one byte."""
    return np.clip(fp.shift(a * seen.inverse, fp.INVERSE), -fp.LARGEST_CODE, fp.LARGEST_CODE)


def rescale(seen: Seen, a: Vector, w: int) -> Vector:
    """Sums of codes under trits as activations: sum · worth of a code · scale of the weights."""
    multiplier = min(seen.worth * w >> fp.SCALE, LARGEST_MULTIPLIER)
    return fp.shift(a * multiplier, fp.SCALE - fp.ACTIVATION)


def cycles(mnemonic: str, machine: Machine) -> int:
    """Along a row as everything else; dividing and taking roots bit by bit, always all bits."""
    return {"clr": 1, "fin": FIN_CYCLES}.get(mnemonic, machine.steps + 1)
