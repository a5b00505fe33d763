"""The letters used for array axes in every signature of this course.

    b  batch    sequences worked on together
    t  time     position of a token in its sequence
    d  width    features per token
    l  inner    features inside the channel mixer, about 8d/3
    v  vocab    distinct tokens
    n  blocks   pairs of token mixer and channel mixer
    out, in     rows and columns of a weight matrix
"""

from jaxtyping import Float, Int, Int8
from numpy import ndarray
from torch import Tensor

Trits = Int8[ndarray, "out in"]              # a ternary weight: -1, 0 or 1
Codes = Int8[ndarray, "*b in"]               # a quantised activation: -128 to 127
Tokens = Int[Tensor, "b t"]                  # text as numbers
Features = Float[Tensor, "b t d"]            # what flows between the layers
State = Float[Tensor, "b d"]                 # what a recurrent layer remembers
Logits = Float[Tensor, "b t v"]              # one score per possible next token
