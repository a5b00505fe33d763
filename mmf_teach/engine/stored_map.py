"""A BitLinear out of a file in NumPy, around the fastest ternary product of this machine.

Course    notebook 07, "A whole language model"
Equation  reference/bit_linear.py, number for number
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from mmf_teach.engine.ternary_matmul.choice import best
from mmf_teach.engine.ternary_matmul.kernel import Packed
from mmf_teach.reference.rms_norm import rms_norm
from mmf_teach.ternary.quantise import absmax


@dataclass(frozen=True)
class StoredMap:
    """A BitLinear out of a file: packed trits, their scale, and a bias or 0."""

    packed: Packed
    scale: np.float32
    bias: Any

    @classmethod
    def of(cls, stored: Mapping[str, ndarray], name: str, width_in: int, width_out: int) -> "StoredMap":
        """The map called `name` among the arrays of a checkpoint. ValueError for sizes that do not fit its bytes."""
        packed = best().pack_base3(stored[f"{name}.packed"], width_out, width_in)
        bias = stored.get(f"{name}.bias", np.float32(0)).astype(np.float32)
        return cls(packed, np.float32(stored[f"{name}.scale"]), bias)

    def __call__(self, x: Float[ndarray, "*b in"]) -> Float[ndarray, "*b out"]:
        """Norm, codes, sums under the trits, scales, bias: for one token or for a batch of them."""
        codes, x_scale = absmax(rms_norm(np.atleast_2d(x)))
        y = best().product(codes, self.packed).astype(np.float32) * (x_scale * self.scale) + self.bias
        return y.reshape(*np.shape(x)[:-1], -1)
