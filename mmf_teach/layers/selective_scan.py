"""The recurrence of Mamba's layer, one token after the other. This file defines it; every other must agree.

Course    notebook 05, "Memory without attention"
Equation  h[t] = decay[t] ⊙ h[t-1] + write[t]
Source    Gu & Dao 2023, arXiv 2312.00752, section 3.2. Unlike the MLGRU, what is written is not tied to what is kept
"""

import torch

from mmf_teach.shapes import Features, State


def selective_scan(decay: Features, write: Features, h: State) -> Features:
    """All memories, from the memory `h` before the first token: keep `decay` of it, add `write`."""
    memories = []
    for decay_t, write_t in zip(decay.unbind(1), write.unbind(1), strict=True):
        h = decay_t * h + write_t
        memories.append(h)
    return torch.stack(memories, dim=1)
