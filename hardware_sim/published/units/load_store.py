"""Vectors between a register and memory: one byte an access, the next when the one before has been answered.

Course    notebook 11, "Counting cycles"
"""


def cycles(width: int, latency: int) -> int:
    """Each byte takes the whole latency, and one cycle to begin."""
    return width * latency + 1
