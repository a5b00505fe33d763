"""Questions one after the other, with a reason for every choice."""

from collections.abc import Callable
from typing import Any

import traitlets

from mmf_teach.lesson.widgets.explorer import Explorer, script


class Quiz(Explorer):
    """Question to the reader: what do you still know without looking?"""

    _esm = script("quiz")

    questions = traitlets.List().tag(sync=True)          # rows of id, ask and choices (say, why, right)
    answers = traitlets.Dict().tag(sync=True)            # id of a question -> number of the first choice taken

    def __init__(self, questions: list[dict[str, Any]], sentence: str, keep: Callable[[str, int], None]):
        super().__init__(questions=questions)
        self.sentence, self._keep = sentence, keep
        self.on_msg(lambda _widget, message, _buffers: self.answer(message["id"], message["choice"]))

    def answer(self, name: str, choice: int) -> None:
        """Keep the first answer to a question; later ones are for looking at the other reasons."""
        if name not in self.answers:
            self._keep(name, choice)
            self.answers = self.answers | {name: choice}

    @property
    def score(self) -> int:
        """Questions answered rightly at the first go."""
        return sum(q["choices"][self.answers[q["id"]]]["right"] for q in self.questions if q["id"] in self.answers)
