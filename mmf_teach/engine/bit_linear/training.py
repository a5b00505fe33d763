"""BitLinear that learns, fast on a CPU: integers forwards, half-wide floats backwards, nothing kept but x and W.

Course    notebook 08, "Training with three values"
Equation  forward   y = (C · Tᵀ) · (s_x · s_w) + b,   C, s_x = absmax(n),   n = x / rms(x),   T, s_w = absmean(W)
          backward  e = dy · s_x · s_w,   dn = e · T / s_x,   dW = eᵀ · C / s_w,   db = Σ dy
                    dx = (dn - n · mean(dn ⊙ n)) / rms(x)
          as if nothing had been rounded (straight through); the norm's gradient is the true one
Source    Zhu et al. 2024, arXiv 2406.02528, Algorithm 1; Bengio et al. 2013, arXiv 1308.3432

layers/bit_linear.py defines it: forwards the results are equal to the last bit, backwards they differ by rounding.
Several layers that read the same x are one product here; each keeps its own trits and its own scale. Codes and trits
are multiplied as int8 where the processor can add up such products (VNNI). Codes, trits and, after rounding, the
gradient e fit bfloat16, so the two products of the backward pass take it where the processor multiplies it (AVX-512
BF16, AMX): gradients are then off by some 0.2 %. Everything else is done row by row, while the row is in the innermost
cache. What the backward pass needs of codes and trits is made again, from x, W and three numbers a token. Forwards,
Python does little for every 256 tokens, for threads that share a batch wait for each other there: measured on two
cores of an Intel Xeon, 151 ms an update; with norms and each layer's outputs in calls of their own, 170.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from numba import njit
from torch import Tensor

from mmf_teach.engine.bit_linear.inference import EPSILON
from mmf_teach.engine.intrinsics.simd import features
from mmf_teach.ternary.quantise import LARGEST_CODE, SMALLEST

ADDS_BYTES = bool({"avx512vnni", "avxvnni"} & features())      # else torch's product of bytes is slow, or none
NARROW = torch.bfloat16 if {"avx512bf16", "amx-bf16"} & features() else torch.float32      # of the backward pass
TOKENS = 256                                 # worked on together: what one step writes is in the cache for the next
FEW = 64                                     # gradients of a bias added up by themselves
SHORTEST = 16                                # inputs of an int8 product: torch 2.13 gets that of a single one wrong


def fits(x: Tensor) -> bool:
    """Is this code made for such numbers: float32 on a CPU?"""
    return x.device.type == "cpu" and x.dtype == torch.float32


def trained_bit_linears(
    x: Float[Tensor, "*b in"], weights: Sequence[Tensor], biases: Sequence[Tensor | None], narrow: torch.dtype = NARROW,
) -> tuple[Tensor, ...]:
    """The output of each layer that reads `x`; float32 on the CPU. `narrow`: the floats multiplied backwards.

    ValueError for weights that are NaN or infinite.
    """
    flat = x.reshape(-1, x.shape[-1]).contiguous()
    outputs = _BitLinears.apply(flat, narrow, len(weights), *weights, *biases)
    return tuple(y.view(*x.shape[:-1], y.shape[-1]) for y in outputs)


class _BitLinears(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, narrow, count, *weights_and_biases):
        weights, biases = weights_and_biases[:count], weights_and_biases[count:]
        scales, outputs = [_scale(w) for w in weights], [torch.empty((len(x), len(w))) for w in weights]
        added = tuple(                       # in one piece: all of one kind, or the compiled function knows no tuple
            np.zeros(len(w), np.float32) if b is None else b.contiguous().numpy()
            for w, b in zip(weights, biases, strict=True))
        trits, token, few = _trits(weights, scales, torch.int8), torch.empty((3, len(x))), min(TOKENS, len(x))
        codes = torch.empty((few, x.shape[1]), dtype=torch.int8)
        sums = torch.empty((few, len(trits)), dtype=torch.int32)
        factors, numbers, parts = token.numpy(), x.numpy(), sums.numpy()
        factors[0] = torch.rsqrt(x.square().mean(dim=-1) + float(EPSILON)).numpy()
        layers = np.array(scales), added, tuple(y.numpy() for y in outputs)
        for first in range(0, len(x), TOKENS):
            n = min(TOKENS, len(x) - first)
            _codes_into(numbers, first, n, factors, codes.numpy())
            _product(codes[:n], trits, sums[:n])
            _outputs_into(parts, first, n, factors, layers)
        ctx.save_for_backward(x, token, *weights)
        ctx.narrow, ctx.scales, ctx.biased = narrow, scales, [bias is not None for bias in biases]
        return tuple(outputs)

    @staticmethod
    def backward(ctx, *dys):
        x, token, *weights = ctx.saved_tensors
        factors = token.numpy()
        e = torch.empty((len(x), sum(_rows(weights))), dtype=ctx.narrow)
        codes, dx, dbs = torch.empty(x.shape, dtype=ctx.narrow), torch.empty_like(x), []
        for into, dy, scale in zip(e.split(_rows(weights), dim=1), dys, ctx.scales, strict=True):
            dbs.append(np.zeros(dy.shape[1], np.float32))
            _gradients_into(dy.contiguous().numpy(), factors[2], scale, _bits(into), dbs[-1])
        dn = e @ _trits(weights, ctx.scales, ctx.narrow)
        _back_through_norm(_bits(dn), x.numpy(), factors, dx.numpy(), _bits(codes))
        dws = (e.T @ codes).float().split(_rows(weights))
        dws = [dw.div_(float(scale)) for dw, scale in zip(dws, ctx.scales, strict=True)]
        dbs = [torch.from_numpy(db) if biased else None for db, biased in zip(dbs, ctx.biased, strict=True)]
        return dx, None, None, *dws, *dbs


def _rows(weights: Sequence[Tensor]) -> list[int]:
    return [len(w) for w in weights]


def _scale(w: Tensor) -> np.float32:
    scale = np.float32(w.detach().abs().mean()) if w.numel() else SMALLEST
    if not np.isfinite(scale):
        raise ValueError("cannot quantise NaN or infinity: a single one would spoil the scale of all")
    return max(scale, SMALLEST)


def _trits(weights: Sequence[Tensor], scales: Sequence[np.float32], dtype: torch.dtype) -> Tensor:
    """The trits of all weights below one another, as numbers of that type."""
    trits = torch.empty((sum(_rows(weights)), weights[0].shape[1]), dtype=dtype)
    for into, w, scale in zip(trits.split(_rows(weights)), weights, scales, strict=True):
        _trits_into(w.detach().contiguous().numpy(), scale, _bits(into))
    return trits


def _product(codes: Tensor, trits: Tensor, sums: Tensor) -> Tensor:
    """Write the sums, exactly either way: float32 holds all whole numbers below 2**24, which no sum reaches."""
    if ADDS_BYTES and codes.shape[1] >= SHORTEST:
        return torch._int_mm(codes, trits.T, out=sums)
    return sums.copy_(codes.float() @ trits.float().T)


def _bits(x: Tensor) -> np.ndarray:
    """The same memory for NumPy, which knows no bfloat16: it sees the 16 bits as a whole number."""
    return x.view(torch.uint16).numpy() if x.dtype == torch.bfloat16 else x.numpy()


@njit(cache=True, nogil=True)
def _store(row, out):
    """Write float32 numbers as they are, or, into whole numbers of 16 bits, rounded to bfloat16, a half to even."""
    if out.itemsize == 2:
        bits, half, sixteen, one = row.view(np.uint32), np.uint32(0x7FFF), np.uint32(16), np.uint32(1)
        for k in range(len(row)):
            out[k] = np.uint16((bits[k] + half + ((bits[k] >> sixteen) & one)) >> sixteen)
    else:
        for k in range(len(row)):
            out[k] = row[k]


@njit(cache=True, nogil=True)
def _load(numbers, row):
    """The opposite."""
    if numbers.itemsize == 2:
        bits = row.view(np.uint32)
        for k in range(len(row)):
            bits[k] = np.uint32(numbers[k]) << np.uint32(16)
    else:
        for k in range(len(row)):
            row[k] = numbers[k]


@njit(cache=True, nogil=True)
def _trits_into(w, scale, trits):
    """Write the `trits` [out in] of the float weights `w` [out in], as whole numbers, floats or bits of bfloat16."""
    row = np.empty(w.shape[1], np.float32)
    for r in range(w.shape[0]):
        mine = w[r]
        for k in range(len(mine)):
            row[k] = min(max(np.rint(mine[k] / scale), np.float32(-1)), np.float32(1))
        _store(row, trits[r])


@njit(cache=True, nogil=True)
def _codes_into(x, first, count, factors, codes):
    """Write the `codes` [count in] of so many tokens of `x` [b in] from the first on, and two of their `factors` [3 b].

    These are 1 / rms, which is given, and the factors from a normed value to its code and back, NaN for a token of NaN.
    """
    per_rms, to_code, to_value = factors[0], factors[1], factors[2]
    n = np.empty(x.shape[1], np.float32)
    bits = n.view(np.int32)
    for b in range(first, first + count):
        mine, out, largest_bits = x[b], codes[b - first], np.int32(0)
        for k in range(len(mine)):
            n[k] = mine[k] * per_rms[b]
        for k in range(len(mine)):           # without their sign floats have the order of their bits, NaN above all
            largest_bits = max(largest_bits, bits[k] & np.int32(0x7FFFFFFF))
        largest = _as_float(largest_bits)
        if largest < SMALLEST:
            largest = SMALLEST
        to_code[b] = np.float32(1) / largest * np.float32(LARGEST_CODE)      # torch's order of 127 / largest
        to_value[b] = largest / np.float32(LARGEST_CODE)
        for k in range(len(mine)):
            out[k] = np.int8(np.rint(n[k] * to_code[b]))


@njit(cache=True, nogil=True)
def _as_float(bits):
    one = np.empty(1, np.int32)
    one[0] = bits
    return one.view(np.float32)[0]


@njit(cache=True, nogil=True)
def _outputs_into(sums, first, count, factors, layers):
    """Write the outputs of so many tokens from the first on, sum · s_x · s_w + b, for each of several layers.

    Their `sums` [count all_out] stand side by side; `layers` are their scales, biases [out] and outputs [b out].
    """
    to_value, (scales, biases, ys) = factors[2], layers
    for b in range(first, first + count):
        start = 0
        for n in range(len(ys)):
            out, bias, scale = ys[n][b], biases[n], to_value[b] * scales[n]
            mine = sums[b - first, start:start + len(out)]
            for k in range(len(out)):
                out[k] = np.float32(mine[k]) * scale + bias[k]
            start += len(out)


@njit(cache=True, nogil=True)
def _gradients_into(dy, to_value, w_scale, e, total):
    """Write into `e` the gradients `dy` [b out] times both scales, and add to `total` [out] their sum without.

    `to_value` [b] is the scale of each token's codes. Sums of a few are added first, to round less.
    """
    row, few = np.empty(dy.shape[1], np.float32), np.zeros(dy.shape[1], np.float32)
    for b in range(dy.shape[0]):
        mine, scale = dy[b], to_value[b] * w_scale
        for k in range(len(mine)):
            row[k] = mine[k] * scale
            few[k] += mine[k]
        _store(row, e[b])
        if b % FEW == FEW - 1 or b == dy.shape[0] - 1:
            total += few
            few[:] = 0


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _back_through_norm(dn, x, factors, dx, codes):
    """Write dx = (dn - n · mean(dn ⊙ n)) / rms, with n = x / rms, and the codes of n again; all [b in].

    `dn` comes times s_x; `factors` [3 b] are those of _codes_into.
    """
    per_rms, to_code, to_value = factors[0], factors[1], factors[2]
    g, n = np.empty(x.shape[1], np.float32), np.empty(x.shape[1], np.float32)
    for b in range(x.shape[0]):
        mine, out, dot, smaller = x[b], dx[b], np.float32(0), np.float32(1) / to_value[b]
        _load(dn[b], g)
        for k in range(len(mine)):
            g[k] *= smaller
            n[k] = mine[k] * per_rms[b]
            dot += g[k] * n[k]
        mean = dot / np.float32(len(mine))
        for k in range(len(mine)):
            out[k] = (g[k] - n[k] * mean) * per_rms[b]
        for k in range(len(mine)):
            n[k] = np.rint(n[k] * to_code[b])
        _store(n, codes[b])
