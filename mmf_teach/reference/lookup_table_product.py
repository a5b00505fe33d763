"""The ternary product from lookup tables, with lists: a sum that is already there is looked up, not computed again.

Course    notebook 04, "Fast kernels"
Packing   three trits are a number of base 3 from 0 to 26, the first its lowest digit, a digit = trit + 1
"""

from collections.abc import Sequence


def table_of_three(a: int, b: int, c: int) -> list[int]:
    """The 27 sums of three inputs, each added, skipped or subtracted; sum n belongs to the trits of number n.

    >>> table_of_three(1, 10, 100)[0], table_of_three(1, 10, 100)[13], table_of_three(1, 10, 100)[14]
    (-111, 0, 1)
    """
    return [x * a + y * b + z * c for z in (-1, 0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1)]


def dot_by_tables(rows: Sequence[Sequence[int]], codes: Sequence[int]) -> list[int]:
    """The product of many rows, each packed as numbers of three trits: one table for three codes, made once.

    >>> dot_by_tables([[14], [0]], [1, 10, 100])
    [1, -111]
    """
    sums = [0] * len(rows)
    for place in range(len(codes) // 3):
        table = table_of_three(*codes[3 * place:3 * place + 3])
        for number, row in enumerate(rows):
            sums[number] += table[row[place]]
    return sums


def longest_chunk(inputs_in_entry: int, bits: int) -> int:
    """How many table entries a signed sum of so many bits can take, each of so many int8 codes, whatever they are.

    >>> longest_chunk(3, 16)
    85
    """
    return ((1 << (bits - 1)) - 1) // (128 * inputs_in_entry)
