"""Chooses the scan for the tensors at hand: compiled on the CPU, Triton on a GPU, doubling elsewhere."""

from importlib.util import find_spec

import torch

from mmf_teach.engine.mlgru_scan import compiled, doubling
from mmf_teach.shapes import Features, State

if torch.cuda.is_available() and find_spec("triton"):
    from mmf_teach.engine.mlgru_scan import gpu
else:
    gpu = doubling


def mlgru_scan(f: Features, c: Features, h: State) -> Features:
    """All memories, from the memory `h` before the first token: forget by `f`, write the candidates `c`."""
    if f.device.type == "cpu":
        return compiled.mlgru_scan(f, c, h)
    return gpu.mlgru_scan(f, c, h) if f.device.type == "cuda" else doubling.mlgru_scan(f, c, h)
