"""Functions to hand to an exercise: each has a name that says what it does, so that a check can print it."""

from collections.abc import Callable
from typing import Any

import numpy as np


class Named:
    """A function with a name that says what it does, so that a check can print it."""

    def __init__(self, name: str, function: Callable):
        self.__name__, self.function = name, function

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)

    def __deepcopy__(self, memo: dict) -> "Named":
        return self


def times(matrix: list[list[float]]) -> Named:
    """The map that multiplies a token by a matrix of [in out]."""
    return Named(f"x @ {matrix}", lambda x: np.asarray(x) @ np.array(matrix, float))
