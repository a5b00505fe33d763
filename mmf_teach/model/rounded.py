"""A trained dense model with its matrices rounded afterwards: no step of training knows of it.

Course    notebook 03, "From floats to trits"
"""

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import torch
from torch import nn

from mmf_teach.model.language_model import LanguageModel


def matrices(model: LanguageModel) -> list[nn.Linear]:
    """The dense maps of a model: all its weights but the embedding and the norms' gains."""
    return [layer for layer in model.modules() if isinstance(layer, nn.Linear)]


def rounded(model: LanguageModel, quantise: Callable) -> LanguageModel:
    """A copy in which each matrix is what `quantise` leaves of it; the activations stay floats.

    ValueError for a model without dense matrices, in which nothing would be rounded.
    """
    if not matrices(model):
        raise ValueError("this model has no dense matrices to round")
    copy = deepcopy(model)
    with torch.no_grad():
        for layer in matrices(copy):
            codes, scale = quantise(layer.weight.numpy())
            layer.weight.copy_(torch.from_numpy(np.asarray(scale * codes, dtype=np.float32)))
    return copy
