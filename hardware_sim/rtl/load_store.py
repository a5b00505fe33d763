"""The load and store unit: vectors between registers and memory, a beat of the memory port a cycle.

Course    notebook 11, "Counting cycles"
Cycles    ldv, ldx    a stream of 4·d bytes (stream.py)
          sv          4·d / port_bytes, and one to begin; it does not wait for an answer
"""

from amaranth import Module, Signal
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from hardware_sim.course.machine import Machine
from hardware_sim.rtl.registers import named, read_port, write_port
from hardware_sim.rtl.stream import ADDRESS, Stream, reading, writing
from hardware_sim.rtl.walk import Walk
from hardware_sim.rtl.word import WORD, said

TOKEN = 16                                   # bits of the core's one input


class LoadStore(Component):
    """A stream for reading, a walk for writing."""

    def __init__(self, machine: Machine):
        self.machine, self.width = machine, machine.port_bytes // 4
        super().__init__({
            "start": In(1), "word": In(WORD), "ready": Out(1), "done": Out(1), "holds": Out(machine.registers),
            "token": In(TOKEN), "reading": Out(reading(machine)), "writing": Out(writing(machine)),
            "a": Out(read_port(machine, self.width)), "result": Out(write_port(machine, self.width)),
        })

    def elaborate(self, platform: None) -> Module:
        m = Module()
        beats = self.machine.d // self.width
        m.submodules.walk = walk = Walk(beats)
        m.submodules.stream = stream = Stream(self.machine, self.machine.vector_bytes)
        word, loading, place = Signal(WORD), Signal(), Signal(range(beats))
        storing = said(self.word, "sv")
        loaded = stream.take & (place == beats - 1)
        row = Signal(ADDRESS)                # where the token's row lies, for ldx
        with m.If(said(self.word, "ldx")):
            m.d.comb += row.eq((self.word["n"] * self.token) << 2)
        with m.If(self.start):
            m.d.sync += [word.eq(self.word), place.eq(0), loading.eq(~storing)]
        with m.Elif(stream.take):
            m.d.sync += [place.eq(place + 1), loading.eq(~loaded)]
        connect(m, flipped(self.reading), stream.port)
        m.d.comb += [
            self.ready.eq(~(loading | walk.busy)), self.done.eq(loaded | walk.done),
            self.holds.eq(named(self.machine, word, loading | walk.busy)),
            stream.start.eq(self.start & ~storing), stream.address.eq(self.word["@"] + row),
            stream.take.eq(stream.there),
            self.result.active.eq(stream.take), self.result.register.eq(word["y"]), self.result.place.eq(place),
            self.result.data.eq(stream.beat),
            walk.start.eq(self.start & storing),
            self.a.active.eq(walk.busy), self.a.register.eq(word["a"]), self.a.place.eq(walk.read),
            self.writing.write.eq(walk.writes), self.writing.data.eq(self.a.data),
            self.writing.address.eq(word["@"] + walk.written * self.machine.port_bytes),
        ]
        return m
