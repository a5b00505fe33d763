"""The recurrence of the MLGRU in torch, one token after the other, as reference/mlgru_scan.py defines it.

Course    notebook 05, "Memory without attention"
Equation  h[t] = f[t] ⊙ h[t-1] + (1 - f[t]) ⊙ c[t]
Source    Zhu et al. 2024, arXiv 2406.02528, section 3.3
"""

import torch

from mmf_teach.shapes import Features, State


def mlgru_scan(f: Features, c: Features, h: State) -> Features:
    """All memories, from the memory `h` before the first token: forget by `f`, write the candidates `c`."""
    memories = []
    for f_t, c_t in zip(f.unbind(1), c.unbind(1), strict=True):
        h = f_t * h + (1 - f_t) * c_t
        memories.append(h)
    return torch.stack(memories, dim=1)
