"""Exercises of notebook 03: scales, rounding, what rounding loses, FP4, int4, straight through, BitLinear."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from mmf_teach.layers.straight_through import straight_through
from mmf_teach.lesson.exercise import LIMIT_S, Exercise, Report
from mmf_teach.reference.bit_linear import bit_linear
from mmf_teach.reference.rms_norm import rms_norm
from mmf_teach.ternary.fp4 import MAGNITUDES, to_e2m1
from mmf_teach.ternary.int4 import int4
from mmf_teach.ternary.quantise import SMALLEST, absmax, absmean
from mmf_teach.ternary.rounding_error import lost_share

# Inputs are such that float32 and float64, and any order of the same steps, round alike: weights are multiples of
# 1/8; where a scale is a largest value over 127 or 7, that value makes the scale a power of two; and the tokens of a
# layer are odd multiples of one number, whose 127ths of the largest never lie half-way.


def _weights():
    from hypothesis import strategies as st
    from hypothesis.extra.numpy import arrays
    eighths = st.integers(-32, 32).map(lambda n: n / 8)
    return st.tuples(arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 5)), elements=eighths))


def _restored():
    from hypothesis import strategies as st
    from hypothesis.extra.numpy import arrays
    shapes = st.tuples(st.integers(1, 3), st.integers(1, 4))
    return shapes.flatmap(lambda shape: st.tuples(
        arrays(np.float64, shape, elements=st.integers(-16, 16).map(lambda n: n / 2)),
        arrays(np.int8, shape, elements=st.integers(-1, 1)), st.sampled_from([0.25, 1.0, 3.0])))


def _rows(highest: int, elements: int):
    """Rows that end in a largest value of `highest` times a power of two; the others are multiples of a half of it."""
    from hypothesis import strategies as st
    one = st.tuples(
        st.lists(st.integers(-elements, elements).map(lambda n: n / 2), min_size=2, max_size=2),
        st.sampled_from([-highest, highest]), st.sampled_from([0.5, 1.0, 4.0]))
    row = one.map(lambda parts: [parts[2] * value for value in [*parts[0], parts[1]]])
    return st.tuples(st.lists(row, min_size=1, max_size=3).map(np.array))


def _fp4_inputs():
    from hypothesis import strategies as st
    from hypothesis.extra.numpy import arrays
    return st.tuples(arrays(np.float64, st.integers(1, 4), elements=st.integers(-64, 64).map(lambda n: n / 8)))


def _tensors():
    from hypothesis import strategies as st
    quarters = st.lists(st.integers(-12, 12).map(lambda n: n / 4), min_size=1, max_size=4)
    return quarters.map(lambda values: (torch.tensor(values), torch.tensor(values).round()))


def _layers():
    from hypothesis import strategies as st
    from hypothesis.extra.numpy import arrays
    sizes = st.tuples(st.integers(1, 2), st.integers(1, 4), st.integers(1, 3))
    return sizes.flatmap(lambda n: st.tuples(
        arrays(np.float64, (n[0], n[1]), elements=st.integers(-5, 4).map(lambda i: (2 * i + 1) * 0.37)),
        arrays(np.int8, (n[2], n[1]), elements=st.integers(-1, 1)), st.sampled_from([0.5, 2.0, 0.3])))


@dataclass(frozen=True)
class GradientExercise(Exercise):
    """An exercise on tensors whose gradient counts as much as its value."""

    def examine(self, yours: Callable, limit_s: float = LIMIT_S) -> Report:
        """The report on value and gradient together, each called by its name."""
        both = Exercise(
            self.id, self.ask, with_gradient(self.answer), self.cases,
            {why: with_gradient(wrong) for why, wrong in self.mistakes.items()}, self.hints, self.inputs,
        )
        report = both.examine(with_gradient(yours), limit_s)
        message = report.message.replace("in result 1 of 2", "in the value")
        message = message.replace("in result 2 of 2", "in the gradient")
        return replace(report, message=message)


def with_gradient(function: Callable) -> Callable:
    """The same function of a tensor and what it becomes, that returns the value and the gradient of its first argument.

    What comes from above is 1, 2, 3, ..., so that a gradient that is handed on differs from one that is made up.
    """
    @functools.wraps(function)
    def both(x: Tensor, rounded: Tensor) -> tuple[Tensor, Tensor]:
        x = x.clone().requires_grad_()
        value = function(x, rounded)
        if not isinstance(value, Tensor):
            return value
        above = torch.arange(1.0, value.numel() + 1).reshape(value.shape).to(value.dtype)
        if value.requires_grad:
            value.backward(above)
        return value.detach(), torch.zeros_like(x) if x.grad is None else x.grad
    return both


def _trits(w: ndarray, scale: float, rounding: Callable = np.rint, clip: bool = True) -> tuple[ndarray, float]:
    """absmean with another scale, another rounding, or without the clip."""
    codes = rounding(np.asarray(w) / max(scale, float(SMALLEST)))
    return (np.clip(codes, -1, 1) if clip else codes).astype(np.int8), max(scale, float(SMALLEST))


def _without_floor(x: ndarray, scale: ndarray | float, highest: int) -> tuple[ndarray, ndarray | float]:
    """Codes up to `highest` for a scale that may be zero, as NumPy makes them when nobody looks at its warnings."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.clip(np.nan_to_num(np.rint(x / scale)), -highest, highest).astype(np.int8), scale


def _by_row(w: ndarray) -> tuple[ndarray, ndarray]:
    scale = np.maximum(np.abs(w).mean(axis=-1, keepdims=True), float(SMALLEST))
    return np.clip(np.rint(w / scale), -1, 1).astype(np.int8), scale


def _mean(w: ndarray) -> float:
    return float(np.abs(w).mean())


def _away(x: ndarray) -> ndarray:
    """Half-way values away from zero, as one learns it at school."""
    return np.copysign(np.floor(np.abs(x) + 0.5), x)


def _codes(x: ndarray, largest: ndarray, rounding: Callable = np.rint) -> tuple[ndarray, ndarray]:
    """absmax with another largest value or another rounding."""
    scale = np.maximum(largest, float(SMALLEST)) / 127
    return np.clip(rounding(x / scale), -128, 127).astype(np.int8), scale


def _wrapped(x: ndarray, scale: ndarray) -> tuple[ndarray, ndarray]:
    """absmax without clipping: what int8 cannot hold comes out at its other end."""
    return np.rint(x / scale).astype(np.int64).astype(np.int8), scale


def _largest(x: ndarray) -> ndarray:
    return np.abs(x).max(axis=-1, keepdims=True)


def _fp4(x: ndarray, side: str) -> ndarray:
    """FP4 with half-way values always down (left) or always up (right)."""
    middles = (MAGNITUDES[1:] + MAGNITUDES[:-1]) / 2
    return np.copysign(MAGNITUDES[np.searchsorted(middles, np.abs(x), side=side)], x)


def _int4(w: ndarray, largest: ndarray, highest: int) -> tuple[ndarray, ndarray]:
    """int4 with another largest value, or another code for it."""
    scale = np.maximum(largest / highest, float(SMALLEST))
    return np.clip(np.rint(w / scale), -8, 7).astype(np.int8), scale


def _planted_int4(w: ndarray) -> tuple[ndarray, ndarray]:
    return _int4(w, np.abs(w).max(axis=0, keepdims=True), 7)


def _wrapped_sums(x: ndarray, trits: ndarray, w_scale: float) -> ndarray:
    codes, x_scale = absmax(rms_norm(x))
    return (codes @ trits.T).astype(np.float32) * (x_scale * w_scale)


def _product(x: ndarray, trits: ndarray, x_scale: float | ndarray, w_scale: float | ndarray) -> ndarray:
    """The integer product of normed tokens, with these two scales."""
    codes, _ = absmax(rms_norm(x))
    return (codes.astype(np.int32) @ trits.T.astype(np.int32)) * (x_scale * w_scale)


EXERCISES = [
    Exercise(
        id="03.1",
        ask="Return the trits of a matrix (whole numbers) and their scale, the mean size of its weights.",
        answer=absmean,
        cases=[
            (np.array([[0.875, -0.125, -0.5]]),), (np.array([[0.5, -0.625, 0.375, 2.0]]),),
            (np.array([[1.0, -1.0, 3.0, -3.0]]),), (np.zeros((2, 2)),), (np.full((1, 2), 2e-6),),
            (np.array([[4.0, 0.5], [-0.25, 0.25]]),), (np.array([[0.1, -0.7, 0.3]]),),
        ],
        mistakes={
            "Your scale is the largest weight; absmean takes the mean of the sizes |w|.":
                lambda w: _trits(w, float(np.abs(w).max())),
            "Your scale is the mean of the weights themselves: plus and minus cancel. Take the mean of |w|.":
                lambda w: _trits(w, abs(float(np.mean(w)))),
            "Some of your trits lie outside -1, 0 and 1: clip after rounding.":
                lambda w: _trits(w, _mean(w), clip=False),
            "You cut off instead of rounding: 0.6 must become 1, not 0.":
                lambda w: _trits(w, _mean(w), np.trunc),
            "Half-way values go to the even neighbour: 0.5 becomes 0. np.rint does that.":
                lambda w: _trits(w, _mean(w), _away),
            "You take the sign of every weight, so none becomes 0: divide by the scale, then round.":
                lambda w: _trits(w, _mean(w), np.sign),
            "Your trits are still floats: end with .astype(np.int8).":
                lambda w: (_trits(w, _mean(w))[0].astype(float), max(_mean(w), float(SMALLEST))),
            "Weights that are all zero, or nearly, divide by nothing: the scale is never smaller than SMALLEST.":
                lambda w: _without_floor(w, _mean(w), 1),
            "You have a scale for each row; here one is shared by the whole matrix: no axis.":
                lambda w: _by_row(w),
            "The scale belongs outside: return the trits and the scale, not their product.":
                lambda w: _trits(w, _mean(w))[0] * max(_mean(w), float(SMALLEST)),
        },
        hints=[
            "Three steps: the scale is np.abs(w).mean(), but at least SMALLEST; divide and round; clip.",
            "np.clip(np.rint(w / scale), -1, 1) are the trits; they still need .astype(np.int8).",
        ],
        inputs=_weights,
    ),
    Exercise(
        id="03.2",
        ask="Return the share of the weights' sum of squares that is missing from scale times codes; 0 for no weights.",
        answer=lost_share,
        cases=[
            (np.array([[3.0, 4.0]]), np.array([[1, 1]], np.int8), 4.0),
            (np.array([[2.0]]), np.array([[1]], np.int8), 2.0),
            (np.array([[2.0, -6.0]]), np.array([[0, -1]], np.int8), 4.0),
            (np.zeros((1, 2)), np.zeros((1, 2), np.int8), 1.0),
            (np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1, 1], [1, 1]], np.int8), np.array([[1.0], [3.0]])),
            (np.array([[0.5, 0.0, -1.25]]), np.array([[1, 0, 0]], np.int8), 0.75),
            (np.array([[1.5]]), np.array([[0]], np.int8), 1.0), (np.zeros((1, 2)), np.array([[1, 0]], np.int8), 1.0),
        ],
        mistakes={
            "You forget the scale: compare with scale * codes, not with the codes.":
                lambda w, codes, scale: lost_share(w, codes, 1.0),
            "You add up differences without squaring them, and they cancel.":
                lambda w, codes, scale: _share(lambda: float((w - scale * codes).sum() / w.sum()), w),
            "This is the sum itself: divide it by the sum of squares of the weights.":
                lambda w, codes, scale: float(np.square(w - scale * codes).sum()),
            "You take a square root at the end: the share is of squares.":
                lambda w, codes, scale: float(np.sqrt(lost_share(w, codes, scale))),
            "This is what is kept, not what is lost.":
                lambda w, codes, scale: 1 - lost_share(w, codes, scale),
            "Weights that are all zero lose nothing: return 0.0 there, before dividing by zero.":
                lambda w, codes, scale: lost_share(w, codes, scale) if np.any(w) else float("nan"),
        },
        hints=["What comes back is scale * codes; what is missing is the weight less that.",
               "np.square(w - scale * codes).sum() / np.square(w).sum(), and 0.0 where the divisor is 0."],
        inputs=_restored,
    ),
    Exercise(
        id="03.3",
        ask="Return the int8 codes of each token (each row) and a column of scales: its largest size over 127.",
        answer=absmax,
        cases=[
            (np.array([[1.0, -2.0, 0.25]]) * 63.5,), (np.array([[127.0, 0.5, 1.5, -2.5]]),),
            (np.array([[254.0, 10.0], [-12.7, 1.3]]),), (np.zeros((2, 3)),), (np.full((1, 2), 4e-6),),
            (np.array([[3.0, -5.0, 0.3, 1.1]]),),
        ],
        mistakes={
            "You have one scale for all tokens: each row needs its own, so axis=-1.":
                lambda x: _codes(x, np.abs(x).max() * np.ones((len(x), 1))),
            "Your largest sizes lost their axis and divide the wrong values: keepdims=True.":
                lambda x: _codes(x, np.abs(x).max(axis=-1)),
            "The codes are right, but the scales should stand in a column, one beside each row: keepdims=True.":
                lambda x: (absmax(x)[0], absmax(x)[1].ravel()),
            "You scale to 128, but int8 ends at 127: your largest value wraps round to -128.":
                lambda x: _wrapped(x, np.maximum(_largest(x), float(SMALLEST)) / 128),
            "You take the largest value, not the largest size: a row's -5 is larger than its 3.":
                lambda x: _codes(x, x.max(axis=-1, keepdims=True)),
            "Your scale is the mean size, as for weights: here it is the largest, so that nothing is clipped.":
                lambda x: _codes(x, np.abs(x).mean(axis=-1, keepdims=True)),
            "astype cuts off: round first, with np.rint.":
                lambda x: _codes(x, _largest(x), np.trunc),
            "Half-way values go to the even neighbour: 0.5 becomes 0 and 1.5 becomes 2. np.rint does that.":
                lambda x: _codes(x, _largest(x), _away),
            "You return the largest size as the scale: what a code of 1 is worth is that over 127.":
                lambda x: (absmax(x)[0], absmax(x)[1] * 127),
            "A token of zeros has no largest size: let it be at least SMALLEST, then divide by 127.":
                lambda x: _without_floor(x, _largest(x) / 127, 127),
        },
        hints=[
            "np.abs(x).max(axis=-1, keepdims=True) is the column of largest sizes; np.maximum puts the floor under it.",
            "The scale is that over 127. Divide, np.rint, np.clip to -128..127, astype(np.int8).",
        ],
        inputs=lambda: _rows(127, 254),
    ),
    Exercise(
        id="03.4",
        ask="Put the lines in order: the FP4 number nearest to each x, half-way values to the even code.",
        answer=to_e2m1,
        cases=[
            (np.array([0.0, 0.3, 1.1, 7.0]),), (np.array([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0]),),
            (np.array([-0.75, -2.4, -5.5, -100.0]),),
        ],
        mistakes={
            "Half-way values all go down: 0.75 lies between 0.5 and 1, and 1 has the even code.":
                lambda x: _fp4(x, "left"),
            "Half-way values all go up: 2.5 lies between 2 and 3, and 2 has the even code.":
                lambda x: _fp4(x, "right"),
            "The sign is lost on the way: give it back at the end.":
                lambda x: np.abs(to_e2m1(x)),
            "These are codes: look up the magnitude that each one stands for.":
                lambda x: np.copysign(np.searchsorted(MAGNITUDES, np.abs(to_e2m1(x))), x).astype(float),
        },
        hints=["Seven middles lie between eight magnitudes. How many of them a size has passed is its code.",
               "The magnitudes come before their middles; `below` and `above` need the size; the code needs both."],
        inputs=_fp4_inputs,
        lines=(
            "def to_e2m1(x):",
            "    magnitudes = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])",
            "    middles = (magnitudes[1:] + magnitudes[:-1]) / 2",
            "    size = np.abs(x)",
            "    below = np.searchsorted(middles, size, side='left')",
            "    above = np.searchsorted(middles, size, side='right')",
            "    code = np.where(below % 2 == 0, below, above)",
            "    return np.copysign(magnitudes[code], x)",
        ),
    ),
    Exercise(
        id="03.5",
        ask="Mend int4: each row of weights, which makes one output, has a scale of its own.",
        answer=int4,
        planted=_planted_int4,
        cases=[
            (np.array([[7.0, -3.0, 0.5], [70.0, 0.0, -35.0]]),), (np.array([[14.0, 1.0]]),),
            (np.array([[-3.5], [7.0]]),),
            (np.zeros((2, 2)),), (np.array([[0.1, -0.7, 0.3]]),),
        ],
        mistakes={
            "Now the whole matrix has one scale: take the largest of each row, axis=-1.":
                lambda w: _int4(w, np.abs(w).max() * np.ones((len(w), 1)), 7),
            "The axis is right, but keepdims is gone, so a scale meets the wrong weights: each divides its own row.":
                lambda w: _int4(w, np.abs(w).max(axis=-1), 7),
            "The largest code is 7: with 8 the largest weight is clipped.":
                lambda w: _int4(w, _largest(w), 8),
        },
        hints=["Multiply it out by hand: y = Σ w x = Σ (scale · code) x. When may the scale be taken out of the sum?",
               "The sum runs along a row. axis=0 looks down the columns; axis=-1 looks along the rows."],
        inputs=lambda: _rows(7, 14),
    ),
    GradientExercise(
        id="03.6",
        ask="Return a tensor with the value of rounded whose gradient goes to x unchanged.",
        answer=straight_through,
        cases=[
            (torch.tensor([0.25, 2.75]), torch.tensor([0.0, 3.0])),
            (torch.tensor([-1.25, 0.5, 4.0]), torch.tensor([-1.0, 0.0, 1.0])),
            (torch.tensor([0.1, 0.7]), torch.tensor([0.0, 1.0])),
        ],
        mistakes={
            "The value is right, but no gradient reaches x: rounded alone knows nothing of x.":
                lambda x, rounded: rounded,
            "The gradient is right, but nothing is rounded: the value must be that of rounded.":
                lambda x, rounded: x,
            "You detach the wrong one: the gradient is meant to reach x, so detach the rounded part.":
                lambda x, rounded: rounded + x.detach() - x,
            "x is counted twice in the value: take it off again inside what you detach.":
                lambda x, rounded: x + rounded.detach(),
            "You round x yourself: take the value of rounded, which may have been clipped as well.":
                lambda x, rounded: x + (x.round() - x).detach(),
            "The gradient is 1 whatever comes from above: hand on what backward is given, do not return ones.":
                lambda x, rounded: _Ones.apply(x, rounded),
            "You stop the gradient where x is larger than 1. Some papers do; this one lets it through everywhere.":
                lambda x, rounded: _Clipped.apply(x, rounded),
        },
        hints=[
            "x + (something without gradient) has the gradient of x. Which something makes the value right?",
            "x + (rounded - x).detach(); or a torch.autograd.Function whose backward returns dy, None.",
        ],
        inputs=_tensors,
    ),
    Exercise(
        id="03.7",
        ask="Return the output of a BitLinear layer: norm, int8 codes, a product of whole numbers, then both scales.",
        answer=bit_linear,
        cases=[
            (np.array([[1.0, 1.0, 1.0]]), np.array([[1, 1, -1]], np.int8), 0.5),
            (np.array([[3.0, -1.0], [0.5, 0.3]]), np.array([[1, 0], [-1, 1], [0, -1]], np.int8), 2.0),
            (np.array([[2.0, 2.0, -2.0, 1.1]]), np.array([[1, 1, -1, 1]], np.int8), 0.25),
            (np.full((1, 301), 0.37), np.ones((1, 301), np.int8), 0.3),  # more than 16 bits hold
        ],
        mistakes={
            "int8 times int8 stays int8 in NumPy, and sums wrap round: use ternary_matmul, or astype(np.int32) first.":
                _wrapped_sums,
            "The scale of the weights is missing: both scales belong on the sums.":
                lambda x, trits, w_scale: _product(x, trits, absmax(rms_norm(x))[1], 1.0),
            "The scale of the tokens is missing: the codes are 127 over the largest times too large.":
                lambda x, trits, w_scale: _product(x, trits, 1.0, w_scale),
            "You divide by the scales: codes and trits times their scales give back what was rounded, so multiply.":
                lambda x, trits, w_scale: _product(x, trits, 1 / absmax(rms_norm(x))[1], 1 / w_scale),
            "The norm is missing: divide each token by its root mean square first, with rms_norm.":
                lambda x, trits, w_scale: (absmax(x)[0].astype(int) @ trits.T.astype(int)) * (absmax(x)[1] * w_scale),
            "You multiply the floats: the codes of absmax are what meets the trits.":
                lambda x, trits, w_scale: rms_norm(x) @ trits.T.astype(np.float32) * w_scale,
            "These are the bare sums of integers: the two scales make floats of them.":
                lambda x, trits, w_scale: _product(x, trits, 1, 1),
        },
        hints=[
            "codes and their scale come from absmax(rms_norm(x)); trits and theirs are given.",
            "ternary_matmul(codes, trits) gives the sums; each is worth x_scale * w_scale.",
        ],
        inputs=_layers,
    ),
]


def _share(compute: Callable[[], float], w: ndarray) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return compute() if np.any(w) else 0.0


class _Ones(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, rounded):
        return rounded.clone()

    @staticmethod
    def backward(ctx, dy):
        return torch.ones_like(dy), None


class _Clipped(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, rounded):
        ctx.save_for_backward(x)
        return rounded.clone()

    @staticmethod
    def backward(ctx, dy):
        return dy * (ctx.saved_tensors[0].abs() <= 1), None
