"""Reading ahead: requests go out before the last response is in, and responses wait in a buffer until they are used.

Course    notebook 12, "From gates up"
Equation  as in ternary_core/read_stream.py: request r is answered in full, and its beats are used, L + 1 + b cycles
          after it went out or b cycles after request r-1, whichever is later; it can go out when r-P has been used
Cycles    one from the response until the buffer shows it, hence L + 1
"""

from amaranth import Module, Signal
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Component, In, Out, Signature

from hardware_sim.ternary_core.machine import Machine

ADDRESS = 32                                 # bits


def reading(machine: Machine) -> Signature:
    """How memory is read. A request is for so many beats; they come in order, at most one a cycle."""
    return Signature({
        "request": Out(1), "address": Out(ADDRESS), "beats": Out(range(machine.burst_bytes // machine.port_bytes + 1)),
        "response": In(1), "data": In(8 * machine.port_bytes),
    })


def writing(machine: Machine) -> Signature:
    """How memory is written: a beat a cycle, for which nobody waits."""
    return Signature({"write": Out(1), "address": Out(ADDRESS), "data": Out(8 * machine.port_bytes)})


class Stream(Component):
    """Reads so many bytes that lie one after the other; `beat` is the oldest in the buffer, `ready` takes it out."""

    def __init__(self, machine: Machine, data_bytes: int):
        self.request_bytes = min(machine.burst_bytes, data_bytes)
        self.requests = data_bytes // self.request_bytes
        self.beats = self.request_bytes // machine.port_bytes        # of one request
        self.outstanding = machine.outstanding
        super().__init__({
            "start": In(1), "address": In(ADDRESS),
            "valid": Out(1), "beat": Out(8 * machine.port_bytes), "ready": In(1),
            "port": Out(reading(machine)),
        })

    def elaborate(self, platform: None) -> Module:
        m = Module()
        port = self.port
        m.submodules.buffer = buffer = SyncFIFO(width=len(self.beat), depth=self.outstanding * self.beats)
        unrequested = Signal(range(self.requests + 1))
        room = Signal(range(self.outstanding + 1), init=self.outstanding)       # requests that may still go out
        address = Signal(ADDRESS)
        beat_of_request = Signal(range(self.beats))
        used = Signal()                                                         # the last beat of a request is taken
        m.d.comb += [
            port.request.eq((unrequested != 0) & (room != 0)),
            port.address.eq(address),
            port.beats.eq(self.beats),
            buffer.w_en.eq(port.response),
            buffer.w_data.eq(port.data),
            self.valid.eq(buffer.r_rdy),
            self.beat.eq(buffer.r_data),
            buffer.r_en.eq(self.ready),
            used.eq(self.ready & (beat_of_request == self.beats - 1)),
        ]
        m.d.sync += room.eq(room + used - port.request)
        with m.If(self.start):
            m.d.sync += [unrequested.eq(self.requests), address.eq(self.address)]
        with m.Elif(port.request):
            m.d.sync += [unrequested.eq(unrequested - 1), address.eq(address + self.request_bytes)]
        with m.If(self.ready):
            m.d.sync += beat_of_request.eq(beat_of_request + 1)
        return m
