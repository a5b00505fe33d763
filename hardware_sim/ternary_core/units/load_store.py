"""Vectors between registers and memory: four bytes an element, little endian, a beat a cycle.

Course    notebook 13, "The model on the machine"
"""

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from hardware_sim.ternary_core.machine import Machine
from hardware_sim.ternary_core.read_stream import stream


def load(data: UInt8[ndarray, "bytes"]) -> Int64[ndarray, "d"]:
    """The numbers that these bytes say."""
    return data.view("<i4").astype(np.int64)


def store(a: Int64[ndarray, "d"]) -> UInt8[ndarray, "bytes"]:
    """The bytes that say these numbers of 32 bits."""
    return a.astype("<i4").view(np.uint8)


def cycles(mnemonic: str, machine: Machine) -> int:
    """Reading waits for the answers; writing hands over a beat a cycle, after one to begin, and waits for nothing."""
    if mnemonic == "sv":
        return machine.vector_bytes // machine.port_bytes + 1
    return stream(machine.vector_bytes, 1, machine).cycles


def busy(mnemonic: str, machine: Machine) -> int:
    """After how long the next one may begin: with two buffers its requests follow on those of this one."""
    if mnemonic == "sv" or not machine.double_buffer:
        return cycles(mnemonic, machine)
    return stream(machine.vector_bytes, 1, machine).next_request
