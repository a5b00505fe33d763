"""Which trits change while a model learns, and which never do.

Course    notebook 08, "Training with three values"
"""

import numpy as np
import torch
from jaxtyping import Float, Int8
from numpy import ndarray
from torch import nn

from mmf_teach.layers.bit_linear import BitLinear
from mmf_teach.ternary.quantise import absmean


def flipped(before: Float[ndarray, "out in"], after: Float[ndarray, "out in"]) -> int:
    """How many weights have another trit than before; each matrix is rounded with its own scale.

    >>> flipped(np.array([[0.9, -0.2, 0.4]]), np.array([[0.9, -0.2, 0.1]]))
    1
    """
    return int((absmean(before)[0] != absmean(after)[0]).sum())


@torch.no_grad()
def trits_of(model: nn.Module) -> dict[str, Int8[ndarray, "out in"]]:
    """The trits of every ternary matrix of a model that learns, by its name."""
    return {
        name: absmean(layer.weight.numpy())[0]
        for name, layer in model.named_modules() if isinstance(layer, BitLinear)
    }


class FlipWatch:
    """Looks at a model now and then, and keeps count of what became of its trits since the last look."""

    def __init__(self, model: nn.Module):
        self.model = model
        self.begun = self.last = trits_of(model)
        self.moved = {name: np.zeros(trits.shape, bool) for name, trits in self.begun.items()}
        self.count = sum(trits.size for trits in self.begun.values())

    def look(self) -> float:
        """The share of all trits that are others than at the last look."""
        now, changed = trits_of(self.model), 0
        for name, trits in now.items():
            other = trits != self.last[name]
            self.moved[name] |= other
            changed += int(other.sum())
        self.last = now
        return changed / self.count

    def never_moved(self) -> float:
        """The share of all trits that were the same at every look."""
        return 1 - sum(int(moved.sum()) for moved in self.moved.values()) / self.count

    def back_home(self) -> float:
        """The share that moved and is now what it was at first."""
        return sum(int((self.moved[n] & (self.last[n] == self.begun[n])).sum()) for n in self.moved) / self.count

    def zeros(self) -> dict[str, float]:
        """The share of zeros in each matrix now."""
        return {name: float((trits == 0).mean()) for name, trits in self.last.items()}
