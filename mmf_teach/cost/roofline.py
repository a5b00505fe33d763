"""The roofline: how fast a computation can run, by what it does with each byte it fetches.

Course    notebook 01, "The price of a multiply"
Equation  speed ≤ min(peak, intensity × bandwidth),   intensity = operations / bytes moved
Source    Williams, Waterman & Patterson 2009, doi:10.1145/1498765.1498785
"""


def intensity(operations: float, bytes_moved: float) -> float:
    """Operations done for each byte moved. ValueError when nothing is moved."""
    if bytes_moved <= 0:
        raise ValueError(f"{bytes_moved} bytes moved: intensity is operations for each byte, so there must be some")
    return operations / bytes_moved


def attainable(operations_per_byte: float, peak: float, bandwidth: float) -> float:
    """The most operations a second: the peak, or what the bytes that arrive in a second allow.

    >>> attainable(0.5, peak=100.0, bandwidth=20.0), attainable(50.0, peak=100.0, bandwidth=20.0)
    (10.0, 100.0)
    """
    return min(peak, operations_per_byte * bandwidth)


def ridge(peak: float, bandwidth: float) -> float:
    """The intensity at which the two limits meet: below it memory decides, above it arithmetic."""
    return peak / bandwidth
