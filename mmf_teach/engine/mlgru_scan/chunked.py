"""The same memories in chunks of about √t tokens: all chunks at once, then one pass from chunk to chunk.

Course    notebook 05, "Memory without attention"
Equation  inside a chunk, begun with nothing:   l[s] = f[s] ⊙ l[s-1] + (1 - f[s]) ⊙ c[s],   r[s] = f[s] ⊙ r[s-1]
          from chunk to chunk:                  m ← r[last] ⊙ m + l[last]
          together:                             h[s] = l[s] + r[s] ⊙ m            m: the memory before the chunk
Source    Blelloch 1990, "Prefix sums and their applications", CMU-CS-90-190, section 1.2 (blocks of a scan)

2√t steps in a row instead of t, each of them √t times as wide: between the loop of layers/mlgru_scan.py and the rounds
of doubling.py. Runs wherever torch runs.
"""

from math import ceil, sqrt

import torch
from torch.nn.functional import pad

from mmf_teach.shapes import Features, State


def mlgru_scan(f: Features, c: Features, h: State) -> Features:
    """All memories, from the memory `h` before the first token: forget by `f`, write the candidates `c`."""
    time = f.shape[1]
    size = ceil(sqrt(time))
    fill = (0, 0, 0, -time % size)           # the last chunk is filled up with tokens that keep all and write nothing
    f, c = (x.unflatten(1, (-1, size)) for x in (pad(f, fill, value=1.0), pad(c, fill)))
    own, reach = _inside(f, (1 - f) * c)
    before = [h]
    for last, kept in zip(own[:, :-1, -1].unbind(1), reach[:, :-1, -1].unbind(1), strict=True):
        before.append(kept * before[-1] + last)
    memories = own + reach * torch.stack(before, dim=1)[:, :, None]
    return memories.flatten(1, 2)[:, :time]


def _inside(f: torch.Tensor, written: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """For each token of each chunk [b chunk s d]: the memory of a chunk begun with nothing, and what it would keep."""
    own, reach = [written[:, :, 0]], [f[:, :, 0]]
    for f_s, written_s in zip(f.unbind(2)[1:], written.unbind(2)[1:], strict=True):
        own.append(f_s * own[-1] + written_s)
        reach.append(f_s * reach[-1])
    return torch.stack(own, dim=2), torch.stack(reach, dim=2)
