"""The roof of a product that reads its weights once: how long it takes to read the same bytes and do nothing with them.

Course    notebook 04, "Fast kernels"
"""

import os

from numba import njit, prange
from numpy import ndarray

from mmf_teach.hardware import last_level_cache_bytes


@njit(cache=True, nogil=True)
def read_all(words):
    """The sum of all 64-bit words: the cheapest way to make sure that all were read."""
    total = words.dtype.type(0)
    for k in range(len(words)):
        total += words[k]
    return total


@njit(cache=True, nogil=True, parallel=True)
def read_by_threads(words, threads):
    """The same, one part of the words a thread."""
    total = words.dtype.type(0)
    for t in prange(threads):
        total += read_all(words[t * len(words) // threads:(t + 1) * len(words) // threads])
    return total


def read(words: ndarray, threads: int) -> int:
    """Read all words in so many threads."""
    return read_all(words) if threads == 1 else read_by_threads(words, threads)


def copies_for_cold(weight_bytes: int, memory_bytes: int | None = None) -> int:
    """How many copies of a matrix are more than the last-level cache holds, six times over; at least two.

    All copies of one candidate take a thirty-second of the memory at most: eight or so are kept at once.
    """
    wanted = -(-6 * last_level_cache_bytes() // max(1, weight_bytes))
    if memory_bytes is None:
        memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 4 << 30
    return max(2, min(wanted, memory_bytes // 32 // max(1, weight_bytes)))
