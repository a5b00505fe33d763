"""MLGRU, the token mixer: a GRU without matrices in its loop, in the paper's form.

Course    notebook 05, "Memory without attention"
Equation  f = σ(x W_f + b_f),  c = silu(x W_c + b_c),  h ← f ⊙ h + (1 - f) ⊙ c
          g = σ(x W_g + b_g),  y = (g ⊙ h) W_o + b_o            every product a BitLinear
Source    Zhu et al. 2024, arXiv 2406.02528, section 3.3
"""

from functools import partial

import torch
from torch import nn
from torch.nn.functional import silu

from mmf_teach.layers.bit_linear import BitLinear
from mmf_teach.layers.mlgru_scan import mlgru_scan
from mmf_teach.shapes import Features, State

LONGEST_BIAS = 4.0                           # σ(4) = 0.98: such a feature forgets half in about 38 tokens


class MLGRU(nn.Module):
    """Reads tokens one by one (`step`) or many at once (`forward`), with the same result."""

    def __init__(self, width: int, linear: type[nn.Module] = BitLinear):
        super().__init__()
        linear = partial(linear, width, width, bias=True)
        self.to_f, self.to_c, self.to_g, self.to_o = linear(), linear(), linear(), linear()
        self.scan = mlgru_scan               # any function that computes the same may stand here
        with torch.no_grad():                # features start with short and long memories side by side
            self.to_f.bias.copy_(torch.linspace(0, LONGEST_BIAS, width))

    def initial_state(self, batch: int) -> State:
        """Nothing remembered yet."""
        return self.to_f.bias.new_zeros(batch, len(self.to_f.bias))

    def forward(self, x: Features, h: State) -> tuple[Features, State]:
        """Read all tokens of `x` after the memory `h`; return the outputs and the last memory."""
        f = torch.sigmoid(self.to_f(x))      # forget gate: how much of the memory to keep
        c = silu(self.to_c(x))               # candidate: what this token would write
        h = self.scan(f, c, h)               # only ⊙ touches the memory: no matrix in the loop
        g = torch.sigmoid(self.to_g(x))      # output gate: how much of the memory to show
        return self.to_o(g * h), h[:, -1]

    def step(self, x: State, h: State) -> tuple[State, State]:
        """Read one token `x` with memory `h`; return the output and the new memory."""
        f = torch.sigmoid(self.to_f(x))
        c = silu(self.to_c(x))
        h = f * h + (1 - f) * c
        g = torch.sigmoid(self.to_g(x))
        return self.to_o(g * h), h
