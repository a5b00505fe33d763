"""Exercises of notebook 07: the model's loop, surprise, writing, a test of memory, lower bounds, what multiplies."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from mmf_teach.cost.multiplications_left import bit_linear_multiplications, multiplications_left
from mmf_teach.lesson.exercise import Exercise
from mmf_teach.lesson.property_test import PropertyTest
from mmf_teach.reference.language_model import read_token, surprise, write_greedily
from mmf_teach.reference.mlgru_released import lower_bounds


def carries_its_state(read: Callable) -> bool:
    """Whether a text read in two pieces, the state handed on, ends as if it had been read at once."""
    text = list(range(1, 6))
    scores, state = read(text, None)
    for cut in range(1, len(text)):
        _, half = read(text[:cut], None)
        for _ in range(2):                   # a state that was read on from is still good for another time
            again, after = read(text[cut:], half)
            if not (np.allclose(again, scores) and np.allclose(after, state)):
                return False
    return True


# Toy models in numbers that stay exact: the embedding is a list, a block a function of plain numbers.


def adder(x: float, h: float) -> tuple[float, float]:
    """Remembers the sum of what it reads and adds it to the stream."""
    return x + h + x, h + x


def doubler(x: float, h: float) -> tuple[float, float]:
    """Doubles its memory, adds the stream, and lets through what it had."""
    return 2 * x + h, 2 * h + x


def scored(x: float) -> list[float]:
    """Three scores of a number."""
    return [x, -x, x / 2]


TABLE = [1.0, -2.0, 0.5, 4.0]


def _read(token: int, state: Sequence, embedding: Any, blocks: Sequence, head: Callable, *, flows=True, remembers=True):
    x, after = embedding[token], []
    for block, h in zip(blocks, state, strict=True):
        y, new = block(x, h)
        x = y if flows else x
        after.append(new if remembers else h)
    return head(x), after


def _chained(token, state, embedding, blocks, head):
    """Every block is handed the memory of the one before it."""
    x, after, h = embedding[token], [], state[0]
    for block in blocks:
        x, h = block(x, h)
        after.append(h)
    return head(x), after


def _in_place(token, state, embedding, blocks, head):
    x = embedding[token]
    for number, block in enumerate(blocks):
        x, state[number] = block(x, state[number])
    return head(x), state


def _reads():
    from hypothesis import strategies as st
    halves = st.integers(-8, 8).map(lambda n: n / 2)
    return st.tuples(
        st.integers(0, 3), st.lists(halves, min_size=3, max_size=3), st.just(TABLE), st.just([adder, doubler, adder]),
        st.just(scored))


def _surprises():
    from hypothesis import strategies as st
    scores = st.lists(st.integers(-40, 40), min_size=1, max_size=6).map(lambda s: np.array(s) / 4)
    return scores.flatmap(lambda s: st.tuples(st.just(s), st.integers(0, len(s) - 1)))


def _shares(scores: ndarray, token: int) -> float:
    return float(np.exp(scores - scores.max())[token] / np.exp(scores - scores.max()).sum())


RING = 5


def counting(token: int, state: int) -> tuple[ndarray, int]:
    """A step of a toy writer: which token is likeliest depends on the one it reads and on a number it carries."""
    scores = np.zeros(RING)
    scores[(token + 2 * state) % RING] = 1.0
    return scores, (state + token + 1) % (RING + 2)


def _written(token, state, count, *, feeds=True, remembers=True):
    written = []
    for _ in range(count):
        scores, after = counting(token, state)
        state = after if remembers else state
        found = int(np.argmax(scores))
        token = found if feeds else token
        written.append(found)
    return written


def _writings():
    from hypothesis import strategies as st
    return st.tuples(st.just(counting), st.integers(0, 4), st.integers(0, 4), st.integers(0, 7))


def _bounds():
    from hypothesis import strategies as st
    sizes = st.tuples(st.integers(1, 4), st.integers(1, 3))
    return sizes.flatmap(lambda size: st.lists(
        st.integers(-6, 6), min_size=size[0] * size[1], max_size=size[0] * size[1]).map(
            lambda drawn: (np.array(drawn).reshape(size) / 2,)))


def _sums_of_shares(raw: ndarray, axis: int = 0) -> ndarray:
    odds = np.exp(raw - raw.max(axis=axis, keepdims=True))
    return (odds / odds.sum(axis=axis, keepdims=True)).cumsum(axis=0)


def _widths():
    from hypothesis import strategies as st
    return st.tuples(st.integers(1, 3000), st.integers(1, 3000))


def _sizes():
    from hypothesis import strategies as st
    return st.tuples(st.integers(1, 600), st.integers(1, 900), st.integers(1, 40), st.integers(1, 32_000))


def _count(
    d: int, l: int, blocks: int, vocab: int, *, maps: int = 4, memory: int = 4, gate: int = 2, head: bool = True,
    down: tuple[int, int] | None = None,
) -> int:
    of = bit_linear_multiplications
    down = down or (l, d)
    block = maps * of(d, d) + 2 * of(d, l) + of(*down) + memory * d + gate * l
    return blocks * block + (of(d, vocab) if head else 0)


def _remembering(text: Sequence[int], state: Any) -> tuple[list[float], float]:
    """A reader that is right: its memory is half of what it was, plus the token."""
    h = 0.0 if state is None else state
    for token in text:
        h = h / 2 + token
    return [h, -h], h


def _reader(rule: Callable) -> Callable:
    """A reader whose memory is made by a rule of its own, from the text and the memory before it."""
    def read(text: Sequence[int], state: Any) -> tuple[list[float], float]:
        return rule(text, 0.0 if state is None else state)
    return read


def _halves(text: Sequence[int], h: float) -> float:
    for token in text:
        h = h / 2 + token
    return h


def _scores_of(h: float) -> list[float]:
    return [h, -h]


def _uses_its_state_up(text: Sequence[int], state: Any) -> tuple[list[float], list[float]]:
    """Writes the new memory over the one it was handed."""
    state = [0.0] if state is None else state
    state[0] = _halves(text, state[0])
    return _scores_of(state[0]), state


def _overflows(scores: ndarray, token: int) -> float:
    with np.errstate(all="ignore"):
        return float(np.log(np.exp(scores).sum()) - scores[token])


def _unsafe_bounds(raw: ndarray) -> ndarray:
    with np.errstate(all="ignore"):
        odds = np.exp(raw)
        shares = odds / odds.sum(axis=0)
        return shares.cumsum(axis=0) - shares[0]


EXERCISES = [
    Exercise(
        id="07.1",
        ask="Return the scores of the next token, and a list with the new memory of every block.",
        answer=read_token,
        cases=[
            (0, [0.0], TABLE, [adder], scored), (3, [1.0, -1.0], TABLE, [adder, doubler], scored),
            (1, [2.0, 3.0, 5.0], TABLE, [doubler, adder, doubler], scored), (2, [], TABLE, [], scored),
        ],
        mistakes={
            "Each block reads the embedding's row; it should read what the block before it hands on.":
                lambda *given: _read(*given, flows=False),
            "You hand back the memories as they were; every block returns its new one.":
                lambda *given: _read(*given, remembers=False),
            "You hand each block's memory to the next block: every block has one of its own.": _chained,
            "You forget the head: scores are made of what the last block hands on.":
                lambda token, state, embedding, blocks, head: read_token(token, state, embedding, blocks, lambda x: x),
            "Scores first, then the memories.": lambda *given: read_token(*given)[::-1],
            "It changes its argument: put the new memories into a new list.": _in_place,
            "You read the number of the token itself: its row of the embedding is what flows.":
                lambda token, state, embedding, blocks, head: read_token(
                    0, state, [float(token)], blocks, head),
        },
        hints=[
            "x begins as embedding[token]; after is an empty list.",
            "for block, h in zip(blocks, state): x, h = block(x, h), and keep h. At the end: head(x), after.",
        ],
        inputs=_reads,
    ),
    Exercise(
        id="07.2",
        ask="Return the surprise, in nats, at a token with these scores.",
        answer=surprise,
        cases=[
            (np.array([0.0, 0.0, 0.0, 0.0]), 1), (np.array([2.0, 0.0, -1.0]), 0), (np.array([2.0, 0.0, -1.0]), 2),
            (np.array([1000.0, 0.0]), 0), (np.array([0.0, 1000.0]), 0), (np.array([-1000.0, -1000.0]), 1),
            (np.array([2000.0, 0.0, 0.0]), 0),
        ],
        mistakes={
            "That is the share itself: the surprise is minus its logarithm.":
                lambda scores, token: _shares(scores, token),
            "The logarithm has the wrong sign: a share below 1 has a negative one.":
                lambda scores, token: -surprise(scores, token),
            "That is in bits: take the natural logarithm.": lambda scores, token: surprise(scores, token) / np.log(2),
            "exp of a large score overflows: take the largest score away from all of them first.":
                lambda scores, token: _overflows(scores, token),
            "A score is no logarithm of a share before the sum of all odds is taken away.":
                lambda scores, token: -float(scores[token]),
            "You take the largest score away from all, but leave out the sum of the odds.":
                lambda scores, token: float(scores.max() - scores[token]),
        },
        hints=[
            "Odds are exp(score); the share of a token is its odds divided by the sum of all.",
            "-log(odds / sum) = log(sum) - score. With s = scores - scores.max(): np.log(np.exp(s).sum()) - s[token].",
        ],
        inputs=_surprises,
    ),
    Exercise(
        id="07.3",
        ask="Mend lower_bounds: what each block keeps at least, nothing in the first and less than all in the last.",
        answer=lower_bounds,
        planted=_sums_of_shares,
        cases=[
            (np.zeros((4, 1)),), (np.array([[0.0, 1.0], [0.0, 0.0]]),), (np.array([[1.0], [0.0], [2.0]]),),
            (np.zeros((1, 2)),), (np.array([[800.0, 0.0], [0.0, 0.0]]),), (np.array([[1600.0], [0.0]]),),
            (np.array([[-800.0], [-800.0]]),),
        ],
        mistakes={
            "Shares are to sum to 1 over the blocks (rows), not over the features.":
                lambda raw: _sums_of_shares(raw, axis=1) - _sums_of_shares(raw, axis=1)[0],
            "That takes each row's own share away: the first row has none then, but the last only what is above it.":
                lambda raw: np.vstack([np.zeros_like(raw[:1]), _sums_of_shares(raw)[:-1]]),
            "These are the shares; they are added up from the first block to the last.":
                lambda raw: np.diff(_sums_of_shares(raw), axis=0, prepend=0.0),
            "exp of a large number overflows: take the largest of each column away first.":
                lambda raw: _unsafe_bounds(raw),
        },
        hints=["What is the last row, whatever raw is? What does a memory do that must keep all of itself?",
               "Take the first row of the shares away from every row."],
        inputs=_bounds,
    ),
    Exercise(
        id="07.4",
        ask="Put the lines in order: write the likeliest token again and again, and carry the state.",
        answer=write_greedily,
        cases=[(counting, 1, 0, 5), (counting, 2, 3, 4), (counting, 4, 1, 0), (counting, 0, 0, 3)],
        mistakes={
            "The model never reads what it wrote: each new token is fed back.":
                lambda step, token, state, count: _written(token, state, count, feeds=False),
            "The state is thrown away: what a step returns goes into the next one.":
                lambda step, token, state, count: _written(token, state, count, remembers=False),
            "You return inside the loop, after one token.":
                lambda step, token, state, count: _written(token, state, min(count, 1)) if count else None,
            "You keep the token before it is replaced: the first one written is the one that was given.":
                lambda step, token, state, count: [token, *_written(token, state, count)][:count],
        },
        hints=["Inside the loop: read the token, choose the next, keep it. The state comes out of the step."],
        inputs=_writings,
        lines=(
            "def write_greedily(step, token, state, count):",
            "    written = []",
            "    for _ in range(count):",
            "        scores, state = step(token, state)",
            "        token = int(np.argmax(scores))",
            "        written.append(token)",
            "    return written",
        ),
    ),
    PropertyTest(
        id="07.5",
        ask="Write a test that is True for a reader that carries its state, and False for one that does not.",
        answer=carries_its_state,
        right=(_remembering,),
        wrong={
            "It starts anew at every call.":
                (_reader(lambda text, h: (_scores_of(_halves(text, 0.0)), _halves(text, 0.0))),),
            "It reads on from the state, but hands back the old one.":
                (_reader(lambda text, h: (_scores_of(_halves(text, h)), h)),),
            "Handed a state, its scores are right, but it hands back the state that it was handed.":
                (lambda text, state: (_remembering(text, state)[0], _remembering(text, None)[1])
                 if state is None else (_remembering(text, state)[0], state),),
            "The state that it hands back knows the first token of a piece only.":
                (_reader(lambda text, h: (_scores_of(_halves(text, h)), _halves(text[:1], h))),),
            "The state that it hands back knows the last token of a piece only.":
                (_reader(lambda text, h: (_scores_of(_halves(text, h)), _halves(text[-1:], 0.0))),),
            "It skips the first token of a piece when it is handed a state.":
                (lambda text, state: _remembering(text[1:] if state is not None else text, state),),
            "It writes over the state that it is handed: whoever kept it reads on from another.":
                (_uses_its_state_up,),
            "Its scores are those after the first token of a piece, not after the last.":
                (_reader(lambda text, h: (_scores_of(_halves(text[:1], h)), _halves(text, h))),),
        },
        hints=[
            "Read a text at once, and again in two pieces: the second piece gets the state of the first.",
            "Compare scores and state, for every place where the text can be cut. Use the first state twice.",
        ],
    ),
    Exercise(
        id="07.6",
        ask="Return how many multiplications a BitLinear without gain does for one token.",
        answer=bit_linear_multiplications,
        cases=[(8, 5), (1, 1), (128, 352), (352, 128)],
        mistakes={
            "That is a dense product. Trits multiply nothing: only norm, codes and scales are left.":
                lambda i, o: i * o,
            "The norm is missing: a square and a factor for each input.": lambda i, o: i + o + 2,
            "A norm multiplies twice for each input: x · x, and x · 1/rms.": lambda i, o: 2 * i + o + 2,
            "The sums are not scaled: one multiplication for each output.": lambda i, o: 3 * i + 2,
            "Two are left out that are done once a token: 127 times 1/largest, and s_x times s_w.":
                lambda i, o: 3 * i + o,
            "Inputs and outputs changed places.": lambda i, o: 3 * o + i + 2,
            "Each sum is multiplied once, by a product of the two scales that is made beforehand.":
                lambda i, o: 3 * i + 2 * o + 1,
        },
        hints=["Norm: 2 for each input. Codes: 1 for each input, and 127 times 1/largest once.",
               "Scales: s_x · s_w once, then 1 for each output."],
        inputs=_widths,
    ),
    Exercise(
        id="07.7",
        ask="Return all multiplications for one token of a model in the paper's form.",
        answer=multiplications_left,
        cases=[(8, 32, 1, 5), (128, 352, 6, 65), (1024, 2816, 24, 32_000), (2, 3, 2, 1)],
        mistakes={
            "The head is missing: it is a BitLinear too.": lambda d, l, n, v: _count(d, l, n, v, head=False),
            "The head stands once at the end, not in every block.":
                lambda d, l, n, v: n * _count(d, l, 1, v),
            "There are four maps of d by d in the token mixer: f, c, g and o.":
                lambda d, l, n, v: _count(d, l, n, v, maps=3),
            "The memory is missing: silu(c), f ⊙ h, (1 - f) ⊙ c and g ⊙ h.":
                lambda d, l, n, v: _count(d, l, n, v, memory=0),
            "silu(c) is c times σ(c): one more for each feature.": lambda d, l, n, v: _count(d, l, n, v, memory=3),
            "The gated unit is missing: silu(gate), and that times up.":
                lambda d, l, n, v: _count(d, l, n, v, gate=0),
            "silu(gate) is gate times σ(gate): two for each inner feature.":
                lambda d, l, n, v: _count(d, l, n, v, gate=1),
            "The map down goes from l to d.": lambda d, l, n, v: _count(d, l, n, v, down=(d, l)),
        },
        hints=["A block: four maps of d to d, two of d to l, one of l to d; 4 d for the memory, 2 l for the gate.",
               "Blocks times that, and the head of d to v."],
        inputs=_sizes,
    ),
]
