"""A dot product step by step: what each trit does to its input, and the sum after it."""

from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import Any

import traitlets

from mmf_teach.lesson.figures import style
from mmf_teach.lesson.widgets.explorer import Explorer, script
from mmf_teach.ternary.trits import ternary_dot

INPUTS = (5, 7, 9, 4, -3, 2)
ACTIONS = {1: "add", 0: "skip", -1: "subtract"}
COLOURS = {1: style.PLUS, 0: style.ZERO, -1: style.MINUS}


def running_sums(trits: Sequence[int], inputs: Sequence[int]) -> list[int]:
    """The sum after each input. ValueError for unequal lengths and for what is no trit."""
    return [ternary_dot(trits[:taken], inputs[:taken]) for taken in range(1, max(len(trits), len(inputs)) + 1)]


def in_words(trits: Sequence[int], inputs: Sequence[int]) -> str:
    """How many operations of which kind it took, and what came out.

    >>> in_words((1, 0, -1), (5, 7, 9))
    '1 addition, 1 subtraction, 1 skipped: the sum is -4'
    """
    counts = Counter(ACTIONS[trit] for trit in trits)
    added, subtracted = (
        f"{counts[name]} {said}{'' if counts[name] == 1 else 's'}"
        for name, said in (("add", "addition"), ("subtract", "subtraction"))
    )
    return f"{added}, {subtracted}, {counts['skip']} skipped: the sum is {ternary_dot(trits, inputs)}"


def every_setting(inputs: Sequence[int]) -> dict[str, dict[str, Any]]:
    """All rows of trits there are for these inputs, as "1,0,-1", with their sums and the sentence."""
    return {
        ",".join(map(str, trits)): {"sums": running_sums(trits, inputs), "said": in_words(trits, inputs)}
        for trits in product((-1, 0, 1), repeat=len(inputs))
    }


class TernaryDot(Explorer):
    """Question to the reader: how do you reach 12 with the fewest operations, and how without skipping anything?"""

    _esm = script("ternary_dot")
    sentence = "A dot product that adds, skips and subtracts, a button for each weight: run this cell to use it."

    inputs = traitlets.List(list(INPUTS)).tag(sync=True)
    trits = traitlets.List([1, 0, -1, 1, 0, -1]).tag(sync=True)
    actions = traitlets.Dict().tag(sync=True)            # "1" -> what it does
    colours = traitlets.Dict().tag(sync=True)            # "1" -> its colour
    table = traitlets.Dict().tag(sync=True)              # "1,0,-1,..." -> sums after each input, and a sentence

    def __init__(self, **settings: Any):
        super().__init__(
            actions={str(trit): name for trit, name in ACTIONS.items()},
            colours={str(trit): colour for trit, colour in COLOURS.items()},
            table=every_setting(INPUTS), **settings,
        )
