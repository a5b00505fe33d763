"""A barrier for threads that work on one token together: none goes on before all have arrived.

Course    notebook 04, "Fast kernels"

A token of a large model is a hundred products of some ten microseconds each. To wake a thread for every one of them
takes as long as the product; so the threads stay awake for a whole token and wait for each other here, in a loop that
looks at numbers in memory. Measured on two cores of an Intel Xeon: 0.3 us a barrier, with all that is waited for.

Each thread counts its arrivals in a number of its own, in a cache line of its own, and waits until those of all others
have come as far: to see another's number costs one way from cache to cache, and nobody fights for a common one.
Who waits long, because another thread has lost its core, lets the system choose who runs.
"""

import os

from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

from mmf_teach.engine.intrinsics.simd import element_address

NEVER = 1 << 62                              # arrivals of a thread that nobody is to wait for
LINE = 8                                     # numbers of a cache line
PATIENCE = 4000                              # looks at the number before the core is offered to others
SPINS = 2 * PATIENCE                         # looks at a doorbell that does not ring: a millisecond or so
CAN_YIELD = hasattr(os, "sched_yield")       # a function of the C library on Linux and macOS


@intrinsic
def _store_release(typing, array, index, number):
    """Write an element of an array; whoever sees it sees all that was written before, too."""
    def code(context, builder, signature, arguments):
        array, index, number = arguments
        address = element_address(context, builder, signature.args[0], array, index)
        builder.store_atomic(number, address, "release", 8)
        return context.get_dummy_value()
    return types.void(array, types.int64, types.int64), code


@intrinsic
def _load_acquire(typing, array, index):
    """An element of an array as it is now in memory, not as it was read some time ago."""
    def code(context, builder, signature, arguments):
        address = element_address(context, builder, signature.args[0], *arguments)
        return builder.load_atomic(address, "acquire", 8)
    return types.int64(array, types.int64), code


@intrinsic
def _yield_core(typing):
    """Let the system run somebody else, where there is a function for it."""
    def code(context, builder, signature, arguments):
        if CAN_YIELD:
            kind = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()
    return types.void(), code


@njit(cache=True, nogil=True)
def wait_for_all(arrivals, me, threads):
    """Return when so many threads have called this as often as I; `arrivals` [threads · LINE] is theirs alone."""
    if threads == 1:
        return
    mine = arrivals[me * LINE] + 1
    _store_release(arrivals, me * LINE, mine)
    for other in range(threads):
        looks = 0
        while _load_acquire(arrivals, other * LINE) < mine:
            looks += 1
            if looks > PATIENCE:
                _yield_core()


@njit(cache=True, nogil=True)
def ring(doorbell, job):
    """Let those who wait at the doorbell know that this job has begun, and what stands beside its number is of it."""
    _store_release(doorbell, 0, job)


@njit(cache=True, nogil=True)
def spin_wait(doorbell, before):
    """The number of the job that has begun when it is another than `before`, or after a while."""
    looks = 0
    while _load_acquire(doorbell, 0) == before and looks < SPINS:
        looks += 1
        if looks > PATIENCE:
            _yield_core()
    return _load_acquire(doorbell, 0)


@intrinsic
def pointer(typing, address):
    """Where an array begins, from its address as a number."""
    return types.voidptr(types.int64), lambda context, builder, signature, arguments: builder.inttoptr(
        arguments[0], context.get_value_type(types.voidptr))
