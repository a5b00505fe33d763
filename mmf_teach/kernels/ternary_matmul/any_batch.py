"""The product inside other compiled functions: the fastest way for one token or the fastest for many, as they come.

Course    notebook 04, "Fast kernels"

Both ways read the same words. Compiled code knows its ways by name: another processor compiles anew, and so does a
process that may not use what the processor has, for then the room to work in is of another type.
"""

from numba import njit
from numpy import ndarray

from mmf_teach.kernels.ternary_matmul.fastest import MANY, best

WAY, WAY_OF_MANY = best(), best(MANY)
_of_few_into, _of_many_into = WAY.kernel, WAY_OF_MANY.kernel


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
