"""Exercises of notebook 04: the memory's floor, bit planes, tables, how long a short sum lasts, a test of kernels."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy import ndarray

from mmf_teach.cost.traffic import reading_us, weight_bytes
from mmf_teach.lesson.exercise import Exercise
from mmf_teach.lesson.property_test import PropertyTest
from mmf_teach.reference.lookup_table_product import dot_by_tables, longest_chunk, table_of_three
from mmf_teach.reference.popcount_product import code_planes, dot_by_counting, trit_planes
from mmf_teach.reference.ternary_matmul import ternary_matmul


def agrees_with_a_loop(product: Callable) -> bool:
    """Whether a product gives the integers of a plain loop, where a kernel is likely to go wrong."""
    dice = np.random.default_rng(0)
    for tokens, outputs, inputs in ((2, 3, 7), (1, 5, 300)):
        codes = dice.integers(-128, -99, (tokens, inputs)).astype(np.int8)
        trits = dice.integers(-1, 2, (outputs, inputs)).astype(np.int8)
        codes[:, 0], trits[0], trits[1] = -128, -1, 0
        want = [[sum(int(w) * int(x) for w, x in zip(row, token, strict=True)) for row in trits] for token in codes]
        if product(codes, trits).tolist() != want:
            return False
    return True


def _readings():
    from hypothesis import strategies as st
    return st.tuples(st.integers(1, 5000), st.sampled_from([1.6, 2, 4, 8, 16, 32]), st.sampled_from([0.5, 10.0, 40.0]))


def _codes():
    from hypothesis import strategies as st
    return st.tuples(st.lists(st.integers(-128, 127), max_size=6))


def _planes():
    from hypothesis import strategies as st
    pairs = st.lists(st.tuples(st.sampled_from([-1, 0, 1]), st.integers(-128, 127)), min_size=1, max_size=5)
    return pairs.map(lambda drawn: (code_planes([x for _, x in drawn]), *trit_planes([w for w, _ in drawn])))


def _threes():
    from hypothesis import strategies as st
    return st.tuples(*[st.integers(-128, 127)] * 3)


def _rows():
    from hypothesis import strategies as st
    sizes = st.tuples(st.integers(0, 3), st.integers(1, 3))
    return sizes.flatmap(lambda size: st.tuples(
        st.lists(st.lists(st.integers(0, 26), min_size=size[1], max_size=size[1]), min_size=size[0], max_size=size[0]),
        st.lists(st.integers(-128, 127), min_size=3 * size[1], max_size=3 * size[1])))


def _chunks():
    from hypothesis import strategies as st
    return st.tuples(st.integers(1, 9), st.integers(12, 32))


def _counted(planes: Sequence[int], nonzero: int, negative: int, places: Sequence[int], start: int) -> int:
    """The identity with other places or another beginning."""
    return start + sum(
        place * ((plane ^ negative) & nonzero).bit_count() for place, plane in zip(places, planes, strict=True))


PLACES = (1, 2, 4, 8, 16, 32, 64, -128)


def _digits(order: Sequence[int], digits: Sequence[int] = (-1, 0, 1)) -> Callable:
    """A table with the digits of its number in another order, or other digits."""
    def table(a: int, b: int, c: int) -> list[int]:
        values = [(a, b, c)[i] for i in order]
        return [x * values[0] + y * values[1] + z * values[2] for z in digits for y in digits for x in digits]
    return table


def _wide(codes: ndarray, trits: ndarray) -> ndarray:
    return codes.astype(np.int64) @ trits.T.astype(np.int64)


def _without(trits: ndarray, keep: int) -> ndarray:
    changed = trits.copy()
    changed[:, keep:] = 0
    return changed


EXERCISES = [
    Exercise(
        id="04.1",
        ask="Return the microseconds that memory needs to deliver so many weights, at so many gigabytes a second.",
        answer=reading_us,
        cases=[(1_000_000, 8, 20.0), (8, 1, 1.0), (16_777_216, 32, 40.0), (5, 1.6, 1.0), (11, 1.6, 2.0), (8, 8, 0.0)],
        mistakes={
            "You read bits; memory is counted in bytes, and a byte has eight.":
                lambda weights, bits, speed: reading_us(1, 1, speed) and weights * bits / (1000 * speed),
            "That is in milliseconds: a second has a million microseconds, and a gigabyte a thousand million bytes.":
                lambda weights, bits, speed: reading_us(weights, bits, speed) / 1000,
            "That is in seconds: multiply by a million.":
                lambda weights, bits, speed: reading_us(weights, bits, speed) / 1e6,
            "Faster memory takes less time: divide by the bandwidth.":
                lambda weights, bits, speed: reading_us(1, 1, speed) and weight_bytes(weights, bits) * speed / 1000,
            "A bandwidth of zero never ends: raise a ValueError.":
                lambda weights, bits, speed: weight_bytes(weights, bits) / (1000 * speed) if speed else float("inf"),
        },
        hints=[
            "weight_bytes(weights, bits) from notebook 01 gives whole bytes.",
            "1 GB/s is 1,000 bytes in a microsecond.",
        ],
        inputs=_readings,
    ),
    Exercise(
        id="04.2",
        ask="Return eight whole numbers: bit k of the b-th is bit b of the k-th code.",
        answer=code_planes,
        cases=[([1, 2, 3],), ([5],), ([-1],), ([-128, 127],), ([0, 0, 4],), ([],)],
        mistakes={
            "You have a number for each code; it should be a number for each of the eight bits, over all codes.":
                lambda codes: [code & 255 for code in codes],
            "Your first code lies in the highest place: bit k belongs to code k, so shift by k.":
                lambda codes: code_planes(codes[::-1]),
            "The sign is missing: bit 7 of a negative code is 1. There are eight planes.":
                lambda codes: code_planes(codes)[:7],
            "You take the bits of the size without the sign; in two's complement -1 has all eight bits set.":
                lambda codes: [sum((abs(code) >> b & 1) << k for k, code in enumerate(codes)) for b in range(8)],
            "Your planes run from the highest bit down: the first should hold the lowest bits.":
                lambda codes: code_planes(codes)[::-1],
        },
        hints=[
            "code >> b & 1 is bit b of a code, and Python has the right one for negative numbers too.",
            "Bit k of a plane is worth 1 << k: add up (code >> b & 1) << k over enumerate(codes).",
        ],
        inputs=_codes,
    ),
    Exercise(
        id="04.3",
        ask="Return the ternary dot product from the planes, by counting bits.",
        answer=dot_by_counting,
        cases=[
            (code_planes(codes), *trit_planes(trits)) for codes, trits in (
                ([5, 7, 9], [1, 0, 1]), ([5, 7, 9], [1, -1, 0]), ([-4], [1]), ([-128, -128], [-1, 1]), ([3], [0]),
                ([127, -128, 1, 0], [-1, -1, -1, -1]))],
        mistakes={
            "Turning bits round gives -x - 1, so each -1 is short by one: start from negative.bit_count().":
                lambda planes, nonzero, negative: _counted(planes, nonzero, negative, PLACES, 0),
            "The last plane holds the signs: its bits are worth -128.":
                lambda planes, nonzero, negative: _counted(
                    planes, nonzero, negative, (*PLACES[:7], 128), negative.bit_count()),
            "A trit of 0 skips its input: keep only the bits under `nonzero`.":
                lambda planes, nonzero, negative: _counted(
                    planes, -1 & ((1 << max(p.bit_length() for p in (*planes, nonzero, 1))) - 1), negative, PLACES,
                    negative.bit_count()),
            "Under a -1 the bits must be turned round, with ^ negative; you add these inputs.":
                lambda planes, nonzero, negative: _counted(planes, nonzero, 0, PLACES, 0),
            "All planes count alike in your sum: the bits of plane b are worth 2**b.":
                lambda planes, nonzero, negative: _counted(
                    planes, nonzero, negative, (*[1] * 7, -1), negative.bit_count()),
        },
        hints=[
            "For one plane: ((plane ^ negative) & nonzero).bit_count().",
            "Plane b is worth 1 << b, but the last one -128; begin with how many trits are -1.",
        ],
        inputs=_planes,
    ),
    Exercise(
        id="04.4",
        ask="Return the list of all 27 sums of three inputs; sum n belongs to the trits whose number is n.",
        answer=table_of_three,
        cases=[(1, 10, 100), (5, 7, 9), (-128, 127, -1), (0, 0, 0)],
        mistakes={
            "Your last input changes fastest: the first is the lowest digit, so its loop is the innermost.":
                _digits((2, 1, 0)),
            "A digit of 0 stands for the trit -1: digits are trits plus one.": _digits((0, 1, 2), (0, 1, 2)),
            "You left out the zero: each input is added, skipped or subtracted, which makes 27 sums and not 8.":
                _digits((0, 1, 2), (-1, 1)),
            "Your table is turned round: number 0 is three trits of -1.": _digits((0, 1, 2), (1, 0, -1)),
        },
        hints=[
            "Three loops over (-1, 0, 1), one in the other; the innermost is that of `a`.",
            "Number 13 is 1 + 3 + 9, the three trits 0: its sum is 0, in the middle of the list.",
        ],
        inputs=_threes,
    ),
    Exercise(
        id="04.5",
        ask="Put the lines in order: the product of many rows by tables, each table made once.",
        answer=dot_by_tables,
        cases=[
            ([[14], [0]], [1, 10, 100]), ([[26, 3]], [1, 2, 3, 4, 5, 6]), ([[0, 26], [13, 13]], [9, 8, 7, 6, 5, 4]),
            ([], [1, 2, 3])],
        mistakes={
            "You return before the loops, and all sums are still 0.":
                lambda rows, codes: [0] * len(rows),
            "The sums must be there before the first table, or each table starts again from zero.":
                lambda rows, codes: dot_by_tables([row[-1:] for row in rows], codes[-3:]),
            "You return inside the loop: only the first table is used.":
                lambda rows, codes: dot_by_tables([row[:1] for row in rows], codes[:3]),
        },
        hints=["Outside the sums, then the places, then the rows: the table belongs to a place, not to a row."],
        inputs=_rows,
        lines=(
            "def dot_by_tables(rows, codes):",
            "    sums, signs = [0] * len(rows), (-1, 0, 1)",
            "    for place in range(len(codes) // 3):",
            "        a, b, c = codes[3 * place:3 * place + 3]",
            "        table = [x * a + y * b + z * c for z in signs for y in signs for x in signs]",
            "        for number, row in enumerate(rows):",
            "            sums[number] += table[row[place]]",
            "    return sums",
        ),
    ),
    Exercise(
        id="04.6",
        ask="Mend longest_chunk: how many entries a signed sum of so many bits takes, whatever the codes are.",
        answer=longest_chunk,
        planted=lambda inputs_in_entry, bits: ((1 << bits) - 1) // (128 * inputs_in_entry),
        cases=[(3, 16), (1, 16), (2, 16), (3, 17), (1, 9), (9, 32), (1, 8)],
        mistakes={
            "Codes go down to -128, and under a trit of -1 that is +128.":
                lambda n, bits: ((1 << (bits - 1)) - 1) // (127 * n),
            "An entry is the sum of several inputs: each of them can be 128.":
                lambda n, bits: ((1 << (bits - 1)) - 1) // 128,
            "A signed number of b bits ends at 2**(b-1) - 1, one less than you take.":
                lambda n, bits: (1 << (bits - 1)) // (128 * n),
            "You round up: that last entry may be the one too many.":
                lambda n, bits: -(-((1 << (bits - 1)) - 1) // (128 * n)),
        },
        hints=["What is the largest number that 16 bits with a sign can hold?", "And the largest entry of a table?"],
        inputs=_chunks,
    ),
    PropertyTest(
        id="04.7",
        ask="Write a test that is True for a right product of int8 codes and trits, and False for a wrong one.",
        answer=agrees_with_a_loop,
        right=(ternary_matmul,),
        wrong={
            "Sums are kept in 16 bits and wrap round.":
                (lambda codes, trits: _wide(codes, trits).astype(np.int16).astype(np.int32),),
            "A code of -128 is taken for -127.":
                (lambda codes, trits: _wide(np.maximum(codes, -127), trits),),
            "Inputs after the last whole group of nine are forgotten.":
                (lambda codes, trits: _wide(codes, _without(trits, trits.shape[1] // 9 * 9)),),
            "Inputs after the first 256 are forgotten.":
                (lambda codes, trits: _wide(codes, _without(trits, 256)),),
            "Under a -1 an input is one short: its bits were turned round, and no one added.":
                (lambda codes, trits: _wide(codes, trits) - (trits == -1).sum(axis=1),),
            "Every token gets the sums of the first.":
                (lambda codes, trits: np.repeat(_wide(codes[:1], trits), len(codes), axis=0),),
            "Rows after the last whole group of four are left at 0.":
                (lambda codes, trits: _wide(codes, trits) * (np.arange(len(trits)) < len(trits) // 4 * 4),),
            "A row of zeros is taken for a row of ones.":
                (lambda codes, trits: _wide(codes, np.where(trits.any(axis=1, keepdims=True), trits, 1)),),
        },
        hints=[
            "Compare with a loop that you trust: sum(w * x ...) for each row and each token.",
            "Which sizes and which codes would you be afraid of, had you written the kernel?",
            "Several tokens; 1, 7 and 130 inputs; all codes -128 with all trits -1; 300 inputs; rows of zeros.",
        ],
    ),
]
