"""A model with one of its parts taken out, nothing else touched: what was the part good for?

Course    notebook 06, "Mixing channels"; its gates held still, notebook 05, "Memory without attention"

The model is not trained anew, so its other parts still count on the one that is gone. A large loss says that they
do; it does not say how well a model would do that never had it.
"""

import copy
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu, silu

from mmf_teach.layers.block import Block
from mmf_teach.layers.glu import GLU
from mmf_teach.layers.mlgru import MLGRU
from mmf_teach.model.language_model import LanguageModel
from mmf_teach.shapes import Features, State


class NoNorm(nn.Module):
    """Hands on what comes."""

    def forward(self, x):
        return x


class OpenGate(nn.Module):
    """A GLU whose gate stands open: what is widened is narrowed again, and nothing is multiplied."""

    def __init__(self, glu: GLU):
        super().__init__()
        self.to_up, self.to_down = glu.to_up, glu.to_down

    def forward(self, x):
        return self.to_down(self.to_up(x))


class ReluGate(nn.Module):
    """A GLU whose gate is a relu: shut below 0, and there altogether."""

    def __init__(self, glu: GLU):
        super().__init__()
        self.glu = glu

    def forward(self, x):
        return self.glu.to_down(relu(self.glu.to_gate(x)) * self.glu.to_up(x))


class Silent(nn.Module):
    """A mixer that adds nothing to the stream."""

    def __init__(self, mixer: nn.Module):
        super().__init__()
        self.mixer = mixer

    def initial_state(self, batch: int):
        """That of the mixer that was here."""
        return self.mixer.initial_state(batch)

    def forward(self, x, *state):
        return (torch.zeros_like(x), *state) if state else torch.zeros_like(x)


def _without_wide_norms(block: Block) -> None:
    block.channel_mixer.to_gate.norm = block.channel_mixer.to_up.norm = NoNorm()


def _without_narrow_norm(block: Block) -> None:
    block.channel_mixer.to_down.norm = NoNorm()


def _without_channel_norms(block: Block) -> None:
    _without_wide_norms(block)
    _without_narrow_norm(block)


def _with_relu(block: Block) -> None:
    block.channel_mixer = ReluGate(block.channel_mixer)


def _with_open_gate(block: Block) -> None:
    block.channel_mixer = OpenGate(block.channel_mixer)


def _without_channel_mixer(block: Block) -> None:
    block.channel_mixer = Silent(block.channel_mixer)


def _without_token_mixer(block: Block) -> None:
    block.token_mixer = Silent(block.token_mixer)


PARTS: dict[str, Callable[[Block], None]] = {          # of a MatMul-free block in the paper's form
    "norms before gate and up": _without_wide_norms,
    "the curve of the gate (relu)": _with_relu,
    "norm before down": _without_narrow_norm,
    "the gate (always open)": _with_open_gate,
    "channel mixers": _without_channel_mixer,
    "token mixers": _without_token_mixer,
    "all norms of the channel mixer": _without_channel_norms,
}


def without(model: LanguageModel, part: str) -> LanguageModel:
    """A copy of the model in whose blocks this part is missing. ValueError when no part has this name."""
    if part not in PARTS:
        raise ValueError(f"there is no part {part!r}: choose one of {', '.join(PARTS)}")
    less = copy.deepcopy(model)
    for block in less.blocks:
        PARTS[part](block)
    return less


class HeldGate(nn.Module):
    """An MLGRU whose forget gates do not look at the text: each feature keeps the same share at every token."""

    def __init__(self, mixer: MLGRU, kept: Float[Tensor, "d"]):
        super().__init__()
        self.mixer, self.kept = mixer, kept

    def initial_state(self, batch: int) -> State:
        """That of the mixer itself."""
        return self.mixer.initial_state(batch)

    def forward(self, x: Features, h: State) -> tuple[Features, State]:
        """Read all tokens of `x` after the memory `h`; return the outputs and the last memory."""
        c, g = silu(self.mixer.to_c(x)), torch.sigmoid(self.mixer.to_g(x))
        h = self.mixer.scan(self.kept.expand_as(c), c, h)
        return self.mixer.to_o(g * h), h[:, -1]


def with_held_gates(model: LanguageModel, kept: Sequence[Float[Tensor, "d"]]) -> LanguageModel:
    """A copy of the model whose forget gates stand still, at these shares, a row a block; 0 everywhere is no memory."""
    held = copy.deepcopy(model)
    for block, shares in zip(held.blocks, kept, strict=True):
        block.token_mixer = HeldGate(block.token_mixer, shares)
    return held
