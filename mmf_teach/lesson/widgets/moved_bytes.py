"""Bytes moved for one written token: a transformer as the reader chooses it beside the MatMul-free model."""

from typing import Any

import traitlets

from mmf_teach.cost.cache_size import decoders
from mmf_teach.lesson.widgets.explorer import Explorer, script

SIZE = "2.7B"
FREE = "MatMul-free"
CONTEXTS = [2**power for power in range(4, 19, 2)]           # 16 to 262,144 tokens
BATCHES = [1, 4, 16, 64]


def parts(name: str, context: int, batch: int) -> tuple[float, float]:
    """Megabytes of weights, and of cache or state, that move for one token. KeyError for a model not in the list."""
    decoder = decoders(SIZE)[name]
    weights = decoder.weight_bytes / batch
    return weights / 1e6, (decoder.moved_bytes(context, batch) - weights) / 1e6


class MovedBytes(Explorer):
    """Question to the reader: which of them and which context leave the fixed state less than a tenth of advantage?"""

    _esm = script("moved_bytes")
    sentence = "Bytes moved for one token, a transformer of your choice beside MatMul-free: run this cell."

    rivals = traitlets.List().tag(sync=True)
    contexts = traitlets.List(CONTEXTS).tag(sync=True)
    batches = traitlets.List(BATCHES).tag(sync=True)
    table = traitlets.Dict().tag(sync=True)                  # model -> context -> batch -> [weights, kept] in MB
    free = traitlets.Unicode(FREE).tag(sync=True)

    def __init__(self, **settings: Any):
        names = list(decoders(SIZE))

        def cell(name: str, context: int) -> dict[str, list[float]]:
            return {str(batch): [round(part, 3) for part in parts(name, context, batch)] for batch in BATCHES}
        table = {name: {str(context): cell(name, context) for context in CONTEXTS} for name in names}
        super().__init__(rivals=[name for name in names if name != FREE], table=table, **settings)
