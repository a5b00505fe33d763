"""The whole core: it fetches a word a cycle and hands it to its unit as soon as all that it names is free.

Course    notebook 12, "From gates up"
Cycles    the rules of hardware_sim/scoreboard.py: in order, at most one a cycle; an instruction waits for its unit, for
          every register it names and, where it uses memory, for whoever has the memory port
"""

from collections.abc import Sequence
from functools import reduce
from operator import and_, or_

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hardware_sim.isa import Instruction
from hardware_sim.rtl.arithmetic import wire
from hardware_sim.rtl.load_store import TOKEN, LoadStore
from hardware_sim.rtl.norm import Norm
from hardware_sim.rtl.registers import Registers, named
from hardware_sim.rtl.rowwise import Rowwise
from hardware_sim.rtl.stream import reading, writing
from hardware_sim.rtl.tmatmul import Tmatmul
from hardware_sim.rtl.word import WORD, opcode_is, uses
from hardware_sim.ternary_core.isa import INSTRUCTION_SET, OPERATIONS
from hardware_sim.ternary_core.machine import Machine

WORDS = 256                                  # instructions that a core keeps, unless it is built for more
BITS = WORD.size                             # of an instruction word
UNITS = {"load/store": LoadStore, "rowwise": Rowwise, "norm": Norm, "tmatmul": Tmatmul}
NUMBERS = {row.unit: row.code["unit"] for row in OPERATIONS.values()}            # what the word calls a unit
DONE = ("loaded", "stored", "rowwise", "norm", "tmatmul")                        # sorts of work whose end is seen
LOADS, TILES = 0, 1                          # who reads memory: a request's tag, which comes back with its responses


def words_of(program: Sequence[Instruction], words: int, token: int) -> list[int]:
    """The words of a program. ValueError for more than the core has room for, or a token too large for its input."""
    if len(program) > words:
        raise ValueError(f"the program has {len(program)} instructions, but this core keeps {words}")
    if not 0 <= token < 1 << TOKEN:
        raise ValueError(f"token {token} does not fit into the {TOKEN} bits of the core's input")
    return [INSTRUCTION_SET.encode(instruction) for instruction in program]


class Core(Component):
    """Program memory, issue, four units and the registers between them. While `run` is low it stands before word 0."""

    def __init__(self, machine: Machine, words: int = WORDS):
        self.machine, self.words = machine, words
        self.units = {name: unit(machine) for name, unit in UNITS.items()}
        super().__init__({
            "run": In(1), "token": In(TOKEN),
            "reading": Out(reading(machine)), "tag": Out(1), "response_tag": In(1), "writing": Out(writing(machine)),
            "place": In(range(words)), "word": In(BITS), "store": In(1),         # how a program gets in
            "number": Out(range(words)), "issue": Out(1),                        # which word stands there; it goes now
            "done": Out(len(DONE)), "finished": Out(1),                          # sorts in their last cycle; all done
        })

    def elaborate(self, platform: None) -> Module:
        m = Module()
        for name, unit in self.units.items():
            m.submodules[name.replace("/", "_")] = unit
        self.connect_registers(m)
        self.connect_memory(m)
        m.d.comb += self.units["load/store"].token.eq(self.token)
        word, ended = self.fetch(m), Signal()
        holds = wire(m, "holds", reduce(or_, (unit.holds for unit in self.units.values())))
        held = (named(self.machine, word, 1) & holds).any()
        waits = wire(m, "waits", held | self.unit_is_taken(word) | self.port_is_taken(word))
        m.d.comb += self.issue.eq(self.run & ~ended & ~waits)
        with m.If(self.issue):
            m.d.sync += ended.eq(opcode_is(word, "end"))
        for name, unit in self.units.items():
            m.d.comb += [unit.word.eq(word), unit.start.eq(self.issue & (word["unit"] == NUMBERS[name]))]
        loads, *others = self.units.values()
        m.d.comb += self.done.eq(Cat(loads.loaded, loads.stored, *(unit.done for unit in others)))
        idle = reduce(and_, (unit.ready for unit in self.units.values()))
        m.d.comb += self.finished.eq(ended & (holds == 0) & idle)
        return m

    def fetch(self, m: Module) -> Value:
        """The word in question: the next one is read while this one goes."""
        m.submodules.program = program = Memory(shape=WORD, depth=self.words, init=[])
        read, write = program.read_port(), program.write_port()
        m.d.comb += [
            write.en.eq(self.store), write.addr.eq(self.place), write.data.eq(self.word),
            read.addr.eq(self.number + self.issue),
        ]
        m.d.sync += self.number.eq(self.number + self.issue)
        return read.data

    def unit_is_taken(self, word: Value) -> Value:
        """Is its unit not ready for another?"""
        return reduce(or_, ((word["unit"] == NUMBERS[name]) & ~unit.ready for name, unit in self.units.items()))

    def port_is_taken(self, word: Value) -> Value:
        """Does it use memory, and one of the two that do so is not ready for another?"""
        return uses(word, "@") & ~(self.units["load/store"].ready & self.units["tmatmul"].ready)

    def connect_memory(self, m: Module) -> None:
        """Two read and one writes; the rules of issue see to it that never two send a request at once."""
        port = self.reading
        loads, tiles = self.units["load/store"], self.units["tmatmul"].reading
        connect(m, loads.writing, flipped(self.writing))
        m.d.comb += [
            port.request.eq(loads.reading.request | tiles.request), self.tag.eq(Mux(tiles.request, TILES, LOADS)),
            port.address.eq(Mux(tiles.request, tiles.address, loads.reading.address)),
            port.beats.eq(Mux(tiles.request, tiles.beats, loads.reading.beats)),
        ]
        for tag, reader in ((LOADS, loads.reading), (TILES, tiles)):
            m.d.comb += [reader.response.eq(port.response & (self.response_tag == tag)), reader.data.eq(port.data)]

    def connect_registers(self, m: Module) -> None:
        """Every unit's ports, by the unit's name and theirs."""
        ports = {
            f"{name}_{port}".replace("/", "_"): getattr(unit, port)
            for name, unit in self.units.items() for port in ("y", "a", "b", "result") if hasattr(unit, port)
        }
        reads = {name: len(port.data) for name, port in ports.items() if not name.endswith("result")}
        writes = {name: len(port.data) for name, port in ports.items() if name.endswith("result")}
        m.submodules.registers = self.registers = registers = Registers(self.machine, reads, writes)
        for name, port in ports.items():
            connect(m, port, getattr(registers, name))
