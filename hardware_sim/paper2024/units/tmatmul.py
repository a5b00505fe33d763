"""A ternary matrix from memory, times a vector: one weight a cycle while the bytes last.

Course    notebook 10, "An instruction set of ten words", and 11, "Counting cycles"
Layout    input by input, the d weights of each: four trits a byte, the first in the low bits, 00 = 0, 01 = 1, 11 = -1
"""

import numpy as np
from jaxtyping import Int8, UInt8
from numpy import ndarray

from hardware_sim.dram.fixed_latency import Dram, FixedLatency
from hardware_sim.paper2024.units.rowwise import saturate
from mmf_teach.ternary.packing import pack_2bit, unpack_2bit

TRITS_A_BYTE = 4
LOWEST_SUM, HIGHEST_SUM = -(1 << 15), (1 << 15) - 1      # a sum has 16 bits
FILL = 3                                     # cycles until the first request is out and after the last byte is in


def matrix_bytes(width: int) -> int:
    """Memory that a d × d matrix takes. ValueError for an odd width, with which the core cannot stream it."""
    if width % 2:
        raise ValueError(f"tmatmul needs an even width, not {width}: d·d trits must fill whole bytes of four")
    return width * width // TRITS_A_BYTE


def to_bytes(trits: Int8[ndarray, "d d"]) -> UInt8[ndarray, "bytes"]:
    """A matrix of output rows and input columns as the core streams it: column by column."""
    return pack_2bit(np.ascontiguousarray(trits.T))


def from_bytes(stored: UInt8[ndarray, "bytes"], width: int) -> Int8[ndarray, "d d"]:
    """The matrix again. ValueError for a byte that holds the code 10, which no trit has."""
    return np.ascontiguousarray(unpack_2bit(stored, width * width).reshape(width, width).T)


def result(trits: Int8[ndarray, "d d"], x: Int8[ndarray, "d"]) -> Int8[ndarray, "d"]:
    """What it computes: input by input all sums, each saturating at 16 bits; the sums are copied out saturating at 8.

    Where no sum can saturate on the way the order does not matter, and one product of matrices says the same.
    """
    if np.abs(x.astype(np.int64)).sum() <= HIGHEST_SUM:
        return saturate(trits.astype(np.int16) @ x.astype(np.int16))
    sums = np.zeros(len(x), dtype=np.int64)
    for column, value in zip(trits.T, x.tolist(), strict=True):
        sums = np.clip(sums + column * value, LOWEST_SUM, HIGHEST_SUM)
    return saturate(sums)


def cycles(width: int, memory: Dram) -> int:
    """The last weight is added when its byte has come and all before it are done; then d cycles to copy the sums out.

    With a fixed latency L and P = L + 1 cycles a byte, n = d²/4 bytes, this is
    3 + L + max(4n, (n-1)P + 4) + d: the first byte or the last decides.
    """
    count = matrix_bytes(width)
    if isinstance(memory, FixedLatency):
        added = max(memory.cycles(1) + TRITS_A_BYTE * count, memory.cycles(count, gap=1) + TRITS_A_BYTE)
    else:                                    # were nothing to wait for after this byte, its rest would take as long
        added = int((memory.arrivals(count, gap=1) + TRITS_A_BYTE * np.arange(count, 0, -1)).max())
    return FILL + added + width
