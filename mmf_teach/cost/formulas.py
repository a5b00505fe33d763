"""Operations that one token costs: what the trits leave of the matrix products, and what multiplies all the same.

Course    notebook 07, "A whole language model"

Counted as the layers compute, every BitLinear with a norm of its own. A sigmoid is one exponential, one
addition and one division; roots and roundings are counted under their own names.
"""

from collections import Counter
from collections.abc import Callable

from torch import nn

from mmf_teach.layers.bit_linear import BitLinear, TernaryLinear, absmean
from mmf_teach.layers.block import Block
from mmf_teach.layers.glu import GLU, ReleasedGLU
from mmf_teach.layers.mlgru import MLGRU
from mmf_teach.layers.mlgru_released import ReleasedMLGRU
from mmf_teach.layers.rms_norm import RMSNorm
from mmf_teach.model.language_model import LanguageModel


def trit_operations(layer: BitLinear | TernaryLinear) -> Counter:
    """One addition for each +1, one subtraction for each -1, nothing for a 0."""
    trits = layer.trits if isinstance(layer, TernaryLinear) else absmean(layer.weight)[0]
    return Counter(add=int((trits == 1).sum()), subtract=int((trits == -1).sum()), skip=int((trits == 0).sum()))


def _norm(width: int, gain: bool) -> Counter:
    return Counter(multiply=(2 + gain) * width, add=width, divide=1, root=1)


def _sigmoid(width: int) -> Counter:
    return Counter(exponential=width, add=width, divide=width)


def _silu(width: int) -> Counter:
    return _sigmoid(width) + Counter(multiply=width)


def _bit_linear(layer: BitLinear | TernaryLinear) -> Counter:
    out, width = (layer.trits if isinstance(layer, TernaryLinear) else layer.weight).shape
    codes = Counter(compare=3 * width, divide=2, multiply=width, round=width)    # maximum, clips; 127/max, max/127
    scales = Counter(multiply=1 + out)                                           # s_x·s_w, then every sum
    return codes + scales + Counter(add=out if layer.bias is not None else 0)


def _recurrence(width: int) -> Counter:
    return Counter(multiply=2 * width, subtract=width, add=width)                  # f⊙h + (1 - f)⊙c


def _mlgru(layer: MLGRU) -> Counter:
    d = len(layer.to_f.bias)
    return _sigmoid(d) + _silu(d) + _recurrence(d) + _sigmoid(d) + Counter(multiply=d)


def _released_mlgru(layer: ReleasedMLGRU) -> Counter:
    d = len(layer.gate_norm.gain)
    bound = Counter(subtract=d, multiply=d, add=d)
    return _sigmoid(d) + bound + _silu(d) + _recurrence(d) + _silu(d) + Counter(multiply=d)


def _glu(layer: GLU | ReleasedGLU) -> Counter:
    down = layer.to_down
    inner = (down.trits if isinstance(down, TernaryLinear) else down.weight).shape[1]
    return _silu(inner) + Counter(multiply=inner)


OWN: dict[type[nn.Module], Callable[..., Counter]] = {       # operations of a module, without those inside it
    BitLinear: _bit_linear, TernaryLinear: _bit_linear, RMSNorm: lambda norm: _norm(norm.width, norm.gain is not None),
    MLGRU: _mlgru, ReleasedMLGRU: _released_mlgru, GLU: _glu, ReleasedGLU: _glu,
    Block: lambda block: Counter(add=2 * block.width),       # the two residual sums
}
NOTHING = (LanguageModel, nn.ModuleList, nn.Sequential, nn.Embedding, nn.Dropout, nn.Identity)


def remaining_operations(model: LanguageModel) -> Counter:
    """Everything a token costs besides the trits. TypeError for a layer whose cost is not known: that is not free."""
    total = Counter()
    for module in model.modules():
        if type(module) in OWN:
            total += OWN[type(module)](module)
        elif not isinstance(module, NOTHING):
            raise TypeError(f"nobody has counted what a {type(module).__name__} costs")
    return total


def ternary_operations(model: LanguageModel) -> Counter:
    """Additions, subtractions and skipped zeros that the trits of all layers ask for, for one token."""
    layers = (module for module in model.modules() if isinstance(module, BitLinear | TernaryLinear))
    return sum(map(trit_operations, layers), Counter())
