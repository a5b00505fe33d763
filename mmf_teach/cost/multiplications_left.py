"""The multiplications that a MatMul-free model still does for one token, added up on paper.

Course    notebook 07, "A whole language model"
Equation  a map: 2·in (norm) + in + 1 (codes) + out + 1 (scales);  a block: seven maps, 4·d (memory), 2·l (gate)
"""


def bit_linear_multiplications(width_in: int, width_out: int) -> int:
    """Multiplications of a BitLinear for one token: a norm without gain, codes, and the scales of the sums.

    >>> bit_linear_multiplications(8, 5)
    31
    """
    norm = 2 * width_in                      # x · x for the mean square, then x times 1 / rms
    codes = width_in + 1                     # each times 127 / largest, which itself is 1 / largest times 127
    scales = width_out + 1                   # each sum times s_x · s_w, which is made once
    return norm + codes + scales


def multiplications_left(d: int, l: int, n: int, v: int) -> int:
    """All multiplications for one token of a MatMul-free model in the paper's form: width, inner, blocks, vocab."""
    of = bit_linear_multiplications
    maps = 4 * of(d, d) + 2 * of(d, l) + of(l, d)
    memory = 4 * d                           # silu(c); f ⊙ h and (1 - f) ⊙ c; g ⊙ h
    gate = 2 * l                             # silu(gate); times up
    return n * (maps + memory + gate) + of(d, v)
