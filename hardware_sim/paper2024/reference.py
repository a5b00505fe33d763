"""Assembler and golden simulator in small: one element, one line, one word of the machine at a time, with plain lists.

Course    notebook 10, "An instruction set of ten words"
Format    an element is a whole number of eighths from -128 to 127
"""

from collections.abc import Mapping, Sequence

from hardware_sim.paper2024.units.rowwise import EXP, SIGMOID


def multiply(a: int, b: int) -> int:
    """The product of two elements, rounded down to eighths and kept between -128 and 127.

    >>> multiply(12, 20), multiply(-1, 4), multiply(100, 100)         # 1.5 · 2.5, -0.125 · 0.5, 12.5 · 12.5
    (30, -1, 127)
    """
    return max(-128, min(127, a * b >> 3))


def divide(a: int, b: int) -> int:
    """One element over the whole part of another, rounded towards zero; over a whole part of 0 the end on a's side.

    >>> divide(41, 16), divide(-41, 16), divide(-1, 7)                # 5.125 / 2, -5.125 / 2, -0.125 / 0
    (20, -20, -128)
    """
    whole = b >> 3
    if whole == 0:
        return 127 if a > 0 else -128 if a < 0 else 0
    quotient = abs(a) // abs(whole)
    if (a < 0) != (whole < 0):
        quotient = -quotient
    return min(127, quotient)


ROWWISE = {
    "add": lambda a, b: max(-128, min(127, a + b)),
    "sub": lambda a, b: max(-128, min(127, a - b)),
    "mul": multiply,
    "div": divide,
    "exp": lambda a: int(EXP[a + 128]),
    "sig": lambda a: int(SIGMOID[a + 128]),
}


def read_line(line: str) -> tuple[str, list[str]]:
    """Mnemonic and operands of a line, without its comment; nothing and none for an empty one.

    >>> read_line("  add v1, v2,v3   ; a sum")
    ('add', ['v1', 'v2', 'v3'])
    """
    words = line.split(";")[0].replace(",", " ").split()
    return (words[0], words[1:]) if words else ("", [])


def place(uses: Sequence[tuple[str, int]]) -> dict[str, int]:
    """The first address of each name's region: one after the other from 0, in the order of first use.

    >>> place([("x", 4), ("w", 16), ("x", 4), ("y", 4)])
    {'x': 0, 'w': 4, 'y': 20}
    """
    addresses, free = {}, 0
    for name, size in uses:
        if name not in addresses:
            addresses[name] = free
            free += size
    return addresses


def encode(fields: Sequence[tuple[str, int]], values: Mapping[str, int]) -> int:
    """A machine word of fields (name, bits), the first one leftmost; one without a value holds 0.

    ValueError for a value that its field cannot hold.

    >>> bin(encode([("unit", 3), ("y", 3)], {"unit": 2, "y": 5}))
    '0b10101'
    """
    word = 0
    for name, bits in fields:
        value = values.get(name, 0)
        if not 0 <= value < 1 << bits:
            raise ValueError(f"{name} is {value}: {bits} bits cannot hold that")
        word = word << bits | value
    return word


def decode(fields: Sequence[tuple[str, int]], word: int) -> dict[str, int]:
    """The fields of a machine word again.

    >>> decode([("unit", 3), ("y", 3)], 0b10101)
    {'y': 5, 'unit': 2}
    """
    values = {}
    for name, bits in reversed(fields):
        values[name] = word & ((1 << bits) - 1)
        word >>= bits
    return values


def product(trits: Sequence[Sequence[int]], x: Sequence[int]) -> list[int]:
    """A ternary matrix times a vector in the core's order: an input at a time, and for each all sums.

    >>> product([[1, -1], [0, 1]], [100, -50])
    [127, -50]
    """
    sums = [0] * len(trits)
    for i, value in enumerate(x):
        for o in range(len(sums)):
            sums[o] += trits[o][i] * value
    return [max(-128, min(127, total)) for total in sums]


def step(registers: Mapping[str, list[int]], line: str) -> dict[str, list[int]]:
    """All registers after one line of the row-wise unit; the old ones stay as they are.

    ValueError for a register that nobody wrote.

    >>> step({"v0": [8, 16], "v1": [4, 4]}, "add v2,v0,v1")["v2"]
    [12, 20]
    """
    mnemonic, (target, *names) = read_line(line)
    if not set(names) <= set(registers):
        raise ValueError(f"{line!r} reads what nobody wrote")
    columns = zip(*(registers[name] for name in names), strict=True)
    return {**registers, target: [ROWWISE[mnemonic](*elements) for elements in columns]}


def run_lines(text: str, registers: Mapping[str, list[int]]) -> dict[str, list[int]]:
    """All registers after a program of the row-wise unit, one line after the other."""
    for line in text.splitlines():
        if read_line(line)[0]:
            registers = step(registers, line)
    return dict(registers)


def remember(f: list[int], c: list[int], h: list[int]) -> list[int]:
    """The memory of a recurrent layer after a token: c + f · (h - c), a program of three lines.

    >>> remember([8, 0, 4], [16, 16, 16], [40, 40, 40])               # keep all, keep nothing, half and half
    [40, 16, 28]
    """
    program = """
        sub v2,v2,v1
        mul v2,v0,v2
        add v2,v1,v2
    """
    return run_lines(program, {"v0": f, "v1": c, "v2": h})["v2"]
