"""The ternary product by popcount over bit planes, with Python's whole numbers as rows of bits.

Course    notebook 04, "Fast kernels"
Equation  Σ w·x = |N| + Σ_b c_b · popcount((x_b ⊕ s) ∧ z),   c_b = 1, 2, 4, ..., 64, -128,   |N| = how many w are -1
"""

from collections.abc import Sequence

PLACES = (1, 2, 4, 8, 16, 32, 64, -128)      # what bit b of an int8 code stands for


def code_planes(codes: Sequence[int]) -> list[int]:
    """Eight whole numbers: bit k of the b-th is bit b of the k-th code (int8, two's complement).

    >>> code_planes([1, 2, 3])
    [5, 6, 0, 0, 0, 0, 0, 0]
    """
    return [sum((code >> b & 1) << k for k, code in enumerate(codes)) for b in range(8)]


def trit_planes(trits: Sequence[int]) -> tuple[int, int]:
    """Two whole numbers: the bits of the trits that are not zero, and of those that are -1.

    >>> trit_planes([1, -1, 0])
    (3, 2)
    """
    nonzero = sum((trit != 0) << k for k, trit in enumerate(trits))
    negative = sum((trit == -1) << k for k, trit in enumerate(trits))
    return nonzero, negative


def dot_by_counting(planes: Sequence[int], nonzero: int, negative: int) -> int:
    """The ternary dot product from the planes of the codes and of the trits: bits are counted, nothing multiplied.

    >>> dot_by_counting(code_planes([5, 7, 9]), *trit_planes([1, -1, 0]))
    -2
    """
    total = negative.bit_count()
    for b, plane in enumerate(planes):
        counted = ((plane ^ negative) & nonzero).bit_count() << b
        total += counted if b < 7 else -counted
    return total
