"""Element by element, one a cycle: sums, products, quotients, and two functions from tables.

Course    notebook 10, "An instruction set of ten words", and 11, "Counting cycles"
Format    an element is a signed byte that counts eighths: -128 is -16, 127 is 15.875
"""

import numpy as np
from jaxtyping import Int8, Int64
from numpy import ndarray

POINT = 3                                    # bits behind the binary point
LOWEST, HIGHEST = -128, 127


def saturate(x: ndarray) -> Int8[ndarray, "*n"]:
    """The same numbers where a signed byte can hold them, its nearest end where it cannot."""
    return np.clip(x, LOWEST, HIGHEST).astype(np.int8)


def _table(function) -> Int8[ndarray, "256"]:
    """A function of all 256 elements, rounded to eighths, from the lowest element up."""
    x = np.arange(LOWEST, HIGHEST + 1) / (1 << POINT)
    return saturate(np.rint(function(x) * (1 << POINT)))


EXP = _table(np.exp)
SIGMOID = _table(lambda x: 1 / (1 + np.exp(-x)))      # nine different values, from 0 to 1


def divide(a: Int64[ndarray, "*n"], b: Int64[ndarray, "*n"]) -> Int64[ndarray, "*n"]:
    """a over the whole part of b (rounded down), towards zero; over a whole part of 0 the end on a's side."""
    whole = b >> POINT
    quotient = np.sign(a) * np.sign(whole) * (np.abs(a) // np.maximum(np.abs(whole), 1))
    return np.where(whole == 0, np.sign(a) * -LOWEST, quotient)


def result(mnemonic: str, a: Int8[ndarray, "d"], b: Int8[ndarray, "d"] | None = None) -> Int8[ndarray, "d"]:
    """What it computes, saturating. KeyError for a mnemonic of another unit.

    >>> result("mul", np.array([12, -1], np.int8), np.array([20, 4], np.int8)).tolist()     # 1.5 · 2.5, -0.125 · 0.5
    [30, -1]
    """
    wide_a, wide_b = (None if x is None else x.astype(np.int64) for x in (a, b))
    functions = {
        "add": lambda: wide_a + wide_b,
        "sub": lambda: wide_a - wide_b,
        "mul": lambda: wide_a * wide_b >> POINT,          # rounded down, as a shift does
        "div": lambda: divide(wide_a, wide_b),
        "exp": lambda: EXP[wide_a - LOWEST],
        "sig": lambda: SIGMOID[wide_a - LOWEST],
    }
    return saturate(functions[mnemonic]())


def cycles(width: int) -> int:
    """One element a cycle, and one to begin."""
    return width + 1
