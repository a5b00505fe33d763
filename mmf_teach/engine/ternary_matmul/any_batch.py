"""The product inside other compiled functions: the fastest kernel for one token or that for many, as they come.

Course    notebook 04, "Fast kernels"

Both kernels read the same weights. Compiled code knows its kernels by name, and another choice compiles anew: the types
of weights and workspaces are those of no other kernel (kernel.py).
"""

from numba import njit
from numpy import ndarray

from mmf_teach.engine.ternary_matmul.choice import MANY, best

KERNEL, KERNEL_OF_MANY = best(), best(MANY)
_of_few_into, _of_many_into = KERNEL.product_into, KERNEL_OF_MANY.product_into


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
