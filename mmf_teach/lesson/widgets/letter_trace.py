"""A text that the reader types, and what a feature of the trained model does at each of its letters."""

from collections.abc import Callable
from typing import Any

import traitlets

from mmf_teach.lesson.figures import style
from mmf_teach.lesson.widgets.explorer import Explorer, script
from mmf_teach.model.character_tokenizer import Vocabulary
from mmf_teach.model.language_model import LanguageModel
from mmf_teach.model.traces import channel_mixer_trace, token_mixer_trace

LONGEST = 64                                 # letters that fit side by side
TRACES: dict[str, Callable] = {"memory": token_mixer_trace, "channels": channel_mixer_trace}
COUNTED = {"memory": "Feature", "channels": "Channel"}


def in_words(text: str, values: list[float], name: str) -> str:
    """Where a quantity is highest and where it is lowest.

    >>> in_words("ab c", [0.5, 1.0, 0.25, 0.75], "memory h")
    "memory h: highest after 'ab', 1.00; lowest after 'ab ', 0.25; 0.62 on average."
    """
    order = range(len(text))
    high, low = max(order, key=values.__getitem__), min(order, key=values.__getitem__)
    return (
        f"{name}: highest after {text[max(0, high - 5):high + 1]!r}, {values[high]:.2f}; "
        f"lowest after {text[max(0, low - 5):low + 1]!r}, {values[low]:.2f}; "
        f"{sum(values) / len(values):.2f} on average."
    )


class LetterTrace(Explorer):
    """Question to the reader: what does this feature wait for, and what makes it let go?"""

    _esm = script("letter_trace")
    sentence = "Gates and memories of the trained model over a text of yours: run this cell to use it."

    text = traitlets.Unicode("ROMEO:\nIs the day so young?").tag(sync=True)
    longest = traitlets.Int(LONGEST).tag(sync=True)
    block = traitlets.Int(0).tag(sync=True)
    blocks = traitlets.Int(1).tag(sync=True)
    counted = traitlets.Unicode("Feature").tag(sync=True)
    feature = traitlets.Int(0).tag(sync=True)
    features = traitlets.Int(1).tag(sync=True)
    rows = traitlets.Dict().tag(sync=True)               # quantity -> a number for each letter
    said = traitlets.List().tag(sync=True)               # a sentence a quantity
    problem = traitlets.Unicode("").tag(sync=True)
    colours = traitlets.List([style.MINUS, style.PLUS]).tag(sync=True)

    def __init__(self, model: LanguageModel, vocabulary: Vocabulary, inside: str = "memory", **settings: Any):
        super().__init__(blocks=len(model.blocks), counted=COUNTED[inside], **settings)
        self.model, self.vocabulary, self.trace = model, vocabulary, TRACES[inside]
        self.observe(lambda change: self.read(), ["text", "block"])
        self.observe(lambda change: self.look(), ["feature"])
        self.read()

    def read(self) -> None:
        """Let the model read the text; a text that it cannot read is told of in a sentence."""
        try:
            tokens = self.vocabulary.encode(self.text[:self.longest])
        except ValueError as problem:
            self.problem = str(problem)
            return
        if not len(tokens):
            self.problem = "type at least one letter"
            return
        self.problem = ""
        self.found = self.trace(self.model, tokens, self.block)
        self.features = next(iter(self.found.values())).shape[1]
        self.look()

    def look(self) -> None:
        """Show the chosen feature."""
        at = min(self.feature, self.features - 1)
        rows = {name: [round(float(value), 4) for value in trace[:, at]] for name, trace in self.found.items()}
        read = self.text[:self.longest]
        with self.hold_sync():
            self.rows, self.said = rows, [in_words(read, values, name) for name, values in rows.items()]
