"""RMSNorm: divide a token's features by their root mean square.

Course    notebook 06, "Mixing channels"
Equation  y = x / sqrt(mean(x²) + ε), times a learnt gain in the released code's form
Source    Zhang & Sennrich 2019, arXiv 1910.07467; Zhu et al. 2024, arXiv 2406.02528, Algorithm 1 (no gain, no ε)
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

EPSILON = 1e-6                               # the released code's value; the paper prints none


class RMSNorm(nn.Module):
    """Every token leaves with a root mean square of 1, whatever it came with."""

    def __init__(self, width: int, gain: bool, epsilon: float = EPSILON):
        super().__init__()
        self.width, self.epsilon = width, epsilon
        self.gain = nn.Parameter(torch.ones(width)) if gain else None

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        y = x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + self.epsilon)
        return y if self.gain is None else y * self.gain
