"""How many bytes weights take, by the number format they are kept in.

Course    notebook 01, "The price of a multiply"
"""

from math import ceil

WEIGHT_BITS = {                              # bits one weight takes; per-block scales are left out
    "fp32": 32, "fp16": 16, "int8": 8, "int4": 4, "trits, 2 bits": 2, "trits, 1.6 bits": 1.6,
}


def weight_bytes(weights: int, bits: float) -> int:
    """Whole bytes that so many weights take at so many bits each. ValueError for a number below zero.

    >>> weight_bytes(10, 1.6), weight_bytes(11, 1.6)
    (2, 3)
    """
    if weights < 0 or bits <= 0:
        raise ValueError(f"{weights} weights of {bits} bits: neither can be below zero")
    return ceil(weights * bits / 8)


def reading_us(weights: int, bits: float, gigabytes_per_second: float) -> float:
    """Microseconds until memory has delivered so many weights: whatever reads them all cannot be faster.

    ValueError for a bandwidth that is not above zero.

    >>> reading_us(1_000_000, 8.0, 20.0)
    50.0
    """
    if gigabytes_per_second <= 0:
        raise ValueError(f"memory that delivers {gigabytes_per_second} GB/s never ends")
    return weight_bytes(weights, bits) / (1000 * gigabytes_per_second)
