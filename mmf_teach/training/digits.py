"""Pictures of the ten digits, drawn by a formula: always there, and small enough to train on in seconds.

Course    notebook 03, "From floats to trits"
"""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

SIDE = 8                                     # pixels of a picture, across and down
NOISE = 0.3                                  # standard deviation of what is added to each pixel; ink has 1, paper 0

FONT = {                                     # five pixels wide, seven high
    0: ".###. #...# #...# #...# #...# #...# .###.",
    1: "..#.. .##.. ..#.. ..#.. ..#.. ..#.. .###.",
    2: ".###. #...# ....# ...#. ..#.. .#... #####",
    3: "##### ...#. ..#.. ...#. ....# #...# .###.",
    4: "...#. ..##. .#.#. #..#. ##### ...#. ...#.",
    5: "##### #.... ####. ....# ....# #...# .###.",
    6: "..##. .#... #.... ####. #...# #...# .###.",
    7: "##### ....# ...#. ..#.. .#... .#... .#...",
    8: ".###. #...# #...# .###. #...# #...# .###.",
    9: ".###. #...# #...# .#### ....# ...#. .##..",
}


def digit(value: int) -> Float[ndarray, "high wide"]:
    """A digit without noise, ink 1 and paper 0."""
    return np.array([[float(pixel == "#") for pixel in row] for row in FONT[value].split()])


def digits(count: int, seed: int, noise: float = NOISE) -> tuple[Float[ndarray, "count pixels"], Int[ndarray, "count"]]:
    """`count` pictures as rows of pixels, and the digit that each shows: shifted at random, and noisy."""
    dice = np.random.default_rng(seed)
    values = dice.integers(0, 10, size=count)
    pictures = dice.normal(scale=noise, size=(count, SIDE, SIDE))
    for picture, value in zip(pictures, values, strict=True):
        drawn = digit(int(value))
        top, left = (int(dice.integers(0, SIDE - size + 1)) for size in drawn.shape)
        picture[top : top + drawn.shape[0], left : left + drawn.shape[1]] += drawn
    return pictures.reshape(count, SIDE * SIDE), values
