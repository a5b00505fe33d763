"""What all models of the course share: tokens in, blocks one after the other, a score for each next token out.

Course    notebook 07, "A whole language model"
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mmf_teach.layers.block import Block
from mmf_teach.model.config import ModelConfig
from mmf_teach.shapes import Logits, Tokens


class LanguageModel(nn.Module):
    """A subclass hands over its blocks and its head; `forward` and `step` give the same scores."""

    def __init__(self, config: ModelConfig, blocks: Sequence[Block], head: nn.Module):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab, config.width)
        self.dropout = nn.Dropout(0.0)
        self.blocks = nn.ModuleList(blocks)
        self.head = head

    def initial_state(self, batch: int) -> list[Any]:
        """What the model remembers before the first token: one entry a block."""
        return [block.token_mixer.initial_state(batch) for block in self.blocks]

    def shared(self) -> list[tuple]:
        """What the model lends to each block, if anything."""
        return [()] * len(self.blocks)

    def forward(self, tokens: Tokens, state: list[Any] | None = None) -> tuple[Logits, list[Any]]:
        """Read all tokens after `state`; return a score for every possible next one, and the new state."""
        state = state or self.initial_state(len(tokens))
        return self._through(list(self.blocks), tokens, state)

    def step(self, token: Int[Tensor, "b"], state: list[Any]) -> tuple[Float[Tensor, "b v"], list[Any]]:
        """Read one token of each sequence; return the scores of the next, and the new state."""
        return self._through([block.step for block in self.blocks], token, state)

    def _through(self, blocks: Sequence[Callable], tokens: Tensor, state: list[Any]) -> tuple[Tensor, list[Any]]:
        x, after = self.dropout(self.embedding(tokens)), []
        for block, before, shared in zip(blocks, state, self.shared(), strict=True):
            x, remembered = block(x, before, *shared)
            after.append(remembered)
        return self.head(x), after

    @torch.no_grad()
    def count_parameters(self) -> int:
        """Numbers that training adjusts."""
        return sum(parameter.numel() for parameter in self.parameters())
