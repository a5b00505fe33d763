"""Which ways this machine can run, and which is the fastest: decided by what its processor has, before compiling.

Course    notebook 04, "Fast kernels"
"""

from mmf_teach.engine.ternary_matmul import (
    amx_tiles as tiles,
    int8_dot as vnni,
    lookup_5_in_8 as tables_of_five,
    lookup_9_in_16 as tables_of_nine,
    pairs,
    popcount as bit_planes,
    skipping,
    two_bits,
)
from mmf_teach.engine.ternary_matmul.kernel import Plain, Way
from mmf_teach.reference import masked_product as masked, ternary_matmul as naive

NAIVE = Plain(
    name="naive", idea="look at each trit: add, subtract or skip", bits=8.0, multiplies=False, needs=(),
    function=naive.ternary_matmul)
MASKED = Plain(
    name="masks", idea="let NumPy pick the inputs to add and to subtract", bits=8.0, multiplies=False, needs=(),
    function=masked.ternary_matmul)

LADDER = (                                   # slowest first for one token, as measured (head of each file)
    NAIVE, MASKED, skipping.WAY, two_bits.WAY, tiles.WAY, bit_planes.WAY, pairs.WAY, vnni.WAY, tables_of_five.WAY,
    tables_of_nine.WAY,
)
MANY = 4                                     # tokens at once, from which on tiles are the fastest where there are any


def runnable() -> tuple[Way, ...]:
    """The ways of the ladder that this machine's processor can run."""
    return tuple(way for way in LADDER if not way.missing())


def best(tokens: int = 1) -> Way:
    """The fastest way on this machine: tables of nine with AVX-512, pairs with AVX2, bit planes on all others.

    For `MANY` tokens at once, tiles with AMX, which multiply. They read the same words: what was packed serves both.
    """
    return tiles.WAY if tokens >= MANY and not tiles.WAY.missing() else runnable()[-1]


WAYS = runnable()
