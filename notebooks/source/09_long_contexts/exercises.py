"""Exercises of notebook 09: attention over a cache, its bytes and its work, a window, a law for every memory."""

from collections.abc import Callable
from math import ceil

import numpy as np
from numpy import ndarray

from mmf_teach.cost.cache_size import cache_bytes, moved_bytes
from mmf_teach.cost.closed_form import context_of_equal_work
from mmf_teach.lesson.exercise import Exercise
from mmf_teach.lesson.property_test import PropertyTest
from mmf_teach.reference.attention import attend
from mmf_teach.reference.sliding_attention import read_with_cache, window_mask


def same_however_split(read: Callable) -> bool:
    """Whether a reader gives the same outputs for a text in one piece and in parts, and leaves its states alone.

    `read(numbers, state)` returns an output for each number and the state after them; None is the first state.
    """
    text = list(range(1, 10))
    whole = list(read(text, None)[0])
    for cut in range(len(text)):
        first, state = read(text[:cut], None)
        nothing, state = read([], state)
        for _ in range(2):                   # the second time shows whether the first one has changed the state
            rest, _ = read(text[cut:], state)
            if [*first, *nothing, *rest] != whole:
                return False
    singly, state = [], None
    for number in text:
        outputs, state = read([number], state)
        singly += list(outputs)
    return singly == whole


def _memory(
    after: Callable = lambda place, kept, part: (place, kept, part + 1), worth: Callable = lambda age: 1,
) -> Callable:
    """A reader that looks at the last four numbers and knows their places.

    `after` spoils the state that it hands on, `worth` how much a number counts that was read so many parts ago.
    """
    def read(numbers: list[int], state: tuple | None) -> tuple[list[int], tuple]:
        place, kept, now = state or (0, (), 0)
        outputs = []
        for number in numbers:
            kept = (*kept, (place, number, now))[-4:]
            outputs.append(sum((1 + at) * value * worth(now - part) for at, value, part in kept))
            place += 1
        return outputs, after(place, kept, now)
    return read


def _when_empty(outputs: list[int], first: bool, after: tuple) -> Callable:
    """A right reader, but for what it makes of a part without numbers, the first one of a text or a later one."""
    def read(numbers: list[int], state: tuple | None) -> tuple[list[int], tuple]:
        if not numbers and (state is None) == first:
            return outputs, after or state
        return _memory()(numbers, state)
    return read


def _in_place(numbers: list[int], state: list | None) -> tuple[list[int], list]:
    kept = [] if state is None else state
    outputs = []
    for number in numbers:
        kept.append(number)
        outputs.append(sum(kept[-4:]) + len(kept))
    return outputs, kept


def _in_itself() -> Callable:
    """A reader that keeps what it read in itself, and not in the state that it hands over."""
    kept: list[int] = []

    def read(numbers: list[int], state: int | None) -> tuple[list[int], int]:
        kept.extend(numbers)
        before = len(kept) - len(numbers)
        return [sum(kept[max(0, at - 3):at + 1]) for at in range(before, len(kept))], len(kept)
    return read


def _floats(low: int = -12, high: int = 12):
    from hypothesis import strategies as st
    return st.integers(low, high).map(lambda n: n / 4)


def _tables(tokens, width):
    from hypothesis import strategies as st
    rows = st.lists(st.lists(_floats(), min_size=width, max_size=width), min_size=tokens, max_size=tokens)
    return rows.map(lambda drawn: np.array(drawn, dtype=np.float64).reshape(tokens, width))


def _looks():
    from hypothesis import strategies as st
    return st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(lambda size: st.tuples(
        _tables(1, size[1]).map(lambda row: row[0]), _tables(*size), _tables(*size)))


def _readings():
    from hypothesis import strategies as st
    return st.tuples(st.integers(1, 6), st.integers(1, 3)).flatmap(lambda size: st.tuples(
        _tables(*size), _tables(*size), _tables(*size), st.integers(1, 7)))


def _caches():
    from hypothesis import strategies as st
    return st.tuples(
        st.integers(1, 300), st.integers(1, 40), st.integers(0, 3000), st.sampled_from([4, 8, 16, 32]),
        st.sampled_from([1, 2, 4, 8]))


def _shapes():
    from hypothesis import strategies as st
    return st.tuples(st.integers(1, 5000), st.integers(1, 15000))


def _traffic():
    from hypothesis import strategies as st
    sizes = st.integers(0, 10**6)
    return st.tuples(sizes, sizes, sizes, st.integers(0, 5000), st.integers(1, 64))


def _masks():
    from hypothesis import strategies as st
    return st.tuples(st.integers(0, 9), st.integers(1, 10))


def _looked(scale: Callable, weigh: Callable = lambda odds, keys, values: odds @ values / odds.sum()) -> Callable:
    """`attend` with the fits scaled or the values weighed in another way."""
    def look(query: ndarray, keys: ndarray, values: ndarray) -> ndarray:
        attend(query, keys, values)
        fits = keys @ query / scale(len(query))
        return weigh(np.exp(fits - fits.max()), keys, values)
    return look


def _unshifted(query: ndarray, keys: ndarray, values: ndarray) -> ndarray:
    attend(query, keys, values)
    with np.errstate(over="ignore", invalid="ignore"):
        odds = np.exp(keys @ query / np.sqrt(len(query)))
        return odds @ values / odds.sum()


def _moved(weights: Callable, tokens: Callable, state: float) -> Callable:
    """`moved_bytes` with parts of it changed."""
    def moved(weight_bytes, token_bytes, state_bytes, context, batch):
        moved_bytes(0, 0, 0, 0, batch)
        return weights(weight_bytes, batch) + token_bytes * tokens(context, batch) + state * state_bytes
    return moved


def _mask(seen: Callable) -> Callable:
    def mask(tokens: int, window: int) -> ndarray:
        place = np.arange(tokens)
        return seen(place[:, None] - place, window)
    return mask


_square_root = np.sqrt
_by_batch = lambda weight_bytes, batch: weight_bytes / batch

EXERCISES = [
    Exercise(
        id="09.1",
        ask="Return what a token takes from those that are kept: their values, weighed by how well their keys fit.",
        answer=attend,
        cases=[
            (np.array([0.0]), np.array([[1.0], [2.0]]), np.array([[3.0], [5.0]])),
            (np.array([2.0, 0.0, 0.0, 0.0]), np.eye(4)[:2], np.array([[8.0, 0, 0, 0], [0, 8.0, 0, 0]])),
            (np.array([1.0, -1.0]), np.array([[0.5, 2.0], [1.0, 1.0], [3.0, 0.0]]), np.eye(3)[:, :2] * 6),
            (np.array([60.0]), np.array([[50.0], [49.99], [0.0]]), np.array([[1.0], [2.0], [9.0]])),
            (np.array([1.0]), np.zeros((0, 1)), np.zeros((0, 1)))],
        mistakes={
            "A fit is the product divided by the root of d: without it, long vectors make one token take all.":
                _looked(lambda d: 1),
            "You divide by d; it is the root of d.": _looked(lambda d: d),
            "The weights must add up to 1: divide by their sum.":
                _looked(_square_root, lambda odds, keys, values: odds @ values),
            "You weigh the keys. Keys are for finding, values are what is taken.":
                _looked(_square_root, lambda odds, keys, values: odds @ keys / odds.sum()),
            "You take the best token alone; a softmax takes a share of each.":
                _looked(_square_root, lambda odds, keys, values: values[odds.argmax()]),
            "exp() of a large fit is infinite: subtract the largest fit from all of them first.": _unshifted,
            "With nothing kept there is no answer: raise a ValueError.":
                lambda query, keys, values: attend(query, keys, values) if len(keys) else np.zeros(len(query)),
        },
        hints=[
            "keys @ query are all products at once.",
            "odds = np.exp(fits - fits.max()); then the weighed sum is odds @ values, over odds.sum().",
        ],
        inputs=_looks,
    ),
    Exercise(
        id="09.2",
        ask="Put the lines in order: read tokens one by one with a cache that holds no more than a window.",
        answer=read_with_cache,
        cases=[
            (np.array([[1.0], [2.0], [3.0]]), np.array([[1.0], [0.0], [-1.0]]), np.array([[1.0], [2.0], [4.0]]), 2),
            (np.eye(4), np.eye(4)[::-1] * 2, np.arange(16.0).reshape(4, 4), 3),
            (np.ones((5, 2)), np.eye(5)[:, :2], np.arange(10.0).reshape(5, 2), 1),
            (np.ones((5, 2)), np.eye(5)[:, :2], np.arange(10.0).reshape(5, 2), 9)],
        mistakes={
            "The cache is emptied at every token: make it before the loop.":
                lambda queries, keys, values, window: read_with_cache(queries, keys, values, 1),
            "The window is cut before the new token goes in: then one too many is kept.":
                lambda queries, keys, values, window: read_with_cache(queries, keys, values, window + 1),
            "You return after the first token.":
                lambda queries, keys, values, window: read_with_cache(queries, keys, values, window)[:1],
        },
        hints=["Keep, cut, look: the token's own key is in the cache when it looks."],
        inputs=_readings,
        lines=(
            "def read_with_cache(queries, keys, values, window):",
            "    kept, outputs = [], []",
            "    for q, k, v in zip(queries, keys, values, strict=True):",
            "        kept.append((k, v))",
            "        kept = kept[-window:]",
            "        odds = np.exp([key @ q / len(q) ** 0.5 for key, _ in kept])",
            "        outputs.append(odds @ np.array([value for _, value in kept]) / odds.sum())",
            "    return np.array(outputs)",
        ),
    ),
    Exercise(
        id="09.3",
        ask="Return the whole bytes that the keys and values of a context take in all blocks.",
        answer=cache_bytes,
        cases=[
            (1024, 24, 1, 16, 1), (1024, 24, 2048, 16, 1), (2560, 32, 100, 8, 4), (128, 6, 0, 32, 1), (3, 1, 1, 4, 2),
            (128, 6, -1, 32, 1), (128, 6, 5, 32, 0)],
        mistakes={
            "A token leaves a key and a value: twice the width.":
                lambda width, blocks, context, bits, shared: (
                    cache_bytes(width, blocks, context, bits, shared) and ceil(
                        blocks * width * context * bits / (8 * shared))),
            "Every block has a cache of its own: times the blocks.":
                lambda width, blocks, context, bits, shared: cache_bytes(width, 1, context, bits, shared),
            "You count bits; a byte has eight.":
                lambda width, blocks, context, bits, shared: cache_bytes(width, blocks, context, 8 * bits, shared),
            "Heads that share a key make the cache smaller: divide by `shared`.":
                lambda width, blocks, context, bits, shared: (
                    cache_bytes(width, blocks, context, bits, shared)
                    and ceil(2 * blocks * width * context * bits * shared / 8)),
            "A context below zero, or a key that no head uses: raise a ValueError.":
                lambda width, blocks, context, bits, shared: ceil(
                    2 * blocks * width * context * bits / (8 * max(shared, 1))),
            "A part of a byte takes a whole one: round up, with ceil.":
                lambda width, blocks, context, bits, shared: (
                    cache_bytes(width, blocks, context, bits, shared)
                    and 2 * blocks * width * context * bits // (8 * shared)),
        },
        hints=[
            "A token leaves 2 · width numbers in each block, over `shared`.",
            "The whole: 2 · blocks · width · context · bits / (8 · shared), rounded up.",
        ],
        inputs=_caches,
    ),
    Exercise(
        id="09.4",
        ask="Mend context_of_equal_work: from which context on does attention multiply more often than the weights?",
        answer=context_of_equal_work,
        planted=lambda width, inner: (4 * width**2 + 3 * width * inner) / width,
        cases=[(1024, 2816), (128, 352), (2, 3), (5120, 13824)],
        mistakes={
            "Three maps of the GLU have weights too: 3 · width · inner.":
                lambda width, inner: 4 * width**2 / (2 * width),
            "Attention has four maps: q, k, v and o.":
                lambda width, inner: (width**2 + 3 * width * inner) / (2 * width),
            "The GLU has three maps, of width times inner each.":
                lambda width, inner: (4 * width**2 + width * inner) / (2 * width),
            "The context is what you divide out: weights, over what one token of context costs.":
                lambda width, inner: 2 * width / (4 * width**2 + 3 * width * inner),
        },
        hints=[
            "A kept token costs d multiplications for q·k. What else is done with it?",
            "Its value is multiplied by its weight: d more.",
        ],
        inputs=_shapes,
    ),
    Exercise(
        id="09.5",
        ask="Return the bytes that move for one new token of one sequence of a batch.",
        answer=moved_bytes,
        cases=[
            (1000, 0, 0, 0, 1), (1000, 10, 0, 5, 1), (1000, 10, 0, 5, 4), (0, 0, 7, 100, 2), (640, 3, 7, 11, 8),
            (1, 1, 1, 1, 0)],
        mistakes={
            "The weights are read once for the whole batch: each sequence bears its share.":
                _moved(lambda weight_bytes, batch: weight_bytes, lambda context, batch: context + 1, 2),
            "Every sequence has a cache of its own: the batch does not share it.":
                _moved(_by_batch, lambda context, batch: (context + 1) / batch, 2),
            "The new token's own key and value are written: one more than the context.":
                _moved(_by_batch, lambda context, batch: context, 2),
            "The state is read, and written back: twice its bytes.":
                _moved(_by_batch, lambda context, batch: context + 1, 1),
            "The state does not grow with the context.":
                lambda weight_bytes, token_bytes, state_bytes, context, batch: moved_bytes(
                    weight_bytes, token_bytes, state_bytes * context, context, batch),
            "Without a sequence there is nothing to share: raise a ValueError.":
                lambda weight_bytes, token_bytes, state_bytes, context, batch: moved_bytes(
                    weight_bytes, token_bytes, state_bytes, context, max(batch, 1)),
        },
        hints=[
            "Which of the three is the same for all sequences of a batch?",
            "weight_bytes / batch, then the cache: context tokens read and one written, then the state both ways.",
        ],
        inputs=_traffic,
    ),
    Exercise(
        id="09.6",
        ask="Return an array of True and False: row i says which tokens token i may look at.",
        answer=window_mask,
        cases=[(3, 2), (4, 1), (5, 3), (3, 9), (1, 1), (0, 2)],
        mistakes={
            "Your window is one too wide: the token itself is one of its `window` tokens.":
                _mask(lambda back, window: (back >= 0) & (back <= window)),
            "You let a token look at what comes after it.": _mask(lambda back, window: abs(back) < window),
            "Rows and columns are exchanged: row i is for the token that looks.":
                _mask(lambda back, window: (back <= 0) & (-back < window)),
            "A token looks at itself, too.": _mask(lambda back, window: (back > 0) & (back < window)),
            "That is the mask of full attention: nothing is too far back.": _mask(lambda back, window: back >= 0),
            "You say what is hidden; True should stand for what is seen.":
                _mask(lambda back, window: (back < 0) | (back >= window)),
        },
        hints=[
            "How far back is token j for token i? place[:, None] - place, with place = np.arange(tokens).",
            "Seen is what lies 0 or more back, and less than `window`.",
        ],
        inputs=_masks,
    ),
    PropertyTest(
        id="09.7",
        ask="Write a test that is True for a reader with a right memory, and False for one whose memory is wrong.",
        answer=same_however_split,
        right=(_memory(),),
        wrong={
            "Each part is read as if nothing came before it.": (_memory(lambda place, kept, part: (place, (), part)),),
            "Places are counted from 0 again in each part.": (_memory(lambda place, kept, part: (0, kept, part)),),
            "Of the window, one number too few is carried over.":
                (_memory(lambda place, kept, part: (place, kept[-2:], part)),),
            "The newest number of a part is missing from its state.":
                (_memory(lambda place, kept, part: (place, kept[:-1], part)),),
            "What was read three parts ago is forgotten.": (_memory(worth=lambda age: age < 3),),
            "What was read three parts ago counts twice.": (_memory(worth=lambda age: 1 + (age == 3)),),
            "A later part without numbers clears the memory.": (_when_empty([], False, (0, (), 0)),),
            "A first part without numbers is taken for a number.": (_when_empty([], True, (1, (), 0)),),
            "A part without numbers has an output.": (_when_empty([0], False, ()),),
            "The state is changed in place: who reads from it twice gets another answer.": (_in_place,),
            "What was read is kept in the reader, not in the state: two texts get mixed up.": (_in_itself(),),
        },
        hints=[
            "Read a text in one piece; then cut it, and read the rest from the state after the first part.",
            "Try every cut, also at both ends, a part with nothing in it, and number by number.",
            "Read the rest twice from the same state, and once in nine parts: each time the same must come out.",
        ],
    ),
]
