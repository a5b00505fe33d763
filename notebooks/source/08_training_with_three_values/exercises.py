"""Exercises of notebook 08: the schedule, a test of it, gradients straight through, flips, an update, the loop."""

from collections.abc import Callable
from math import cos, pi

import numpy as np

from mmf_teach.lesson.exercise import Exercise
from mmf_teach.lesson.property_test import PropertyTest
from mmf_teach.reference.straight_through import gradients
from mmf_teach.reference.training import run, update
from mmf_teach.ternary.quantise import absmean
from mmf_teach.training.flips import flipped
from mmf_teach.training.schedule import learning_rate


def climbs_and_comes_down(rate: Callable) -> bool:
    """Whether a schedule climbs evenly to its peak, then follows half a cosine down to zero."""
    steps, peak, warmup = 37, 2.0, 5
    rates = [rate(step, steps, peak, warmup) for step in range(steps)]
    climb = [peak * (step + 1) / warmup for step in range(warmup)]
    fall = [peak * (1 + cos(pi * k / (steps - warmup))) / 2 for k in range(steps - warmup)]
    return np.allclose(rates, climb + fall)


def _schedules():
    from hypothesis import strategies as st
    sizes = st.tuples(st.integers(1, 8), st.integers(1, 30))
    return sizes.flatmap(lambda size: st.tuples(
        st.integers(0, sum(size) - 1), st.just(sum(size)), st.sampled_from([1.0, 0.5, 8.0]), st.just(size[0])))


def _products():
    from hypothesis import strategies as st
    return st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 99)).map(_product)


def _product(drawn: tuple[int, int, int, int]) -> tuple:
    """What a ternary product has on the way back: dy, codes and their scales, trits and theirs."""
    batch, outputs, inputs, seed = drawn
    dice = np.random.default_rng(seed)
    return (
        dice.integers(-8, 9, (batch, outputs)) / 4, dice.integers(-127, 128, (batch, inputs)).astype(np.int8),
        2.0 ** dice.integers(-3, 3, (batch, 1)), dice.integers(-1, 2, (outputs, inputs)).astype(np.int8), 0.375)


def _two_matrices():
    from hypothesis import strategies as st
    from hypothesis.extra.numpy import arrays
    shapes = st.tuples(st.integers(1, 3), st.integers(1, 4))
    eighths = st.integers(-16, 16).map(lambda n: n / 8)
    return shapes.flatmap(lambda shape: st.tuples(*[arrays(np.float64, shape, elements=eighths)] * 2))


def _learners():
    from hypothesis import strategies as st
    return st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 99)).map(_learner)


def _learner(drawn: tuple[int, int, int, int]) -> tuple:
    batch, outputs, inputs, seed = drawn
    dice = np.random.default_rng(seed)
    return (dice.integers(-8, 9, (outputs, inputs)) / 8, dice.integers(-4, 5, (batch, inputs)) / 2,
            dice.integers(-4, 5, (batch, outputs)) / 2, 0.25)


def _flips_by_one_scale(before: np.ndarray, after: np.ndarray) -> int:
    scale = absmean(before)[1]
    return int((absmean(before)[0] != np.clip(np.rint(after / scale), -1, 1)).sum())


def _update_through_rounding(w, x, target, rate):
    absmean(w)
    return w * 1.0


def _update_of_floats(w, x, target, rate):
    return w - rate * (x @ w.T - target).T @ x / len(x)


def _update_of_rounded(w, x, target, rate):
    trits, scale = absmean(w)
    return scale * trits - rate * (x @ (scale * trits).T - target).T @ x / len(x)


def _double(x: float, y: float, rate: float) -> float:
    return 100 * x + 10 * y + rate


def _pair(step: int) -> tuple[int, int]:
    return step + 1, step + 2


def _tenth(step: int) -> float:
    return (step + 1) / 10


def _loops():
    from hypothesis import strategies as st
    return st.tuples(st.just(_double), st.just(_pair), st.just(_tenth), st.integers(0, 99))


EXERCISES = [
    Exercise(
        id="08.1",
        ask="Return the learning rate of one step: a climb to the peak, then half a cosine down to zero.",
        answer=learning_rate,
        cases=[
            (0, 10, 1.0, 2), (1, 10, 1.0, 2), (2, 10, 1.0, 2), (6, 10, 1.0, 2), (9, 10, 0.5, 2), (4, 20, 1.0, 4),
            (10, 10, 1.0, 2), (7, 8, 2.0, 1)],
        mistakes={
            "Your first step has a rate of 0 and learns nothing: step 0 is the first stride, 1 of `warmup`.":
                lambda step, steps, peak, warmup: (
                    peak * step / warmup if step < warmup else learning_rate(step, steps, peak, warmup)),
            "Your cosine starts at step 0: it should start where the climb ends, and last for the steps that are left.":
                lambda step, steps, peak, warmup: (
                    learning_rate(step, steps, peak, warmup) if step < warmup
                    else peak * (1 + cos(pi * step / steps)) / 2),
            "Yours ends at a tenth of the peak, as the Transformer's does: here the rate must reach zero.":
                lambda step, steps, peak, warmup: (
                    learning_rate(step, steps, peak, warmup) if step < warmup
                    else 0.1 * peak + 0.9 * learning_rate(step, steps, peak, warmup)),
            "You come down in a straight line: half a cosine stays high at first and is flat at the end.":
                lambda step, steps, peak, warmup: (
                    learning_rate(step, steps, peak, warmup) if step < warmup
                    else peak * (steps - step) / max(1, steps - warmup)),
            "A cosine runs from 1 to -1: add 1 and halve it, or the rate turns negative.":
                lambda step, steps, peak, warmup: (
                    learning_rate(step, steps, peak, warmup) if step < warmup
                    else peak * cos(pi * (step - warmup) / max(1, steps - warmup))),
        },
        hints=[
            "Two cases. While step < warmup: the peak times (step + 1) / warmup.",
            "Then the share of the way down is (step - warmup) / (steps - warmup); half a cosine is cos(pi * share).",
        ],
        inputs=_schedules,
    ),
    PropertyTest(
        id="08.2",
        ask="Write a test that is True for a right schedule and False for a wrong one.",
        answer=climbs_and_comes_down,
        right=(learning_rate,),
        wrong={
            "It has no climb: the first step has the full rate.":
                (lambda step, steps, peak, warmup: learning_rate(max(step, warmup), steps, peak, warmup),),
            "It ends at a tenth of the peak.":
                (lambda step, steps, peak, warmup: max(learning_rate(step, steps, peak, warmup), peak / 10),),
            "It never reaches the peak that was asked for.":
                (lambda step, steps, peak, warmup: 0.9 * learning_rate(step, steps, peak, warmup),),
            "It takes every peak for 0.5.":
                (lambda step, steps, peak, warmup: learning_rate(step, steps, 0.5, warmup),),
            "It comes down in a straight line.":
                (lambda step, steps, peak, warmup: (
                    learning_rate(step, steps, peak, warmup) if step < warmup
                    else peak * (steps - step) / (steps - warmup)),),
            "It comes down twice as fast and then stays at zero.":
                (lambda step, steps, peak, warmup: (
                    learning_rate(step, steps, peak, warmup) if step < warmup
                    else learning_rate(min(2 * step - warmup, steps), steps, peak, warmup)),),
            "It climbs for ten steps, whatever was asked for.":
                (lambda step, steps, peak, warmup: learning_rate(step, steps, peak, 10),),
            "It stays at the peak once it is there.":
                (lambda step, steps, peak, warmup: learning_rate(min(step, warmup), steps, peak, warmup),),
        },
        hints=[
            "Which rates do you know? The first, that of step warmup - 1, that half-way down, the last.",
            "Try two schedules that differ in everything, and compare a list of rates with numbers of your own.",
        ],
    ),
    Exercise(
        id="08.3",
        ask="Return the gradients for x and for the float weights, straight through both roundings.",
        answer=gradients,
        cases=[
            (np.array([[2.0]]), np.int8([[3, -1]]), np.array([[0.5]]), np.int8([[1, 0]]), 0.25),
            _product((2, 3, 4, 0)), _product((1, 2, 3, 1)), _product((3, 1, 2, 2))],
        mistakes={
            "That is the true gradient of rounding, zero: nothing would ever be learnt. Pretend that it was not there.":
                lambda dy, codes, x_scale, trits, w_scale: (
                    np.zeros(codes.shape) + 0 * (dy @ trits), np.zeros(trits.shape) + 0 * (dy.T @ codes)),
            "The scale of the weights is missing in dx: what was multiplied is w_scale times the trits.":
                lambda dy, codes, x_scale, trits, w_scale: (dy @ (1.0 * trits), dy.T @ (x_scale * codes)),
            "The scales of the tokens are missing in dW: what was multiplied is x_scale times the codes.":
                lambda dy, codes, x_scale, trits, w_scale: (dy @ (w_scale * trits), dy.T @ (1.0 * codes)),
            "Your dW lies on its side: a gradient has the shape of what it belongs to, [out, in].":
                lambda dy, codes, x_scale, trits, w_scale: (dy @ (w_scale * trits), (x_scale * codes).T @ dy),
            "You scale twice: the scale of the weights has no place in dW, nor that of the tokens in dx.":
                lambda dy, codes, x_scale, trits, w_scale: (
                    x_scale * (dy @ (w_scale * trits)), w_scale * (dy.T @ (x_scale * codes))),
        },
        hints=[
            "For y = x @ w.T the gradients are dx = dy @ w and dw = dy.T @ x.",
            "The product that was really computed had x_scale * codes and w_scale * trits in it.",
        ],
        inputs=_products,
    ),
    Exercise(
        id="08.4",
        ask="Mend update: it runs, and the weights soon stop moving.",
        answer=update,
        planted=_update_of_rounded,
        cases=[_learner((2, 2, 3, 0)), _learner((3, 1, 2, 1)), _learner((1, 3, 3, 2)),
               (np.array([[0.9, 0.2]]), np.array([[1.0, 1.0]]), np.array([[0.0]]), 0.01)],
        mistakes={
            "You step from the trits, which have lost what the floats remembered: small steps are rounded off.":
                lambda w, x, target, rate: absmean(w)[0] + update(w, x, target, rate) - w,
            "Your error is that of the floats: the model that will be used has trits, so they must make the error.":
                _update_of_floats,
            "Your weights do not move at all: that is the true gradient of rounding.": _update_through_rounding,
            "You climb: a step against the gradient is subtracted.":
                lambda w, x, target, rate: 2 * w - update(w, x, target, rate),
            "The gradient is the mean over the tokens: divide by their number.":
                lambda w, x, target, rate: w + len(x) * (update(w, x, target, rate) - w),
        },
        hints=["Two kinds of weights are about: those that are multiplied and those that remember. Which should move?"],
        inputs=_learners,
    ),
    Exercise(
        id="08.5",
        ask="Put the lines in order: the training loop.",
        answer=run,
        cases=[(_double, _pair, _tenth, 3), (_double, _pair, _tenth, 1), (_double, _pair, _tenth, 0)],
        mistakes={
            "You return inside the loop: one step is all that is done.":
                lambda step_once, batch, rate_of, steps: run(step_once, batch, rate_of, min(1, steps)) or None,
            "The batch is drawn once, before the loop: each step needs its own.":
                lambda step_once, batch, rate_of, steps: run(step_once, lambda step: batch(0), rate_of, steps),
            "The list starts again in each step, and only the last loss is left.":
                lambda step_once, batch, rate_of, steps: run(step_once, batch, rate_of, steps)[-1:],
        },
        hints=["The list before the loop, the return after it; a batch and a rate before the update."],
        inputs=_loops,
        lines=(
            "def run(step_once, batch, rate_of, steps):",
            "    losses = []",
            "    for step in range(steps):",
            "        x, y = batch(step)",
            "        rate = rate_of(step)",
            "        losses.append(step_once(x, y, rate))",
            "    return losses",
        ),
    ),
    Exercise(
        id="08.6",
        ask="Return how many weights have another trit after an update than before.",
        answer=flipped,
        cases=[
            (np.array([[0.9, -0.2, 0.4]]), np.array([[0.9, -0.2, 0.1]])), (np.ones((2, 2)), 2 * np.ones((2, 2))),
            (np.array([[1.0, -1.0]]), np.array([[-1.0, 1.0]])), (np.array([[1.0, 0.0]]), np.array([[1.0, 3.0]])),
            (np.zeros((1, 3)), np.zeros((1, 3)))],
        mistakes={
            "You count weights that moved; most move a little in every step and keep their trit.":
                lambda before, after: int((before != after).sum()),
            "You round both with the scale of before: each matrix has its own, and all weights feel it change.":
                _flips_by_one_scale,
            "You count changed signs only: from 0 to 1 is a flip as well.":
                lambda before, after: int((absmean(before)[0] * absmean(after)[0] < 0).sum()),
            "That is a share: return the number.":
                lambda before, after: flipped(before, after) / before.size,
        },
        hints=["absmean of both, then compare the trits.", "(a != b).sum() counts, and int(...) makes a plain number."],
        inputs=_two_matrices,
    ),
]
