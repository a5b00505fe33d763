"""Element by element: sums, products, the sigmoid, and one step of the recurrence.

Course    notebook 13, "The model on the machine"
Equation  as in ternary/fixed_point.py; results are exact here, and saturate when they are written into a register
"""

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from hardware_sim.ternary_core.machine import Machine
from mmf_teach.ternary import fixed_point as fp

Vector = Int64[ndarray, "d"]
ONE = 1 << fp.GATE                           # a gate that is wide open
MIXED = fp.MEMORY - fp.ACTIVATION            # bits by which a memory is longer than an activation


def add(a: Vector, b: Vector) -> Vector:
    """a + b."""
    return a + b


def sub(a: Vector, b: Vector) -> Vector:
    """a - b."""
    return a - b


def mul(a: Vector, b: Vector, s: int) -> Vector:
    """a · b / 2^s, to the nearest whole number, halves up."""
    return fp.shift(a * b, s)


def sig(a: Vector) -> Vector:
    """σ of activations, as gates."""
    return fp.sigmoid(a)


def mix(y: Vector, a: Vector, b: Vector) -> Vector:
    """Memories y after gates a, brought into 0 to 1, and candidates b: a·y + (1 - a)·b."""
    gate = np.clip(a, 0, ONE)
    return fp.shift(gate * y + (ONE - gate) * (b << MIXED), fp.GATE)


def cycles(machine: Machine) -> int:
    """The whole register passes the row lanes, after one cycle to begin."""
    return machine.steps + 1
