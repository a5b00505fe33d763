"""Exercises of notebook 01: counting operations, their energy, bytes and their energy, the roofline."""

from collections import Counter
from math import ceil, floor

from mmf_teach.cost.counted_number import counted_dot, matvec_operations
from mmf_teach.cost.energy import energy_pj, moving_pj
from mmf_teach.cost.roofline import attainable
from mmf_teach.cost.traffic import weight_bytes
from mmf_teach.lesson.exercise import Exercise
from mmf_teach.quantity import BITS, Quantity


def cost(value: float, unit: str = "pJ/operation") -> Quantity:
    """A made-up cost to try a function with."""
    return Quantity(value, unit, "modelled", "made up for an exercise")


COSTS = {"add": cost(0.5), "multiply": cost(2.0)}


def _dots():
    from hypothesis import strategies as st
    number = st.integers(-4, 4).map(float)
    return st.lists(st.tuples(number, number), max_size=6).map(
        lambda pairs: ([w for w, _ in pairs], [x for _, x in pairs]))


def _sizes():
    from hypothesis import strategies as st
    return st.tuples(st.integers(1, 40), st.integers(1, 40))


def _bills():
    from hypothesis import strategies as st
    return st.tuples(st.dictionaries(st.sampled_from(["add", "multiply"]), st.integers(0, 9)), st.just(COSTS))


def _weights():
    from hypothesis import strategies as st
    return st.tuples(st.integers(0, 400), st.sampled_from([1, 1.6, 2, 4, 8, 16, 32]))


def _moves():
    from hypothesis import strategies as st
    units = st.sampled_from([*BITS, "pJ/operation"])
    return st.tuples(st.integers(0, 100), st.builds(cost, st.sampled_from([0.5, 3.0, 640.0]), units))


def _points():
    from hypothesis import strategies as st
    number = st.integers(1, 60).map(float)
    return st.tuples(number, number, number)


EXERCISES = [
    Exercise(
        id="01.1",
        ask="Write the dot product as a loop over Counted numbers; return its value and the tally.",
        answer=counted_dot,
        cases=[([2.0, 0.5], [3.0, 4.0]), ([1.0], [5.0]), ([], []), ([0.0, 3.0], [7.0, 1.0]), ([1.0], [])],
        mistakes={
            "You start from the first product, so one addition is missing: start from Counted(0.0, tally).":
                lambda w, x: (counted_dot(w, x)[0], Counter(multiply=len(w), add=max(0, len(w) - 1)) + Counter()),
            "Only the multiplications are counted: add with Counted numbers too, not with plain floats.":
                lambda w, x: (counted_dot(w, x)[0], Counter(multiply=len(w))),
            "You return the sum of the inputs: where is the multiplication by the weight?":
                lambda w, x: (float(sum(x)), Counter(add=len(x))),
            "You return the tally of a single step: share one tally between all the numbers.":
                lambda w, x: (counted_dot(w, x)[0], Counter(multiply=1, add=1) if w else Counter()),
        },
        hints=[
            "Make one Counter, and give it to every Counted number you create.",
            "total = total + Counted(w, tally) * Counted(x, tally), for each pair; strict=True in zip refuses "
            "unequal lengths.",
        ],
        inputs=_dots,
    ),
    Exercise(
        id="01.2",
        ask="Return a Counter of the multiplications and additions of a dense matrix-vector product.",
        answer=matvec_operations,
        cases=[(1, 1), (3, 4), (4, 3), (1, 7), (7, 1)],
        mistakes={
            "You count one row only: every one of the width_out rows is a dot product.":
                lambda out, width: Counter(multiply=width, add=width),
            "Your loop saves the first addition of each row; the loop of 01.1 starts from zero and does not.":
                lambda out, width: Counter(multiply=out * width, add=out * (width - 1)) + Counter(),
            "You add rows and columns; each row meets each column, so they multiply.":
                lambda out, width: Counter(multiply=out + width, add=out + width),
            "You count additions for the whole matrix but multiplications for one row.":
                lambda out, width: Counter(multiply=width, add=out * width),
        },
        hints=["How many weights has the matrix?", "Each weight is multiplied once and its product added once."],
        inputs=_sizes,
    ),
    Exercise(
        id="01.3",
        ask="Put the lines in order: the energy of a bill of operations, in which nothing unknown is free.",
        answer=energy_pj,
        cases=[
            ({"add": 3}, COSTS), ({"add": 2, "multiply": 1}, COSTS), ({}, COSTS), ({"divide": 1}, COSTS),
            ({"add": 1}, {"add": cost(10.0, "pJ/bit")}), ({"add": 1}, {"add": cost(10.0, "pJ/token")}),
        ],
        mistakes={
            "An operation without a cost is taken as free: let the KeyError out.":
                lambda ops, costs: sum(n * costs[op].value for op, n in ops.items() if op in costs),
            "You add up the costs without the counts.":
                lambda ops, costs: sum(costs[op].value for op in ops),
            "You return after the first operation: the return belongs behind the loop.":
                lambda ops, costs: next((n * costs[op].value for op, n in ops.items()), None),
        },
        hints=["The total must exist before the loop adds to it.", "Look up a cost before you ask for its unit."],
        inputs=_bills,
        lines=(
            "def energy_pj(operations, costs):",
            "    total = 0.0",
            "    for operation, count in operations.items():",
            "        cost = costs[operation]",
            "        if cost.unit != 'pJ/operation':",
            "            raise ValueError('not the cost of an operation')",
            "        total += count * cost.value",
            "    return total",
        ),
    ),
    Exercise(
        id="01.4",
        ask="Return how many whole bytes so many weights take; raise ValueError for a negative number or no bits.",
        answer=weight_bytes,
        cases=[(8, 1), (10, 1.6), (11, 1.6), (3, 16), (0, 2), (35, 1.6), (-1, 8), (5, 0), (5, -2)],
        mistakes={
            "You round down: the last bits need a byte too.":
                lambda n, bits: floor(_checked(n, bits) * bits / 8),
            "You return bits: a byte has eight.":
                lambda n, bits: ceil(_checked(n, bits) * bits),
            "A fraction of a byte cannot be stored: round up to a whole number.":
                lambda n, bits: _checked(n, bits) * bits / 8,
            "Negative numbers go through; raise a ValueError for them.":
                lambda n, bits: ceil(n * bits / 8),
        },
        hints=["Bits to bytes: divide by 8.", "math.ceil rounds up; try 11 weights of 1.6 bits by hand."],
        inputs=_weights,
    ),
    Exercise(
        id="01.5",
        ask="Return the energy in pJ of moving so many bytes; a cost is given per bit, per byte or per 64 bits.",
        answer=moving_pj,
        cases=[
            (1, cost(2.0, "pJ/bit")), (16, cost(640.0, "pJ/64 bits")), (3, cost(5.0, "pJ/byte")),
            (3, cost(1.0, "pJ/64 bits")),
            (0, cost(1.0, "pJ/bit")), (1, cost(1.0, "pJ/operation")), (1, cost(1.0, "fJ/bit")),
        ],
        mistakes={
            "You take a byte for a bit: there are eight bits in it.":
                lambda n, c: n * c.value / _bits(c),
            "You ignore the unit: 640 pJ for 64 bits are 10 pJ for one.":
                lambda n, c: 8 * n * c.value / (_bits(c) / _bits(c)),
            "You multiply by the bits of the unit where you should divide.":
                lambda n, c: 8 * n * c.value * _bits(c),
            "A cost of an operation is no cost of moving: raise a ValueError for any other unit.":
                lambda n, c: 8 * n * c.value / BITS.get(c.unit, 1),
        },
        hints=["How many bits are moved, and how many does one unit of the cost pay for?",
               "BITS[cost.unit] says how many bits the cost pays for."],
        inputs=_moves,
    ),
    Exercise(
        id="01.6",
        ask="Mend attainable: no computation is faster than its arithmetic nor than its memory.",
        answer=attainable,
        planted=lambda operations_per_byte, peak, bandwidth: max(peak, operations_per_byte * bandwidth),
        cases=[(0.5, 100.0, 20.0), (50.0, 100.0, 20.0), (5.0, 100.0, 20.0)],
        mistakes={
            "You divide where bytes and operations per byte multiply: operations/byte × bytes/s = operations/s.":
                lambda i, peak, bandwidth: min(peak, bandwidth / i),
            "You forget the peak: beyond the ridge more bytes do not help.":
                lambda i, peak, bandwidth: i * bandwidth,
            "You forget the memory: below the ridge the arithmetic waits for bytes.":
                lambda i, peak, bandwidth: peak,
        },
        hints=["There are two limits. Which of them counts: the higher one, or the lower?"],
        inputs=_points,
    ),
]


def _checked(weights: int, bits: float) -> int:
    weight_bytes(weights, bits)              # the same error for a number that makes no sense
    return weights


def _bits(one: Quantity) -> int:
    moving_pj(0, one)                        # the same error for a unit that makes no sense
    return BITS[one.unit]
