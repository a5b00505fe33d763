"""BitLinear with weights of one bit: every weight is -1 or +1, none is skipped.

Course    notebook 03, "From floats to trits"; as a rival, notebook 08
Equation  y = (C · Bᵀ) · s_x · s_w,   C, s_x = absmax(norm(x)),   B, s_w = sign_mean(W)
          backwards as if nothing had been rounded
Source    Wang et al. 2023 (BitNet), arXiv 2310.11453, which also subtracts the mean of W before it takes the signs
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear

from mmf_teach.layers.bit_linear import SMALLEST, TernaryLinear, absmax
from mmf_teach.layers.rms_norm import RMSNorm
from mmf_teach.layers.straight_through import straight_through


def sign_mean(w: Float[Tensor, "out in"]) -> tuple[Float[Tensor, "out in"], Float[Tensor, ""]]:
    """`ternary.binary.sign_mean` in torch: signs, still held as floats, and one scale."""
    return torch.where(w < 0, -1.0, 1.0).to(w.dtype), w.abs().mean().clamp(min=SMALLEST)


class BinaryLinear(nn.Module):
    """A linear layer that learns: float weights, of which each call sees the signs only."""

    def __init__(self, width_in: int, width_out: int):
        super().__init__()
        self.norm = RMSNorm(width_in, gain=False)
        self.weight = nn.Parameter(torch.randn(width_out, width_in) / width_in**0.5)

    def forward(self, x: Float[Tensor, "*b in"]) -> Float[Tensor, "*b out"]:
        x = self.norm(x)
        codes, x_scale = absmax(x.detach())
        signs, w_scale = sign_mean(self.weight.detach())
        sums = linear(straight_through(x / x_scale, codes), straight_through(self.weight / w_scale, signs))
        return sums * (x_scale * w_scale)    # sums of integers, exact in float32 as in bit_linear.py


class SignLinear(TernaryLinear):
    """The same layer when learning is over: signs are trits of which none is 0."""
