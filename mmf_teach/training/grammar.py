"""A made-up language whose entropy is known exactly, so that a loss can be held against its floor.

Course    notebook 08, "Training with three values"; its recall, notebook 05

A text is a row of stories. A story tells some facts ("ann has a cup."), then sentences in between, then asks
about the facts ("who has what? ann: cup."). Who has heard the facts and remembers them can foretell each answer.

Equation  nats per character = H(story) / E[characters in a story]. Stories are independent, and where one ends
          is plain, so this ratio is the entropy rate. Each sentence has one derivation only, so its entropy is
          that of the choices made on the way: H(A) = Σ p (-log p + Σ H(parts)), linear in the unknown H.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import log, perm

import numpy as np

NAMES = ("ann", "bob", "cleo", "dan", "eve", "finn", "gus", "hana")
THINGS = ("cup", "hat", "lamp", "drum", "key", "boat", "ring", "book")

# Each rule: with this probability, the symbol on the left becomes these parts. What is no key is written as it is.
RULES: dict[str, list[tuple[float, tuple[str, ...]]]] = {
    "SENTENCE": [
        (0.6, ("the ", "THING", " ", "DOES", " the ", "THING", ". ")),
        (0.3, ("the ", "THING", " is ", "LOOK", ". ")),
        (0.1, ("so ", "SENTENCE")),
    ],
    "THING": [(0.7, ("NOUN",)), (0.3, ("LOOK", " ", "THING"))],
    "NOUN": [(0.4, ("river",)), (0.3, ("stone",)), (0.2, ("bird",)), (0.1, ("wind",))],
    "LOOK": [(0.5, ("old",)), (0.25, ("red",)), (0.25, ("slow",))],
    "DOES": [(0.5, ("meets",)), (0.3, ("hears",)), (0.2, ("leaves",))],
}


def totals(of_choice: Callable[[float], float], of_text: Callable[[str], float]) -> dict[str, float]:
    """Expected sum over a derivation, for each symbol: of something for each choice and each written part."""
    symbols = list(RULES)
    parts = np.zeros((len(symbols), len(symbols)))           # expected number of each symbol in one expansion
    own = np.zeros(len(symbols))
    for row, symbol in enumerate(symbols):
        for probability, expansion in RULES[symbol]:
            own[row] += probability * of_choice(probability)
            for part in expansion:
                if part in RULES:
                    parts[row, symbols.index(part)] += probability
                else:
                    own[row] += probability * of_text(part)
    return dict(zip(symbols, np.linalg.solve(np.eye(len(symbols)) - parts, own).tolist(), strict=True))


def mean_length(words: tuple[str, ...]) -> float:
    """Characters in a word, when each word is as likely as the others."""
    return sum(map(len, words)) / len(words)


@dataclass(frozen=True)
class Grammar:
    facts: int = 4           # told at the beginning of a story, each about another person
    gap: int = 3             # sentences between the facts and the questions: how far to remember
    queries: int = 2         # asked at its end, each about any of the facts

    def __post_init__(self):
        counts = (self.facts, self.gap, self.queries)
        if any(type(count) is not int for count in counts) or not 1 <= self.facts <= len(NAMES) or min(counts) < 0:
            raise ValueError(f"a story has 1 to {len(NAMES)} facts and no negative number of anything, not {self}")

    @cached_property
    def characters_per_story(self) -> float:
        """Expected length of a story."""
        name, thing = mean_length(NAMES), mean_length(THINGS)
        fact = name + len(" has a ") + thing + len(". ")
        query = name + len(": ") + thing + len(". ")
        sentence = totals(lambda probability: 0.0, len)["SENTENCE"]
        asked = len("who has what? ") if self.queries else 0
        return self.facts * fact + self.gap * sentence + asked + self.queries * query + len("\n")

    @cached_property
    def nats_per_story(self) -> float:
        """Entropy of a story: whom the facts are about, what they have, the sentences, whom is asked after."""
        sentence = totals(lambda probability: -log(probability), lambda text: 0.0)["SENTENCE"]
        told = log(perm(len(NAMES), self.facts)) + self.facts * log(len(THINGS))
        return told + self.gap * sentence + self.queries * log(self.facts)

    @property
    def floor_nats(self) -> float:
        """Entropy rate in nats per character: no model can reach a lower loss."""
        return self.nats_per_story / self.characters_per_story

    @property
    def floor_without_recall_nats(self) -> float:
        """The same for a reader who knows the language but forgot the facts, and learns of each person when asked."""
        people = self.facts * (1 - (1 - 1 / self.facts) ** self.queries)       # expected number asked after at all
        guesses = people * log(len(THINGS))
        return (self.nats_per_story + guesses) / self.characters_per_story

    def story(self, rng: np.random.Generator) -> str:
        """One story."""
        names = [NAMES[i] for i in rng.permutation(len(NAMES))[: self.facts]]
        has = {name: THINGS[rng.integers(len(THINGS))] for name in names}
        text = [f"{name} has a {thing}. " for name, thing in has.items()]
        text += [derive("SENTENCE", rng) for _ in range(self.gap)]
        text += ["who has what? "] * bool(self.queries)
        for _ in range(self.queries):
            name = names[rng.integers(len(names))]
            text.append(f"{name}: {has[name]}. ")
        return "".join(text) + "\n"

    def text(self, characters: int, seed: int) -> str:
        """The first `characters` of the endless text that this seed begins."""
        rng, stories, length = np.random.default_rng(seed), [], 0
        while length < characters:
            stories.append(self.story(rng))
            length += len(stories[-1])
        return "".join(stories)[:characters]


def derive(symbol: str, rng: np.random.Generator) -> str:
    """Expand a symbol by the rules until only text is left."""
    if symbol not in RULES:
        return symbol
    probabilities, expansions = zip(*RULES[symbol], strict=True)
    chosen = expansions[rng.choice(len(expansions), p=probabilities)]
    return "".join(derive(part, rng) for part in chosen)
