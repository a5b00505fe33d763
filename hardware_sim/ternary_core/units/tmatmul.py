"""Trits from memory, times codes: one input at a time goes to all its outputs, which add, subtract or skip.

Course    notebook 13, "The model on the machine"
Layout    column by column (T[0,0] T[1,0] T[2,0] ..., then T[0,1] ...), four trits a byte, the first in the low bits;
          bit 0 of a trit: not zero, bit 1: negative, as in ternary/packing.py
"""

import numpy as np
from jaxtyping import Int8, Int64, UInt8, UInt32
from numpy import ndarray

from hardware_sim.ternary_core.machine import Machine
from hardware_sim.ternary_core.read_stream import Stream, stream
from mmf_teach.ternary.packing import SHIFTS

Vector = Int64[ndarray, "d"]


def pack(trits: Int8[ndarray, "*tiles d d"]) -> UInt8[ndarray, "*tiles bytes"]:
    """Tiles as they lie in memory."""
    codes = trits.view(np.uint8) & 3
    first, second, third, fourth = (codes[..., place::4, :] for place in range(4))       # rows that share a byte
    rows = first | second << 2 | third << 4 | fourth << 6
    return np.ascontiguousarray(rows.swapaxes(-1, -2)).reshape(*trits.shape[:-2], -1)


def unpack(data: UInt8[ndarray, "*tiles bytes"], d: int) -> Int8[ndarray, "*tiles d d"]:
    """The tiles again; the code 10, which no trit has, counts as zero."""
    return FOUR_TRITS[data].view(np.int8).reshape(*data.shape[:-1], d, d).swapaxes(-1, -2)


def _four_trits() -> UInt32[ndarray, "bytes"]:
    """For every byte its four trits, one byte each."""
    codes = (np.arange(256)[:, None] >> SHIFTS & 3).astype(np.int8)
    return ((codes & 1) * (1 - (codes & 2))).view("<u4")[:, 0]


FOUR_TRITS = _four_trits()


def result(y: Vector | int, a: Vector, trits: Int8[ndarray, "d d"]) -> Vector:
    """y + T · a. Of each element of `a` the lanes see the low byte, as a code."""
    codes = a.astype(np.int8).astype(np.int64)
    return y + trits.astype(np.int64) @ codes


def tile(machine: Machine) -> Stream:
    """A tile on its way to the lanes."""
    return stream(machine.tile_bytes, machine.cycles_a_beat, machine)


def cycles(machine: Machine) -> int:
    """Until the last trit is added, and then all sums are copied out, after one cycle to begin."""
    return tile(machine).cycles + copying(machine)


def copying(machine: Machine) -> int:
    """The sums pass the row lanes, after one cycle to begin."""
    return machine.steps + 1


def busy(machine: Machine) -> int:
    """After how long the next tile may begin: at once after the last with two sets of sums, else when all is done."""
    return max(tile(machine).next_request, copying(machine)) if machine.double_buffer else cycles(machine)
