"""The load and store unit: vectors between registers and memory, a beat of the memory port a cycle.

Course    notebook 12, "From gates up"
Cycles    ldv, ldx    a stream of 4·d bytes (stream.py)
          sv          4·d / port_bytes, and one to begin; it does not wait for a response

With double buffering the requests of the next load follow on those of the last one, while responses are on their way; a
queue remembers which register each vector is for.
"""

from amaranth import Module, Signal
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hardware_sim.rtl.registers import named, one_hot, read_port, write_port
from hardware_sim.rtl.stream import ADDRESS, Stream, reading, writing
from hardware_sim.rtl.timer import Timer
from hardware_sim.rtl.walk import Walk
from hardware_sim.rtl.word import WORD, opcode_is
from hardware_sim.ternary_core.machine import Machine
from hardware_sim.ternary_core.units import load_store as law

TOKEN = 16                                   # bits of the core's one input


class LoadStore(Component):
    """A stream for reading, a walk for writing."""

    def __init__(self, machine: Machine):
        self.machine, self.width = machine, machine.port_bytes // 4
        super().__init__({
            "start": In(1), "word": In(WORD), "ready": Out(1), "holds": Out(machine.registers), "token": In(TOKEN),
            "loaded": Out(1), "stored": Out(1),                  # a load or a store is in its last cycle
            "reading": Out(reading(machine)), "writing": Out(writing(machine)),
            "a": Out(read_port(machine, self.width)), "result": Out(write_port(machine, self.width)),
        })

    def elaborate(self, platform: None) -> Module:
        m = Module()
        storing = opcode_is(self.word, "sv")
        m.submodules.timer = timer = Timer(law.busy("ldv", self.machine))
        expected = self.load(m, self.start & ~storing)
        m.d.comb += timer.start.eq(self.start & ~storing)
        walk, word = self.store(m, self.start & storing)
        free = timer.ready if self.machine.double_buffer else expected == 0
        m.d.comb += [
            self.ready.eq(free & ~walk.busy),
            self.holds.eq(expected | named(self.machine, word, walk.busy)),
        ]
        return m

    def load(self, m: Module, start: Signal) -> Signal:
        """Beats go into the register at the head of the queue, from its first place on. The registers still to come."""
        m.submodules.stream = stream = Stream(self.machine, self.machine.vector_bytes)
        m.submodules.queue = queue = SyncFIFO(width=len(self.result.register), depth=self.machine.registers)
        place, expected = Signal.like(self.result.place), Signal(self.machine.registers)
        row = Signal(ADDRESS)                # where the token's row lies, for ldx
        connect(m, flipped(self.reading), stream.port)
        with m.If(opcode_is(self.word, "ldx")):
            m.d.comb += row.eq((self.word["n"] * self.token) << 2)
        with m.If(stream.ready):
            m.d.sync += place.eq(place + 1)
        begun, arrived = one_hot(self.machine, self.word["y"], start), one_hot(self.machine, queue.r_data, self.loaded)
        m.d.sync += expected.eq(expected & ~arrived | begun)
        m.d.comb += [
            stream.start.eq(start), stream.address.eq(self.word["@"] + row), stream.ready.eq(stream.valid),
            queue.w_en.eq(start), queue.w_data.eq(self.word["y"]), queue.r_en.eq(self.loaded),
            self.loaded.eq(stream.ready & place.all()),
            self.result.active.eq(stream.ready), self.result.register.eq(queue.r_data), self.result.place.eq(place),
            self.result.data.eq(stream.beat),
        ]
        return expected

    def store(self, m: Module, start: Signal) -> tuple[Walk, Signal]:
        """What was read from the register in one cycle goes to memory in the next."""
        m.submodules.walk = walk = Walk(self.machine.d // self.width)
        word = Signal(WORD)
        with m.If(start):
            m.d.sync += word.eq(self.word)
        m.d.comb += [
            walk.start.eq(start), self.stored.eq(walk.done),
            self.a.active.eq(walk.busy), self.a.register.eq(word["a"]), self.a.place.eq(walk.read),
            self.writing.write.eq(walk.writes), self.writing.data.eq(self.a.data),
            self.writing.address.eq(word["@"] + walk.written * self.machine.port_bytes),
        ]
        return walk, word
