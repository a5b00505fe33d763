"""All ways of rounding weights that the course compares, in one table: codes, what shares a scale, bits a weight.

Course    notebook 03, "From floats to trits"
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from mmf_teach.ternary.binary import sign_mean
from mmf_teach.ternary.fp4 import BLOCK, mxfp4
from mmf_teach.ternary.int4 import int4
from mmf_teach.ternary.other_trits import absmax_trits, best_trits
from mmf_teach.ternary.quantise import absmean
from mmf_teach.ternary.rounding_error import lost_share


@dataclass(frozen=True)
class Format:
    quantise: Callable           # weights [out, in] -> codes and scale, w ≈ scale * codes
    code_bits: float             # of one weight
    shared: str                  # what has one scale: "matrix", "row" or "block"
    scale_bits: int

    def bits(self, rows: int, columns: int) -> float:
        """Bits a weight of a matrix takes, its part of the scales included."""
        weights = {"matrix": rows * columns, "row": columns, "block": BLOCK}[self.shared]
        return self.code_bits + self.scale_bits / weights

    def bits_and_percent_lost(self, matrices: Sequence[Float[ndarray, "out in"]]) -> tuple[float, float]:
        """What it takes and what it loses, the mean of several matrices."""
        bits = [self.bits(*w.shape) for w in matrices]
        lost = [100 * lost_share(w, *self.quantise(w)) for w in matrices]
        return round(float(np.mean(bits)), 3), round(float(np.mean(lost)), 2)


FORMATS = {
    "signs":           Format(sign_mean,    1.0, "matrix", 32),
    "trits, absmax":   Format(absmax_trits, 1.6, "matrix", 32),     # five trits a byte: notebook 02
    "trits, absmean":  Format(absmean,      1.6, "matrix", 32),
    "trits, best":     Format(best_trits,   1.6, "matrix", 32),
    "int4":            Format(int4,         4.0, "row",    16),
    "FP4":             Format(mxfp4,        4.0, "block",   8),
}
