"""Pieces of words as numbers: what the authors' models read and write, by the rules in their tokenizer.json.

Course    notebook 04, "Fast kernels"

The rules are followed by the package `tokenizers`, which the course itself does not need: it is looked for when a
text is read or written, not before.
"""

import json
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

RULES, MARKS = "tokenizer.json", "tokenizer_config.json"
FILES = (RULES, MARKS, "tokenizer.model", "special_tokens_map.json")     # what belongs to a tokenizer
HALF = "\ufffd"                              # stands for a letter of which some bytes are still to come


class WordPieces:
    """What Vocabulary is for letters: `encode`, `decode`, `written`. Anything wrong is a ValueError in one sentence."""

    def __init__(self, folder: Path, size: int):
        self.folder, self.size = Path(folder), size          # size: how many numbers the model knows

    def __len__(self) -> int:
        return self.size

    @cached_property
    def _rules(self) -> Any:
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise ValueError(
                "this model reads pieces of words, for which the package tokenizers is needed: pip install tokenizers"
            ) from None
        path = self.folder / RULES
        if not path.is_file():
            raise ValueError(f"{self.folder} holds no {RULES}: copy the one that the model came with into it")
        try:
            return Tokenizer.from_file(str(path))
        except Exception as problem:         # the package knows no narrower kind
            raise ValueError(f"{path} is no tokenizer: {' '.join(str(problem).split())}") from None

    @cached_property
    def _marks(self) -> dict[str, Any]:
        path = self.folder / MARKS
        try:
            marks = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError) as problem:
            raise ValueError(f"{path}: {problem}") from None
        if not isinstance(marks, dict):
            raise ValueError(f"{path} should hold a JSON object with the names of the marks")
        return marks

    def _mark(self, name: str) -> int | None:
        """The number of the mark at the beginning or the end of a text; None when there is none."""
        word = self._marks.get(name)
        word = word.get("content") if isinstance(word, dict) else word
        return self._rules.token_to_id(word) if isinstance(word, str) else None

    @cached_property
    def end(self) -> int | None:
        """The number after which a text is over, if there is one."""
        return self._mark("eos_token")

    def encode(self, text: str) -> Int64[ndarray, "pieces"]:
        """The numbers of a text's pieces, after the mark for its beginning if the model was trained with one."""
        asked = self._marks.get("add_bos_token")             # where nothing is said, the rules add what belongs there
        try:
            numbers = self._rules.encode(text, add_special_tokens=asked is None).ids
        except (TypeError, UnicodeError):
            raise ValueError("the prompt holds what is no letter in any alphabet: half of a character") from None
        begin = self._mark("bos_token") if asked else None
        numbers = numbers if begin is None else [begin, *numbers]
        if numbers and max(numbers) >= self.size:
            raise ValueError(f"{self.folder / RULES} has a piece {max(numbers)}, but the model knows only {self.size}")
        return np.array(numbers, dtype=np.int64)

    def decode(self, numbers: Int64[ndarray, "pieces"] | list[int]) -> str:
        """The text that these numbers stand for, without marks."""
        return self._rules.decode([int(number) for number in numbers], skip_special_tokens=True)

    def written(self, prompt: Int64[ndarray, "pieces"], numbers: Iterable[int]) -> Iterator[str]:
        """What each further number adds to the text, as soon as its last letter is whole.

        A piece says only together with those before it whether a space comes first, so all are read again each time.
        """
        read = prompt.tolist()
        shown = text = self.decode(read)
        for number in numbers:
            read.append(number)
            text = self.decode(read)
            if not text.endswith(HALF):
                yield text[len(shown):]
                shown = text
        if len(text) > len(shown):
            yield text[len(shown):]
