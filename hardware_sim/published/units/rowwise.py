"""Element by element, one a cycle: sums, products, quotients, and two functions from tables.

Course    notebook 10, "An instruction set of ten words", and 11, "Counting cycles"
"""


def cycles(width: int) -> int:
    """One element a cycle, and one to begin."""
    return width + 1
