"""The same memories on a GPU: each program scans all tokens of a few features, in Triton.

Course    notebook 05, "Memory without attention"
Equation  as in compiled.py; two steps (f1, h1), (f2, h2) make one, (f2 ⊙ f1, f2 ⊙ h1 + h2), so a block of
          tokens is scanned as a tree and its last memory carried into the next block. A kernel of Triton takes
          plain pointers [b t d] and numbers, hence so many arguments.

Needs CUDA and triton, which torch brings along on Linux. Nothing else in the project imports this file
unless the tensors are on a GPU.
"""

import torch
import triton
import triton.language as tl

from mmf_teach.shapes import Features, State

TOKENS = 64                                  # a block in time, scanned as a tree
WIDTH = 16                                   # features a program works on


@triton.jit
def _two_steps(f1, h1, f2, h2):
    return f2 * f1, f2 * h1 + h2


@triton.jit
def _forward(f_ptr, c_ptr, start_ptr, h_ptr, time, width, TOKENS: tl.constexpr, WIDTH: tl.constexpr):
    d = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    carried = tl.load(start_ptr + tl.program_id(0) * width + d, mask=d < width, other=0.0)
    row = tl.arange(0, TOKENS)
    for t0 in range(0, time, TOKENS):
        t = t0 + row
        at = (tl.program_id(0) * time + t)[:, None] * width + d[None, :]
        here = (t < time)[:, None] & (d < width)[None, :]
        f = tl.load(f_ptr + at, mask=here, other=1.0)        # beyond the end: keep everything, write nothing
        c = tl.load(c_ptr + at, mask=here, other=0.0)
        reach, h = tl.associative_scan((f, (1 - f) * c), 0, _two_steps)
        h = h + reach * carried[None, :]
        tl.store(h_ptr + at, h, mask=here)
        carried = tl.sum(tl.where((row == TOKENS - 1)[:, None], h, 0.0), axis=0)


@triton.jit
def _backward(
    f_ptr, c_ptr, start_ptr, h_ptr, g_ptr, df_ptr, dc_ptr, dstart_ptr, time, width,
    TOKENS: tl.constexpr, WIDTH: tl.constexpr,
):
    """Tokens are numbered from the last to the first here, so that the scan runs forwards."""
    d = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    b = tl.program_id(0)
    start = tl.load(start_ptr + b * width + d, mask=d < width, other=0.0)
    carried = tl.zeros([WIDTH], dtype=tl.float32)            # a[t+1]
    row = tl.arange(0, TOKENS)
    for done in range(0, time, TOKENS):
        t = time - 1 - done - row
        at = (b * time + t)[:, None] * width + d[None, :]
        here = (t >= 0)[:, None] & (d < width)[None, :]
        later = here & (t < time - 1)[:, None]
        f_next = tl.load(f_ptr + at + width, mask=later, other=0.0)
        f_next = tl.where((t < 0)[:, None], 1.0, f_next)
        g = tl.load(g_ptr + at, mask=here, other=0.0)
        reach, a = tl.associative_scan((f_next, g), 0, _two_steps)
        a = a + reach * carried[None, :]
        f = tl.load(f_ptr + at, mask=here, other=1.0)
        c = tl.load(c_ptr + at, mask=here, other=0.0)
        before = tl.load(h_ptr + at - width, mask=here & (t > 0)[:, None], other=0.0)
        before = tl.where((t == 0)[:, None], start[None, :], before)
        tl.store(df_ptr + at, a * (before - c), mask=here)
        tl.store(dc_ptr + at, a * (1 - f), mask=here)
        tl.store(dstart_ptr + b * width + d[None, :] + t[:, None] * 0, f * a, mask=here & (t == 0)[:, None])
        carried = tl.sum(tl.where((row == TOKENS - 1)[:, None], a, 0.0), axis=0)


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, f, c, start):
        f, c, start = f.contiguous(), c.contiguous(), start.contiguous()
        h = torch.empty_like(f)
        batch, time, width = f.shape
        _forward[batch, triton.cdiv(width, WIDTH)](f, c, start, h, time, width, TOKENS=TOKENS, WIDTH=WIDTH)
        ctx.save_for_backward(f, c, start, h)
        return h

    @staticmethod
    def backward(ctx, g):
        f, c, start, h = ctx.saved_tensors
        df, dc, dstart = torch.empty_like(f), torch.empty_like(c), torch.empty_like(start)
        batch, time, width = f.shape
        _backward[batch, triton.cdiv(width, WIDTH)](
            f, c, start, h, g.contiguous(), df, dc, dstart, time, width, TOKENS=TOKENS, WIDTH=WIDTH,
        )
        return df, dc, dstart


def mlgru_scan(f: Features, c: Features, h: State) -> Features:
    """All memories, from the memory `h` before the first token: forget by `f`, write the candidates `c`."""
    return _Scan.apply(f, c, h)
