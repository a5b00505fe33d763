"""A barrier for threads that work on one token together: none goes on before all have arrived.

Course    notebook 04, "Fast kernels"

A token of a large model is a hundred products of some ten microseconds each. To wake a thread for every one of them
takes as long as the product; so the threads stay awake for a whole token and wait for each other here, in a loop that
looks at a number in memory. Measured on two cores of an Intel Xeon: 0.2 us a barrier.

The number only grows: whoever arrives adds one, and waits until it has reached the next multiple of the threads.
Who waits long, because another thread has lost its core, lets the system choose who runs.
"""

import os

from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

I64 = ir.IntType(64)
PATIENCE = 4000                              # looks at the number before the core is offered to others
CAN_YIELD = hasattr(os, "sched_yield")       # a function of the C library on Linux and macOS


def _first(context, builder, kind, array):
    """The address of an array's first element."""
    return context.make_array(kind)(context, builder, array).data


@intrinsic
def _arrive(typing, array):
    """Add one to an array's only number, which no other thread can do at the same time; the number after it."""
    def code(context, builder, signature, arguments):
        one = ir.Constant(I64, 1)
        before = builder.atomic_rmw("add", _first(context, builder, signature.args[0], arguments[0]), one, "seq_cst")
        return builder.add(before, one)
    return types.int64(array), code


@intrinsic
def _look(typing, array):
    """An array's only number as it is now in memory, not as it was read some time ago."""
    def code(context, builder, signature, arguments):
        return builder.load_atomic(_first(context, builder, signature.args[0], arguments[0]), "seq_cst", 8)
    return types.int64(array), code


@intrinsic
def _offer_core(typing):
    """Let the system run somebody else, where there is a function for it."""
    def code(context, builder, signature, arguments):
        if CAN_YIELD:
            kind = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()
    return types.void(), code


@njit(cache=True, nogil=True)
def wait_for_all(arrivals, threads):
    """Return when so many threads have called this as often as the caller; `arrivals` [1] is int64 and theirs alone."""
    if threads == 1:
        return
    mine = _arrive(arrivals)
    wanted, looks = -(-mine // threads) * threads, 0
    while _look(arrivals) < wanted:
        looks += 1
        if looks > PATIENCE:
            _offer_core()


@njit(cache=True, nogil=True)
def share(size, step, me, threads):
    """First and last of what is mine among `size` things, where a part may begin at each multiple of `step`."""
    parts = -(-size // step)
    return min(size, me * parts // threads * step), min(size, (me + 1) * parts // threads * step)
