"""Exercises of notebook 05: an MLGRU's step, its memories, how long they last, and four ways to scan."""

from collections.abc import Callable
from math import log

import numpy as np
from numpy import ndarray

from mmf_teach.lesson.exercise import Exercise
from mmf_teach.lesson.named import times
from mmf_teach.lesson.property_test import PropertyTest
from mmf_teach.reference.activation_functions import sigmoid, silu
from mmf_teach.reference.mlgru import half_life, mlgru_step
from mmf_teach.reference.mlgru_scan import at_once, by_chunks, by_doubling, memories, two_steps

# Shares kept are multiples of 1/4 and what is written is a multiple of 1/2, so that sums in another order are equal.


def agrees_with_the_loop(scan: Callable) -> bool:
    """Whether a scan gives the memories that one token after the other gives."""
    dice = np.random.default_rng(0)
    f, c, h = dice.uniform(size=(300, 3)), dice.normal(size=(300, 3)), dice.normal(size=3)
    for kept, candidate, found in zip(f, c, scan(f, c, h), strict=True):
        h = kept * h + (1 - kept) * candidate
        if not np.allclose(found, h):
            return False
    return True


KEEP = times([[0.5, -1.0], [1.0, 2.0]])
WRITE = times([[-1.0, 3.0], [0.5, 1.0]])
SHOW = times([[2.0, 0.0], [-1.0, 1.0]])
OUT = times([[1.0, 1.0], [0.0, -2.0]])


def _pairs():
    from hypothesis import strategies as st
    from hypothesis.extra.numpy import arrays
    return arrays(np.float64, (2,), elements=st.integers(-24, 24).map(lambda n: n / 8))


def _steps():
    from hypothesis import strategies as st
    return st.tuples(_pairs(), _pairs(), *[st.sampled_from([KEEP, WRITE, SHOW])] * 3, st.just(OUT))


def _rows(shape: tuple[int, ...], highest: int, parts: int, lowest: int = 0):
    from hypothesis import strategies as st
    from hypothesis.extra.numpy import arrays
    return arrays(np.float64, shape, elements=st.integers(lowest, highest).map(lambda n: n / parts))


def _texts():
    from hypothesis import strategies as st
    sizes = st.tuples(st.integers(1, 6), st.integers(1, 2))
    return sizes.flatmap(lambda n: st.tuples(_rows(n, 4, 4), _rows(n, 8, 2, -8), _rows(n[1:], 8, 2, -8)))


def _shares():
    from hypothesis import strategies as st
    return st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.9, 0.98, 0.999, 1.0, -0.5, 1.5]) | st.floats(0.01, 0.99))


def _two():
    from hypothesis import strategies as st
    step = st.integers(1, 2).flatmap(lambda n: st.tuples(
        st.tuples(_rows((n,), 4, 4), _rows((n,), 8, 2, -8)), st.tuples(_rows((n,), 4, 4), _rows((n,), 8, 2, -8))))
    return step


def _scans():
    from hypothesis import strategies as st
    sizes = st.tuples(st.integers(1, 9), st.integers(1, 2))
    return sizes.flatmap(lambda n: st.tuples(_rows(n, 4, 4), _rows(n, 8, 2, -8)))


def _chunks():
    from hypothesis import strategies as st
    return st.tuples(_scans(), st.integers(1, 5)).map(lambda drawn: (*drawn[0], drawn[1]))


def _stepped(x: ndarray, h: ndarray, maps: tuple, keep: Callable, curve: Callable, show: Callable) -> tuple:
    """An MLGRU's step with another gate, curve or output."""
    f, c, g = keep(maps[0](x)), curve(maps[1](x)), sigmoid(maps[2](x))
    h = f * h + (1 - f) * c
    return maps[3](show(g, h)), h


def _looped(f: ndarray, c: ndarray, h: ndarray, step: Callable) -> ndarray:
    after = []
    for f_t, c_t in zip(f, c, strict=True):
        h = step(f_t, c_t, h)
        after.append(h)
    return np.array(after)


def _mlgru(f: ndarray, c: ndarray, h: ndarray) -> ndarray:
    return f * h + (1 - f) * c


def _before(f: ndarray, c: ndarray, h: ndarray) -> ndarray:
    """The memory before each token instead of after it."""
    return np.concatenate([h[None], memories(f, c, h)[:-1]])


def _planted_chunks(kept: ndarray, written: ndarray, size: int) -> ndarray:
    memory, carried = np.empty_like(written), np.zeros_like(written[0])
    for first in range(0, len(kept), size):
        own, share = np.zeros_like(carried), np.ones_like(carried)
        for t in range(first, min(first + size, len(kept))):
            own, share = kept[t] * own + written[t], kept[t] * share
            memory[t] = own + share * carried
        carried = own
    return memory


def _each_chunk_anew(kept: ndarray, written: ndarray, size: int) -> ndarray:
    parts = [by_doubling(kept[s:s + size], written[s:s + size]) for s in range(0, len(kept), size)]
    return np.concatenate(parts)


def _undamped(kept: ndarray, written: ndarray, size: int) -> ndarray:
    """What came before is added to a chunk without being forgotten on the way."""
    parts = [written[:0]]
    for start in range(0, len(kept), size):
        before = parts[-1][-1:] if len(parts[-1]) else np.zeros_like(written[:1])
        parts.append(by_doubling(kept[start:start + size], written[start:start + size]) + before)
    return np.concatenate(parts)


def _gate_of_the_last(kept: ndarray, written: ndarray, size: int) -> ndarray:
    """What came before is kept by each token's own gate alone, not by all gates since the chunk began."""
    parts = [written[:0]]
    for start in range(0, len(kept), size):
        before = parts[-1][-1:] if len(parts[-1]) else np.zeros_like(written[:1])
        part = kept[start:start + size]
        parts.append(by_doubling(part, written[start:start + size]) + part * before)
    return np.concatenate(parts)


def _stretched_early(kept: ndarray, written: ndarray) -> ndarray:
    """Doubling with the shares updated before they are used."""
    for reach in (1, 2, 4, 8, 16)[:len(kept).bit_length()]:
        kept = np.concatenate([kept[:reach], kept[reach:] * kept[:-reach]])
        written = np.concatenate([written[:reach], written[reach:] + kept[reach:] * written[:-reach]])
    return written


def _once(kept: ndarray, written: ndarray) -> ndarray:
    """One round only: each token sees one neighbour."""
    return np.concatenate([written[:1], written[1:] + kept[1:] * written[:-1]])


def _never_longer(kept: ndarray, written: ndarray) -> ndarray:
    """The shares are never multiplied: what is far is forgotten too little."""
    for reach in (1, 2, 4, 8, 16)[:len(kept).bit_length()]:
        written = np.concatenate([written[:reach], written[reach:] + kept[reach:] * written[:-reach]])
    return written


def _restarted(f: ndarray, c: ndarray, h: ndarray, size: int) -> ndarray:
    """A scan that begins anew, with the first memory, after each so many tokens."""
    return np.concatenate([memories(f[s:s + size], c[s:s + size], h) for s in range(0, len(f), size)])


def _closed(f: ndarray, c: ndarray, h: ndarray) -> ndarray:
    """The closed form in float32, the first memory written by the first token."""
    written = (1 - f) * c
    written[0] += f[0] * h
    return at_once(f.astype(np.float32), written.astype(np.float32))


def _half(f: float, share: float, base: Callable = log) -> float:
    if not 0 <= f <= 1:
        raise ValueError
    return (0.0 if f == 0 else float("inf")) if f in (0, 1) else base(share) / log(f)


EXERCISES = [
    Exercise(
        id="05.1",
        ask="Return the output and the new memory of an MLGRU that has read one token.",
        answer=mlgru_step,
        cases=[
            (np.array([1.0, 0.0]), np.array([0.0, 0.0]), KEEP, WRITE, SHOW, OUT),
            (np.array([0.5, -1.0]), np.array([2.0, -3.0]), KEEP, WRITE, SHOW, OUT),
            (np.array([-2.0, 1.5]), np.array([1.0, 1.0]), WRITE, SHOW, KEEP, OUT),
        ],
        mistakes={
            "The gates changed places: f is what is kept of h, 1 - f is what is written of c.":
                lambda x, h, *maps: _stepped(x, h, maps, lambda z: 1 - sigmoid(z), silu, np.multiply),
            "The candidate's curve is tanh; that was deleted: silu, the number times its sigmoid.":
                lambda x, h, *maps: _stepped(x, h, maps, sigmoid, np.tanh, np.multiply),
            "The candidate has no curve: put silu around to_c(x).":
                lambda x, h, *maps: _stepped(x, h, maps, sigmoid, lambda z: z, np.multiply),
            "The output gate is missing: what is shown is g * h.":
                lambda x, h, *maps: _stepped(x, h, maps, sigmoid, silu, lambda g, h: h),
            "The last map is missing: the output is to_o(g * h).":
                lambda x, h, *maps: _stepped(x, h, (*maps[:3], lambda z: z), sigmoid, silu, np.multiply),
            "You hand on what is shown; the memory itself is handed on, whether it is shown or not.":
                lambda x, h, *maps: (
                    mlgru_step(x, h, *maps)[0], sigmoid(maps[2](x)) * mlgru_step(x, h, *maps)[1]),
            "Output first, then the memory.": lambda x, h, *maps: mlgru_step(x, h, *maps)[::-1],
            "You show the memory as it was before this token: update h first.":
                lambda x, h, *maps: (maps[3](sigmoid(maps[2](x)) * h), mlgru_step(x, h, *maps)[1]),
        },
        hints=[
            "Five lines: f, c, the new h, g, and what to return. Only ⊙ (in NumPy: *) touches h, except in to_o.",
            "f = sigmoid(to_f(x)), c = silu(to_c(x)), then h = f * h + (1 - f) * c.",
        ],
        inputs=_steps,
    ),
    Exercise(
        id="05.2",
        ask="Return the memory after each token as an array with a row for each.",
        answer=memories,
        cases=[
            (np.array([[0.5], [0.5]]), np.array([[4.0], [0.0]]), np.array([0.0])),
            (np.array([[1.0, 0.0], [0.25, 0.5]]), np.array([[3.0, 1.0], [4.0, -2.0]]), np.array([8.0, 2.0])),
            (np.array([[0.75]]), np.array([[-4.0]]), np.array([2.0])),
        ],
        mistakes={
            "The memory before the first token is h, not nothing.":
                lambda f, c, h: memories(f, c, np.zeros_like(h)),
            "These are the memories before each token: update h first, then keep it in the list.": _before,
            "You return the last memory only; one for each token is asked for.":
                lambda f, c, h: memories(f, c, h)[-1],
            "f is what is kept: h times f, the candidate times 1 - f.":
                lambda f, c, h: _looped(f, c, h, lambda f, c, h: (1 - f) * h + f * c),
            "The candidate is written in full; only 1 - f of it should be.":
                lambda f, c, h: _looped(f, c, h, lambda f, c, h: f * h + c),
            "Every token starts from the first memory again: h must change in the loop.":
                lambda f, c, h: np.array([_mlgru(f_t, c_t, h) for f_t, c_t in zip(f, c, strict=True)]),
        },
        hints=["f[t] and c[t] are the gates and the candidates of token t.",
               "Compute the new h from the old, put it into memory[t], and go on with it."],
        inputs=_texts,
    ),
    Exercise(
        id="05.3",
        ask="Return after how many tokens half is forgotten, if each keeps the share f.",
        answer=half_life,
        cases=[(0.5,), (0.25,), (0.98,), (0.0,), (1.0,), (1.5,), (-0.1,)],
        mistakes={
            "You have log(f) / log(1/2), upside down: a memory that keeps more lasts longer.":
                lambda f: _half(f, 0.5) if f in (0, 1) or not 0 <= f <= 1 else log(f) / log(0.5),
            "That is the time after which a share 1/e is left; half is asked for.": lambda f: _half(f, 1 / np.e),
            "That is 1 / (1 - f), a mean time and not the half-life.":
                lambda f: _half(f, 0.5) if f in (0, 1) or not 0 <= f <= 1 else 1 / (1 - f),
            "A share outside 0 to 1 is no share: raise a ValueError.":
                lambda f: half_life(f) if 0 <= f <= 1 else 0.0,
            "A gate of 0 forgets at once: 0.0. Its logarithm does not exist.":
                lambda f: log(0.5) / log(f) if 0 < f < 1 else _half(f, 0.5) if f else log(0),
            "A gate of 1 never forgets: float('inf'). The logarithm of 1 is 0, and nothing divides by it.":
                lambda f: log(0.5) / log(f) if f == 1 else _half(f, 0.5),
        },
        hints=["After n tokens a share f**n is left. For which n is that 1/2?",
               "log(0.5) / log(f); the ends 0 and 1 need a line of their own."],
        inputs=_shares,
    ),
    Exercise(
        id="05.4",
        ask="Return the one step (kept, written) that does what two steps do, one after the other.",
        answer=two_steps,
        cases=[
            ((np.array([0.5]), np.array([1.0])), (np.array([0.25]), np.array([4.0]))),
            ((np.array([0.0, 1.0]), np.array([2.0, 3.0])), (np.array([0.5, 0.0]), np.array([-1.0, 5.0]))),
            ((np.array([1.0]), np.array([0.0])), (np.array([0.75]), np.array([2.0]))),
        ],
        mistakes={
            "The order is turned round: what the first wrote is partly forgotten by the second.":
                lambda first, second: two_steps(second, first),
            "What the first wrote is not forgotten: the second keeps only its share of it.":
                lambda first, second: (second[0] * first[0], first[1] + second[1]),
            "Shares are multiplied: half of a half is a quarter.":
                lambda first, second: (second[0] + first[0], two_steps(first, second)[1]),
            "What the second wrote is missing.":
                lambda first, second: (second[0] * first[0], second[0] * first[1]),
            "The pair is turned round: first the share kept, then what is written.":
                lambda first, second: two_steps(first, second)[::-1],
        },
        hints=["Put k1·h + w1 into k2·( ) + w2 and multiply out.",
               "What stands before h is the new share; the rest is what is written."],
        inputs=_two,
    ),
    Exercise(
        id="05.5",
        ask="Put the lines in order: all memories from nothing, in rounds that reach twice as far each time.",
        answer=by_doubling,
        cases=[
            (np.full((4, 1), 0.5), np.array([[8.0], [4.0], [2.0], [1.0]])),
            (np.array([[0.5], [0.25], [1.0], [0.75], [0.0]]), np.array([[1.0], [2.0], [3.0], [4.0], [5.0]])),
            (np.full((9, 2), 0.75), np.arange(18.0).reshape(9, 2)), (np.ones((1, 1)), np.ones((1, 1))),
        ],
        mistakes={
            "One round is not enough: the loop must go on until the reach is as long as the text.": _once,
            "You stretch the shares before they are used: `earlier` needs those of the round before.":
                _stretched_early,
            "The shares must be stretched in each round too, or what is far is forgotten too little.": _never_longer,
        },
        hints=[
            "In a round: how far it reaches; what comes from earlier, added to what is written; then the shares.",
            "`earlier` must be made of the shares of this round, before they are stretched for the next.",
        ],
        inputs=_scans,
        lines=(
            "def by_doubling(kept, written):",
            "    for done in range(len(kept).bit_length()):",
            "        reach = 2**done",
            "        earlier = kept[reach:] * written[:-reach]",
            "        written = np.concatenate([written[:reach], written[reach:] + earlier])",
            "        kept = np.concatenate([kept[:reach], kept[reach:] * kept[:-reach]])",
            "    return written",
        ),
    ),
    Exercise(
        id="05.6",
        ask="Mend by_chunks: each chunk must go on from all that came before it.",
        answer=by_chunks,
        planted=_planted_chunks,
        cases=[
            (np.full((6, 1), 0.5), np.array([[8.0], [4.0], [2.0], [1.0], [0.0], [0.0]]), 2),
            (np.full((5, 1), 1.0), np.ones((5, 1)), 2), (np.full((7, 2), 0.75), np.arange(14.0).reshape(7, 2), 3),
            (np.full((4, 1), 0.25), np.ones((4, 1)), 1), (np.full((3, 1), 0.5), np.ones((3, 1)), 5),
        ],
        mistakes={
            "Each chunk starts from nothing: add what is left of the memory before it.": _each_chunk_anew,
            "What came before is not forgotten inside the chunk: it must shrink with each token's share.": _undamped,
            "Inside a chunk all shares since its beginning multiply, not each token's own alone.": _gate_of_the_last,
        },
        hints=["Three chunks. What does the third one know of the first?",
               "The memory at the end of a chunk is its last row with all that was before, not its own part alone."],
        inputs=_chunks,
    ),
    PropertyTest(
        id="05.7",
        ask="Write a test that is True for a scan that gives the memories of the loop, and False for a wrong one.",
        answer=agrees_with_the_loop,
        right=(memories,),
        wrong={
            "The memory before the first token is taken for nothing.":
                (lambda f, c, h: memories(f, c, 0 * h),),
            "It gives the memories before each token, not after.": (_before,),
            "It writes the candidates in full.":
                (lambda f, c, h: _looped(f, c, h, lambda f, c, h: f * h + c),),
            "After 64 tokens it begins anew.": (lambda f, c, h: _restarted(f, c, h, 64),),
            "Tokens after the last whole group of eight are left at 0.":
                (lambda f, c, h: memories(f, c, h) * (np.arange(len(f)) < len(f) // 8 * 8)[:, None],),
            "All features forget by the gate of the first.":
                (lambda f, c, h: memories(np.repeat(f[:, :1], f.shape[1], axis=1), c, h),),
            "It is the closed form, which gives nan after some hundred tokens.": (_closed,),
            "It keeps and writes the wrong way round.":
                (lambda f, c, h: memories(1 - f, c, h),),
        },
        hints=[
            "Make gates between 0 and 1, candidates and a first memory at random; compare with a loop that you trust.",
            "Which length would a fast scan stumble over? More than 64 tokens, and no multiple of eight.",
            "Some hundred tokens with gates all over 0 to 1; several features; a first memory that is not zero.",
        ],
    ),
]
