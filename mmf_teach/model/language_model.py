"""What all models of the course share: tokens in, blocks one after the other, a score for each next token out.

Course    notebook 07, "A whole language model"
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int, Int64
from numpy import ndarray
from torch import Tensor, nn

from mmf_teach.layers.block import Block
from mmf_teach.model.config import ModelConfig
from mmf_teach.shapes import Logits, Tokens

PART = 256                                   # tokens of a prompt read at once: each has a score for every next token


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

    @torch.no_grad()
    def read(
        self, tokens: Int64[ndarray, "b t"], state: list[Any] | None = None,
    ) -> tuple[Float[ndarray, "b v"], list[Any]]:
        """Read tokens to write on from there: the scores after the last, and the new state, without gradients."""
        if state is not None and tokens.shape[1] == 1:
            scores, state = self.step(torch.from_numpy(tokens[:, 0]), state)
            return scores.numpy(), state
        for part in torch.from_numpy(tokens).split(PART, dim=1):
            scores, state = self(part, state)
        return scores[:, -1].numpy(), state

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
