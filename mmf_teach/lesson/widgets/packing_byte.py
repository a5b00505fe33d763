"""A byte that holds five trits: from trits to the number, and from any number back."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets

from mmf_teach.lesson.figures import style
from mmf_teach.lesson.widgets.explorer import Explorer, script
from mmf_teach.ternary.packing import POWERS_OF_3, unpack_base3

PLACES = POWERS_OF_3.tolist()
COLOURS = {1: style.PLUS, 0: style.ZERO, -1: style.MINUS}


def place_values(trits: Sequence[int]) -> list[int]:
    """What each trit adds to the byte: its digit 0, 1 or 2, times 1, 3, 9, 27 or 81.

    >>> place_values([1, 0, -1, 0, 0])
    [2, 3, 0, 27, 81]
    """
    return [(trit + 1) * place for trit, place in zip(trits, PLACES, strict=True)]


def trits_of(byte: int) -> list[int] | None:
    """The five trits of a byte, or None where no five trits have it."""
    try:
        return unpack_base3(np.array([byte], np.uint8), len(PLACES)).tolist()
    except ValueError:
        return None


class PackingByte(Explorer):
    """Question to the reader: which five trits make the largest byte, and what does the byte above it mean?"""

    _esm = script("packing_byte")
    sentence = "Five trits in a byte, a button for each, and a slider over all bytes: run this cell to use it."

    byte = traitlets.Int(113, min=0, max=255).tag(sync=True)
    places = traitlets.List(PLACES).tag(sync=True)
    colours = traitlets.Dict({str(trit): colour for trit, colour in COLOURS.items()}).tag(sync=True)
    rows = traitlets.List().tag(sync=True)               # for each byte its trits, or None

    def __init__(self, **settings: Any):
        super().__init__(rows=[trits_of(byte) for byte in range(256)], **settings)
