"""A block: mix the tokens, then the channels, and add what comes out to what went in.

Course    notebook 06, "Mixing channels"
Equation  x ← x + token_mixer(norm(x)),   x ← x + channel_mixer(norm(x))
Source    Zhu et al. 2024, arXiv 2406.02528, section 3.3. In the paper's form the norms sit inside BitLinear, so
          `norm` is left out; the released code and Transformer++ have one here as well.
"""

from collections.abc import Callable
from typing import Any

from torch import nn

from mmf_teach.shapes import Features


class Block(nn.Module):
    """`state` is whatever the token mixer remembers; `shared` is what the model lends to every block."""

    def __init__(
        self, width: int, token_mixer: nn.Module, channel_mixer: nn.Module,
        norm: Callable[[], nn.Module] = nn.Identity,
    ):
        super().__init__()
        self.width = width
        self.token_norm, self.token_mixer = norm(), token_mixer
        self.channel_norm, self.channel_mixer = norm(), channel_mixer
        self.dropout = nn.Dropout(0.0)

    def forward(self, x: Features, state: Any, *shared: Any) -> tuple[Features, Any]:
        y, state = self.token_mixer(self.token_norm(x), state, *shared)
        return self._mix_channels(x + self.dropout(y)), state

    def step(self, x, state: Any, *shared: Any) -> tuple[Any, Any]:
        """One token of `forward`."""
        y, state = self.token_mixer.step(self.token_norm(x), state, *shared)
        return self._mix_channels(x + self.dropout(y)), state

    def _mix_channels(self, x):
        return x + self.dropout(self.channel_mixer(self.channel_norm(x)))
