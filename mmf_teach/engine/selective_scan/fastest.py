"""Chooses the scan for the tensors at hand: compiled on the CPU, Triton on a GPU, doubling elsewhere."""

from importlib.util import find_spec

import torch

from mmf_teach.engine.selective_scan import compiled, doubling
from mmf_teach.shapes import Features, State

if torch.cuda.is_available() and find_spec("triton"):
    from mmf_teach.engine.selective_scan import gpu
else:
    gpu = doubling


def selective_scan(decay: Features, write: Features, h: State) -> Features:
    """All memories, from the memory `h` before the first token: keep `decay` of it, add `write`."""
    if decay.device.type == "cpu":
        return compiled.selective_scan(decay, write, h)
    return (gpu if decay.device.type == "cuda" else doubling).selective_scan(decay, write, h)
