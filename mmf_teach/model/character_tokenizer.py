"""Letters as numbers: the model reads and writes one character at a time.

Course    notebook 07, "A whole language model"
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int64
from numpy import ndarray


@dataclass(frozen=True)
class Vocabulary:
    symbols: tuple[str, ...]                 # symbol i is the character with number i
    end: ClassVar[None] = None               # no letter stands for the end of a text

    def __post_init__(self):
        well_formed = all(isinstance(symbol, str) and len(symbol) == 1 for symbol in self.symbols)
        if not (self.symbols and well_formed and len(set(self.symbols)) == len(self.symbols)):
            raise ValueError("a vocabulary is a list of different single characters")

    def __len__(self) -> int:
        return len(self.symbols)

    @classmethod
    def of(cls, text: str) -> "Vocabulary":
        """All characters of `text`, in order of their code points."""
        return cls(tuple(sorted(set(text))))

    @classmethod
    def from_json(cls, document: Any) -> "Vocabulary":
        """ValueError for anything but a list of different single characters."""
        if not isinstance(document, list):
            raise ValueError("a vocabulary is a list of different single characters")
        return cls(tuple(document))

    def encode(self, text: str) -> Int64[ndarray, "characters"]:
        """One number a character. ValueError names the first character that the model does not know."""
        numbers = {symbol: number for number, symbol in enumerate(self.symbols)}
        try:
            return np.array([numbers[symbol] for symbol in text], dtype=np.int64)
        except KeyError as unknown:
            symbol = unknown.args[0]
            raise ValueError(
                f"the model does not know the character {symbol!r} (U+{ord(symbol):04X}, at position "
                f"{text.index(symbol)}); it knows {''.join(self.symbols)!r}"
            ) from None

    def decode(self, numbers: Int64[ndarray, "characters"] | list[int]) -> str:
        """The text that these numbers stand for."""
        return "".join(self.symbols[number] for number in numbers)

    def written(self, prompt: Int64[ndarray, "characters"], numbers: Iterable[int]) -> Iterator[str]:
        """What each further number adds to the text of the prompt."""
        return (self.symbols[number] for number in numbers)
