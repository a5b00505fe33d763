"""Local attention: every token looks back over a window that slides along, so its memory stops growing.

Course    notebook 09, "Long contexts"
Equation  as in attention.py, with keys and values of the last `reach` tokens only, the token itself among them
Source    Beltagy et al. 2020, arXiv 2004.05150; with recurrent layers in between, De et al. 2024, arXiv 2402.19427
"""

from collections.abc import Callable

import torch
from jaxtyping import Int
from torch import Tensor, nn

from mmf_teach.layers.attention import Attention, Read, dense
from mmf_teach.shapes import Features

Window = tuple[Read, Read, Int[Tensor, ""]]  # keys and values that the next token can see, and tokens read in all


class SlidingAttention(Attention):
    """Keys keep the angle of the position at which they were read, so the tokens that have left are counted too."""

    def __init__(
        self, width: int, heads: int, reach: int, kv_heads: int | None = None,
        linear: Callable[[int, int], nn.Module] = dense,
    ):
        super().__init__(width, heads, kv_heads, linear)
        self.reach = reach

    def initial_state(self, batch: int) -> Window:
        """No keys, no values, nothing read."""
        keys, values = super().initial_state(batch)
        return keys, values, keys.new_zeros((), dtype=torch.int64)

    def forward(self, x: Features, window: Window) -> tuple[Features, Window]:
        """Read all tokens of `x` after those in the window; return the outputs and the window, moved on."""
        *cache, read = window
        q, k, v = self.look_up(x, tuple(cache), read)
        at = torch.arange(k.shape[2], device=x.device)
        back = at[-x.shape[1] :, None] - at  # how far each key lies behind each token of x
        y = self.attend(q, k, v, (0 <= back) & (back < self.reach))
        left = max(0, k.shape[2] - (self.reach - 1))         # the next token sees itself and reach - 1 before it
        return y, (k[:, :, left:], v[:, :, left:], read + x.shape[1])
