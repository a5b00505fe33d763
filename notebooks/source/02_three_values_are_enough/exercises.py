"""Exercises of notebook 02: the ternary product, the width of its sum, and packing with its law."""

from collections.abc import Callable

import numpy as np
from numpy import ndarray

from mmf_teach.lesson.exercise import Exercise
from mmf_teach.lesson.property_test import PropertyTest
from mmf_teach.reference.masked_product import ternary_matmul
from mmf_teach.ternary.accumulator import accumulator_bits
from mmf_teach.ternary.packing import pack_2bit, pack_base3, unpack_2bit, unpack_base3
from mmf_teach.ternary.trits import require_trits, ternary_dot


class AddOnly(int):
    """A whole number that can be added and subtracted, and refuses to be multiplied."""

    def __mul__(self, other):
        raise TypeError("this machine has no multiplier")

    __rmul__ = __mul__


def unpack_undoes_pack(pack: Callable, unpack: Callable) -> bool:
    """Whether trits come back as they were, for every small count and one beyond 255."""
    dice = np.random.default_rng(0)
    for count in [*range(25), 300]:
        trits = dice.integers(-1, 2, count).astype(np.int8)
        again = unpack(pack(trits), count)
        if not np.array_equal(again, trits):
            return False
    return True


def row(*values: int) -> ndarray:
    """A row of trits."""
    return np.array(values, np.int8)


def rows(*several: list[int]) -> ndarray:
    """Rows of trits or of int8 codes."""
    return np.array(several, np.int8)


def data(*values: int) -> ndarray:
    """Packed bytes."""
    return np.array(values, np.uint8)


def _add_only(*values: int) -> list[AddOnly]:
    return [AddOnly(value) for value in values]


def _dots():
    from hypothesis import strategies as st
    pair = st.tuples(st.sampled_from([-1, 0, 1]), st.integers(-9, 9).map(AddOnly))
    return st.lists(pair, max_size=7).map(lambda pairs: ([t for t, _ in pairs], [x for _, x in pairs]))


def _products():
    from hypothesis import strategies as st
    from hypothesis.extra.numpy import arrays

    sizes = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5))
    return sizes.flatmap(lambda size: st.tuples(
        arrays(np.int8, (size[0], size[2]), elements=st.integers(-128, 127)),
        arrays(np.int8, (size[1], size[2]), elements=st.integers(-1, 1))))


def _widths():
    from hypothesis import strategies as st
    return st.tuples(st.integers(1, 200_000))


def _trit_rows():
    from hypothesis import strategies as st
    return st.lists(st.sampled_from([-1, 0, 1]), max_size=24).map(lambda drawn: (row(*drawn),))


def _packed_rows(pack: Callable):
    from hypothesis import strategies as st
    return st.lists(st.sampled_from([-1, 0, 1]), max_size=24).map(lambda drawn: (pack(row(*drawn)), len(drawn)))


def _packed_2bit():
    return _packed_rows(pack_2bit)


def _packed_base3():
    return _packed_rows(pack_base3)


def _picked(take: Callable[[ndarray, ndarray], ndarray]) -> Callable:
    """A product that does with each row of trits what `take` says."""
    def product(codes, trits):
        wide = codes.astype(np.int64)
        return np.stack([take(wide, each) for each in trits], axis=1)
    return product


def _groups(trits: ndarray, size: int) -> ndarray:
    flat = require_trits(trits).ravel()
    return np.pad(flat, (0, -len(flat) % size)).reshape(-1, size)


def _full_groups(trits: ndarray, size: int) -> ndarray:
    flat = require_trits(trits).ravel()
    return flat[: len(flat) // size * size]


def _weigh(digits: ndarray, places: list[int]) -> ndarray:
    return (digits.astype(np.int64) * np.array(places)).sum(axis=1).astype(np.uint8)


def _turned_where_full(trits: ndarray) -> ndarray:
    flat = require_trits(trits).ravel()
    full = len(flat) // 5 * 5
    return pack_base3(np.concatenate([flat[:full].reshape(-1, 5)[:, ::-1].ravel(), flat[full:]]))


POWERS, SHIFTED = [1, 3, 9, 27, 81], [1, 4, 16, 64]


def _planted_unpack(packed, count):
    codes = packed[:, None] >> np.array([0, 2, 4, 6], np.uint8) & 3
    if (codes == 2).any():
        raise ValueError("the code 10 stands for no trit")
    values = codes.astype(np.int8)
    values[codes == 3] = -1
    filling = -count % 4
    return values.ravel()[:-filling]


def _unpack_damaged(packed: ndarray, count: int) -> ndarray:
    """Two bits a trit with nothing refused: the code 10 comes back as 2."""
    codes = (packed[:, None] >> np.array([0, 2, 4, 6], np.uint8) & 3).ravel().astype(np.int8)
    return np.where(codes == 3, np.int8(-1), codes)[:count]


def _all_2bit(packed: ndarray) -> ndarray:
    """Every trit of the bytes, filling and all."""
    return unpack_2bit(packed, 4 * len(packed)) if len(packed) else row()


def _nothing(trits: ndarray) -> None:
    """What a function returns that has no return for these trits; damaged bytes are refused before."""


def _all_base3(packed: ndarray) -> ndarray:
    return unpack_base3(packed, 5 * len(packed)) if len(packed) else row()


def _with_missing_bytes(packed: ndarray, count: int) -> ndarray:
    """An unpacker that fills up with zeros where bytes are missing."""
    found = _all_base3(packed)[:count]
    return np.pad(found, (0, count - len(found)))


EXERCISES = [
    Exercise(
        id="02.1",
        ask="Return the sum of the inputs, each added, skipped or subtracted as its trit says; do not multiply.",
        answer=ternary_dot,
        cases=[
            ([1, 0, -1, 1], _add_only(5, 9, 7, 11)), ([-1], _add_only(3)), ([0, 1], _add_only(4, 6)),
            ([1, -1], _add_only(-2, -5)), ([0, 0], _add_only(1, 2)), ([], []),
        ],
        mistakes={
            "You multiply, and the inputs of this check refuse that: ask with `if` which of the three a trit is.":
                lambda trits, codes: sum(t * x for t, x in zip(trits, codes, strict=True)),
            "You subtract under a 0 as well: a 0 skips its input.":
                lambda trits, codes: sum(x if t == 1 else -x for t, x in zip(trits, codes, strict=True)),
            "You add under a -1: it takes its input away from the sum.":
                lambda trits, codes: sum(x for t, x in zip(trits, codes, strict=True) if t),
            "You add under a -1 and subtract under a 1: it is the other way round.":
                lambda trits, codes: -ternary_dot(trits, codes),
            "Your loop ends at the first 0: go on to the next pair with `continue`; `break` leaves the loop.":
                lambda trits, codes: ternary_dot(
                    trits[: [*trits, 0].index(0)], codes[: [*trits, 0].index(0)]),
            "You stop after the first pair: the return belongs behind the loop.":
                lambda trits, codes: ternary_dot(trits[:1], codes[:1]) if trits else None,
        },
        hints=[
            "Start from 0 and go through zip(trits, codes). Three things can happen to an input; one is nothing.",
            "if trit == 1: total += code; elif trit == -1: total -= code.",
        ],
        inputs=_dots,
    ),
    Exercise(
        id="02.2",
        ask="Return the product of each row of codes with each row of trits, with masks instead of multiplications.",
        answer=ternary_matmul,
        cases=[
            (rows([3, 5, 7]), rows([1, 0, -1])), (rows([3, 5, 7], [1, 2, 4]), rows([1, 1, 0], [0, -1, 1])),
            (rows([1, 2], [4, 8]), rows([1, 1], [0, -1])), (rows([127, 127, 127]), rows([1, 1, 1])),
            (rows([-128, -128]), rows([-1, -1], [0, 0], [1, 1])), (rows([7, 9]), rows([0, 0])),
            (rows([-128] * 300), rows([1] * 300, [-1] * 300)),           # more than 16 bits hold
        ],
        mistakes={
            "Your sums wrap round: they are kept in int8, which ends at 127. Sum with dtype=np.int32.":
                lambda codes, trits: (codes.astype(np.int64) @ trits.T).astype(np.int8),
            "You only add: the inputs under a -1 are still to be subtracted.":
                _picked(lambda x, each: x[:, each == 1].sum(axis=1)),
            "You add under a -1 as well: `row != 0` picks both kinds.":
                _picked(lambda x, each: x[:, each != 0].sum(axis=1)),
            "The result has a row for each row of codes and a column for each row of trits; yours is turned.":
                lambda codes, trits: (codes.astype(np.int64) @ trits.T).T,
            "You go down the columns of the trits: each output has a row of them (with `@` it would be trits.T).":
                lambda codes, trits: codes.astype(np.int64) @ trits,
        },
        hints=[
            "Make an array of zeros, int32, with len(codes) rows and len(trits) columns, and fill a column at a time.",
            "row == 1 is a mask; codes[:, row == 1] are the inputs that this row adds, for the whole batch.",
            "Sum over axis=1 with dtype=np.int32, and take away the same for row == -1.",
        ],
        inputs=_products,
    ),
    Exercise(
        id="02.3",
        ask="Return how many bits a signed sum of so many int8 codes needs, whatever the trits and the codes are.",
        answer=accumulator_bits,
        cases=[(1,), (2,), (3,), (129,), (255,), (256,), (352,)],
        mistakes={
            "The sign takes a bit too.": lambda inputs: (128 * inputs).bit_length(),
            "Your largest code is 127, but codes go down to -128, and a trit of -1 makes that +128.":
                lambda inputs: (127 * inputs).bit_length() + 1,
            "At powers of two a bit is missing: 128 × inputs itself must fit, and b bits end at 2**(b-1) - 1.":
                lambda inputs: 8 + int(np.ceil(np.log2(inputs))),
            "Bits do not add up: twice as many inputs need one bit more, not twice as many.":
                lambda inputs: 8 * inputs,
            "That is the largest sum; how many bits does it take to write it?":
                lambda inputs: 128 * inputs,
        },
        hints=[
            "What is the largest sum? Take the worst code there is, and the worst trit for it.",
            "For a whole number n >= 0, n.bit_length() says how many bits it takes without a sign.",
        ],
        inputs=_widths,
    ),
    Exercise(
        id="02.4",
        ask="Finish pack_2bit: four trits in a byte, the first in the lowest two bits.",
        answer=pack_2bit,
        exact_dtype=True,
        cases=[
            (row(1, 0, -1, 0),), (row(-1),), (row(1, 1, 1, 1),), (row(0, 0, 0, 0, -1),), (row(),),
            (rows([1, 0], [0, -1], [-1, 1]),), (row(2),),
        ],
        mistakes={
            "A -1 has the code 11 (its last two bits, & 3); yours has 10.":
                lambda trits: _weigh(np.where(_groups(trits, 4) == -1, 2, _groups(trits, 4)), SHIFTED),
            "Your first trit lies in the highest two bits: it belongs in the lowest, shifted by 0.":
                lambda trits: _weigh(_groups(trits, 4) & 3, SHIFTED[::-1]),
            "All four codes lie on the same two bits: shift each to its own place, by 0, 2, 4 and 6.":
                lambda trits: (_groups(trits, 4) & 3).sum(axis=1).astype(np.uint8),
            "These are no bytes yet: as another dtype each would take two to eight. Make them uint8.":
                lambda trits: _weigh(_groups(trits, 4) & 3, SHIFTED).astype(np.int64),
            "You left `& 3` out: a -1 has eight bits set, and they run over into the places of the others.":
                lambda trits: _weigh(_groups(trits, 4), SHIFTED),
        },
        hints=[
            "groups & 3 gives the codes, an array of the same shape.",
            "codes << np.array([0, 2, 4, 6]) shifts each column by its own number of bits. Then add up each row.",
        ],
        inputs=_trit_rows,
    ),
    Exercise(
        id="02.5",
        ask="Mend unpack_2bit: it must give back exactly `count` trits.",
        answer=unpack_2bit,
        planted=_planted_unpack,
        cases=[
            (data(49), 3), (data(49, 3), 5), (data(0), 1), (data(49), 4), (data(49, 215), 8), (data(), 0),
            (data(2), 4), (data(49, 8), 8), (data(160, 49), 8),
        ],
        mistakes={
            "The zeros that fill the last byte come back too: `count` says how many trits were packed.":
                lambda packed, count: _all_2bit(packed),
            "One trit is missing at the end.":
                lambda packed, count: _all_2bit(packed)[: max(0, count - 1)],
            "When there is nothing to cut off you return nothing at all: that case needs a return too.":
                lambda packed, count: unpack_2bit(packed, count) if count % 4 else _nothing(unpack_2bit(packed, count)),
            "A -1 comes back as 3: its code is 11.":
                lambda packed, count: np.where(unpack_2bit(packed, count) == -1, 3, unpack_2bit(packed, count)),
            "The code 10 goes through now: no trit has it, so the byte is damaged. Raise ValueError.":
                _unpack_damaged,
        },
        hints=[
            "It works for 3 trits and for 5. Try 4, and 8.",
            "What is values[:-0]?",
        ],
        inputs=_packed_2bit,
    ),
    Exercise(
        id="02.6",
        ask="Write pack_base3: five trits in a byte, the first with place value 1, the last with 81.",
        answer=pack_base3,
        exact_dtype=True,
        cases=[
            (row(1, 0, -1, 0, 0),), (row(-1, -1, -1, -1, -1),), (row(1),), (row(1, 1, 1, 1, 1, -1),),
            (row(),), (rows([1, 0, 0], [0, -1, 1]),), (row(0, 2),),
        ],
        mistakes={
            "Digits are 0, 1 and 2: add one to each trit before you weigh it.":
                lambda trits: _weigh(_groups(trits, 5), POWERS),
            "Your first trit has place value 81: it is the last that has.":
                lambda trits: _weigh(_groups(trits, 5) + 1, POWERS[::-1]),
            "The last group is lost when it is not full: fill it up with zero trits.":
                lambda trits: _weigh(_full_groups(trits, 5).reshape(-1, 5) + 1, POWERS),
            "You fill up with digits 0, which are trits of -1. Fill up first, and add one afterwards.":
                lambda trits: _weigh(np.pad(require_trits(trits).ravel() + 1, (0, -np.size(trits) % 5))
                                     .reshape(-1, 5), POWERS),
            "Place values of 1, 2, 4, 8 and 16 give different rows the same number: three digits need powers of 3.":
                lambda trits: _weigh(_groups(trits, 5) + 1, [1, 2, 4, 8, 16]),
            "These are no bytes yet: as another dtype each would take two to eight. Make them uint8.":
                lambda trits: _weigh(_groups(trits, 5) + 1, POWERS).astype(np.int64),
        },
        hints=[
            "It begins as pack_2bit does, with groups of five. Digits are trits plus one.",
            "digits * np.array([1, 3, 9, 27, 81]) weighs every column; then add up each row and make it uint8.",
        ],
        inputs=_trit_rows,
    ),
    Exercise(
        id="02.7",
        ask="Put the lines in order: read `count` trits back from bytes of base 3, and refuse a damaged byte.",
        answer=unpack_base3,
        cases=[
            (data(113), 5), (data(113), 3), (data(0), 5), (data(242, 122), 6), (data(), 0), (data(243), 5),
            (data(*range(243)), 5 * 243),
        ],
        mistakes={
            "A byte of 243 goes through: no five trits have it. The check must come before you return.":
                lambda packed, count: (packed[:, None] // np.array(POWERS) % 3 - 1).ravel()[:count],
            "The zeros that fill the last byte come back too: `count` says how many trits were packed.":
                lambda packed, count: _all_base3(packed),
            "Those are digits, 0 to 2: a trit is its digit less one.":
                lambda packed, count: unpack_base3(packed, count) + 1,
            "You read the digits from the wrong end: the first trit has place value 1.":
                lambda packed, count: _all_base3(packed).reshape(-1, 5)[:, ::-1].ravel()[:count],
        },
        hints=[
            "What is damaged must be refused before anything is made of it.",
            "Dividing by a place value and taking the rest by 3 gives a digit; a trit is that less one.",
        ],
        inputs=_packed_base3,
        lines=(
            "def unpack_base3(packed, count):",
            "    if (packed >= 243).any():",
            "        raise ValueError('five trits give at most 242')",
            "    places = np.array([1, 3, 9, 27, 81], np.uint8)",
            "    digits = packed[:, None] // places % 3",
            "    values = digits.astype(np.int8) - np.int8(1)",
            "    return values.ravel()[:count]",
        ),
    ),
    PropertyTest(
        id="02.8",
        ask="Write a test of the law that unpack undoes pack: False when it is broken, True when it holds.",
        answer=unpack_undoes_pack,
        right=(pack_base3, unpack_base3),
        wrong={
            "an unpacker that looks at nothing and returns zeros.":
                (pack_base3, lambda packed, count: np.zeros(count, np.int8)),
            "a packer that turns full groups round: their first trit gets the highest place instead of the lowest.":
                (_turned_where_full, unpack_base3),
            "a packer that takes every -1 for a 1.":
                (lambda trits: pack_base3(np.abs(trits)), unpack_base3),
            "a byte that saturates: whatever is above 127 becomes 127.":
                (lambda trits: np.minimum(pack_base3(trits), 127).astype(np.uint8), _with_missing_bytes),
            "a packer that forgets a last group that is not full.":
                (lambda trits: pack_base3(_full_groups(trits, 5)), _with_missing_bytes),
            "an unpacker that returns the filling too, when the last byte is not full.":
                (pack_base3, lambda packed, count: _all_base3(packed)),
            "an unpacker that returns nothing when the last byte is full.":
                (pack_base3, lambda packed, count: _all_base3(packed)[: -(-count % 5)]),
            "a packer that writes its bytes in the opposite order.":
                (lambda trits: pack_base3(trits)[::-1], lambda packed, count: _all_base3(packed)[:count]),
            "an unpacker that keeps its count in a byte, and so begins again at 256.":
                (pack_base3, lambda packed, count: unpack_base3(packed, count)[: count % 256]),
        },
        hints=[
            "Pack some trits, unpack them, and compare with np.array_equal. How do you choose the trits?",
            "Small is not enough: try every count from 0 up to some 20, with random trits. Which sizes are left out?",
            "A byte can count to 255. Try a row of 300.",
        ],
    ),
]
