"""Operations that one token costs in a model at hand: the closed form of its sizes, and the trits that it really has.

Course    notebook 07, "A whole language model"
"""

from collections import Counter

import torch
from torch import Tensor

from mmf_teach.cost.closed_form import operations
from mmf_teach.layers.bit_linear import BitLinear, TernaryLinear, absmean
from mmf_teach.model.build import build
from mmf_teach.model.language_model import LanguageModel


def remaining_operations(model: LanguageModel, context: int = 0) -> Counter:
    """Everything that a token costs besides the trits, after `context` others.

    TypeError for a model with another layer than its sizes say: nobody has counted what that costs.
    """
    packed = any(isinstance(module, TernaryLinear) for module in model.modules())
    with torch.device("meta"):               # sizes without numbers
        usual = _layers(build(model.config, packed))
    found = _layers(model)
    for name in found | usual:
        if found.get(name) != usual.get(name):
            kind = found[name][0].__name__ if name in found else "missing layer"
            raise TypeError(f"nobody has counted what a {kind} costs as {name or 'the model'}")
    total = operations(model.config, context)
    del total["ternary"]
    return total


def _layers(model: LanguageModel) -> dict[str, tuple[type, list[torch.Size]]]:
    """The type of each module and the shapes of its own numbers, by its name."""
    def own(module: torch.nn.Module) -> list[Tensor]:
        return [*module.parameters(recurse=False), *module.buffers(recurse=False)]

    return {name: (type(module), [each.shape for each in own(module)]) for name, module in model.named_modules()}


def trit_operations(layer: BitLinear | TernaryLinear) -> Counter:
    """One addition for each +1, one subtraction for each -1, nothing for a 0."""
    trits = layer.trits if isinstance(layer, TernaryLinear) else absmean(layer.weight)[0]
    return Counter(add=int((trits == 1).sum()), subtract=int((trits == -1).sum()), skip=int((trits == 0).sum()))


def ternary_operations(model: LanguageModel) -> Counter:
    """Additions, subtractions and skipped zeros that the trits of all layers ask for, for one token."""
    layers = (module for module in model.modules() if isinstance(module, BitLinear | TernaryLinear))
    return sum(map(trit_operations, layers), Counter())
