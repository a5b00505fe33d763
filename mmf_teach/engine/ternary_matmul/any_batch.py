"""The product inside other compiled functions: the fastest kernel for one token or that for many, as they come.

Course    notebook 04, "Fast kernels"

Both kernels read the same weights. Compiled code knows its kernels by name, and another choice compiles anew: the types
of weights and workspaces are those of no other kernel (kernel.py).
"""

from numba import njit
from numpy import ndarray

from mmf_teach.engine.intrinsics.simd import LINE, fetch_soon
from mmf_teach.engine.ternary_matmul.choice import MANY, best

KERNEL, KERNEL_OF_MANY = best(), best(MANY)
PLACES, LINES = 4, 16                        # where a product begins to read, and lines asked for of each in one turn
_of_few_into, _of_many_into, _apart = KERNEL.product_into, KERNEL_OF_MANY.product_into, KERNEL.apart


def workspaces(inputs: int) -> tuple[ndarray, ndarray]:
    """Memory to work in, for rows of so many inputs at most."""
    return KERNEL.workspace(inputs), KERNEL_OF_MANY.workspace(inputs)


@njit(cache=True, nogil=True)
def product_into(weights, codes, sums, workspaces, first, last):
    """Rows `first` to `last` of the product, where both are multiples of 128 or the end."""
    for_few, for_many = workspaces
    if len(codes) < MANY:
        _of_few_into(weights, codes, sums, for_few, first, last)
    else:
        _of_many_into(weights, codes, sums, for_many, first, last)


@njit(cache=True, nogil=True)
def fetch_first(weights, outputs, inputs, turn):
    """Ask for some of what a product begins to read, into the second cache; turn 0 for the first lines, and so on.

    Measured in three turns between the 370M model's products, on two cores of an Intel Xeon: 16 lines a turn save most,
    8 or 24 save two thirds of that, 48 nothing.
    """
    line, far = LINE // weights.itemsize, _apart(outputs, inputs)
    for n in range(turn * LINES, (turn + 1) * LINES):
        for place in range(PLACES):
            fetch_soon(weights, place * far + n * line)
