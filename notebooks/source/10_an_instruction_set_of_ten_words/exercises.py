"""Exercises of notebook 10: elements that saturate, three steps of an assembler, a product, a step, a program."""

from collections.abc import Callable, Mapping, Sequence

from hardware_sim.paper2024.reference import (
    ROWWISE,
    divide,
    encode,
    multiply,
    place,
    product,
    read_line,
    remember,
    run_lines,
    step,
)
from mmf_teach.lesson.exercise import Exercise

ELEMENTS = (-128, 127)
FIELDS = [("unit", 3), ("op", 3), ("a", 3), ("b", 3), ("y", 3), ("memory", 2), ("@", 16)]


def _two_elements():
    from hypothesis import strategies as st
    return st.tuples(st.integers(*ELEMENTS), st.integers(*ELEMENTS))


def _lines():
    from hypothesis import strategies as st
    space = st.sampled_from(["", " ", "  "])
    words = st.lists(st.sampled_from(["v0", "v7", "x", "0x10"]), max_size=3)
    return st.builds(
        lambda before, mnemonic, given, gap, after: (f"{before}{mnemonic} {(',' + gap).join(given)}{after}",),
        space, st.sampled_from(["add", "norm", "nop"]), words, space,
        st.sampled_from(["", " ", ";", " ; v1, v2", ";;"]))


def _uses():
    from hypothesis import strategies as st
    sizes = {"x": 4, "w": 16, "y": 4, "k": 8}
    return st.tuples(st.lists(st.sampled_from(sorted(sizes)).map(lambda name: (name, sizes[name])), max_size=6))


def _words():
    from hypothesis import strategies as st
    fields = st.lists(st.sampled_from([("unit", 3), ("y", 3), ("memory", 2), ("@", 4)]), unique=True, max_size=4)
    return fields.flatmap(lambda drawn: st.tuples(
        st.just(drawn), st.dictionaries(st.sampled_from(["unit", "y", "memory", "@"]), st.integers(-1, 8))))


def _products():
    from hypothesis import strategies as st
    sizes = st.tuples(st.integers(1, 3), st.integers(1, 3))
    return sizes.flatmap(lambda size: st.tuples(
        st.lists(st.lists(st.integers(-1, 1), min_size=size[1], max_size=size[1]), min_size=size[0], max_size=size[0]),
        st.lists(st.integers(*ELEMENTS), min_size=size[1], max_size=size[1])))


def _steps():
    from hypothesis import strategies as st
    register = st.sampled_from(["v0", "v1", "v2"])
    vectors = st.lists(st.integers(*ELEMENTS), min_size=2, max_size=2)
    unary = st.builds(lambda m, y, a: f"{m} {y},{a}", st.sampled_from(["exp", "sig"]), register, register)
    binary = st.builds(lambda m, y, a, b: f"{m} {y},{a},{b}", st.sampled_from(["add", "sub", "mul", "div"]),
                       register, register, register)
    return st.tuples(st.dictionaries(register, vectors, max_size=3), unary | binary)


def _memories():
    from hypothesis import strategies as st
    gate, value = st.integers(0, 8), st.integers(-60, 60)
    return st.tuples(*(st.lists(each, min_size=2, max_size=2) for each in (gate, value, value)))


def _whole_words(values: Mapping[str, int], fields: Sequence[tuple[str, int]], checked: bool = True) -> int:
    """A word put together; `checked` refuses what does not fit."""
    word = 0
    for name, bits in fields:
        value = values.get(name, 0)
        if checked and not 0 <= value < 1 << bits:
            raise ValueError(name)
        word = word << bits | value
    return word


def _sums(trits: Sequence[Sequence[int]], x: Sequence[int], start: Callable[[int, int, int], int]) -> list[int]:
    """The product, with another idea of what a sum is before it takes in input i."""
    sums = [0] * len(trits)
    for i, value in enumerate(x):
        for o in range(len(sums)):
            sums[o] = start(i, o, sums[o]) + trits[o][i] * value
    return [max(-128, min(127, total)) for total in sums]


def _by(text: str) -> Callable:
    """What another program leaves in v2."""
    return lambda f, c, h: run_lines(text, {"v0": f, "v1": c, "v2": h})["v2"]


def _step(registers: Mapping, line: str, keep: bool = True, swap: bool = False) -> dict:
    """A step without the old registers, or with its inputs the other way round."""
    mnemonic, (target, *names) = read_line(line)
    columns = zip(*(registers[name] for name in names[::-1 if swap else 1]), strict=True)
    return {**(registers if keep else {}), target: [ROWWISE[mnemonic](*elements) for elements in columns]}


def _refused(function: Callable) -> Callable:
    """The same, with a ValueError where a register is missing."""
    def asked(registers: Mapping, line: str) -> dict:
        step(registers, line)
        return function(registers, line)
    return asked


EXERCISES = [
    Exercise(
        id="10.1",
        ask="Return the product of two elements in eighths, rounded down and kept between -128 and 127.",
        answer=multiply,
        cases=[(12, 20), (8, 8), (1, 4), (-1, 4), (100, 100), (-128, 127), (127, 9), (-128, -128)],
        mistakes={
            "Eighths times eighths are sixty-fourths: shift right by 3, or divide by 8, to get eighths again.":
                lambda a, b: max(-128, min(127, a * b)),
            "12.5 times 12.5 is 156.25, more than an element holds: keep the nearest end, 127 or -128.":
                lambda a, b: a * b >> 3,
            "A register does not wrap round here: the result stops at 127 or at -128.":
                lambda a, b: ((a * b >> 3) + 128) % 256 - 128,
            "You round towards zero; a shift to the right rounds down, so -4 sixty-fourths become -1 eighth.":
                lambda a, b: max(-128, min(127, int(a * b / 8))),
            "You round to the nearest; the circuit shifts, which always rounds down.":
                lambda a, b: max(-128, min(127, a * b + 4 >> 3)),
            "The lower end is -128: two's complement reaches one further down than up.":
                lambda a, b: max(-127, min(127, a * b >> 3)),
        },
        hints=["a * b counts sixty-fourths; >> 3 makes eighths of them and rounds down.",
               "Then max(-128, min(127, ...))."],
        inputs=_two_elements,
    ),
    Exercise(
        id="10.2",
        ask="Mend divide: over a whole part of 0 it saturates on the side of a, and quotients go towards zero.",
        answer=divide,
        planted=lambda a, b: max(-128, min(127, a // (b >> 3))) if b >> 3 else 127 if a >= 0 else -128,
        cases=[(40, 16), (41, 16), (-41, 16), (41, -16), (5, 7), (-5, 7), (0, 7), (1, 7), (-1, 7), (-1, 8), (-128, -8),
               (127, 8)],
        mistakes={
            "Python's // rounds down, so -41 over 2 becomes -21; the circuit goes towards zero, to -20.":
                lambda a, b: max(-128, min(127, a // (b >> 3))) if b >> 3 else (a > 0) * 127 - (a < 0) * 128,
            "Nothing over nothing is 0 here: only a positive a ends at 127.":
                lambda a, b: divide(a, b) if b >> 3 or a else 127,
            "-128 over -1 would be 128, and an element stops at 127.":
                lambda a, b: int(a / (b >> 3)) if b >> 3 else divide(a, b),
            "Over a whole part of 0 a negative a ends at -128, not at 127.":
                lambda a, b: divide(a, b) if b >> 3 else 127 if a else 0,
        },
        hints=["Try a = 0 over a whole part of 0, and then a = -41 over 2.",
               "abs(a) // abs(whole) rounds towards zero; then give it its sign."],
        inputs=_two_elements,
    ),
    Exercise(
        id="10.3",
        ask='Return the mnemonic of a line and the list of its operands; "" and [] where only a comment stands.',
        answer=read_line,
        cases=[("add v1,v2,v3",), ("  add v1, v2 ,v3  ; a sum, of two",), ("nop",), ("",), ("; all of it",),
               ("norm v0;in place",)],
        mistakes={
            "What stands after a semicolon is for people: cut it off first.":
                lambda line: read_line(line.replace(";", " ")),
            "Spaces may stand around a comma, and do not belong to the operand.":
                lambda line: (lambda code: (code[0], code[1].split(",") if code[1:] else []) if code else ("", []))(
                    line.split(";")[0].strip().split(maxsplit=1)),
            "The mnemonic is no operand: return it apart from the list.":
                lambda line: (read_line(line)[0], [word for word in (read_line(line)[0], *read_line(line)[1]) if word]),
            'An empty line is allowed: return "" and an empty list.':
                lambda line: (lambda words: (words[0], words[1:]))(line.split(";")[0].replace(",", " ").split()),
        },
        hints=['line.split(";")[0] is what stands before the comment.',
               'Make commas into spaces; then .split() gives the words.'],
        inputs=_lines,
    ),
    Exercise(
        id="10.4",
        ask="Return the address of each name: regions one after the other from 0, in the order of first use.",
        answer=place,
        cases=[([("x", 4), ("w", 16), ("y", 4)],), ([("x", 4), ("w", 16), ("x", 4), ("y", 4)],), ([],),
               ([("w", 16), ("w", 16)],), ([("b", 4), ("a", 4)],)],
        mistakes={
            "A name that comes again keeps the region it has: give out a new one only for a new name.":
                lambda uses: {name: sum(size for _, size in uses[:at]) for at, (name, _) in enumerate(uses)},
            "The next region begins where this one ends: move on by its size, not by one.":
                lambda uses: {name: at for at, name in enumerate(dict(uses))},
            "You move on even when a name is used again, and leave holes in the memory.":
                lambda uses: {name: sum(size for _, size in uses[:[known for known, _ in uses].index(name)])
                              for name, _ in uses},
            "Your regions stand in the order of the alphabet; it should be that of first use.":
                lambda uses: place(sorted(uses)),
            "The first region begins at address 0.":
                lambda uses: {name: at + 1 for name, at in place(uses).items()},
        },
        hints=["Keep a number `free`, the first address that nobody has.",
               "For a name that is not yet in the dictionary: store `free`, then add the size."],
        inputs=_uses,
    ),
    Exercise(
        id="10.5",
        ask="Return the machine word: the fields side by side, the first one leftmost; ValueError if one cannot fit.",
        answer=encode,
        cases=[([("unit", 3), ("y", 3)], {"unit": 2, "y": 5}), (FIELDS, {"unit": 1, "y": 5, "@": 6}), ([("@", 4)], {}),
               (FIELDS, {"unit": 2, "op": 3, "a": 1, "b": 2, "y": 7}), ([("y", 3)], {"y": 8}), ([("y", 3)], {"y": -1}),
               ([], {})],
        mistakes={
            "The first field is the leftmost: make room for the next one by shifting what you have to the left.":
                lambda fields, values: encode(fields, values) and _whole_words(values, fields[::-1]),
            "Each field takes all its bits, also where its number is small: shift by `bits`, not by its length.":
                lambda fields, values: encode(fields, values) and int("0" + "".join(
                    f"{values.get(name, 0):b}" for name, _ in fields), 2),
            "A number that is too long for its field runs into the neighbour: raise a ValueError.":
                lambda fields, values: _whole_words(values, fields, checked=False),
            "A field that the instruction does not use still has its place, filled with 0.":
                lambda fields, values: encode(fields, values) and encode([f for f in fields if f[0] in values], values),
            "Three bits hold 0 to 7: eight is already too much.":
                lambda fields, values: _whole_words(values, fields, checked=any(
                    not 0 <= values.get(name, 0) <= 1 << bits for name, bits in fields)),
        },
        hints=["Begin with word = 0; for each field: word = word << bits | value.",
               "values.get(name, 0); it must be at least 0 and less than 2**bits."],
        inputs=_words,
    ),
    Exercise(
        id="10.6",
        ask="Put the lines in order: a ternary matrix times a vector, an input at a time, as the core does it.",
        answer=product,
        cases=[([[1, -1], [0, 1]], [100, -50]), ([[1]], [5]), ([[1, 1], [1, -1]], [100, 100]), ([[0, 0]], [9, 9]),
               ([[1, 0, 1], [-1, 1, 0]], [1, 2, 3])],
        mistakes={
            "The sums must be there before the first input, or each input starts again from zero.":
                lambda trits, x: _sums(trits, x, lambda i, o, total: 0),
            "You hand the sums out before all inputs are in.":
                lambda trits, x: _sums(trits, x[:1], lambda i, o, total: total),
            "You return before anything is added.": lambda trits, x: [0] * len(trits),
        },
        hints=["Outside the sums, then the inputs, then the outputs: one input meets a whole column of trits."],
        inputs=_products,
        lines=(
            "def product(trits, x):",
            "    sums = [0] * len(trits)",
            "    for i, value in enumerate(x):",
            "        for o in range(len(sums)):",
            "            sums[o] += trits[o][i] * value",
            "    return [max(-128, min(127, total)) for total in sums]",
        ),
    ),
    Exercise(
        id="10.7",
        ask="Return all registers after one line; the old ones stay as they are. ValueError for what nobody wrote.",
        answer=step,
        cases=[({"v0": [8, 16], "v1": [4, 4]}, "add v2,v0,v1"), ({"v0": [8, 16], "v1": [4, 4]}, "sub v0,v1,v0"),
               ({"v0": [0, 8]}, "exp v0,v0"), ({"v0": [0, -8]}, "sig v1,v0"), ({"v0": [1, 2]}, "mul v2,v0,v5"),
               ({"v0": [40, 40], "v1": [16, 7]}, "div v2,v0,v1")],
        mistakes={
            "You return only the register that was written; the others are still there.":
                _refused(lambda registers, line: _step(registers, line, keep=False)),
            "The first operand is where the result goes; the inputs are those after it, in their order.":
                _refused(lambda registers, line: _step(registers, line, swap=True)),
            "A register that nobody wrote has no value: raise a ValueError.":
                lambda registers, line: _step({**{f"v{n}": [0, 0] for n in range(8)}, **registers}, line),
        },
        hints=["mnemonic, (target, *names) = read_line(line) takes the line apart.",
               "ROWWISE[mnemonic] is a function of one element or two; zip gives the elements side by side.",
               "{**registers, target: result} is a new dictionary: the old one is not changed."],
        inputs=_steps,
    ),
    Exercise(
        id="10.8",
        ask="Write the program: three lines that leave c + f · (h - c) in v2, from f in v0, c in v1 and h in v2.",
        answer=remember,
        cases=[
            ([8, 0], [16, 16], [40, 40]), ([4, 4], [16, -16], [40, 40]), ([1, 7], [3, 5], [-9, 9]),
            ([4, 4], [1, 3], [2, -8])],
        mistakes={
            "You compute c - h, the other way round: the first input of sub is what is subtracted from.":
                _by("sub v2,v1,v2\nmul v2,v0,v2\nadd v2,v1,v2"),
            "You add h at the end: what is not kept comes from the candidate c.":
                _by("sub v3,v2,v1\nmul v3,v0,v3\nadd v2,v2,v3"),
            "You multiply twice and round twice: f·h - f·c + c is another program. Multiply the difference, once.":
                _by("mul v3,v0,v1\nmul v2,v0,v2\nsub v2,v2,v3\nadd v2,v1,v2"),
            "The candidate c is missing: the last line adds v1.": _by("sub v2,v2,v1\nmul v2,v0,v2"),
            "f weighs the old memory h, and you let it weigh the candidate.":
                _by("sub v3,v1,v2\nmul v3,v0,v3\nadd v2,v2,v3"),
        },
        hints=["Three instructions: sub, mul, add. The result goes where the first operand says.",
               "sub v2,v2,v1 leaves h - c in v2."],
        inputs=_memories,
    ),
]
