"""The same loop compiled for the CPU, with its own backward: what to do without autograd's bookkeeping.

Course    notebook 05, "Memory without attention"
Equation  forward   as in layers/mlgru_scan.py, operation by operation, so equal to the last bit
          backward  a[t] = g[t] + f[t+1] ⊙ a[t+1]                 g: gradient that reaches h[t] from above
                    df[t] = a[t] ⊙ (h[t-1] - c[t]),   dc[t] = a[t] ⊙ (1 - f[t]),   dh[-1] = f[0] ⊙ a[0]

Only f, c and h are kept for the backward pass. Rows are sliced before the inner loop: indexing all three axes
inside it would keep the compiler from using vector instructions.
"""

import torch
from numba import njit

from mmf_teach.shapes import Features, State


@njit(cache=True, nogil=True)
def _forward(f, c, start, h):
    """Write all memories `h` [b t d], from gates `f`, candidates `c` [b t d] and the first memory `start` [b d]."""
    one = f.dtype.type(1)                    # a plain 1 would turn float32 into float64
    for b in range(f.shape[0]):
        before = start[b]
        for t in range(f.shape[1]):
            f_t, c_t, h_t = f[b, t], c[b, t], h[b, t]
            for d in range(f.shape[2]):
                h_t[d] = f_t[d] * before[d] + (one - f_t[d]) * c_t[d]
            before = h_t


@njit(cache=True, nogil=True)
def _backward(kept, g, gradients):
    """Write the `gradients` df, dc [b t d] and a [b d], from what _forward was given and wrote and from g [b t d].

    `a` comes in as zeros and goes out as the gradient of the memory before the first token.
    """
    (f, c, start, h), (df, dc, a) = kept, gradients
    one = f.dtype.type(1)
    for b in range(f.shape[0]):
        a_b = a[b]
        for t in range(f.shape[1] - 1, -1, -1):
            f_t, c_t, g_t, df_t, dc_t = f[b, t], c[b, t], g[b, t], df[b, t], dc[b, t]
            before = h[b, t - 1] if t > 0 else start[b]
            for d in range(f.shape[2]):
                a_t = g_t[d] + a_b[d]
                df_t[d] = a_t * (before[d] - c_t[d])
                dc_t[d] = a_t * (one - f_t[d])
                a_b[d] = f_t[d] * a_t


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, f, c, start):
        f, c, start = f.contiguous(), c.contiguous(), start.contiguous()
        h = torch.empty_like(f)
        _forward(f.numpy(), c.numpy(), start.numpy(), h.numpy())
        ctx.save_for_backward(f, c, start, h)
        return h

    @staticmethod
    def backward(ctx, g):
        f, c, start, h = ctx.saved_tensors
        gradients = torch.empty_like(f), torch.empty_like(c), torch.zeros_like(start)
        kept = tuple(x.numpy() for x in (f, c, start, h))
        _backward(kept, g.contiguous().numpy(), tuple(x.numpy() for x in gradients))
        return gradients


def mlgru_scan(f: Features, c: Features, h: State) -> Features:
    """All memories, from the memory `h` before the first token: forget by `f`, write the candidates `c`."""
    return _Scan.apply(f, c, h)
