"""How wide a sum must be: bits that hold a ternary dot product whatever the weights and the inputs are.

Course    notebook 02, "Three values are enough"
Equation  |sum| ≤ 128 × inputs,   and b bits hold what lies from -2**(b-1) to 2**(b-1) - 1
"""

LARGEST = 128                                # an int8 code reaches -128, and a weight of -1 makes that +128


def accumulator_bits(inputs: int) -> int:
    """Bits of a signed integer that never wraps round. ValueError when there is no input at all.

    >>> accumulator_bits(255), accumulator_bits(256)
    (16, 17)
    """
    if inputs < 1:
        raise ValueError(f"a sum over {inputs} inputs: there must be at least one")
    return (LARGEST * inputs).bit_length() + 1               # one more for the sign
