"""Vectors between a register and memory: one byte an access, the next when the one before has been answered.

Course    notebook 11, "Counting cycles"
"""

from hardware_sim.dram.fixed_latency import Dram


def cycles(width: int, memory: Dram) -> int:
    """Until the last byte is there, and one to begin: d · latency + 1 where the latency is fixed."""
    return memory.cycles(width) + 1
