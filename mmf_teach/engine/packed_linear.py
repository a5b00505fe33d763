"""TernaryLinear for a large model on a CPU: the trits stay packed as the fastest product of this machine wants them.

Course    notebook 04, "Fast kernels"
Equation  y = (C · Tᵀ) · s_x · s_w + b, as in bit_linear.py: the same sums of integers, so the same numbers
"""

import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor, nn

from mmf_teach.engine.ternary_matmul.choice import best
from mmf_teach.layers import bit_linear
from mmf_teach.layers.bit_linear import TernaryLinear
from mmf_teach.ternary.packing import pack_base3


class PackedLinear(nn.Module):
    """Made of a TernaryLinear, whose own trits it does not look at, and of the same trits as they lie in a file."""

    def __init__(self, layer: TernaryLinear, stored: UInt8[ndarray, "bytes"]):
        super().__init__()
        self.norm, self.bias = layer.norm, layer.bias
        self.register_buffer("scale", layer.scale)
        self.kernel = best()
        self.matrix = self.kernel.pack_base3(stored, *layer.trits.shape)

    def forward(self, x: Float[Tensor, "*b in"]) -> Float[Tensor, "*b out"]:
        codes, x_scale = bit_linear.absmax(self.norm(x))
        rows = codes.to(torch.int8).flatten(0, -2).numpy()
        sums = self.kernel.product(rows, self.matrix, threads=torch.get_num_threads())
        y = torch.from_numpy(sums).to(x.dtype).unflatten(0, x.shape[:-1]) * (x_scale * self.scale)
        return y if self.bias is None else y + self.bias

    @property
    def stored_bytes(self) -> int:
        """Bytes of the trits in a file, five in a byte."""
        return -(-self.matrix.outputs * self.matrix.inputs // 5)


def pack(model: nn.Module) -> nn.Module:
    """The same model, in place, with every layer of trits packed for this machine's kernel."""
    for name, layer in list(model.named_modules()):
        if isinstance(layer, TernaryLinear):
            model.set_submodule(name, PackedLinear(layer, pack_base3(layer.trits.numpy())))
    return model
