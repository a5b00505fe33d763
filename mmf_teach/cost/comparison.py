"""A MatMul-free model beside its MatMul twin: operations, bytes and energy of one written token, by cause.

Course    notebooks 00, 07 and 14
Equation  E = Σ operations × energy of one  +  (weights / batch + what is kept) × energy of a byte

A token is written after `context` others; the weights are fetched once for the whole batch, what is kept belongs to a
sequence. Arithmetic is quoted at 45 nm, with our own netlists as the other end of its range; products of matrices cost
a multiplication in their format and an addition in the accumulator's, a trit that is not 0 an addition.
"""

from collections import Counter
from dataclasses import dataclass, replace

from mmf_teach.cost import sheet
from mmf_teach.cost.energy import moving_pj
from mmf_teach.cost.sizes import NAMED, sizes
from mmf_teach.cost.state import kept_width, moved_numbers
from mmf_teach.model.config import ModelConfig
from mmf_teach.quantity import Quantity, load

CAUSES = ("arithmetic", "weights", "state or cache")
NON_ZERO = 2 / 3                             # share of trits that add or subtract, taken as a round figure
TRIT_BITS = 1.6                              # five in a byte
SIZES = ("shipped", *NAMED)
MEMORIES = {"DDR4": "ddr4", "LPDDR5": "lpddr5", "HBM2": "hbm2"}
SHARING = 4                                  # query heads to a key head, where they share
PRODUCTS = {                                 # what one pair of a product of matrices asks for, by the weights' format
    "fp16": ("fp16_mul", "fp32_add"), "int8": ("int8_mul", "int32_add"), "int4": ("int8_mul", "int32_add"),
}


@dataclass(frozen=True)
class Dress:
    """How a model is run: what its numbers look like."""

    kind: str                                # a key of model.build.MODELS
    weights: str                             # format of those weights that are no trits
    weight_bits: int | float                 # of the maps
    kept_bits: int                           # of a number in the cache or the state
    trits_add: bool = False                  # whether trits are added and skipped, or handed to a product like floats
    shared_heads: bool = False
    equal_loss: bool = False                 # as small as the published losses let it be


FREE = {
    "MatMul-free, released form": Dress("matmul_free_released", "fp16", TRIT_BITS, 16, trits_add=True),
    "MatMul-free, paper's form": Dress("matmul_free", "fp16", TRIT_BITS, 16, trits_add=True),
    "MatMul-free, dense products": Dress("matmul_free_released", "fp16", 16, 16),
}
TWINS = {
    "Transformer++, fp16": Dress("transformer", "fp16", 16, 16),
    "Transformer++, int8": Dress("transformer", "int8", 8, 8),
    "Transformer++, int4, heads share": Dress("transformer", "int4", 4, 8, shared_heads=True),
    "Transformer++, int4, of equal loss": Dress("transformer", "int4", 4, 8, shared_heads=True, equal_loss=True),
    "BitNet b1.58, heads share": Dress("bitnet", "int8", TRIT_BITS, 8, trits_add=True, shared_heads=True),
}
DRESSES = FREE | TWINS


@dataclass(frozen=True)
class Setting:
    """What the reader chooses. ValueError for what is not among the choices."""

    free: str = "MatMul-free, released form"
    twin: str = "Transformer++, fp16"
    size: str = "2.7B"
    context: int = 2048
    batch: int = 1
    memory: str = "DDR4"

    def __post_init__(self):
        choices = {"free": FREE, "twin": TWINS, "size": SIZES, "memory": MEMORIES}
        for name, among in choices.items():
            if getattr(self, name) not in among:
                raise ValueError(f"{name} is one of {'; '.join(among)}; not {getattr(self, name)!r}")
        for name in ("context", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is a number from 1 up, not {getattr(self, name)}")


MATMUL_FREE_LOSES = Setting(twin="Transformer++, int4, of equal loss")     # one click away from the default


@dataclass(frozen=True)
class Part:
    """A number and its range, in the unit that its owner names."""

    value: int | float
    low: int | float
    high: int | float

    def __add__(self, other: "Part") -> "Part":
        return Part(self.value + other.value, self.low + other.low, self.high + other.high)

    def times(self, factor: int | float) -> "Part":
        """So many of it."""
        return Part(factor * self.value, factor * self.low, factor * self.high)


NOTHING = Part(0.0, 0.0, 0.0)


def config_of(dress: Dress, size: str) -> ModelConfig:
    """The sizes of a model in this dress; at equal loss it has fewer blocks.

    Weights that shared heads save go into the channel mixer, as in models that are built so.
    """
    config = sizes(size, dress.kind)
    if dress.shared_heads:
        config = replace(config, kv_heads=max(1, config.heads // SHARING))
        saved = 2 * (config.width - kept_width(config))
        config = replace(config, inner_width=config.inner + round(saved / 3))
    if dress.equal_loss:
        ratio = load("../quality/equal_loss")["compute_for_equal_loss"].value
        config = replace(config, blocks=max(1, round(config.blocks / ratio)))
    return config


def split(config: ModelConfig, context: int) -> dict[str, Counter]:
    """Operations of one token: on trits, in products of matrices (pairs that meet), and everything else."""
    total = sheet.operations(config, context)
    trits = total.pop("ternary", 0)
    looked = 0
    if config.kind in ("transformer", "bitnet", "binary_bitnet"):
        looked = 2 * config.blocks * config.width * (context + 1)        # each key and each value, once
    pairs = sheet.float_weights(config) + looked
    return {"trits": Counter(trit=trits), "products": Counter(pair=pairs),
            "rest": total - Counter(multiply=pairs, add=pairs)}


def prices() -> dict[str, Part]:
    """Picojoules of one operation at 45 nm: quoted, and as the other end our own netlists, whichever side they are."""
    quoted, simulated = load("horowitz_2014"), load("gates_45nm")

    def both(name: str) -> Part:
        ends = [quoted[name].value, simulated[name].low, simulated[name].high]
        return Part(quoted[name].value, min(ends), max(ends))

    found = {name: both(name) for name in quoted if name in simulated}
    adding, lane = found["int32_add"].times(NON_ZERO), simulated["ternary_mac"]
    found["trit"] = Part(adding.value, min(adding.low, lane.low), lane.high)
    found["multiply"] = found["fp16_mul"]
    found |= dict.fromkeys(("add", "subtract", "comparison", "round"), found["fp16_add"])
    for name, cost in load("functions").items():
        each = found["fp16_mul"]
        found[name] = Part(cost.value * each.value, cost.low * each.low, cost.high * each.high)
    return found


def arithmetic_pj(operations: dict[str, Counter], dress: Dress) -> Part:
    """Picojoules of all operations of a token. KeyError for one that has no price: unknown is not free."""
    costs = prices()
    trits, pairs = operations["trits"]["trit"], operations["products"]["pair"]
    multiplying, adding = PRODUCTS[dress.weights]
    total = (costs[multiplying] + costs[adding]).times(pairs + (0 if dress.trits_add else trits))
    total += costs["trit"].times(trits if dress.trits_add else 0)
    for kind, count in operations["rest"].items():
        if kind != "table_look_up":          # a row of the embedding: counted in bytes
            total += costs[kind].times(count)
    return total


def moved_pj(data_bytes: int | float, memory: Quantity) -> Part:
    """Picojoules of fetching so many bytes, with the range of the memory's figure."""
    value = moving_pj(data_bytes, memory)
    low, high = (memory.value if end is None else end for end in (memory.low, memory.high))
    return Part(value, value * low / memory.value, value * high / memory.value)


@dataclass(frozen=True)
class Account:
    """One model's token: what it executes, what it moves, and what that costs."""

    name: str
    config: ModelConfig
    operations: dict[str, int]
    bytes: dict[str, int | float]               # weights; state or cache
    microjoules: dict[str, Part]             # by cause

    @property
    def total(self) -> Part:
        """Microjoules of all causes together."""
        return sum(self.microjoules.values(), NOTHING)


def account(name: str, setting: Setting) -> Account:
    """What one token costs in a dress. KeyError for a dress that there is not."""
    dress = DRESSES[name]
    config = config_of(dress, setting.size)
    operations = split(config, setting.context)
    dense = dress.weight_bits if dress.kind != "bitnet" else 8           # BitNet's head is no trit
    trits = sum(sheet.sheet(config).trits)
    weights = (trits * dress.weight_bits + sheet.float_weights(config) * dense) / 8
    row = 2 * config.width                   # of the embedding, in fp16
    kept = moved_numbers(config, setting.context) * dress.kept_bits / 8
    memory = load("memory")[MEMORIES[setting.memory]]
    energies = (
        arithmetic_pj(operations, dress), moved_pj(weights / setting.batch + row, memory), moved_pj(kept, memory))
    counts = {"on trits": operations["trits"]["trit"], "in products of matrices": operations["products"]["pair"],
              "other multiplications": operations["rest"]["multiply"],
              "everything else": operations["rest"].total() - operations["rest"]["multiply"]}
    return Account(
        name, config, counts, {"weights": weights / setting.batch + row, "state or cache": kept},
        {cause: part.times(1e-6) for cause, part in zip(CAUSES, energies, strict=True)})


def compare(setting: Setting) -> tuple[Account, Account]:
    """The MatMul-free model and its twin."""
    return account(setting.free, setting), account(setting.twin, setting)


def in_words(accounts: tuple[Account, Account]) -> str:
    """Who needs how many times the energy of the other, as one sentence."""
    most, least = sorted(accounts, key=lambda each: each.total.value, reverse=True)
    ratio = most.total.value / least.total.value
    return f"{most.name} needs {ratio:.2g} times the energy of {least.name} (modelled)"
