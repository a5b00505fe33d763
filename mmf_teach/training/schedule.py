"""The learning rate: a short climb, then half a cosine down to zero.

Course    notebook 08, "Training with three values"
"""

from math import cos, pi


def learning_rate(step: int, steps: int, peak: float, warmup: int) -> float:
    """The rate for step 0, 1, ... of `steps`; the sharp last drop of ternary training needs it to reach zero."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (1 + cos(pi * (step - warmup) / max(1, steps - warmup))) / 2
