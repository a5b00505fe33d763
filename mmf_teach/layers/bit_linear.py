"""BitLinear: norm, int8 codes, ternary product, two scales.

Course    notebook 03, "From floats to trits"
Equation  y = (C · Tᵀ) · s_x · s_w + b,   C, s_x = absmax(norm(x)),   T, s_w = absmean(W)
          backwards as if nothing had been rounded:  dx = dy · (s_w T),   dW = dyᵀ · (s_x C)
Source    Zhu et al. 2024, arXiv 2406.02528, Algorithm 1; Bengio et al. 2013, arXiv 1308.3432 (straight-through)
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mmf_teach.layers.rms_norm import RMSNorm
from mmf_teach.ternary.quantise import LARGEST_CODE, SMALLEST

SMALLEST = float(SMALLEST)


def absmean(w: Float[Tensor, "out in"]) -> tuple[Float[Tensor, "out in"], Float[Tensor, ""]]:
    """`ternary.quantise.absmean` in torch: trits, still held as floats, and one scale."""
    scale = w.abs().mean().clamp(min=SMALLEST)
    return (w / scale).round().clamp(-1, 1), scale


def absmax(x: Float[Tensor, "*b d"]) -> tuple[Float[Tensor, "*b d"], Float[Tensor, "*b 1"]]:
    """`ternary.quantise.absmax` in torch: codes, still held as floats, and one scale for each token."""
    largest = x.abs().amax(dim=-1, keepdim=True).clamp(min=SMALLEST)
    return (x * (LARGEST_CODE / largest)).round().clamp(-128, LARGEST_CODE), largest / LARGEST_CODE


class TernaryProduct(torch.autograd.Function):
    """Forwards integers, backwards as if nothing had been rounded (the straight-through estimator).

    The product of codes and trits is a sum of integers below 2**24 for up to 132,000 inputs, so float32
    holds it exactly, in whatever order it is added up.
    """

    @staticmethod
    def forward(ctx, x, w):
        codes, x_scale = absmax(x)
        trits, w_scale = absmean(w)
        ctx.save_for_backward(codes.to(torch.int8), x_scale, trits.to(torch.int8), w_scale)
        return codes @ trits.T * (x_scale * w_scale)

    @staticmethod
    def backward(ctx, dy):
        codes, x_scale, trits, w_scale = ctx.saved_tensors
        dx = dy @ trits.to(dy.dtype) * w_scale
        dw = (dy * x_scale).flatten(0, -2).T @ codes.to(dy.dtype).flatten(0, -2)
        return dx, dw


class BitLinear(nn.Module):
    """A linear layer that learns: float weights, ternarised afresh at each call."""

    def __init__(self, width_in: int, width_out: int, bias: bool = False, gain: bool = False):
        super().__init__()
        self.norm = RMSNorm(width_in, gain)
        self.weight = nn.Parameter(torch.randn(width_out, width_in) / width_in**0.5)
        self.bias = nn.Parameter(torch.zeros(width_out)) if bias else None

    def forward(self, x: Float[Tensor, "*b in"]) -> Float[Tensor, "*b out"]:
        y = TernaryProduct.apply(self.norm(x), self.weight)
        return y if self.bias is None else y + self.bias


class TernaryLinear(nn.Module):
    """The same layer when learning is over: it keeps the trits and their scale, and no float weights."""

    def __init__(self, width_in: int, width_out: int, bias: bool = False, gain: bool = False):
        super().__init__()
        self.norm = RMSNorm(width_in, gain)
        self.register_buffer("trits", torch.zeros(width_out, width_in, dtype=torch.int8))
        self.register_buffer("scale", torch.ones(()))
        self.bias = nn.Parameter(torch.zeros(width_out)) if bias else None

    def forward(self, x: Float[Tensor, "*b in"]) -> Float[Tensor, "*b out"]:
        codes, x_scale = absmax(self.norm(x))
        y = codes @ self.trits.to(codes.dtype).T * (x_scale * self.scale)
        return y if self.bias is None else y + self.bias
