"""The shipped model writing, letter by letter, with its operations counted as it goes."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import traitlets

from mmf_teach.cost.model_operations import remaining_operations, ternary_operations
from mmf_teach.lesson.widgets.explorer import Explorer, script
from mmf_teach.model.character_tokenizer import Vocabulary
from mmf_teach.model.generate import generate
from mmf_teach.model.language_model import LanguageModel


@dataclass(frozen=True)
class Written:
    """What there is to see after some letters: the text so far and what it cost."""

    text: str
    operations: dict[str, int]
    letters_per_second: float


def count_operations(model: LanguageModel) -> dict[str, int]:
    """Operations for one letter: what the trits ask for, the multiplications that remain, and a dense model's."""
    trits, rest = ternary_operations(model), remaining_operations(model)
    return {
        "additions": trits["add"], "subtractions": trits["subtract"], "zeros skipped": trits["skip"],
        "multiplications left": rest["multiply"], "a dense twin would multiply": sum(trits.values()),
    }


def writing(
    model: LanguageModel, vocabulary: Vocabulary, prompt: str, temperature: float, length: int, seed: int = 0,
) -> Iterator[Written]:
    """One `Written` after each new letter. ValueError for a prompt with a letter that the model does not know."""
    each, text, began = count_operations(model), "", time.perf_counter()
    numbers = vocabulary.encode(prompt)
    for done, token in enumerate(generate(model, numbers, length, temperature, seed), start=1):
        text += vocabulary.decode([token])
        read = len(numbers) + done - 1       # letters that went through the model: the prompt, and all but the last
        yield Written(text, {name: read * count for name, count in each.items()}, done / (time.perf_counter() - began))


class Writer(Explorer):
    """Question to the reader: how many multiplications does a letter cost?"""

    _esm = script("writer")
    sentence = "A model that writes as you watch, its operations counted: run this cell to use it."

    prompt = traitlets.Unicode("ROMEO:\n").tag(sync=True)
    temperature = traitlets.Float(0.7).tag(sync=True)
    length = traitlets.Int(300).tag(sync=True)
    text = traitlets.Unicode("").tag(sync=True)
    operations = traitlets.Dict().tag(sync=True)
    letters_per_second = traitlets.Float(0.0).tag(sync=True)
    busy = traitlets.Bool(False).tag(sync=True)
    problem = traitlets.Unicode("").tag(sync=True)

    def __init__(self, model: LanguageModel, vocabulary: Vocabulary, **settings: Any):
        super().__init__(**settings)
        self.model, self.vocabulary, self.seed = model, vocabulary, -1
        self.operations = dict.fromkeys(count_operations(model), 0)
        self.on_msg(lambda _widget, message, _buffers: self.answer(message))

    def answer(self, message: Any) -> None:
        """Do what a button asks: "stop", or write with the settings that the page shows.

        The settings come with the wish: a slider's own news waits while the kernel is slow, and would come after it.
        """
        if message == "stop":
            self.busy = False
        elif not self.busy:
            written = self.write(**message)
            try:
                self.task = asyncio.get_running_loop().create_task(written)
            except RuntimeError:             # no kernel is running: write in one go
                asyncio.run(written)

    async def write(self, prompt: str, temperature: float, length: int) -> None:
        """Write a new text, showing every letter; between letters a wish to stop is heard."""
        self.busy, self.problem, self.seed = True, "", self.seed + 1
        try:
            for now in writing(self.model, self.vocabulary, prompt, temperature, length, self.seed):
                with self.hold_sync():
                    self.text, self.operations = now.text, now.operations
                    self.letters_per_second = now.letters_per_second
                await asyncio.sleep(0)
                if not self.busy:
                    break
        except ValueError as problem:
            self.problem = str(problem)
        self.busy = False
