"""Associative recall: pairs of words are told once, then some of their first words are asked for their partners.

Course    notebook 05, "Memory without attention"; over a distance, notebook 09
Source    the task of Arora et al. 2023 (Zoology), arXiv 2312.04927

    k1 v1 k2 v2 ... noise noise ... k2 [v2] k1 [v1]        only the words in brackets are asked for

No pair is asked for twice, so no answer can be copied from an earlier one.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

KEYS = VALUES = 64                           # words that can be asked for, and words that can be their partners
NOISE = 32                                   # words that mean nothing
VOCAB = KEYS + VALUES + NOISE
CHANCE = 1 / VALUES                          # accuracy of a reader who remembers nothing
NOT_ASKED = -100                             # what torch's cross_entropy leaves out

Numbers = Int64[ndarray, "sequences _"]


@dataclass(frozen=True)
class Recall:
    pairs: int               # told at the beginning, all keys different
    gap: int = 0             # words of noise between the last pair and the first question
    queries: int = 16        # pairs that are asked for, or all of them if there are fewer

    def __post_init__(self):
        sizes = (self.pairs, self.gap + 1, self.queries)
        if any(type(size) is not int or size < 1 for size in sizes) or self.pairs > KEYS:
            raise ValueError(f"recall takes 1 to {KEYS} pairs, a gap from 0 up and 1 query or more, not {self}")

    @property
    def asked(self) -> int:
        """Questions at the end."""
        return min(self.pairs, self.queries)

    @property
    def length(self) -> int:
        """Tokens of a sequence."""
        return 2 * self.pairs + self.gap + 2 * self.asked

    def sequences(self, count: int, rng: np.random.Generator, length: int | None = None) -> tuple[Numbers, Numbers]:
        """`count` sequences and what each token should foretell; noise fills them up to `length`."""
        after = (length or self.length) - self.length
        keys = rng.permuted(np.tile(np.arange(KEYS), (count, 1)), axis=1)[:, : self.pairs]
        values = KEYS + rng.integers(VALUES, size=(count, self.pairs))
        which = rng.permuted(np.tile(np.arange(self.pairs), (count, 1)), axis=1)[:, : self.asked]
        questions = _in_turn(np.take_along_axis(keys, which, 1), np.take_along_axis(values, which, 1))
        noise = KEYS + VALUES + rng.integers(NOISE, size=(count, self.gap + after))
        tokens = np.hstack([_in_turn(keys, values), noise[:, : self.gap], questions, noise[:, self.gap :]])
        targets = np.full_like(tokens, NOT_ASKED)
        targets[:, 2 * self.pairs + self.gap : self.length : 2] = questions[:, 1::2]
        return tokens, targets


def mixed(tasks: list[Recall], count: int, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
    """About `count` sequences, as many of each task, all as long as the longest: what a model learns from."""
    length = max(task.length for task in tasks)
    parts = [task.sequences(max(1, count // len(tasks)), rng, length) for task in tasks]
    tokens, targets = zip(*parts, strict=True)
    return np.vstack(tokens), np.vstack(targets)


def _in_turn(a: Numbers, b: Numbers) -> Numbers:
    """a1 b1 a2 b2 ..."""
    return np.stack([a, b], axis=-1).reshape(len(a), -1)
