"""A histogram of weights with the thresholds of a quantiser, and one weight that can be pulled out."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import traitlets
from numpy import ndarray

from mmf_teach.lesson.figures import style
from mmf_teach.lesson.widgets.explorer import Explorer, script
from mmf_teach.ternary.other_trits import absmax_trits
from mmf_teach.ternary.quantise import absmax, absmean
from mmf_teach.ternary.rounding_error import lost_share

OTHERS = 1023                                # ordinary weights; with the outlier there are 1,024
RULES = {
    "trits, scale = largest": absmax_trits,
    "trits, scale = mean": absmean,
    "int8, scale = largest / 127": absmax,
}
SHAPES = ["bell curve", "flat"]
SIZES = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 64, 128]     # of the outlier; 1 is an ordinary weight
EDGES = [edge / 4 for edge in range(-20, 21)]


@dataclass(frozen=True)
class View:
    bins: list[list[int]]                    # for each bar: how many of the others become less than 0, 0, more than 0
    threshold: float                         # weights up to this size become 0
    zero_percent: float                      # of the other weights
    lost_percent: float                      # of their sum of squares
    outlier_becomes: float                   # what is left of the outlier


def others(shape: str) -> ndarray:
    """The same 1,023 weights each time, their mean size 1. KeyError for an unknown shape."""
    dice = np.random.default_rng(3)
    drawn = {"bell curve": dice.normal(size=(1, OTHERS)), "flat": dice.uniform(-1, 1, size=(1, OTHERS))}[shape]
    return drawn / np.abs(drawn).mean()


def outlier_view(shape: str, rule: str, size: float) -> View:
    """What a rule makes of the weights when one more, of this size, shares their scale."""
    ordinary = others(shape)
    codes, scale = RULES[rule](np.append(ordinary, [[size]], axis=1))
    scale, kept = float(np.squeeze(scale)), codes[:, :-1]
    inside = [kept[(ordinary >= left) & (ordinary < right)] for left, right in pairwise(EDGES)]
    return View(
        bins=[[int((here < 0).sum()), int((here == 0).sum()), int((here > 0).sum())] for here in inside],
        threshold=round(scale / 2, 3),
        zero_percent=round(100 * float((kept == 0).mean()), 1),
        lost_percent=round(100 * lost_share(ordinary, kept, scale), 1),
        outlier_becomes=round(scale * int(codes[0, -1]), 2),
    )


def in_words(view: View, size: float) -> str:
    """What there is to see, in three clauses.

    >>> in_words(View([], 2.0, 95.0, 84.5, 4.0), 4)
    'Up to 2.00 a weight becomes 0. Of the others 95.0 % do; 84.5 % of their sum of squares is lost. 4 is kept as 4.00.'
    """
    return (
        f"Up to {view.threshold:.2f} a weight becomes 0. Of the others {view.zero_percent:.1f} % do; "
        f"{view.lost_percent:.1f} % of their sum of squares is lost. {size:g} is kept as {view.outlier_becomes:.2f}."
    )


class Outlier(Explorer):
    """Question to the reader: how far must one weight be pulled until the largest as a scale silences all others?"""

    _esm = script("outlier")
    sentence = "A histogram of weights, its thresholds and one outlier: run this cell to explore it."

    shapes = traitlets.List(SHAPES).tag(sync=True)
    rules = traitlets.List(list(RULES)).tag(sync=True)
    sizes = traitlets.List(SIZES).tag(sync=True)
    edges = traitlets.List(EDGES).tag(sync=True)
    colours = traitlets.List([style.MINUS, style.ZERO, style.PLUS]).tag(sync=True)
    table = traitlets.Dict().tag(sync=True)              # shape -> rule -> size -> bins, threshold and the sentence

    def __init__(self, **settings: Any):
        table: dict = {}
        for shape in SHAPES:
            table[shape] = {}
            for rule in RULES:
                views = {str(size): (outlier_view(shape, rule, size), size) for size in SIZES}
                table[shape][rule] = {
                    name: {"bins": view.bins, "threshold": view.threshold, "said": in_words(view, size)}
                    for name, (view, size) in views.items()
                }
        super().__init__(table=table, **settings)
