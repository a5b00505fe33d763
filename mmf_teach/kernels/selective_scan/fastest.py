"""Chooses the scan for the tensors at hand: compiled on the CPU, doubling elsewhere."""

from mmf_teach.kernels.selective_scan import compiled, doubling
from mmf_teach.shapes import Features, State


def selective_scan(decay: Features, write: Features, h: State) -> Features:
    """All memories, from the memory `h` before the first token: keep `decay` of it, add `write`."""
    return (compiled if decay.device.type == "cpu" else doubling).selective_scan(decay, write, h)
