"""`accelerate`: in a finished model, layers are exchanged for such as compute the same, sooner.

Course    notebook 08, "Training with three values"

    BitLinear      integers forwards, half-wide floats backwards (bit_linear/training.py); on a CPU, float32, no gain
    MLGRU, GLU     maps of that kind that read the same x are one product
    every scan     compiled on a CPU, in Triton on a GPU (mlgru_scan/, selective_scan/)

A layer is given another class and keeps all it holds, as torch.nn.utils.parametrize does it: the same parameters under
the same names, so an optimiser made before and a checkpoint written after know no difference; and it is still an
instance of the class that defines it. On a CPU what comes out is equal to the last bit, gradients differ by rounding.
A layer that has since been changed (another norm, other numbers, another device) does what its definition says.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu

from mmf_teach.engine.bit_linear.training import fits, trained_bit_linears
from mmf_teach.engine.mlgru_scan import fastest as mlgru
from mmf_teach.engine.selective_scan import fastest as selective
from mmf_teach.layers.bit_linear import BitLinear
from mmf_teach.layers.glu import GLU
from mmf_teach.layers.mlgru import MLGRU
from mmf_teach.layers.mlgru_scan import mlgru_scan
from mmf_teach.layers.rms_norm import RMSNorm
from mmf_teach.layers.selective_scan import selective_scan
from mmf_teach.shapes import Features, State

FAST_SCANS = {mlgru_scan: mlgru.mlgru_scan, selective_scan: selective.selective_scan}


def accelerate(model: nn.Module) -> nn.Module:
    """The same model, made faster in place. ValueError where nothing in it can be made faster."""
    if not exchange(model):
        raise ValueError(
            f"there is nothing to accelerate in this {type(model).__name__}: it has neither a scan nor, on a CPU in "
            "float32, a BitLinear without gain")
    return model


def exchange(model: nn.Module) -> list[str]:
    """Exchange every layer for which there is a faster one; the names of all that are fast now, which may be none.

    ValueError, before anything is exchanged, for numbers that the compiled scans do not know.
    """
    for name, parameter in model.named_parameters():
        if parameter.device.type == "cpu" and parameter.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"on a CPU only float32 and float64 are accelerated, but {name} is {parameter.dtype}")
    fast = []
    for name, layer in model.named_modules():
        scan = getattr(layer, "scan", None)
        if scan in FAST_SCANS:
            layer.scan = FAST_SCANS[scan]
        if _compilable(layer):
            layer.__class__ = FAST_LAYERS.get(type(layer), type(layer))
        if type(layer) in FAST_LAYERS.values() or getattr(layer, "scan", None) in FAST_SCANS.values():
            fast.append(name)
    return fast


def side_by_side(x: Float[Tensor, "*b in"], *layers: BitLinear) -> tuple[Float[Tensor, "*b _"], ...]:
    """What several layers make of the same `x`, in one product, each with its own scale."""
    if fits(x) and all(map(_compilable, layers)):
        return trained_bit_linears(x, [layer.weight for layer in layers], [layer.bias for layer in layers])
    return tuple(BitLinear.forward(layer, x) for layer in layers)


class FastBitLinear(BitLinear):
    """Compiled."""

    def forward(self, x: Float[Tensor, "*b in"]) -> Float[Tensor, "*b out"]:
        return side_by_side(x, self)[0]


class FastMLGRU(MLGRU):
    """Three maps read the same x."""

    def forward(self, x: Features, h: State) -> tuple[Features, State]:
        f, c, g = side_by_side(x, self.to_f, self.to_c, self.to_g)
        h = self.scan(torch.sigmoid(f), silu(c), h)
        return self.to_o(torch.sigmoid(g) * h), h[:, -1]


class FastGLU(GLU):
    """Two maps read the same x."""

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        g, u = side_by_side(x, self.to_gate, self.to_up)
        return self.to_down(silu(g) * u)


FAST_LAYERS = {BitLinear: FastBitLinear, MLGRU: FastMLGRU, GLU: FastGLU}


def _compilable(layer: nn.Module) -> bool:
    """Is it a BitLinear for the compiled code, or one of the layers that are made of such?"""
    match layer:
        case MLGRU():
            return all(map(_compilable, (layer.to_f, layer.to_c, layer.to_g)))
        case GLU():
            return all(map(_compilable, (layer.to_gate, layer.to_up)))
    return (
        type(layer) in (BitLinear, FastBitLinear) and fits(layer.weight) and type(layer.norm) is RMSNorm
        and layer.norm.gain is None)
