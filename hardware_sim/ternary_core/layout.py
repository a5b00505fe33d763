"""Where a model lies in the machine's memory: every vector and every tile of it has an address, and a name.

Course    notebook 13, "The model on the machine"

Vectors are cut into tiles of d numbers, matrices into tiles of d x d trits, row of tiles by row of tiles; what a tile
has too many is zero.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from hardware_sim.ternary_core.image import CONSTANT, MEMORY, WORK, Placing, Region
from hardware_sim.ternary_core.isa import INSTRUCTION_SET
from hardware_sim.ternary_core.machine import Machine
from hardware_sim.ternary_core.model import Sizes

MAPS = ("to_f", "to_c", "to_g", "to_o", "to_gate", "to_up", "to_down")       # of a block, in the order of their use
BIASED = frozenset({"to_f", "to_c", "to_g", "to_o"})                         # in the paper's form
HEAD = "head"
WIDEST = INSTRUCTION_SET.kinds["n"].limit - 1     # numbers that the norm unit takes as one vector


@dataclass(frozen=True)
class Layout:
    """Where a model lies in memory, in tiles of one machine."""

    sizes: Sizes
    machine: Machine
    biased: frozenset[str]                   # maps with a bias
    trits: Mapping[str, Region]              # name of a map, such as b0.to_f -> tiles, row of tiles by row of tiles
    bias: Mapping[str, Region]
    embedding: Region
    memories: Region                         # of all blocks
    scores: Region
    work: Region

    @property
    def regions(self) -> list[Region]:
        """All, in the order of their addresses."""
        return [self.embedding, *self.trits.values(), *self.bias.values(), self.memories, self.scores, self.work]

    def tiles(self, width: int) -> int:
        """How many registers a vector of that width fills."""
        return -(-width // self.machine.d)

    @property
    def width_tiles(self) -> int:
        """Registers of the stream."""
        return self.tiles(self.sizes.width)

    @property
    def inner_tiles(self) -> int:
        """Registers of the channel mixer's inside."""
        return self.tiles(self.sizes.inner)


def shape_of(map_name: str, sizes: Sizes) -> tuple[int, int]:
    """Outputs and inputs of a map of the model."""
    own = map_name.rpartition(".")[2]
    outputs = {"to_gate": sizes.inner, "to_up": sizes.inner, HEAD: sizes.vocab}.get(own, sizes.width)
    return outputs, sizes.inner if own == "to_down" else sizes.width


def names(sizes: Sizes) -> list[str]:
    """Every map of the model: b0.to_f, b0.to_c, ..., head."""
    return [f"b{block}.{own}" for block in range(sizes.blocks) for own in MAPS] + [HEAD]


def require_form(kind: str) -> None:
    """ValueError for a model of a form that our core cannot run."""
    if kind != "matmul_free":
        raise ValueError(
            f"a {kind} cannot be lowered: our core runs MatMul-free models in the paper's form (matmul_free)")


def place(sizes: Sizes, machine: Machine, biased: Collection[str] = BIASED, work_vectors: int = 0) -> Layout:
    """Regions for a model, one after the other. ValueError for another form than the paper's, or a vector too wide."""
    require_form(sizes.kind)
    d, placing = machine.d, Placing()
    vector, wide = machine.vector_bytes, -(-sizes.width // d)
    widest = max(wide * d, sizes.inner)
    if widest > WIDEST:
        raise ValueError(f"a vector of {widest} numbers is wider than the {WIDEST} that our core can norm")
    tiles = {name: tuple(-(-size // d) for size in shape_of(name, sizes)) for name in names(sizes)}
    embedding = placing.region("embedding", sizes.vocab * wide * vector, CONSTANT)
    trits = {name: placing.region(name, rows * columns * machine.tile_bytes, CONSTANT)
             for name, (rows, columns) in tiles.items()}
    bias = {name: placing.region(f"{name}.bias", rows * vector, CONSTANT)
            for name, (rows, _) in tiles.items() if name.rpartition(".")[2] in biased}
    return Layout(
        sizes, machine, frozenset(biased), trits, bias, embedding,
        placing.region("memories", sizes.blocks * wide * vector, MEMORY),
        placing.region("scores", tiles[HEAD][0] * vector, WORK),
        placing.region("work", max(1, work_vectors) * vector, WORK))


def address_names(layout: Layout, work_vectors: int) -> dict[str, int]:
    """A name for every vector and every tile that the program speaks of."""
    machine, found = layout.machine, {}

    def each(name: str, region: Region, size: int) -> None:
        count = region.size // size
        for part in range(count):
            found[name if count == 1 else f"{name}.{part}"] = region.start + part * size

    for part in range(layout.width_tiles):
        found["embedding" if layout.width_tiles == 1 else f"embedding.{part}"] = (
            layout.embedding.start + part * machine.vector_bytes)
    for name, region in layout.trits.items():
        each(name, region, machine.tile_bytes)
    for region in layout.bias.values():
        each(region.name, region, machine.vector_bytes)
    for block in range(layout.sizes.blocks):
        size = layout.width_tiles * machine.vector_bytes
        memory = Region("", layout.memories.start + block * size, size, MEMORY)
        each(f"b{block}.memory", memory, machine.vector_bytes)
    each("scores", layout.scores, machine.vector_bytes)
    if work_vectors:
        each("work", layout.work, machine.vector_bytes)
    return found


def at(region: Region, part: int, size: int) -> dict[str, int]:
    """The address operand of one vector or tile of a region."""
    return {"@": region.start + part * size}
