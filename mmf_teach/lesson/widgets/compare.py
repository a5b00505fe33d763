"""A token of a MatMul-free model beside one of its MatMul twin: operations and energy, stacked by cause."""

from typing import Any

import traitlets

from mmf_teach.cost import comparison
from mmf_teach.cost.comparison import Account, Setting
from mmf_teach.cost.prices import moved_pj
from mmf_teach.lesson.widgets.explorer import Explorer, script
from mmf_teach.quantity import load

CONTEXTS = [2**power for power in range(0, 18)]              # 1 to 131,072 tokens
BATCHES = [2**power for power in range(0, 9)]                # 1 to 256 sequences


def straight(name: str, size: str) -> dict[str, Any]:
    """Everything about a model that the script needs: all of it is a straight line over the context.

    `arithmetic` are the line's two numbers for the value, the low and the high end, in microjoules; `operations` and
    `kept` (bytes) two each; `weights` and `row` are bytes.
    """
    near, far = (comparison.account(name, setting_of(name, size, context)) for context in (1, 2))

    def line(pick: Any) -> list[float]:
        slope = pick(far) - pick(near)
        return [pick(near) - slope, slope]

    ends = ("value", "low", "high")
    row = 2 * near.config.width
    return {
        "arithmetic": [line(lambda one, end=end: getattr(one.microjoules["arithmetic"], end)) for end in ends],
        "operations": {kind: line(lambda one, kind=kind: one.operations[kind]) for kind in near.operations},
        "kept": line(lambda one: one.bytes["state or cache"]),
        "weights": near.bytes["weights"] - row, "row": row,
    }


def setting_of(name: str, size: str, context: int) -> Setting:
    """A setting in which the model stands, on its own side."""
    return Setting(size=size, context=context, **{"free" if name in comparison.FREE else "twin": name})


def as_bars(accounts: tuple[Account, Account]) -> dict[str, dict[str, float]]:
    """The same as bars of the figure `stacked_bars`: microjoules by cause, for each model."""
    return {one.name: {cause: part.value for cause, part in one.microjoules.items()} for one in accounts}


class Compare(Explorer):
    """Question to the reader: in which settings does the MatMul-free model not win, and which cause decides?"""

    _esm = script("compare")
    sentence = "A MatMul-free model beside its MatMul twin, energy by cause: run this cell to choose the setting."

    free = traitlets.List(list(comparison.FREE)).tag(sync=True)
    twins = traitlets.List(list(comparison.TWINS)).tag(sync=True)
    sizes = traitlets.List(list(comparison.SIZES)).tag(sync=True)
    contexts = traitlets.List(CONTEXTS).tag(sync=True)
    batches = traitlets.List(BATCHES).tag(sync=True)
    memories = traitlets.Dict().tag(sync=True)               # name -> picojoules a byte: value, low, high
    table = traitlets.Dict().tag(sync=True)                  # model -> size -> straight lines
    start = traitlets.Dict().tag(sync=True)                  # the setting it opens with
    losing = traitlets.Dict().tag(sync=True)                 # one in which the MatMul-free model does not win

    def __init__(self, **settings: Any):
        quantities = load("memory")
        memories = {
            name: [getattr(moved_pj(1, quantities[key]), end) for end in ("value", "low", "high")]
            for name, key in comparison.MEMORIES.items()}
        table = {name: {size: straight(name, size) for size in comparison.SIZES} for name in comparison.PRECISIONS}
        start, losing = vars(Setting()), vars(comparison.MATMUL_FREE_LOSES)
        super().__init__(memories=memories, table=table, start=start, losing=losing, **settings)
