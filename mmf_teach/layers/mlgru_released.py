"""MLGRU as the authors' released code computes it, which differs from the paper in three places.

Course    notebook 07, "A whole language model"
Equation  f = λ + (1 - λ) σ(x W_f),  i = silu(x W_i) (1 - f),  h ← f ⊙ h + i,  y = (norm(x W_g) ⊙ silu(h)) W_o
          λ: a lower bound learnt for each layer, so that higher layers remember longer; no biases;
          the norm (with gain) and the silu stand where the paper has h ⊙ σ(g).
Source    ridgerchu/matmulfreellm a016f72, mmfreelm/layers/hgrn_bit.py
"""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu

from mmf_teach.layers.bit_linear import BitLinear
from mmf_teach.layers.mlgru_scan import mlgru_scan
from mmf_teach.layers.rms_norm import EPSILON, RMSNorm
from mmf_teach.shapes import Features, State


class ReleasedMLGRU(nn.Module):
    """Reads tokens one by one (`step`) or many at once (`forward`), with the same result."""

    def __init__(self, width: int, linear: Callable[..., nn.Module] = BitLinear, epsilon: float = EPSILON):
        super().__init__()
        linear = partial(linear, width, width, gain=True)
        self.to_i, self.to_f, self.to_g, self.to_o = linear(), linear(), linear(), linear()
        self.gate_norm = RMSNorm(width, gain=True, epsilon=epsilon)
        self.scan = mlgru_scan               # any function that computes the same may stand here

    def initial_state(self, batch: int) -> State:
        """Nothing remembered yet."""
        return self.gate_norm.gain.new_zeros(batch, len(self.gate_norm.gain))

    def forward(self, x: Features, h: State, bound: Float[Tensor, "d"]) -> tuple[Features, State]:
        """Read all tokens of `x` after the memory `h`; return the outputs and the last memory."""
        f = bound + (1 - bound) * torch.sigmoid(self.to_f(x))
        h = self.scan(f, silu(self.to_i(x)), h)
        return self.to_o(self.gate_norm(self.to_g(x)) * silu(h)), h[:, -1]

    def step(self, x: State, h: State, bound: Float[Tensor, "d"]) -> tuple[State, State]:
        """Read one token `x` with memory `h`; return the output and the new memory."""
        f = bound + (1 - bound) * torch.sigmoid(self.to_f(x))
        h = f * h + (1 - f) * silu(self.to_i(x))
        return self.to_o(self.gate_norm(self.to_g(x)) * silu(h)), h
