"""A dot product by counting bits: codes as rows of bits, turned round under a -1, gone under a 0."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import traitlets

from mmf_teach.lesson.figures import style
from mmf_teach.lesson.widgets.explorer import Explorer, script
from mmf_teach.reference.popcount_product import PLACES, code_planes, dot_by_counting, trit_planes

CODES = (5, -3, 12, 127)
COLOURS = {1: style.PLUS, 0: style.ZERO, -1: style.MINUS}


def counted_bits(trits: Sequence[int], codes: Sequence[int]) -> list[list[int]]:
    """For each code its eight bits as they are counted, the highest first: turned round under a -1, all 0 under a 0."""
    nonzero, negative = trit_planes(trits)
    planes = [(plane ^ negative) & nonzero for plane in code_planes(codes)]
    return [[planes[b] >> k & 1 for b in reversed(range(8))] for k in range(len(codes))]


def in_words(trits: Sequence[int], codes: Sequence[int]) -> str:
    """The counts times what they are worth, and the sum.

    >>> in_words((1, -1), (5, 2))
    '1·(-128) + 1·(64) + 1·(32) + 1·(16) + 1·(8) + 2·(4) + 2·(1) + 1 for the -1s = 3'
    """
    bits = counted_bits(trits, codes)
    counts = [sum(row[7 - b] for row in bits) for b in reversed(range(8))]
    worth = " + ".join(f"{count}·({place})" for count, place in zip(counts, PLACES[::-1], strict=True) if count)
    minus = sum(trit == -1 for trit in trits)
    return f"{worth or '0'} + {minus} for the -1s = {dot_by_counting(code_planes(codes), *trit_planes(trits))}"


def every_setting(codes: Sequence[int]) -> dict[str, dict[str, Any]]:
    """All rows of trits there are for these codes, as "1,0,-1,1", with the bits that are counted and the sentence."""
    return {
        ",".join(map(str, trits)): {"bits": counted_bits(trits, codes), "said": in_words(trits, codes)}
        for trits in product((-1, 0, 1), repeat=len(codes))
    }


class BitPlanes(Explorer):
    """Question to the reader: what happens to the bits of 127 under a -1, and who puts the missing one back?"""

    _esm = script("bit_planes")
    sentence = "A dot product by counting bits, a button for each weight: run this cell to use it."

    codes = traitlets.List(list(CODES)).tag(sync=True)
    trits = traitlets.List([1, 1, 1, 0]).tag(sync=True)
    places = traitlets.List(list(PLACES[::-1])).tag(sync=True)
    colours = traitlets.Dict().tag(sync=True)            # "1" -> its colour
    table = traitlets.Dict().tag(sync=True)              # "1,0,-1,..." -> bits that are counted, and a sentence

    def __init__(self, **settings: Any):
        super().__init__(
            colours={str(trit): colour for trit, colour in COLOURS.items()}, table=every_setting(CODES), **settings)
