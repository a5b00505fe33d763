"""Causal self-attention with rotary positions, as Llama 2 has it: the token mixer of Transformer++.

Course    notebook 05, "Memory without attention"
Equation  y = softmax(q kᵀ / √(d/heads)) v W_o,   q, k, v = x W_q, x W_k, x W_v,   q and k turned by position
Source    Touvron et al. 2023, arXiv 2307.09288; Su et al. 2021, arXiv 2104.09864 (RoPE)
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from mmf_teach.shapes import Features, State

SLOWEST = 10_000                             # base of the rotation frequencies, Su et al. section 3.4

Heads = Float[Tensor, "b heads t head"]
Cache = tuple[Float[Tensor, "b heads _ head"], Float[Tensor, "b heads _ head"]]    # keys and values read so far


def rotate(x: Heads, first: int) -> Heads:
    """Turn each pair of features by an angle that grows with the token's position, starting at `first`."""
    half = x.shape[-1] // 2
    frequency = SLOWEST ** (-torch.arange(half, device=x.device) / half)
    angle = torch.arange(first, first + x.shape[-2], device=x.device)[:, None] * frequency
    left, right = x.chunk(2, dim=-1)
    return torch.cat([left * angle.cos() - right * angle.sin(), right * angle.cos() + left * angle.sin()], dim=-1)


class Attention(nn.Module):
    """Every token looks at every earlier one, so its memory grows with the text."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k, self.to_v, self.to_o = (nn.Linear(width, width, bias=False) for _ in range(4))

    def initial_state(self, batch: int) -> Cache:
        """No keys, no values."""
        weight = self.to_q.weight
        nothing = weight.new_zeros(batch, self.heads, 0, weight.shape[0] // self.heads)
        return nothing, nothing

    def forward(self, x: Features, cache: Cache) -> tuple[Features, Cache]:
        """Read all tokens of `x` after those in the cache; return the outputs and the longer cache."""
        q, k, v = (to(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for to in (self.to_q, self.to_k, self.to_v))
        before, now = cache[0].shape[2], x.shape[1]
        q, k = rotate(q, before), rotate(k, before)
        k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
        if before == 0:
            y = scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            seen = torch.ones(now, before + now, dtype=torch.bool, device=x.device).tril(before)
            y = scaled_dot_product_attention(q, k, v, attn_mask=seen)
        return self.to_o(y.transpose(1, 2).flatten(-2)), (k, v)

    def step(self, x: State, cache: Cache) -> tuple[State, Cache]:
        """Read one token; return its output and the cache with one more key and value."""
        y, cache = self.forward(x[:, None], cache)
        return y[:, 0], cache
