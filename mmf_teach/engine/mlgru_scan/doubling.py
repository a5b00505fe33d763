"""The same memories in log2(t) rounds: after round k, h[t] has read the last 2**k tokens.

Course    notebook 05, "Memory without attention"
Equation  two steps make one: (f1, h1) followed by (f2, h2) is (f2 ⊙ f1, f2 ⊙ h1 + h2)
Source    Hillis & Steele 1986, "Data parallel algorithms", doi:10.1145/7902.7903

Fewer, larger steps: the idea behind the scans of graphics processors. Runs wherever torch runs.
"""

import torch

from mmf_teach.shapes import Features, State


def mlgru_scan(f: Features, c: Features, h: State) -> Features:
    """All memories, from the memory `h` before the first token: forget by `f`, write the candidates `c`."""
    first = (f[:, :1] * h[:, None] + (1 - f[:, :1]) * c[:, :1])
    h = torch.cat([first, ((1 - f) * c)[:, 1:]], dim=1)
    reach = 1
    while reach < f.shape[1]:
        h = torch.cat([h[:, :reach], f[:, reach:] * h[:, :-reach] + h[:, reach:]], dim=1)
        f = torch.cat([f[:, :reach], f[:, reach:] * f[:, :-reach]], dim=1)
        reach *= 2
    return h
