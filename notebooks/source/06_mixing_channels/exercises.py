"""Exercises of notebook 06: the norm, a test of norms, the gated unit, its width, residual, block and stream."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from mmf_teach.lesson.exercise import Exercise
from mmf_teach.lesson.named import Named, times
from mmf_teach.lesson.property_test import PropertyTest
from mmf_teach.model.config import inner_width
from mmf_teach.reference.activation_functions import silu
from mmf_teach.reference.block import block_step, half_block, stream_sizes
from mmf_teach.reference.glu import glu
from mmf_teach.reference.rms_norm import EPSILON, rms_norm


def is_rms_norm(norm: Callable) -> bool:
    """Whether a norm brings each token to a root mean square of 1 and leaves its direction alone."""
    tokens = np.random.default_rng(0).normal(size=(3, 7))
    normed = norm(tokens)
    squares, ratios = np.square(normed).mean(axis=1), normed / tokens
    return bool(np.allclose(squares, 1, atol=0.01) and np.allclose(ratios, ratios[:, :1]) and ratios.min() > 0)


WIDE = times([[1.0, -1.0, 0.5], [2.0, 1.0, -3.0]])
OTHER = times([[0.5, 2.0, 1.0], [-1.0, 1.0, 1.0]])
NARROW = times([[1.0, 0.0], [0.5, -1.0], [1.0, 2.0]])
FAR = times([[-900.0, 900.0, 1.0], [1.0, 1.0, 1.0]])
DOUBLED = Named("2 * x", lambda x: 2 * np.asarray(x))
LESS_ONE = Named("x - 1", lambda x: np.asarray(x) - 1)
SQUARED = Named("x ** 2", lambda x: np.asarray(x) ** 2)
NORM = Named("rms_norm(x)", rms_norm)
ADDS = Named("token mixer: x + h, and h + 1", lambda x, h: (x + h, h + 1))
KEEPS = Named("token mixer: h, and x + h", lambda x, h: (h, x + h))


def _tokens():
    from hypothesis import strategies as st
    from hypothesis.extra.numpy import arrays
    numbers = st.integers(-60, 60).map(lambda n: n / 8)
    return st.tuples(arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 5)), elements=numbers))


def _pairs():
    from hypothesis import strategies as st
    from hypothesis.extra.numpy import arrays
    eighths = st.integers(-40, 40).map(lambda n: n / 8)
    return arrays(np.float64, st.tuples(st.integers(1, 3), st.just(2)), elements=eighths)


def _units():
    from hypothesis import strategies as st
    wide = st.sampled_from([WIDE, OTHER])
    return st.tuples(_pairs(), wide, wide, st.just(NARROW))


def _halves():
    from hypothesis import strategies as st
    return st.tuples(_pairs(), st.sampled_from([NORM, DOUBLED]), st.sampled_from([DOUBLED, LESS_ONE, SQUARED]))


def _steps():
    from hypothesis import strategies as st
    whole = st.integers(-9, 9)
    return st.tuples(whole, whole, st.sampled_from([ADDS, KEEPS]), st.sampled_from([DOUBLED, LESS_ONE, SQUARED]))


def _widths():
    from hypothesis import strategies as st
    return st.tuples(st.integers(1, 6000), st.sampled_from([1, 2, 10, 32, 256]))


def _additions():
    from hypothesis import strategies as st
    size = st.integers(0, 40).map(lambda n: n / 4)
    return st.tuples(size, st.lists(size, max_size=5))


def _divided(x: ndarray, size: Callable, epsilon: float = float(EPSILON)) -> ndarray:
    """Tokens divided by another size than the root mean square."""
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.asarray(x, float)
        return x / (size(x) + epsilon)


def _rms(x: ndarray, axis: int | None = -1) -> ndarray:
    return np.sqrt(np.square(x).mean(axis=axis, keepdims=True))


def _centred(x: ndarray) -> ndarray:
    x = np.asarray(x, float)
    return rms_norm(x - x.mean(axis=-1, keepdims=True))


def _gated(x: ndarray, to_gate: Callable, to_up: Callable, to_down: Callable, gate: Callable) -> ndarray:
    return to_down(gate(to_gate(x)) * to_up(x))


def _sigmoid(g: ndarray) -> ndarray:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-g))


def _sizes(start: float, added: Sequence[float], join: Callable) -> list[float]:
    sizes = [start]
    for size in added:
        sizes.append(join(sizes[-1], size))
    return sizes


def _planted_half(x: ndarray, norm: Callable, mixer: Callable) -> ndarray:
    x = norm(x)
    return x + mixer(x)


def _channels_first(x: Any, h: Any, token_mixer: Callable, channel_mixer: Callable) -> tuple[Any, Any]:
    x = x + channel_mixer(x)
    y, h = token_mixer(x, h)
    return x + y, h


EXERCISES = [
    Exercise(
        id="06.1",
        ask="Return the tokens (rows), each divided by its root mean square.",
        answer=rms_norm,
        cases=[
            (np.array([[3.0, 4.0]]),), (np.array([[1.0, -1.0, 1.0, -1.0]]),), (np.array([[6.0, 8.0], [0.3, 0.4]]),),
            (np.array([[0.001, 0.003, -0.002]]),), (np.zeros((1, 3)),), (np.array([[5.0, 5.0, 6.0]]),),
            (np.array([[-2.0]]),),
        ],
        mistakes={
            "You divide by the length of the token: take the mean of the squares, not their sum.":
                lambda x: _divided(x, lambda x: np.sqrt(np.square(x).sum(-1, keepdims=True) + float(EPSILON)), 0),
            "You divide by the mean square: the root is missing.":
                lambda x: _divided(x, lambda x: np.square(x).mean(-1, keepdims=True)),
            "You subtract the mean first. That is LayerNorm; RMSNorm only divides.":
                _centred,
            "You divide by the mean size |x|: RMS squares, takes the mean, and then the root.":
                lambda x: _divided(x, lambda x: np.abs(x).mean(-1, keepdims=True)),
            "You divide by the largest: that is the scale of the int8 codes, not the norm.":
                lambda x: _divided(x, lambda x: np.abs(x).max(-1, keepdims=True)),
            "Your mean runs over all tokens: each row has a size of its own, axis=-1 and keepdims=True.":
                lambda x: _divided(x, lambda x: np.sqrt(np.square(x).mean() + float(EPSILON)), 0),
            "A token of zeros divides by zero: add EPSILON to the mean square, under the root.":
                lambda x: _divided(x, _rms, 0),
            "EPSILON belongs under the root, beside the mean square: outside, a small token loses too much.":
                lambda x: _divided(x, _rms),
        },
        hints=[
            "Square, mean over the last axis (keepdims=True), add EPSILON, take the root; divide.",
            "The divisor is np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + EPSILON).",
        ],
        inputs=_tokens,
    ),
    PropertyTest(
        id="06.2",
        ask="Write a test that is True for an RMSNorm without gain, and False for a norm that does anything else.",
        answer=is_rms_norm,
        right=(rms_norm,),
        wrong={
            "It does nothing at all.": (lambda x: np.asarray(x, float),),
            "It subtracts the mean first, and so turns the token round.": (_centred,),
            "It divides by the largest size.": (lambda x: _divided(x, lambda x: np.abs(x).max(-1, keepdims=True)),),
            "It divides by the length: the sum of squares, not their mean.":
                (lambda x: _divided(x, lambda x: np.sqrt(np.square(x).sum(-1, keepdims=True))),),
            "All tokens share one size.": (lambda x: _divided(x, lambda x: _rms(x, None)),),
            "It norms each feature over the tokens.": (lambda x: _divided(x, lambda x: _rms(x, 0)),),
            "It gives the sizes of the numbers, without their signs.": (lambda x: np.abs(rms_norm(x)),),
            "It turns every sign round.": (lambda x: -rms_norm(x),),
            "It subtracts a twentieth of the mean, and so turns the token a little.":
                (lambda x: rms_norm(x - x.mean(axis=-1, keepdims=True) / 20),),
            "It divides the sum of squares by one less than there are features.":
                (lambda x: _divided(x, lambda x: np.sqrt(np.square(x).sum(-1, keepdims=True) / (x.shape[-1] - 1))),),
            "It norms the first token alone.": (lambda x: np.concatenate([rms_norm(x[:1]), np.asarray(x[1:], float)]),),
        },
        hints=[
            "Take a few tokens of your own, large and small, with both signs. What must hold for each of them?",
            "The mean square of each row is near 1; each row, divided by what it was, is one number above 0.",
        ],
    ),
    Exercise(
        id="06.3",
        ask="Return what the gated unit makes of x: widen twice, silu of the gate times the content, narrow.",
        answer=glu,
        cases=[
            (np.array([[1.0, 0.0]]), WIDE, OTHER, NARROW), (np.array([[1.0, 2.0], [-0.5, 0.25]]), WIDE, OTHER, NARROW),
            (np.array([[0.0, 0.0]]), WIDE, OTHER, NARROW), (np.array([[1.0, 0.5]]), FAR, OTHER, NARROW),
            (np.array([[1.0, 2.0]]), OTHER, WIDE, NARROW),
        ],
        mistakes={
            "You open the gate by its sigmoid alone; silu is the gate times its sigmoid.":
                lambda x, to_gate, to_up, to_down: _gated(x, to_gate, to_up, to_down, _sigmoid),
            "Your gate has no curve: multiply it by its own sigmoid first.":
                lambda x, to_gate, to_up, to_down: _gated(x, to_gate, to_up, to_down, lambda g: g),
            "You gate with the content: silu belongs to the gate, not to what it lets through.":
                lambda x, to_gate, to_up, to_down: _gated(x, to_up, to_gate, to_down, silu),
            "Gate and content are added; a gate multiplies.":
                lambda x, to_gate, to_up, to_down: to_down(silu(to_gate(x)) + to_up(x)),
            "You return the wide product: it is narrowed at the end, by to_down.":
                lambda x, to_gate, to_up, to_down: silu(to_gate(x)) * to_up(x),
            "Your gate is a relu: it is shut below 0, where silu lets a little through, turned round.":
                lambda x, to_gate, to_up, to_down: _gated(x, to_gate, to_up, to_down, lambda g: np.maximum(g, 0)),
            "The content never gets in: multiply the open gate by to_up(x).":
                lambda x, to_gate, to_up, to_down: to_down(silu(to_gate(x))),
            "The sign in your sigmoid is wrong: 1 / (1 + np.exp(-g)) is large where g is large.":
                lambda x, to_gate, to_up, to_down: _gated(x, to_gate, to_up, to_down, lambda g: g * _sigmoid(-g)),
        },
        hints=[
            "Three maps are handed over as functions: call to_gate(x), to_up(x), and to_down(...) on the product.",
            "silu(g) is g / (1 + np.exp(-g)).",
        ],
        inputs=_units,
    ),
    Exercise(
        id="06.4",
        ask="Return the smallest multiple of the step that is at least 8/3 of the width.",
        answer=inner_width,
        cases=[(3, 1), (128, 32), (1024, 256), (2048, 256), (12, 32), (1, 1), (2, 1), (2560, 256), (96, 256)],
        mistakes={
            "You round down: 3·d·l would stay below 8·d².": lambda width, step: step * (8 * width // (3 * step)),
            "You round to the nearest multiple: it must not be less than 8d/3.":
                lambda width, step: step * round(8 * width / 3 / step),
            "You take the next multiple even where 8d/3 is one already.":
                lambda width, step: step * (8 * width // (3 * step) + 1),
            "That is how many steps it is: multiply by the step.": lambda width, step: -(-8 * width // (3 * step)),
            "That is 8d/3 rounded up, but not to a multiple of the step.": lambda width, step: -(-8 * width // 3),
            "You widen by 4, as a unit of two matrices does: three of l = 8d/3 have as many weights.":
                lambda width, step: step * -(-4 * width // step),
        },
        hints=[
            "How many steps go into 8d/3, the last one begun counted as whole?", "-(-a // b) divides and rounds up.",
        ],
        inputs=_widths,
    ),
    Exercise(
        id="06.5",
        ask="Mend half_block: the stream goes on as it was, and what is added is made of the normed stream.",
        answer=half_block,
        planted=_planted_half,
        cases=[
            (np.array([[30.0, 40.0]]), NORM, DOUBLED), (np.array([[1.0, 1.0]]), DOUBLED, LESS_ONE),
            (np.array([[0.5, -2.0], [8.0, 0.0]]), NORM, SQUARED), (np.array([[2.0, 3.0]]), DOUBLED, SQUARED),
        ],
        mistakes={
            "You norm what the mixer made, not what it reads.": lambda x, norm, mixer: x + norm(mixer(x)),
            "You norm the sum, as the first Transformers did: nothing of the stream goes on as it was.":
                lambda x, norm, mixer: norm(x + mixer(x)),
            "The stream is lost: add what the mixer makes to x.": lambda x, norm, mixer: mixer(norm(x)),
            "The mixer reads the stream as it is: norm it first.": lambda x, norm, mixer: x + mixer(x),
        },
        hints=["What becomes of x itself in the first line?", "Give the normed stream a name of its own, or none."],
        inputs=_halves,
    ),
    Exercise(
        id="06.6",
        ask="Put the lines in order: one token through a block, tokens first, then channels.",
        answer=block_step,
        cases=[(1, 10, ADDS, DOUBLED), (2, 3, KEEPS, SQUARED), (-1, 4, ADDS, LESS_ONE), (5, 0, KEEPS, DOUBLED)],
        mistakes={
            "You mix the channels before the token has been added to the stream.":
                lambda x, h, token_mixer, channel_mixer: (
                    x + token_mixer(x, h)[0] + channel_mixer(x), token_mixer(x, h)[1]),
            "What the token mixer found is overwritten before it is added.":
                lambda x, h, token_mixer, channel_mixer: (x + 2 * channel_mixer(x), token_mixer(x, h)[1]),
            "Channels come second: they are mixed where the tokens have been.":
                _channels_first,
        },
        hints=[
            "Twice the same: let a mixer look at the stream, then add what it says.",
            "The token mixer gives two things: what it says, and what it remembers.",
        ],
        inputs=_steps,
        lines=(
            "def block_step(x, h, token_mixer, channel_mixer):",
            "    found, h = token_mixer(x, h)",
            "    x = x + found",
            "    mixed = channel_mixer(x)",
            "    x = x + mixed",
            "    return x, h",
        ),
    ),
    Exercise(
        id="06.7",
        ask="Return the sizes of the stream at the start and after each addition, when additions are independent.",
        answer=stream_sizes,
        cases=[(3.0, [4.0]), (3.0, [4.0, 12.0]), (2.0, []), (0.0, [1.0, 1.0, 1.0, 1.0]), (1.0, [0.0, 2.0])],
        mistakes={
            "Sizes add up only if all additions point the same way; independent ones add in squares.":
                lambda start, added: _sizes(start, added, lambda a, b: a + b),
            "You forget the root: these are the squares of the sizes.":
                lambda start, added: [size**2 for size in stream_sizes(start, added)],
            "Each addition comes on top of what the stream has become, not of the start alone.":
                lambda start, added: [start, *((start**2 + size**2) ** 0.5 for size in added)],
            "The size before the first addition is missing: the list is one longer than the additions.":
                lambda start, added: stream_sizes(start, added)[1:],
            "You return the last size only; a list of all is asked for.":
                lambda start, added: stream_sizes(start, added)[-1],
        },
        hints=[
            "At right angles, 3 and 4 make 5: Pythagoras, and again with each addition.",
            "Keep a list; the next entry is (last**2 + size**2) ** 0.5.",
        ],
        inputs=_additions,
    ),
]
