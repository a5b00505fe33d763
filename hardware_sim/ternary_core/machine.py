"""The sizes of our core: everything that a designer may choose, and nothing that follows from it.

Course    notebook 13, "The model on the machine"
"""

from dataclasses import dataclass

LARGEST = 1 << 20                            # a size above this is a slip of the pen, not a machine


@dataclass(frozen=True)
class Machine:
    """One core; `dataclasses.replace` makes another one. ValueError for sizes that no machine can have."""

    d: int = 128                   # elements of a vector register, and rows and columns of a tile
    registers: int = 8             # vector registers
    lanes: int = 64                # trits added a cycle
    row_lanes: int = 16            # elements a cycle in everything that goes along a row
    port_bytes: int = 16           # bytes a cycle through the memory port: a beat
    burst_bytes: int = 64          # bytes answered to one request
    outstanding: int = 8           # requests under way at once
    read_latency: int = 24         # cycles from a request to its first beat
    double_buffer: bool = True     # may a stream begin while the last one is still on its way, or copied out?
    clock_mhz: float = 200.0
    address_bits: int = 32

    def __post_init__(self):
        for name in ("d", "lanes", "row_lanes", "port_bytes", "burst_bytes"):
            size = getattr(self, name)
            if type(size) is not int or not 0 < size <= LARGEST or size & (size - 1):
                raise ValueError(f"{name} must be a power of two from 1 to {LARGEST}, not {size!r}")
        for name, least in (("registers", 4), ("outstanding", 1), ("read_latency", 1), ("address_bits", 8)):
            size = getattr(self, name)
            if type(size) is not int or not least <= size <= LARGEST:
                raise ValueError(f"{name} must be a whole number from {least} to {LARGEST}, not {size!r}")
        if self.registers > 32 or self.address_bits > 32:
            raise ValueError("an instruction has room for 32 registers and addresses of 32 bits, and for no more")
        if type(self.double_buffer) is not bool:
            raise ValueError(f"double_buffer is True or False, not {self.double_buffer!r}")
        if not isinstance(self.clock_mhz, int | float) or not 0 < self.clock_mhz < 1e6:
            raise ValueError(f"clock_mhz must be a number of megahertz above zero, not {self.clock_mhz!r}")
        if self.d < 4:
            raise ValueError(f"d must be at least 4, so that a tile's row fills a byte, not {self.d}")
        if max(self.lanes, self.row_lanes) > self.d:
            raise ValueError(f"more lanes than the {self.d} elements of a register would have nothing to do")
        if self.port_bytes > min(self.burst_bytes, self.vector_bytes, self.tile_bytes) or self.port_bytes < 4:
            raise ValueError(
                f"a beat of {self.port_bytes} bytes must hold a number, and be part of a burst ({self.burst_bytes}), a "
                f"vector ({self.vector_bytes}) and a tile ({self.tile_bytes} bytes)")

    @property
    def vector_bytes(self) -> int:
        """Bytes of a vector in memory: four an element."""
        return 4 * self.d

    @property
    def tile_bytes(self) -> int:
        """Bytes of a tile of d x d trits, four a byte."""
        return self.d * self.d // 4

    @property
    def steps(self) -> int:
        """Cycles in which a whole register passes the row lanes."""
        return self.d // self.row_lanes

    @property
    def cycles_a_beat(self) -> int:
        """How long the lanes work on the trits of one beat."""
        return max(1, 4 * self.port_bytes // self.lanes)


TERNARY_CORE = Machine()
WIDE = Machine(                              # for billions of weights: 64 bytes a cycle are 12.8 GB/s, of the 19.2 GB/s
    d=512, lanes=256, row_lanes=64, port_bytes=64, outstanding=32)           # that one channel of DDR4-2400 can bring
