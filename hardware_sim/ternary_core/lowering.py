"""A MatMul-free model becomes a program of our core: one run reads a token and leaves the scores of the next.

Course    notebook 13, "The model on the machine"
Equation  mmf_teach/reference/integer_model.py, line by line; what a tile is filled up with stays zero: sums, gated
          memories and inner products of it are zero

The order of the lines matters to an in-order machine. The next matrix is asked for before the sums of the last one are
worked on, what those will need is loaded before that matrix, and memories are stored just before the next one. Tiles
that follow one another add to two sums by turns, so that none waits for the one before it.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from hardware_sim.assembler import Program
from hardware_sim.isa import Instruction
from hardware_sim.ternary_core.allocate import Allocation, Line
from hardware_sim.ternary_core.image import AddressMap, Region
from hardware_sim.ternary_core.layout import BIASED, HEAD, Layout, address_names, at, place
from hardware_sim.ternary_core.machine import Machine
from hardware_sim.ternary_core.model import Sizes
from mmf_teach.ternary import fixed_point as fp

Scale = Callable[[str], int]                 # name of a map, such as b0.to_f -> its weight scale


@dataclass(frozen=True)
class Lowered:
    """A program, and where everything lies that it works on."""

    program: Program
    map: AddressMap
    layout: Layout

    @property
    def machine(self) -> Machine:
        """The one it was lowered for: it runs on every machine with registers as wide, and as many."""
        return self.layout.machine


def lower(
    sizes: Sizes, machine: Machine, scale: Scale = lambda name: 1, biased: Collection[str] = BIASED,
) -> Lowered:
    """The program of a model of this shape, and its address map; only `resc` knows anything of the weights.

    ValueError for a model that is not in the paper's form, or too large for the machine's address space.
    """
    layout = place(sizes, machine, biased)
    AddressMap(tuple(layout.regions), machine.address_bits)  # refused before a long program is written
    lines = Writer(layout, scale).token()
    allocation = Allocation(lines, machine.registers, lambda n: layout.work.start + n * machine.vector_bytes)
    instructions = [*allocation.run(), Instruction("end")]
    layout = place(sizes, machine, biased, allocation.places_made)
    address_map = AddressMap(tuple(layout.regions), machine.address_bits)
    return Lowered(Program(tuple(instructions), address_names(layout, allocation.places_made)), address_map, layout)


class Writer:
    """Writes the lines of one token, on values: a number for each register's worth of numbers."""

    def __init__(self, layout: Layout, scale: Scale):
        self.layout, self.scale = layout, scale
        self.lines: list[Line] = []
        self.values = 0
        self.later: Callable[[], None] = lambda: None        # what is still to be done with the last sums
        self.stores: list[tuple[int, int]] = []              # values and the addresses where they belong

    def token(self) -> list[Line]:
        """All lines, from the embedding to the scores."""
        layout = self.layout
        row = layout.width_tiles * layout.machine.d
        x = [self.do("ldx", n=row, **at(layout.embedding, part, layout.machine.vector_bytes))
             for part in range(layout.width_tiles)]
        for block in range(layout.sizes.blocks):
            x = self.channel_mixer(block, self.token_mixer(block, x))
        codes = self.codes(x, layout.sizes.width, fp.ACTIVATION)
        for row in range(layout.tiles(layout.sizes.vocab)):
            self.map(HEAD, row, codes, lambda scores, row=row: self.store(scores, layout.scores, row))
        self.settle()
        return self.lines

    def token_mixer(self, block: int, x: list[int]) -> list[int]:
        """MLGRU: the stream after it."""
        own, layout = f"b{block}.", self.layout
        codes = self.codes(x, layout.sizes.width, fp.ACTIVATION)
        gated: dict[int, int] = {}
        for row in range(layout.width_tiles):
            place = block * layout.width_tiles + row
            gate, candidate, memory = {}, {}, {}
            self.map(f"{own}to_f", row, codes, lambda y, gate=gate: gate.update(f=self.do("sig", a=y)))
            self.map(f"{own}to_c", row, codes, lambda y, into=candidate: into.update(c=self.silu(y)))
            memory["h"] = self.load(layout.memories, place)

            def show(y: int, row=row, place=place, gate=gate, candidate=candidate, memory=memory) -> None:
                h = memory["h"]
                self.do("mix", y=h, a=gate["f"], b=candidate["c"])
                self.store(h, layout.memories, place)
                gated[row] = self.do("mul", a=self.do("sig", a=y), b=h, s=fp.GATE)

            self.map(f"{own}to_g", row, codes, show)
        self.settle()
        codes = self.codes([gated[row] for row in range(layout.width_tiles)], layout.sizes.width, fp.MEMORY)
        return self.added(f"{own}to_o", codes, x)

    def channel_mixer(self, block: int, x: list[int]) -> list[int]:
        """GLU: the stream after it."""
        own, layout = f"b{block}.", self.layout
        codes = self.codes(x, layout.sizes.width, fp.ACTIVATION)
        inner: dict[int, int] = {}
        for row in range(layout.inner_tiles):
            gate: dict[str, int] = {}
            self.map(f"{own}to_gate", row, codes, lambda y, gate=gate: gate.update(open=self.silu(y)))

            def close(y: int, row=row, gate=gate) -> None:
                inner[row] = self.do("mul", a=gate["open"], b=y, s=2 * fp.ACTIVATION - fp.MEMORY)

            self.map(f"{own}to_up", row, codes, close)
        self.settle()
        codes = self.codes([inner[row] for row in range(layout.inner_tiles)], layout.sizes.inner, fp.MEMORY)
        return self.added(f"{own}to_down", codes, x)

    def added(self, name: str, codes: list[int], x: list[int]) -> list[int]:
        """x and what a map makes of the codes."""
        out: dict[int, int] = {}
        for row in range(len(x)):
            self.map(name, row, codes, lambda y, row=row: out.update({row: self.do("add", a=x[row], b=y)}))
        self.settle()
        return [out[row] for row in range(len(x))]

    def codes(self, x: list[int], n: int, bits: int) -> list[int]:
        """Norm and absmax in one."""
        self.do("clr", made=False)
        for part in x:
            self.do("acc", a=part, made=False)
        self.do("fin", n=n, bits=bits, made=False)
        return [self.do("code", a=part) for part in x]

    def map(self, name: str, row: int, codes: list[int], then: Callable[[int], None]) -> None:
        """One row of tiles times the codes; `then` takes the activations, once the next matrix is under way."""
        layout, machine = self.layout, self.layout.machine
        bias = self.load(layout.bias[name], row) if name in layout.bias else None
        self.store_now()
        sums: list[int] = []
        for column, part in enumerate(codes):
            place = at(layout.trits[name], row * len(codes) + column, machine.tile_bytes)
            if column < 2:
                sums.append(self.do("tmm", a=part, **place))
            else:
                self.do("tma", y=sums[column % 2], a=part, **place)
        before, scale = self.later, self.scale(name)

        def work_on_sums() -> None:
            y = self.do("resc", a=sums[0] if len(sums) == 1 else self.do("add", a=sums[0], b=sums[1]), w=scale)
            then(y if bias is None else self.do("add", a=y, b=bias))

        self.later = work_on_sums
        before()

    def settle(self) -> None:
        """Everything with the last sums, now, and what is to be stored."""
        before, self.later = self.later, lambda: None
        before()
        self.store_now()

    def silu(self, z: int) -> int:
        """z · σ(z)."""
        return self.do("mul", a=z, b=self.do("sig", a=z), s=fp.GATE)

    def load(self, region: Region, part: int) -> int:
        return self.do("ldv", **at(region, part, self.layout.machine.vector_bytes))

    def store(self, value: int, region: Region, part: int) -> None:
        """Soon: just before the next matrix."""
        self.stores.append((value, at(region, part, self.layout.machine.vector_bytes)["@"]))

    def store_now(self) -> None:
        """Everything that was to be stored soon."""
        for value, address in self.stores:
            self.do("sv", a=value, made=False, **{"@": address})
        self.stores = []

    def do(self, mnemonic: str, y: int | None = None, made: bool = True, **operands: int) -> int | None:
        """One line; the value that it makes, or changes."""
        values = {name: operands.pop(name) for name in ("a", "b") if name in operands}
        if made and y is None:
            y, self.values = self.values, self.values + 1
        if made:
            values = {"y": y} | values
        self.lines.append(Line(mnemonic, values, operands))
        return y
