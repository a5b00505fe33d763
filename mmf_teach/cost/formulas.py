"""Operations that one token costs in a model at hand, read off its layers: one that nobody has counted is noticed.

Course    notebook 07, "A whole language model"

The same in closed form from the sizes alone is in sheet.py, what each layer costs in layer_operations.py.
"""

from collections import Counter
from collections.abc import Callable

from torch import nn

from mmf_teach.cost.layer_operations import codes_and_scales, gated_unit, mlgru, norm, released_mlgru
from mmf_teach.layers.bit_linear import BitLinear, TernaryLinear, absmean
from mmf_teach.layers.block import Block
from mmf_teach.layers.glu import GLU, ReleasedGLU
from mmf_teach.layers.mlgru import MLGRU
from mmf_teach.layers.mlgru_released import ReleasedMLGRU
from mmf_teach.layers.rms_norm import RMSNorm
from mmf_teach.model.language_model import LanguageModel


def _shape(layer: BitLinear | TernaryLinear) -> tuple[int, int]:
    return tuple((layer.trits if isinstance(layer, TernaryLinear) else layer.weight).shape)


def _glu(layer: GLU | ReleasedGLU) -> Counter:
    return gated_unit(_shape(layer.to_down)[1])


def _bit_linear(layer: BitLinear | TernaryLinear) -> Counter:
    out, width = _shape(layer)
    return codes_and_scales(width, out) + Counter(add=out if layer.bias is not None else 0)


def _released_mlgru(layer: ReleasedMLGRU) -> Counter:
    width = layer.gate_norm.width
    return released_mlgru(width) + Counter(subtract=width)   # 1 - λ


OWN: dict[type[nn.Module], Callable[..., Counter]] = {       # operations of a module, without those inside it
    BitLinear: _bit_linear, TernaryLinear: _bit_linear, RMSNorm: lambda each: norm(each.width, each.gain is not None),
    MLGRU: lambda layer: mlgru(len(layer.to_f.bias)), ReleasedMLGRU: _released_mlgru,
    GLU: _glu, ReleasedGLU: _glu, Block: lambda block: Counter(add=2 * block.width),       # the two residual sums
    nn.Embedding: lambda table: Counter(table_look_up=1),
}
NOTHING = (LanguageModel, nn.ModuleList, nn.Sequential, nn.Dropout, nn.Identity)


def remaining_operations(model: LanguageModel) -> Counter:
    """Everything a token costs besides the trits. TypeError for a layer whose cost is not known: that is not free."""
    total = Counter()
    for module in model.modules():
        if type(module) in OWN:
            total += OWN[type(module)](module)
        elif not isinstance(module, NOTHING):
            raise TypeError(f"nobody has counted what a {type(module).__name__} costs")
    return total


def trit_operations(layer: BitLinear | TernaryLinear) -> Counter:
    """One addition for each +1, one subtraction for each -1, nothing for a 0."""
    trits = layer.trits if isinstance(layer, TernaryLinear) else absmean(layer.weight)[0]
    return Counter(add=int((trits == 1).sum()), subtract=int((trits == -1).sum()), skip=int((trits == 0).sum()))


def ternary_operations(model: LanguageModel) -> Counter:
    """Additions, subtractions and skipped zeros that the trits of all layers ask for, for one token."""
    layers = (module for module in model.modules() if isinstance(module, BitLinear | TernaryLinear))
    return sum(map(trit_operations, layers), Counter())
