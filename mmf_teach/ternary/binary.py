"""Signs and one scale: a weight in one bit.

Course    notebook 03, "From floats to trits"
Equation  W ≈ s·B,  s = mean|W|,  B = sign(W), where 0 counts as positive
Layout    eight signs a byte, the first in its lowest bit; 1 stands for -1, and what is left of the last byte is 0
Source    Rastegari et al. 2016 (XNOR-Net), arXiv 1603.05279, which has one scale for each filter; here one for all
"""

import numpy as np
from jaxtyping import Float, Int8, UInt8
from numpy import ndarray


def sign_mean(w: Float[ndarray, "out in"]) -> tuple[Int8[ndarray, "out in"], np.float32]:
    """Split weights into signs and the scale that fits them best, so that `w ≈ scale * signs`.

    >>> signs, scale = sign_mean(np.array([[0.875, -0.125, -0.5]]))
    >>> signs.tolist(), float(scale)
    ([[1, -1, -1]], 0.5)
    """
    w = np.asarray(w, dtype=np.float32)
    return np.where(w < 0, -1, 1).astype(np.int8), np.abs(w).mean()


def pack_signs(signs: Int8[ndarray, "*any"]) -> UInt8[ndarray, "bytes"]:
    """Write eight signs in each byte. ValueError when a value is neither -1 nor 1.

    >>> pack_signs(np.array([1, -1, -1, 1, 1], np.int8)).tolist()          # 2 + 4
    [6]
    """
    if not (abs(signs) == 1).all():
        raise ValueError("a sign is -1 or 1: give other numbers to sign_mean first")
    return np.packbits(signs.ravel() < 0, bitorder="little")


def unpack_signs(packed: UInt8[ndarray, "bytes"], count: int) -> Int8[ndarray, "count"]:
    """Read `count` signs back. ValueError when the bytes hold more or fewer.

    >>> unpack_signs(np.array([6], np.uint8), 5).tolist()
    [1, -1, -1, 1, 1]
    """
    if count < 0 or len(packed) != -(-count // 8):
        raise ValueError(f"{count} signs take {-(-count // 8)} bytes at 8 a byte, not {len(packed)}")
    bits = np.unpackbits(packed, bitorder="little").view(np.int8)
    if bits[count:].any():
        raise ValueError("the last byte holds signs beyond the end: the packed data is damaged")
    return 1 - 2 * bits[:count]
