"""Mamba's layer, a selective state space: each feature keeps n memories that it forgets and fills as the text asks.

Course    notebook 05, "Memory without attention"
Equation  u = silu(conv(x W_u)),   z = x W_z,   Δ = softplus(u W_Δ + b_Δ),   B = u W_B,   C = u W_C
          h ← exp(Δ A) ⊙ h + Δ u B,   y = ((h C + D ⊙ u) ⊙ silu(z)) W_o,   A = -exp(log A), one for each memory
Source    Gu & Dao 2023, arXiv 2312.00752, algorithm 2; the sizes 2, 4, d / 16 and the range of Δ are theirs

W_Δ is a product of two thin matrices. A is kept as one long vector, as the scan sees it: what decays weights
shrinks matrices only, and this is none.
"""

from math import ceil, log

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu, softplus

from mmf_teach.layers.block import Block
from mmf_teach.layers.selective_scan import selective_scan
from mmf_teach.shapes import Features, State

WIDER = 2                                    # e = 2d, features inside the layer
TAPS = 4                                     # tokens that the convolution looks at: the last one and three before it
RANK = 16                                    # r = d / 16, width between the two matrices that make Δ
SHORTEST, LONGEST = 0.001, 0.1               # of the steps Δ that the features begin with

Memory = tuple[Float[Tensor, "b taps e"], Float[Tensor, "b memories"]]     # recent inputs; n memories a feature


class Mamba(nn.Module):
    """Reads tokens one by one (`step`) or many at once (`forward`), with the same result."""

    def __init__(self, width: int, state: int):
        super().__init__()
        self.state, self.inner, rank = state, WIDER * width, ceil(width / RANK)
        self.to_u_and_z = nn.Linear(width, 2 * self.inner, bias=False)
        self.taps = nn.Parameter((2 * torch.rand(TAPS, self.inner) - 1) / TAPS**0.5)
        self.taps_bias = nn.Parameter(torch.zeros(self.inner))
        self.to_selection = nn.Linear(self.inner, rank + 2 * state, bias=False)
        self.to_delta = nn.Linear(rank, self.inner)
        self.log_a = nn.Parameter(torch.arange(1.0, state + 1).log().repeat(self.inner))
        self.d = nn.Parameter(torch.ones(self.inner))
        self.to_o = nn.Linear(self.inner, width, bias=False)
        self.scan = selective_scan           # any function that computes the same may stand here
        with torch.no_grad():                # steps from short to long side by side: softplus(bias) is spread evenly
            delta = torch.linspace(log(SHORTEST), log(LONGEST), self.inner).exp()
            self.to_delta.bias.copy_(delta + torch.log(-torch.expm1(-delta)))

    def initial_state(self, batch: int) -> Memory:
        """Nothing read, nothing remembered."""
        return self.d.new_zeros(batch, TAPS - 1, self.inner), self.d.new_zeros(batch, self.inner * self.state)

    def forward(self, x: Features, memory: Memory) -> tuple[Features, Memory]:
        """Read all tokens of `x` after the memory; return the outputs and the last memory."""
        recent, h = memory
        u, z = self.to_u_and_z(x).chunk(2, dim=-1)
        recent = torch.cat([recent, u], dim=1)
        u = silu(sum(recent[:, k : k + x.shape[1]] * self.taps[k] for k in range(TAPS)) + self.taps_bias)
        decay, write, c = self._select(u)
        h = self.scan(decay.flatten(-2), write.flatten(-2), h)
        y = (h.unflatten(-1, (-1, self.state)) * c[:, :, None]).sum(dim=-1) + self.d * u
        return self.to_o(y * silu(z)), (recent[:, x.shape[1] :], h[:, -1])

    def step(self, x: State, memory: Memory) -> tuple[State, Memory]:
        """Read one token `x`; return its output and the new memory."""
        y, memory = self.forward(x[:, None], memory)
        return y[:, 0], memory

    def _select(
        self, u: Float[Tensor, "b t e"],
    ) -> tuple[Float[Tensor, "b t e n"], Float[Tensor, "b t e n"], Float[Tensor, "b t n"]]:
        """What each token lets every memory keep, what it writes there, and how it reads them."""
        rank = self.to_delta.in_features
        thin, b, c = self.to_selection(u).split([rank, self.state, self.state], dim=-1)
        delta = softplus(self.to_delta(thin))
        a = -torch.exp(self.log_a).unflatten(0, (-1, self.state))
        return torch.exp(delta[..., None] * a), (delta * u)[..., None] * b[:, :, None], c


class MambaBlock(Block):
    """A block that has no channel mixer: Mamba's layer mixes both, and two of them take the place of one block."""

    def __init__(self, width: int, state: int, norm: nn.Module):
        nn.Module.__init__(self)
        self.width, self.token_norm, self.token_mixer = width, norm, Mamba(width, state)
        self.dropout = nn.Dropout(0.0)

    def _mix_channels(self, x: Features | State) -> Features | State:
        return x
