"""The same memories on a GPU: each program scans all tokens of a few features, in Triton.

Course    notebook 05, "Memory without attention"
Equation  as in compiled.py; two steps (a1, h1), (a2, h2) make one, (a2 ⊙ a1, a2 ⊙ h1 + h2), so a block of
          tokens is scanned as a tree and its last memory carried into the next block. The backward pass is the same
          scan from the last token to the first, where each step keeps what the decay of the token after it says.
          A kernel of Triton takes plain pointers [b t d] and numbers, hence so many arguments.

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
def _two_steps(a1, h1, a2, h2):
    return a2 * a1, a2 * h1 + h2


@triton.jit
def _scan(
    decay_ptr, write_ptr, start_ptr, h_ptr, time, width, BACK: tl.constexpr, TOKENS: tl.constexpr, WIDTH: tl.constexpr,
):
    d = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    carried = tl.load(start_ptr + tl.program_id(0) * width + d, mask=d < width, other=0.0)
    row = tl.arange(0, TOKENS)
    for done in range(0, time, TOKENS):
        if BACK:
            t = time - 1 - done - row
        else:
            t = done + row
        at = (tl.program_id(0).to(tl.int64) * time + t)[:, None] * width + d[None, :]
        there = (t >= 0)[:, None] & (t < time)[:, None] & (d < width)[None, :]
        if BACK:
            keep = tl.load(decay_ptr + at + width, mask=there & (t < time - 1)[:, None], other=1.0)
        else:
            keep = tl.load(decay_ptr + at, mask=there, other=1.0)    # beyond the end: keep everything, write nothing
        write = tl.load(write_ptr + at, mask=there, other=0.0)
        kept, h = tl.associative_scan((keep, write), 0, _two_steps)
        h = h + kept * carried[None, :]
        tl.store(h_ptr + at, h, mask=there)
        carried = tl.sum(tl.where((row == TOKENS - 1)[:, None], h, 0.0), axis=0)


def _launch(decay, write, start, back):
    h = torch.empty_like(write)
    batch, time, width = write.shape
    _scan[batch, triton.cdiv(width, WIDTH)](
        decay, write, start, h, time, width, BACK=back, TOKENS=TOKENS, WIDTH=WIDTH)
    return h


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, decay, write, start):
        decay, write, start = decay.contiguous(), write.contiguous(), start.contiguous()
        h = _launch(decay, write, start, False)
        ctx.save_for_backward(decay, start, h)
        return h

    @staticmethod
    def backward(ctx, g):
        decay, start, h = ctx.saved_tensors
        a = _launch(decay, g.contiguous(), torch.zeros_like(start), True)
        before = torch.cat([start[:, None], h[:, :-1]], dim=1)
        return a * before, a, decay[:, 0] * a[:, 0]


def selective_scan(decay: Features, write: Features, h: State) -> Features:
    """All memories, from the memory `h` before the first token: keep `decay` of it, add `write`."""
    return _Scan.apply(decay, write, h)
