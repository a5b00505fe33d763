"""The recurrence in NumPy, four ways: a loop, rounds that double, chunks, and a closed form that does not last.

Course    notebook 05, "Memory without attention"
Equation  a token makes of the memory h   kept ⊙ h + written,   kept = f,  written = (1 - f) ⊙ c
          (k1, w1) followed by (k2, w2) is (k2 ⊙ k1, k2 ⊙ w1 + w2)
          at once, from nothing: h[t] = P[t] Σ written[s] / P[s],   P[t] = kept[0] ⊙ ... ⊙ kept[t]
Source    Blelloch 1990, "Prefix sums and their applications", CMU-CS-90-190; Hillis & Steele 1986,
          "Data parallel algorithms", doi:10.1145/7902.7903
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

Rows = Float[ndarray, "t d"]                 # a row a token
Step = tuple[Float[ndarray, "*d"], Float[ndarray, "*d"]]      # what a token keeps of the memory, and what it writes


def memories(f: Rows, c: Rows, h: Float[ndarray, "d"]) -> Rows:
    """The memory after each token: forget by `f`, write the candidates `c`, from the memory `h` before the first.

    >>> memories(np.array([[0.5], [0.5]]), np.array([[4.0], [8.0]]), np.array([2.0])).tolist()
    [[3.0], [5.5]]
    """
    after = np.empty_like(c)
    for t in range(len(f)):
        h = f[t] * h + (1 - f[t]) * c[t]
        after[t] = h
    return after


def two_steps(first: Step, second: Step) -> Step:
    """The one step that does what two do, one after the other.

    >>> kept, written = two_steps((np.array([0.5]), np.array([1.0])), (np.array([0.5]), np.array([3.0])))
    >>> kept.tolist(), written.tolist()
    ([0.25], [3.5])
    """
    return second[0] * first[0], second[0] * first[1] + second[1]


def by_doubling(kept: Rows, written: Rows) -> Rows:
    """All memories from nothing, in rounds: after each, every row has seen twice as many tokens.

    >>> by_doubling(np.array([[0.5], [0.5]]), np.array([[1.0], [3.0]])).tolist()
    [[1.0], [3.5]]
    """
    for done in range(len(kept).bit_length()):
        reach = 2**done
        earlier = kept[reach:] * written[:-reach]
        written = np.concatenate([written[:reach], written[reach:] + earlier])
        kept = np.concatenate([kept[:reach], kept[reach:] * kept[:-reach]])
    return written


def by_chunks(kept: Rows, written: Rows, size: int) -> Rows:
    """All memories from nothing, chunk by chunk: what is inside a chunk, and what is left of all before it.

    >>> by_chunks(np.array([[0.5], [0.5]]), np.array([[1.0], [3.0]]), size=1).tolist()
    [[1.0], [3.5]]
    """
    after, before = np.empty_like(written), np.zeros_like(written[0])
    for start in range(0, len(kept), size):
        inside, left = np.zeros_like(before), np.ones_like(before)
        for t in range(start, min(start + size, len(kept))):
            inside, left = kept[t] * inside + written[t], kept[t] * left
            after[t] = inside + left * before
        before = after[t]
    return after


def at_once(kept: Rows, written: Rows) -> Rows:
    """All memories from nothing by two running sums: right on paper, and soon nan, as the products come near zero.

    >>> at_once(np.array([[0.5], [0.5]]), np.array([[1.0], [3.0]])).tolist()
    [[1.0], [3.5]]
    """
    with np.errstate(all="ignore"):
        products = np.cumprod(kept, axis=0)
        return products * np.cumsum(written / products, axis=0)
