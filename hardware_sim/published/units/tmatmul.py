"""A ternary matrix from memory, times a vector: one weight a cycle while the bytes last.

Course    notebook 11, "Counting cycles"
"""

TRITS_A_BYTE = 4


def cycles(width: int, latency: int) -> int:
    """The slower of streaming (a byte every latency + 1) and adding (four weights a byte), then d to copy out."""
    matrix_bytes, period = width * width // TRITS_A_BYTE, latency + 1
    adding = max(TRITS_A_BYTE * matrix_bytes, period * (matrix_bytes - 1) + TRITS_A_BYTE)
    return 3 + latency + adding + width
