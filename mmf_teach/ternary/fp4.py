"""FP4: a sign, two bits of exponent, one of mantissa (E2M1), and a power of two for each 32 weights (MXFP4).

Course    notebook 03, "From floats to trits"
Table     code 0..7 is 0, 0.5, 1, 1.5, 2, 3, 4, 6; the eighth bit value, 8, is the sign. No infinity, no NaN
Scale     2^(floor(log2 max|block|) - 2): puts the largest weight of a block between 4 and 8; above 6 it is clipped
Source    Open Compute Project, Microscaling Formats (MX) specification 1.0, 2023. NVIDIA's own NVFP4 has blocks of
          16 and a finer scale
"""

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

BLOCK = 32                                   # weights that share a scale
LARGEST_EXPONENT = 2                         # 4 = 2² is the largest power of two among the magnitudes
SMALLEST_EXPONENT = -127                     # of a scale: it is kept in eight bits


def decode_e2m1(code: int) -> float:
    """What a code of four bits stands for.

    >>> [decode_e2m1(code) for code in (0b0001, 0b0010, 0b0111, 0b1111)]
    [0.5, 1.0, 6.0, -6.0]
    """
    exponent, mantissa = code >> 1 & 3, code & 1
    size = 2.0 ** (exponent - 1) * (1 + mantissa / 2) if exponent else mantissa / 2
    return -size if code & 8 else size


MAGNITUDES = np.array([decode_e2m1(code) for code in range(8)], dtype=np.float32)
MIDDLES = (MAGNITUDES[1:] + MAGNITUDES[:-1]) / 2


def to_e2m1(x: Float[ndarray, "..."]) -> Float[ndarray, "..."]:
    """The nearest number that FP4 has, half-way to the one with an even code, beyond 6 the 6.

    >>> to_e2m1(np.array([0.25, 0.75, -2.4, 2.5, 5.1, 100.0])).tolist()
    [0.0, 1.0, -2.0, 2.0, 6.0, 6.0]
    """
    size = np.abs(x)
    below = np.searchsorted(MIDDLES, size, side="left")
    above = np.searchsorted(MIDDLES, size, side="right")         # differs from `below` only half-way
    code = np.where(below % 2 == 0, below, above)
    return np.copysign(MAGNITUDES[code], x)


def mxfp4(w: Float[ndarray, "out in"]) -> tuple[Float32[ndarray, "out in"], Float32[ndarray, "out in"]]:
    """Split weights into FP4 numbers and their block's power of two, written out for each weight.

    ValueError when the rows are no whole number of blocks.

    >>> numbers, scale = mxfp4(np.array([[12.0, 1.0, -5.0, 0.5] + 28 * [0.0]]))
    >>> numbers[0, :4].tolist(), float(scale[0, 0])
    ([6.0, 0.5, -2.0, 0.0], 2.0)
    """
    w = np.asarray(w, dtype=np.float32)
    if w.shape[1] % BLOCK:
        raise ValueError(f"a row of {w.shape[1]} weights is no whole number of blocks of {BLOCK}")
    blocks = w.reshape(len(w), -1, BLOCK)
    _, exponent = np.frexp(np.abs(blocks).max(axis=-1, keepdims=True))    # largest = m · 2^exponent, ½ <= m < 1
    exponent = np.maximum(exponent - 1 - LARGEST_EXPONENT, SMALLEST_EXPONENT)
    scale = np.broadcast_to(np.ldexp(np.float32(1), exponent), blocks.shape)
    return to_e2m1(blocks / scale).reshape(w.shape), scale.reshape(w.shape)
