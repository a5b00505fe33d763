"""What lies where in the machine's memory: regions with names, and the bytes that are there before the first token.

Course    notebook 13, "The model on the machine"
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

LINE = 64                                    # bytes; every region begins at a multiple of it
CONSTANT, MEMORY, WORK = "constant", "memory", "work"        # who writes: the image; image, then program; the program


@dataclass(frozen=True)
class Region:
    name: str
    start: int               # address of its first byte
    size: int                # bytes
    use: str                 # constant, memory or work

    @property
    def end(self) -> int:
        return self.start + self.size


@dataclass(frozen=True)
class AddressMap:
    """Regions that do not overlap. ValueError names two that do, or the one that lies outside the address space."""

    regions: tuple[Region, ...]
    address_bits: int
    _starts: ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self):
        ordered = tuple(sorted(self.regions, key=lambda region: region.start))
        for region in ordered:
            if region.start < 0 or region.size < 1 or region.end > 1 << self.address_bits:
                raise ValueError(
                    f"{region.name} takes the bytes {region.start} to {region.end}, but this machine has "
                    f"{1 << self.address_bits} bytes of memory: give it more address bits, or lower a smaller model")
        for one, next_one in pairwise(ordered):
            if one.end > next_one.start:
                raise ValueError(f"{one.name} and {next_one.name} overlap from address {next_one.start:#x} on")
        object.__setattr__(self, "regions", ordered)
        object.__setattr__(self, "_starts", np.array([region.start for region in ordered]))

    def at(self, address: int, size: int) -> Region | None:
        """The region that holds these bytes, all of them; None when there is none."""
        number = int(np.searchsorted(self._starts, address, "right")) - 1
        if number < 0 or address + size > self.regions[number].end:
            return None
        return self.regions[number]

    def named(self, name: str) -> Region:
        """ValueError for a name that no region has."""
        for region in self.regions:
            if region.name == name:
                return region
        raise ValueError(f"no region is called {name!r}")

    @property
    def size(self) -> int:
        """Bytes from address 0 up to the end of the last region."""
        return max((region.end for region in self.regions), default=0)


class Placing:
    """Regions one after the other from address 0."""

    def __init__(self):
        self.regions, self._free = [], 0

    def region(self, name: str, size: int, use: str) -> Region:
        """The next one."""
        placed = Region(name, self._free, size, use)
        self.regions.append(placed)
        self._free = -(-placed.end // LINE) * LINE
        return placed

    def finished(self, address_bits: int) -> AddressMap:
        """All of them. ValueError when they need more bytes than there are addresses."""
        return AddressMap(tuple(self.regions), address_bits)


def empty(regions: Iterable[Region]) -> UInt8[ndarray, "bytes"]:
    """A memory that holds these regions, all zero."""
    return np.zeros(max((region.end for region in regions), default=0), np.uint8)
