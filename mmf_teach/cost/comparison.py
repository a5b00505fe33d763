"""A MatMul-free model beside its MatMul twin: operations, bytes and energy of one written token, by cause.

Course    notebooks 00, 07 and 14
Equation  E = Σ operations × energy of one  +  (weights / batch + what is kept) × energy of a byte

A token is written after `context` others; the weights are fetched once for the whole batch, what is kept belongs to a
sequence. Arithmetic is quoted at 45 nm, with our own netlists as the other end of its range; products of matrices cost
a multiplication in their format and an addition in the accumulator's, a trit that is not 0 an addition.
"""

from collections import Counter
from dataclasses import dataclass, replace

from mmf_teach.cost.cache_size import decoder_of
from mmf_teach.cost.closed_form import PAIRS, Pass, parts
from mmf_teach.cost.prices import Range, moved_pj, operation_pj
from mmf_teach.cost.sizes import NAMED, sizes, with_shared_heads
from mmf_teach.model.config import ModelConfig
from mmf_teach.paths import DATA
from mmf_teach.quantity import load, read

CAUSES = ("arithmetic", "weights", "state or cache")
TRIT_BITS = 1.6                              # five in a byte
SIZES = ("shipped", *NAMED)
MEMORIES = {"DDR4": "ddr4", "LPDDR5": "lpddr5", "HBM2": "hbm2"}
PRODUCTS = {                                 # what one pair of a product of matrices asks for, by the weights' format
    "fp16": ("fp16_mul", "fp32_add"), "int8": ("int8_mul", "int32_add"), "int4": ("int8_mul", "int32_add"),
}


@dataclass(frozen=True)
class Precision:
    """How a model is run: what its numbers look like."""

    kind: str                                # a key of model.build.MODELS
    weights: str                             # format of those weights that are no trits
    weight_bits: int | float                 # of the maps
    kept_bits: int                           # of a number in the cache or the state
    trits_add: bool = False                  # whether trits are added and skipped, or handed to a product like floats
    shared_heads: bool = False
    equal_loss: bool = False                 # as small as the published losses let it be


FREE = {
    "MatMul-free, released form": Precision("matmul_free_released", "fp16", TRIT_BITS, 16, trits_add=True),
    "MatMul-free, paper's form": Precision("matmul_free", "fp16", TRIT_BITS, 16, trits_add=True),
    "MatMul-free, dense products": Precision("matmul_free_released", "fp16", 16, 16),
}
TWINS = {
    "Transformer++, fp16": Precision("transformer", "fp16", 16, 16),
    "Transformer++, int8": Precision("transformer", "int8", 8, 8),
    "Transformer++, int4, heads share": Precision("transformer", "int4", 4, 8, shared_heads=True),
    "Transformer++, int4, of equal loss": Precision("transformer", "int4", 4, 8, shared_heads=True, equal_loss=True),
    "BitNet b1.58, heads share": Precision("bitnet", "int8", TRIT_BITS, 8, trits_add=True, shared_heads=True),
}
PRECISIONS = FREE | TWINS


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


def config_of(precision: Precision, size: str) -> ModelConfig:
    """The sizes of a model in this precision; at equal loss it has fewer blocks.

    Weights that shared heads save go into the channel mixer, as in models that are built so.
    """
    config = sizes(size, precision.kind)
    if precision.shared_heads:
        config = with_shared_heads(config)
        saved = 2 * (config.width - config.width // config.heads * config.kv_heads)
        config = replace(config, inner_width=config.inner + round(saved / 3))
    if precision.equal_loss:
        ratio = read(DATA / "quality" / "equal_loss.toml")["compute_for_equal_loss"].value
        config = replace(config, blocks=max(1, round(config.blocks / ratio)))
    return config


def arithmetic_pj(counted: Counter, precision: Precision) -> Range:
    """Picojoules of `closed_form.parts`. KeyError for an operation that has no price: unknown is not free."""
    costs, rest = operation_pj(), counted.copy()
    trits, pairs = rest.pop("ternary", 0), sum(rest.pop(kind, 0) for kind in PAIRS)
    multiplying, adding = PRODUCTS[precision.weights]
    total = (costs[multiplying] + costs[adding]).times(pairs + (0 if precision.trits_add else trits))
    total += costs["trit"].times(trits if precision.trits_add else 0)
    for kind, count in rest.items():
        if kind != "table_look_up":          # a row of the embedding: counted in bytes
            total += costs[kind].times(count)
    return total


@dataclass(frozen=True)
class Account:
    """One model's token: what it executes, what it moves, and what that costs."""

    name: str
    config: ModelConfig
    operations: dict[str, int]
    bytes: dict[str, int | float]            # weights; state or cache
    microjoules: dict[str, Range]            # by cause

    @property
    def total(self) -> Range:
        """Microjoules of all causes together."""
        return sum(self.microjoules.values(), Range(0.0, 0.0, 0.0))


def account(name: str, setting: Setting) -> Account:
    """What one token costs in a precision. KeyError for one that there is not."""
    precision = PRECISIONS[name]
    config = config_of(precision, setting.size)
    counted = parts(config, Pass(context=setting.context))
    dense_bits = precision.weight_bits if precision.kind != "bitnet" else 8              # BitNet's head is no trit
    weights = (counted["ternary"] * precision.weight_bits + counted["dense"] * dense_bits) / 8
    row = 2 * config.width                   # of the embedding, in fp16
    moved = {
        "weights": weights / setting.batch + row,
        "state or cache": decoder_of(config, bits=precision.kept_bits).moved_bytes(setting.context)}
    memory = load("memory")[MEMORIES[setting.memory]]
    energies = arithmetic_pj(counted, precision), *(moved_pj(each, memory) for each in moved.values())
    pairs = sum(counted[kind] for kind in PAIRS)
    counts = {
        "on trits": counted["ternary"], "in products of matrices": pairs, "other multiplications": counted["multiply"],
        "everything else": counted.total() - counted["ternary"] - pairs - counted["multiply"]}
    microjoules = {cause: energy.times(1e-6) for cause, energy in zip(CAUSES, energies, strict=True)}
    return Account(name, config, counts, moved, microjoules)


def compare(setting: Setting) -> tuple[Account, Account]:
    """The MatMul-free model and its twin."""
    return account(setting.free, setting), account(setting.twin, setting)


def in_words(accounts: tuple[Account, Account]) -> str:
    """Who needs how many times the energy of the other, as one sentence."""
    most, least = sorted(accounts, key=lambda each: each.total.value, reverse=True)
    ratio = most.total.value / least.total.value
    return f"{most.name} needs {ratio:.2g} times the energy of {least.name} (modelled)"
