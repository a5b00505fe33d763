"""Causal self-attention with rotary positions, as Llama 2 has it: the token mixer of Transformer++ and of BitNet.

Course    notebook 05, "Memory without attention"; heads that share keys and values, notebook 09
Equation  y = softmax(q kᵀ / √(d/heads)) v W_o,   q, k, v = x W_q, x W_k, x W_v,   q and k turned by position
Source    Touvron et al. 2023, arXiv 2307.09288; Su et al. 2021, arXiv 2104.09864 (RoPE);
          Ainslie et al. 2023, arXiv 2305.13245 (grouped queries)
"""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from mmf_teach.shapes import Features, State

SLOWEST = 10_000                             # base of the rotation frequencies, Su et al. section 3.4

Heads = Float[Tensor, "b heads t head"]
Read = Float[Tensor, "b kv_heads _ head"]    # keys or values of the tokens read so far
Cache = tuple[Read, Read]                    # both of them
Position = int | Int[Tensor, ""]

dense = partial(nn.Linear, bias=False)


def rotate(x: Heads, first: Position) -> Heads:
    """Turn each pair of features by an angle that grows with the token's position, starting at `first`."""
    half = x.shape[-1] // 2
    frequency = SLOWEST ** (-torch.arange(half, device=x.device) / half)
    angle = (first + torch.arange(x.shape[-2], device=x.device))[:, None] * frequency
    left, right = x.chunk(2, dim=-1)
    return torch.cat([left * angle.cos() - right * angle.sin(), right * angle.cos() + left * angle.sin()], dim=-1)


class Attention(nn.Module):
    """Every token looks at every earlier one, so its memory grows with the text.

    With fewer `kv_heads` than heads, several heads share the same keys and values, and the memory is that much
    smaller. `linear` makes the four maps: dense ones, or BitLinear for BitNet.
    """

    def __init__(
        self, width: int, heads: int, kv_heads: int | None = None,
        linear: Callable[[int, int], nn.Module] = dense,
    ):
        super().__init__()
        self.heads, self.kv_heads = heads, kv_heads or heads
        self.head = width // heads           # features of a head
        kept = self.kv_heads * self.head
        self.to_q, self.to_k, self.to_v, self.to_o = (linear(width, out) for out in (width, kept, kept, width))

    def initial_state(self, batch: int) -> Cache:
        """No keys, no values."""
        numbers = next(tensor for tensor in self.to_k.state_dict().values() if tensor.is_floating_point())
        nothing = numbers.new_zeros(batch, self.kv_heads, 0, self.head)
        return nothing, nothing

    def forward(self, x: Features, cache: Cache) -> tuple[Features, Cache]:
        """Read all tokens of `x` after those in the cache; return the outputs and the longer cache."""
        before, now = cache[0].shape[2], x.shape[1]
        q, k, v = self.look_up(x, cache, before)
        if before == 0:
            return self.attend(q, k, v), (k, v)
        mask = torch.ones(now, before + now, dtype=torch.bool, device=x.device).tril(before)
        return self.attend(q, k, v, mask), (k, v)

    def step(self, x: State, cache: tuple) -> tuple[State, tuple]:
        """Read one token; return its output and the cache with one more key and value."""
        y, cache = self.forward(x[:, None], cache)
        return y[:, 0], cache

    def look_up(self, x: Features, cache: Cache, first: Position) -> tuple[Heads, Read, Read]:
        """What the tokens of `x` ask for, and the keys and values there are; `first` is the position of x[:, 0]."""
        q, k, v = (to(x).unflatten(-1, (-1, self.head)).transpose(1, 2) for to in (self.to_q, self.to_k, self.to_v))
        q, k = rotate(q, first), rotate(k, first)
        return q, torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)

    def attend(self, q: Heads, k: Read, v: Read, mask: Bool[Tensor, "t _"] | None = None) -> Features:
        """Each token's mean of the values it may see, weighted by how well their keys fit what it asks for."""
        shared = self.heads // self.kv_heads
        k, v = (x.repeat_interleave(shared, dim=1) if shared > 1 else x for x in (k, v))
        y = scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        return self.to_o(y.transpose(1, 2).flatten(-2))
