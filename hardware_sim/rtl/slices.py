"""Wide rows for narrow users: a memory of many numbers a row, read and written a slice at a time.

Course    notebook 12, "From gates up"

A slice is `width` neighbours of a row; place p is the slice that begins with number p · width of the whole memory.
"""

from amaranth import Cat, Module, Signal, Value
from amaranth.lib import data
from amaranth.utils import exact_log2


def split(place: Value, row: int, width: int) -> tuple[Value, Value]:
    """The row in which a slice lies, and which slice of the row it is."""
    bits = exact_log2(row // width)
    return place[bits:], place[:bits]


def chosen(row: data.View, part: Value, width: int) -> Value:
    """The bits of one slice of a row."""
    bits = Value.cast(row)
    return bits.word_select(part, width * len(bits) // row.shape().length)


def spread(m: Module, mask: Value, numbers: Value, part: Value, row: int, width: int) -> Value:
    """The slice in every place of a row, while `mask` lets only the right one be written."""
    parts = row // width
    one_hot = Signal(parts)
    m.d.comb += [one_hot.eq(1 << part), mask.eq(Cat(one_hot[i // width] for i in range(row)))]
    return Cat(numbers for _ in range(parts))
