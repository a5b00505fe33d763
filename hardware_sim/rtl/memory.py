"""A memory for simulations: every request has its response a fixed number of cycles later, in order, a beat a cycle.

Course    notebook 12, "From gates up"
Cycles    a request in cycle c: its first beat in cycle c + latency, if no earlier beat is still in the way
"""

from collections import deque
from typing import NamedTuple

from jaxtyping import UInt8
from numpy import ndarray

from hardware_sim.ternary_core.machine import Machine


class Request(NamedTuple):
    """The core's wires to its memory in one cycle."""

    valid: int
    address: int
    beats: int
    tag: int
    write: int
    write_address: int
    write_data: int


class Response(NamedTuple):
    """The memory's wires to the core."""

    valid: int = 0
    tag: int = 0
    data: int = 0


class FixedLatencyMemory:
    """Bytes, and the responses that are on their way. What is read is what stands there when it is asked for."""

    def __init__(self, machine: Machine, held: UInt8[ndarray, "bytes"]):
        self.latency, self.beat, self.bytes = machine.read_latency, machine.port_bytes, bytearray(held)
        self.cycle = 0
        self.responses: deque[tuple[int, Response]] = deque()         # cycle in which it may come, and what

    def after(self, wires: Request) -> Response:
        """The response in the next cycle to the core's wires in this one. ValueError for bytes that are not there."""
        if wires.write:
            self.bytes[self.beat_at(wires.write_address)] = wires.write_data.to_bytes(self.beat, "little")
        if wires.valid:
            for address in range(wires.address, wires.address + wires.beats * self.beat, self.beat):
                data = int.from_bytes(self.bytes[self.beat_at(address)], "little")
                self.responses.append((self.cycle + self.latency, Response(1, wires.tag, data)))
        self.cycle += 1
        if self.responses and self.responses[0][0] <= self.cycle:
            return self.responses.popleft()[1]
        return Response()

    def beat_at(self, address: int) -> slice:
        """The bytes of a beat. ValueError when there are none at that address."""
        end = address + self.beat
        if end > len(self.bytes):
            raise ValueError(f"the circuit asks for the bytes {address:#x} to {end:#x} of {len(self.bytes):#x}")
        return slice(address, end)
