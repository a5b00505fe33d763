"""Five trits in one byte: 3**5 = 243 codes fit in 256, so a trit costs 1.6 bits; the plain code costs 2.

Course    notebook 02, "Three values are enough"
Layouts   base 3: byte = (t0+1) + 3(t1+1) + 9(t2+1) + 27(t3+1) + 81(t4+1)
          2 bits: byte = c0 + 4 c1 + 16 c2 + 64 c3 with c = t mod 4, so 0 -> 00, 1 -> 01, -1 -> 11
          A last byte that is not full is filled with zero trits.
"""

import numpy as np
from jaxtyping import Int8, UInt8
from numpy import ndarray

from mmf_teach.ternary.trits import require_trits

POWERS_OF_3 = np.array([1, 3, 9, 27, 81], dtype=np.uint8)
SHIFTS = np.array([0, 2, 4, 6], dtype=np.uint8)


def _in_groups(trits: ndarray, size: int) -> Int8[ndarray, "groups size"]:
    """The trits in reading order, `size` to a row, the last row filled up with zeros."""
    flat = require_trits(trits).ravel()
    return np.pad(flat, (0, -len(flat) % size)).reshape(-1, size)


def _without_filling(trits: Int8[ndarray, "groups size"], count: int) -> Int8[ndarray, "count"]:
    """The first `count` trits; ValueError when the bytes hold more or fewer, or the filling is not zero."""
    groups, size = trits.shape
    needed = -(-count // size)
    if count < 0 or groups != needed:
        raise ValueError(f"{count} trits take {needed} bytes at {size} a byte, not {groups}")
    flat = trits.ravel()
    if flat[count:].any():
        raise ValueError("the last byte holds trits beyond the end: the packed data is damaged")
    return flat[:count]


def pack_base3(trits: ndarray) -> UInt8[ndarray, "bytes"]:
    """Write five trits as one number of base 3 in each byte. ValueError when a value is not a trit.

    >>> pack_base3(np.array([1, 0, -1, 0, 0])).tolist()      # 2 + 3*1 + 9*0 + 27*1 + 81*1
    [113]
    """
    digits = (_in_groups(trits, 5) + 1).astype(np.uint8)
    return (digits * POWERS_OF_3).sum(axis=1, dtype=np.uint8)


def unpack_base3(packed: UInt8[ndarray, "bytes"], count: int) -> Int8[ndarray, "count"]:
    """Read `count` trits back. ValueError for a byte of 243 or more, which no five trits have.

    >>> unpack_base3(np.array([113], np.uint8), 5).tolist()
    [1, 0, -1, 0, 0]
    """
    wrong = np.flatnonzero(packed >= 243)
    if wrong.size:
        raise ValueError(f"byte {wrong[0]} is {packed[wrong[0]]}, but five trits give at most 242: damaged data")
    digits = packed[:, None] // POWERS_OF_3 % 3
    return _without_filling(digits.astype(np.int8) - np.int8(1), count)


def pack_2bit(trits: ndarray) -> UInt8[ndarray, "bytes"]:
    """Write four trits in each byte, two bits a trit. ValueError when a value is not a trit.

    >>> pack_2bit(np.array([1, 0, -1, 0])).tolist()          # 1 + 4*0 + 16*3 + 64*0
    [49]
    """
    codes = _in_groups(trits, 4) & 3
    return (codes << SHIFTS).sum(axis=1, dtype=np.uint8)


def unpack_2bit(packed: UInt8[ndarray, "bytes"], count: int) -> Int8[ndarray, "count"]:
    """Read `count` trits back. ValueError for the code 10, which no trit has.

    >>> unpack_2bit(np.array([49], np.uint8), 4).tolist()
    [1, 0, -1, 0]
    """
    codes = packed[:, None] >> SHIFTS & 3
    wrong = np.flatnonzero((codes == 2).any(axis=1))
    if wrong.size:
        raise ValueError(f"byte {wrong[0]} holds the code 10, which stands for no trit: damaged data")
    trits = codes.astype(np.int8)
    trits[codes == 3] = -1
    return _without_filling(trits, count)
