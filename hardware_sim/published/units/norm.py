"""A vector divided by its root mean square: square, average pairwise, divide.

Course    notebook 10, "An instruction set of ten words", and 11, "Counting cycles"
"""


def cycles(width: int) -> int:
    """d squares, the pairwise means (d-1 of them when d is a power of two), d quotients, and one to begin: then 3d."""
    means, left = 0, width // 2
    while left:
        means, left = means + left, left // 2
    return width + means + width + 1
