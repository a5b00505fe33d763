"""Numbers as a machine has them: integers with a binary point in an agreed place.

Course    notebook 04, "Fast kernels", and Part III
Formats   activation  value · 2¹²   the stream between layers, projections, scores
          gate        value · 2¹⁵   sigmoids, 0 to 1
          memory      value · 2¹⁶   what the recurrence carries, and the products that feed a narrowing map
          scale       value · 2²⁴   weight scales and what is computed from them
          code        int8          quantised activations; their sums under trits are int32

Everything that follows is defined on whole numbers, so that NumPy, a compiled engine and a circuit agree to the
last bit. Divisions round down; right shifts round to the nearest, halves up.
"""

import numpy as np
from jaxtyping import Int, Int64
from numpy import ndarray

ACTIVATION, GATE, MEMORY, SCALE = 12, 15, 16, 24      # bits behind the binary point
INVERSE = 24                                          # bits of the reciprocal that makes codes
ROOT = 8                                              # extra bits of a root mean square,
LARGEST_MEAN = 1 << (62 - 2 * ROOT)                   # up to a mean of this size
LARGEST_CODE = 127
SMALLEST_SQUARE = 1e-6                                # ε under the root, as in layers.rms_norm

TABLE_REACH = 8                                       # the sigmoid's table runs from -8 to 8,
TABLE_STEPS = 64                                      # with so many entries a unit, and straight lines between


def to_fixed(x: ndarray | float, bits: int) -> Int64[ndarray, "..."]:
    """The nearest whole number to x · 2**bits. ValueError for NaN, infinity or a number that needs over 32 bits.

    >>> to_fixed(np.array([1.5, -0.25]), 2).tolist()
    [6, -1]
    """
    scaled = np.asarray(np.rint(np.asarray(x, dtype=np.float64) * (1 << bits)))
    if not (np.abs(scaled) < 2**31).all():
        raise ValueError(f"a number with {bits} bits behind the point must be finite and fit in 32 bits")
    return scaled.astype(np.int64)


def shift(x: Int[ndarray, "*n"], bits: int) -> Int64[ndarray, "*n"]:
    """x / 2**bits, rounded to the nearest whole number, halves up.

    >>> shift(np.array([5, 6, 7, -6]), 2).tolist()
    [1, 2, 2, -1]
    """
    return (x.astype(np.int64) + (1 << (bits - 1))) >> bits


def codes(x: Int[ndarray, "*b d"]) -> tuple[Int64[ndarray, "*b d"], Int64[ndarray, "*b 1"]]:
    """Codes from -127 to 127 for each token, and the token's largest magnitude (at least 1).

    One reciprocal a token, then a multiplication and a shift a feature: |x| · inverse stays below 2³¹.

    >>> small, largest = codes(np.array([[254, -128, 2]]))
    >>> small.tolist(), largest.tolist()
    ([[127, -64, 1]], [[254]])
    """
    largest = np.maximum(np.abs(x).max(axis=-1, keepdims=True), 1)
    inverse = (LARGEST_CODE << INVERSE) // largest
    return shift(x * inverse, INVERSE), largest


def root(n: Int64[ndarray, "*n"]) -> Int64[ndarray, "*n"]:
    """The largest whole number whose square is at most n, exactly.

    >>> root(np.array([15, 16, 17])).tolist()
    [3, 4, 4]
    """
    r = np.sqrt(n.astype(np.float64)).astype(np.int64)       # may be off by one for numbers above 2**53
    r -= r * r > n
    return r + ((r + 1) * (r + 1) <= n)


def root_mean_square(x: Int[ndarray, "*b d"], bits: int) -> Int64[ndarray, "*b 1"]:
    """sqrt(mean(x²) + ε) of each token, with ROOT more bits behind the point than the `bits` of x.

    Where these bits do not fit into 64 the root has none of them: it is then above 2²³ and none is missed.

    >>> root_mean_square(np.array([[3 << 12, -(3 << 12)]]), bits=12).tolist() == [[3 << 12 + ROOT]]
    True
    """
    x = x.astype(np.int64)
    smallest = int(to_fixed(SMALLEST_SQUARE, 2 * bits))
    mean = (x * x).sum(axis=-1, keepdims=True) // x.shape[-1] + smallest
    fits = mean < LARGEST_MEAN
    return np.where(fits, root(np.where(fits, mean, 0) << (2 * ROOT)), root(mean) << ROOT)


def code_scale(largest: Int64[ndarray, "*b 1"], rms: Int64[ndarray, "*b 1"]) -> Int64[ndarray, "*b 1"]:
    """What one code stands for after the norm: largest / (127 · rms), as a scale.

    >>> code_scale(np.array([[127]]), np.array([[1 << ROOT]])).tolist() == [[1 << SCALE]]
    True
    """
    return (largest << (SCALE + ROOT)) // (LARGEST_CODE * rms)


def rescale(
    sums: Int[ndarray, "*b out"], code_scale: Int64[ndarray, "*b 1"], weight_scale: int,
) -> Int64[ndarray, "*b out"]:
    """Sums of codes under trits as activations: sum · scale of the codes · scale of the weights.

    >>> rescale(np.array([[3]]), np.array([[1 << SCALE]]), (1 << SCALE) // 2).tolist() == [[3 * (1 << ACTIVATION) // 2]]
    True
    """
    multiplier = (code_scale * weight_scale) >> SCALE
    return shift(sums * multiplier, SCALE - ACTIVATION)


def _sigmoid_table() -> Int64[ndarray, "entries"]:
    z = np.arange(-TABLE_REACH * TABLE_STEPS, TABLE_REACH * TABLE_STEPS + 1) / TABLE_STEPS
    return to_fixed(1 / (1 + np.exp(-z)), GATE)


SIGMOID = _sigmoid_table()


def sigmoid(z: Int[ndarray, "*n"]) -> Int64[ndarray, "*n"]:
    """σ of an activation as a gate, off by at most 2⁻¹⁴: a table of 1,025 entries and straight lines between.

    >>> sigmoid(np.array([0])).tolist() == [(1 << GATE) // 2]
    True
    """
    between = ACTIVATION - (TABLE_STEPS.bit_length() - 1)    # bits that lie between two entries
    reach = TABLE_REACH << ACTIVATION
    place = np.clip(z.astype(np.int64), -reach, reach - 1) + reach
    entry, rest = place >> between, place & ((1 << between) - 1)
    return SIGMOID[entry] + shift((SIGMOID[entry + 1] - SIGMOID[entry]) * rest, between)


def silu(z: Int[ndarray, "*n"]) -> Int64[ndarray, "*n"]:
    """z · σ(z), as an activation.

    >>> silu(np.array([0, 1 << ACTIVATION])).tolist()        # σ(1) = 0.731
    [0, 2994]
    """
    return shift(z * sigmoid(z), GATE)


def remember(f: Int64[ndarray, "*n"], c: Int64[ndarray, "*n"], h: Int64[ndarray, "*n"]) -> Int64[ndarray, "*n"]:
    """f ⊙ h + (1 - f) ⊙ c: gates f, candidates c (activations), memory h before and after.

    >>> half, one, three = np.array([1 << GATE - 1]), np.array([1 << ACTIVATION]), np.array([3 << MEMORY])
    >>> remember(half, one, three).tolist() == [2 << MEMORY]
    True
    """
    return shift(f * h + ((1 << GATE) - f) * (c << (MEMORY - ACTIVATION)), GATE)
