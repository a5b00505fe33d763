"""The same loop compiled for the CPU, with its own backward.

Course    notebook 05, "Memory without attention"
Equation  forward   as in layers/selective_scan.py, operation by operation, so equal to the last bit
          backward  a[t] = g[t] + decay[t+1] ⊙ a[t+1]             g: gradient that reaches h[t] from above
                    dwrite[t] = a[t],   ddecay[t] = a[t] ⊙ h[t-1],   dh[-1] = decay[0] ⊙ a[0]
"""

import torch
from numba import njit

from mmf_teach.shapes import Features, State


@njit(cache=True, nogil=True)
def _forward(decay, write, start, h):
    """Write all memories `h` [b t d], from `decay` and `write` [b t d] and the first memory `start` [b d]."""
    for b in range(decay.shape[0]):
        before = start[b]
        for t in range(decay.shape[1]):
            decay_t, write_t, h_t = decay[b, t], write[b, t], h[b, t]
            for d in range(decay.shape[2]):
                h_t[d] = decay_t[d] * before[d] + write_t[d]
            before = h_t


@njit(cache=True, nogil=True)
def _backward(kept, g, gradients):
    """Write the `gradients` ddecay, dwrite [b t d] and a [b d], from what _forward was given and wrote and g [b t d].

    `a` comes in as zeros and goes out as the gradient of the memory before the first token.
    """
    (decay, start, h), (ddecay, dwrite, a) = kept, gradients
    for b in range(decay.shape[0]):
        a_b = a[b]
        for t in range(decay.shape[1] - 1, -1, -1):
            decay_t, g_t, ddecay_t, dwrite_t = decay[b, t], g[b, t], ddecay[b, t], dwrite[b, t]
            before = h[b, t - 1] if t > 0 else start[b]
            for d in range(decay.shape[2]):
                dwrite_t[d] = g_t[d] + a_b[d]
                ddecay_t[d] = dwrite_t[d] * before[d]
                a_b[d] = decay_t[d] * dwrite_t[d]


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, decay, write, start):
        decay, write, start = decay.contiguous(), write.contiguous(), start.contiguous()
        h = torch.empty_like(decay)
        _forward(decay.numpy(), write.numpy(), start.numpy(), h.numpy())
        ctx.save_for_backward(decay, start, h)
        return h

    @staticmethod
    def backward(ctx, g):
        decay, start, h = ctx.saved_tensors
        gradients = torch.empty_like(decay), torch.empty_like(decay), torch.zeros_like(start)
        kept = tuple(x.numpy() for x in (decay, start, h))
        _backward(kept, g.contiguous().numpy(), tuple(x.numpy() for x in gradients))
        return gradients


def selective_scan(decay: Features, write: Features, h: State) -> Features:
    """All memories, from the memory `h` before the first token: keep `decay` of it, add `write`."""
    return _Scan.apply(decay, write, h)
