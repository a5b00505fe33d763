"""Energy of a matrix-vector product: how much is arithmetic, how much is fetching the weights."""

from typing import Any

import traitlets

from mmf_teach.cost.energy import energy_pj, moving_pj
from mmf_teach.cost.prices import NON_ZERO
from mmf_teach.cost.traffic import WEIGHT_BITS, weight_bytes
from mmf_teach.lesson.widgets.explorer import Explorer, script
from mmf_teach.quantity import load

WIDTH = 1024                                 # rows and columns of the matrix

ARITHMETIC = {                               # operations for one weight, all of the same publication
    "fp32": {"fp32_mul": 1, "fp32_add": 1}, "fp16": {"fp16_mul": 1, "fp16_add": 1},
    "int8": {"int8_mul": 1, "int32_add": 1},
    "trits, 2 bits": {"int32_add": NON_ZERO}, "trits, 1.6 bits": {"int32_add": NON_ZERO},
}
PLACES = {"DRAM": "dram_read", "1 MB of SRAM": "sram_1mb_read", "8 KB of SRAM": "sram_8kb_read"}
BATCHES = [1, 2, 4, 8, 16, 32, 64, 128, 256]


def energy_split(number_format: str, place: str, batch: int) -> tuple[float, float]:
    """Nanojoules of arithmetic and of fetching weights, for one vector of a batch that shares each fetch.

    Modelled from the operations of Horowitz 2014 (45 nm). KeyError for a format or a place that is not listed.
    """
    costs, weights = load("horowitz_2014"), WIDTH * WIDTH
    operations = {name: count * weights for name, count in ARITHMETIC[number_format].items()}
    fetched = weight_bytes(weights, WEIGHT_BITS[number_format]) / batch
    return energy_pj(operations, costs) / 1000, moving_pj(fetched, costs[PLACES[place]]) / 1000


class EnergySplit(Explorer):
    """Question to the reader: which of the three settings hardly matters while weights come from DRAM?"""

    _esm = script("energy_split")
    sentence = "Energy of a matrix-vector product, arithmetic against fetching: run this cell to explore it."

    formats = traitlets.List(list(ARITHMETIC)).tag(sync=True)
    places = traitlets.List(list(PLACES)).tag(sync=True)
    batches = traitlets.List(BATCHES).tag(sync=True)
    table = traitlets.Dict().tag(sync=True)              # format -> place -> batch -> [arithmetic, fetching] in nJ

    def __init__(self, **settings: Any):
        table = {
            f: {p: {str(b): [round(part, 3) for part in energy_split(f, p, b)] for b in BATCHES} for p in PLACES}
            for f in ARITHMETIC
        }
        super().__init__(table=table, **settings)
