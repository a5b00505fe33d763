"""A GRU as a token mixer, and the same with one part after the other deleted: what is left is an MLGRU of floats.

Course    notebook 05, "Memory without attention"
Equation  f = σ(x W_f + h U_f),  r = σ(x W_r + h U_r),  c = tanh(x W_c + (r ⊙ h) U_c),  h ← f ⊙ h + (1 - f) ⊙ c
          deletions: U_f and U_r; U_c, and with it r; tanh, for silu. Added: y = (σ(x W_g) ⊙ h) W_o
Source    Cho et al. 2014, arXiv 1406.1078; the deletions: Zhu et al. 2024, arXiv 2406.02528, section 3.3
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from mmf_teach.layers.mlgru import LONGEST_BIAS
from mmf_teach.layers.mlgru_scan import mlgru_scan
from mmf_teach.shapes import Features, State


class GRU(nn.Module):
    """Matrices that read the memory stand in the loop and begin with `loop`; without them a scan does."""

    def __init__(
        self, width: int, gates_look_back: bool = True, candidate_looks_back: bool = True,
        curve: Callable[[Tensor], Tensor] = torch.tanh, output_gate: bool = False, remembers: bool = True,
    ):
        super().__init__()
        outside, inside = partial(nn.Linear, width, width), partial(nn.Linear, width, width, bias=False)
        self.curve, self.remembers, self.width = curve, remembers, width
        self.scan = mlgru_scan               # any function that computes the same may stand here
        self.to_f, self.to_c = outside(), outside()
        self.to_r = outside() if candidate_looks_back else None
        self.to_g, self.to_o = (outside(), outside()) if output_gate else (None, None)
        self.loop_f = inside() if gates_look_back else None
        self.loop_r = inside() if gates_look_back and candidate_looks_back else None
        self.loop_c = inside() if candidate_looks_back else None
        with torch.no_grad():                # the same memories, short and long, as an MLGRU begins with
            self.to_f.bias.copy_(torch.linspace(0, LONGEST_BIAS, width))

    @property
    def looks_back(self) -> bool:
        """Whether a matrix reads the memory, so that each token must wait for the one before."""
        return self.loop_f is not None or self.loop_c is not None

    def initial_state(self, batch: int) -> State:
        """Nothing remembered yet."""
        return self.to_f.bias.new_zeros(batch, self.width)

    def forward(self, x: Features, h: State) -> tuple[Features, State]:
        """Read all tokens of `x` after the memory `h`; return the outputs and the last memory."""
        f, c, r = self.to_f(x), self.to_c(x), self.to_r(x) if self.to_r else None
        if self.looks_back:
            memories = []
            for t in range(x.shape[1]):
                h = self._next(f[:, t], c[:, t], None if r is None else r[:, t], h)
                memories.append(h)
            memory = torch.stack(memories, dim=1)
        elif self.remembers:
            memory = self.scan(torch.sigmoid(f), self.curve(c), h)
        else:
            memory = self.curve(c)
        return self._gated(x, memory), memory[:, -1]

    def step(self, x: State, h: State) -> tuple[State, State]:
        """Read one token `x` with memory `h`; return the output and the new memory."""
        h = self._next(self.to_f(x), self.to_c(x), self.to_r(x) if self.to_r else None, h)
        return self._gated(x, h), h

    def _next(self, f: State, c: State, r: State | None, h: State) -> State:
        """The memory after a token, of which the maps have been made."""
        if not self.remembers:
            return self.curve(c)
        if r is not None:
            reset = torch.sigmoid(r if self.loop_r is None else r + self.loop_r(h))
            c = c + self.loop_c(reset * h)
        kept = torch.sigmoid(f if self.loop_f is None else f + self.loop_f(h))
        return kept * h + (1 - kept) * self.curve(c)

    def _gated(self, x: Tensor, memory: Tensor) -> Tensor:
        return memory if self.to_g is None else self.to_o(torch.sigmoid(self.to_g(x)) * memory)
