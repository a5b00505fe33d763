"""The same memories in log2(t) rounds, wherever torch runs: after round k, h[t] has read the last 2**k tokens.

Course    notebook 05, "Memory without attention"
Equation  two steps make one: (a1, h1) followed by (a2, h2) is (a2 ⊙ a1, a2 ⊙ h1 + h2)
          backward: the same scan from the last token to the first, as in compiled.py; so no round need be kept
Source    Hillis & Steele 1986, "Data parallel algorithms", doi:10.1145/7902.7903
"""

import torch

from mmf_teach.shapes import Features, State


def _scan(decay, h):
    """All memories from none: `h` comes in as what is written."""
    reach = 1
    while reach < h.shape[1]:
        h = torch.cat([h[:, :reach], decay[:, reach:] * h[:, :-reach] + h[:, reach:]], dim=1)
        decay = torch.cat([decay[:, :reach], decay[:, reach:] * decay[:, :-reach]], dim=1)
        reach *= 2
    return h


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, decay, write, start):
        first = decay[:, :1] * start[:, None] + write[:, :1]
        h = _scan(decay, torch.cat([first, write[:, 1:]], dim=1))
        ctx.save_for_backward(decay, start, h)
        return h

    @staticmethod
    def backward(ctx, g):
        decay, start, h = ctx.saved_tensors
        later = torch.cat([decay[:, 1:], torch.ones_like(decay[:, :1])], dim=1)
        a = _scan(later.flip(1), g.flip(1)).flip(1)
        before = torch.cat([start[:, None], h[:, :-1]], dim=1)
        return a * before, a, decay[:, 0] * a[:, 0]


def selective_scan(decay: Features, write: Features, h: State) -> Features:
    """All memories, from the memory `h` before the first token: keep `decay` of it, add `write`."""
    return _Scan.apply(decay, write, h)
