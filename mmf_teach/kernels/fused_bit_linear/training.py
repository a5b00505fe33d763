"""BitLinear that learns, in one step: forwards with packed trits, backwards from nothing but x and the weights.

Course    notebook 04, "Fast kernels"
Equation  forward   y = (C · Tᵀ) · (s_x · s_w),   C, s_x = absmax(n),   n = x / rms(x),   T, s_w = absmean(W)
          backward  dn = dy · (s_w T),   dW = dyᵀ · (s_x C),   dx = (dn - n · mean(dn ⊙ n)) / rms(x)
          as if nothing had been rounded (straight through); the norm's gradient is the true one
Source    Zhu et al. 2024, arXiv 2406.02528, Algorithm 1; Bengio et al. 2013, arXiv 1308.3432

Norm, codes and trits are not kept for the way back but made again: they are cheap beside the two products of floats,
and only x and W stay in memory, which are there anyway. The forward product is the fastest way on this machine; the
two backward products have float gradients in them and are matrix products.
"""

import numpy as np
import torch
from jaxtyping import Float
from numba import njit
from torch import Tensor

from mmf_teach.kernels.fused_bit_linear.fused import EPSILON, WAY, bit_linear, quantise_token
from mmf_teach.ternary.quantise import SMALLEST


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _ternarise(w, trits):
    """Write the trits of a matrix and return their scale, the mean of |w|; NaN if there is one in w."""
    total = np.float64(0)
    for row in range(w.shape[0]):
        mine = w[row]
        for k in range(len(mine)):
            total += np.float64(abs(mine[k]))
    scale = max(np.float32(total / max(w.size, 1)), SMALLEST) if np.isfinite(total) else np.float32(np.nan)
    for row in range(w.shape[0]):
        mine, out = w[row], trits[row]
        for k in range(len(mine)):
            out[k] = np.int8(min(max(np.rint(mine[k] / scale), np.float32(-1)), np.float32(1)))
    return scale


@njit(cache=True, nogil=True)
def _quantise_tokens(x, codes, scales):
    for b in range(x.shape[0]):
        scales[b] = quantise_token(x[b], codes[b])


def _ternary(w: Tensor) -> tuple[np.ndarray, np.float32]:
    trits = np.empty(w.shape, np.int8)
    scale = _ternarise(w.numpy(), trits)
    if not np.isfinite(scale):
        raise ValueError("cannot quantise NaN or infinity: a single one would spoil the scale of all")
    return trits, scale


class _BitLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, threads):
        ctx.save_for_backward(x, w)
        trits, w_scale = _ternary(w)
        return torch.from_numpy(bit_linear(x.numpy(), WAY.pack(trits), w_scale, threads))

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        trits, w_scale = _ternary(w)
        codes, x_scale = np.empty(x.shape, np.int8), np.empty((len(x), 1), np.float32)
        _quantise_tokens(x.numpy(), codes, x_scale[:, 0])
        dn = (dy @ torch.from_numpy(trits).to(dy.dtype)).mul_(float(w_scale))
        dw = (dy * torch.from_numpy(x_scale)).T @ torch.from_numpy(codes).to(dy.dtype)
        per_rms = torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + float(EPSILON))
        n = x * per_rms
        return (dn - n * (dn * n).mean(dim=-1, keepdim=True)).mul_(per_rms), dw, None


def trained_bit_linear(
    x: Float[Tensor, "*b in"], w: Float[Tensor, "out in"], threads: int = 1,
) -> Float[Tensor, "*b out"]:
    """The layer's output for float weights, ternarised at each call; float32 on the CPU. ValueError for NaN."""
    flat = x.reshape(-1, x.shape[-1]).contiguous()
    return _BitLinear.apply(flat, w.contiguous(), threads).reshape(*x.shape[:-1], len(w))
