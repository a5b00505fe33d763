"""The product inside other compiled functions: the fastest way for one token or the fastest for many, as they come.

Course    notebook 04, "Fast kernels"

Both ways read the same words. Compiled code knows its ways by name: another processor compiles anew, and so does a
process that may not use what the processor has, for then the room to work in is of another type.
"""

from numba import njit
from numpy import ndarray

from mmf_teach.engine.intrinsics.simd import LINE, fetch_soon
from mmf_teach.engine.ternary_matmul.choice import MANY, best

WAY, WAY_OF_MANY = best(), best(MANY)
PLACES, LINES = 4, 16                        # where a product begins to read, and lines asked for of each in one turn
_of_few_into, _of_many_into, _apart = WAY.kernel, WAY_OF_MANY.kernel, WAY.apart


def scratches(inputs: int) -> tuple[ndarray, ndarray]:
    """Room to work in, for rows of so many inputs at most."""
    return WAY.scratch(inputs), WAY_OF_MANY.scratch(inputs)


@njit(cache=True, nogil=True)
def product_into(words, codes, sums, scratches, first, last):
    """Rows `first` to `last` of the product, where both are multiples of 128 or the end."""
    for_few, for_many = scratches
    if len(codes) < MANY:
        _of_few_into(words, codes, sums, for_few, first, last)
    else:
        _of_many_into(words, codes, sums, for_many, first, last)


@njit(cache=True, nogil=True)
def fetch_first(words, outputs, inputs, turn):
    """Ask for some of what a product begins to read, into the second cache; turn 0 for the first lines, and so on.

    Measured in three turns between the 370M model's products, on two cores of an Intel Xeon: 16 lines a turn save most,
    8 or 24 save two thirds of that, 48 nothing.
    """
    line, far = LINE // words.itemsize, _apart(outputs, inputs)
    for n in range(turn * LINES, (turn + 1) * LINES):
        for place in range(PLACES):
            fetch_soon(words, place * far + n * line)
