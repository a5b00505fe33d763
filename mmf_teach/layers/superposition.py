"""A memory of fixed size that keeps pairs on top of one another, as a recurrent state must.

Course    notebook 09, "Long contexts"
Equation  m = Σ k_j ⊙ v_j;   k ⊙ m = v + Σ_{j ≠ i} k ⊙ k_j ⊙ v_j: the value asked for, and noise of all others
Source    binding by ⊙ and adding up: Gayler 1998, "Multiplicative binding, representation operators and analogy"

Keys and values are vectors of -1 and 1. Nothing but ⊙ and + touches the memory, as in MLGRU's loop.
"""

import numpy as np
from jaxtyping import Int, Int64
from numpy import ndarray

WORDS = 16                                   # values that there are to choose from


def store(keys: Int[ndarray, "pairs d"], values: Int[ndarray, "pairs d"]) -> Int64[ndarray, "d"]:
    """All pairs in one vector.

    >>> store(np.array([[1, -1], [1, 1]]), np.array([[1, 1], [-1, 1]])).tolist()
    [0, 0]
    """
    return (keys * values).sum(axis=0)


def recall(memory: Int[ndarray, "d"], key: Int[ndarray, "d"], words: Int[ndarray, "words d"]) -> int:
    """Which of the words fits best to what the memory holds under a key."""
    return int((words @ (key * memory)).argmax())


def share_recalled(pairs: int, width: int, trials: int = 20, seed: int = 0) -> float:
    """The share of stored pairs whose value comes out right, over memories of random pairs."""
    dice = np.random.default_rng([seed, pairs, width])
    right = 0
    for _ in range(trials):
        words = dice.choice([-1, 1], (WORDS, width))
        keys, said = dice.choice([-1, 1], (pairs, width)), dice.integers(0, WORDS, pairs)
        memory = store(keys, words[said])
        right += int((((keys * memory) @ words.T).argmax(axis=1) == said).sum())
    return right / (pairs * trials)
