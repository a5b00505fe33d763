"""Random machines and programs that meet often: few registers, few addresses, numbers at the edges of their formats.

Course    notebook 12, "From gates up"
"""

from collections.abc import Iterator
from random import Random

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from hardware_sim.isa import Instruction
from hardware_sim.ternary_core.isa import OPERATIONS
from hardware_sim.ternary_core.machine import Machine

LANES = 5                                    # how many numbers of lanes there are: d, d / 2 and so on
VECTORS, TILES = 6, 3                        # places in memory
OFTEN = {"ldv": 3, "sv": 2, "tmm": 3, "tma": 3, "acc": 2, "code": 2, "fin": 1, "end": 0}        # others: 2
EDGES = (0, 1, -1, 127, -128, 1 << 11, -(1 << 15), 1 << 15, (1 << 31) - 1, -(1 << 31))


def machines(d: int, seed: int, **fixed: int | bool) -> Iterator[Machine]:
    """Machines of one width: lanes, memory port, latency and requests under way as chance has it."""
    random = Random(seed)
    powers = [1 << bits for bits in range(d.bit_length())][-LANES:]
    while True:
        port = random.choice([power for power in (4, 8, 16, 32, 64, 128) if power <= min(4 * d, d * d // 4)])
        yield Machine(**{
            "d": d,
            "registers": random.randint(4, 8),
            "lanes": random.choice(powers),
            "row_lanes": random.choice(powers),
            "port_bytes": port,
            "burst_bytes": port << random.randint(0, 2),
            "outstanding": random.randint(1, 9),
            "read_latency": random.choice((1, 2, 3, 7, 12, 24)),
            "double_buffer": random.random() < 0.5,
        } | fixed)


def number(random: Random, bits: int) -> int:
    """Any number of so many bits, or one at an edge."""
    return random.choice(EDGES) if random.random() < 0.2 else random.randrange(-(1 << bits), 1 << bits)


def memory(machine: Machine, random: Random) -> UInt8[ndarray, "bytes"]:
    """Vectors of small, large and extreme numbers, and tiles of trits in which the code 10 occurs, too."""
    sizes = [random.choice((7, 12, 16, 31)) for _ in range(VECTORS)]
    vectors = [[number(random, bits) for _ in range(machine.d)] for bits in sizes]
    tiles = random.randbytes(TILES * machine.tile_bytes)
    return np.concatenate([np.array(vectors, "<i4").ravel().view(np.uint8), np.frombuffer(tiles, np.uint8)])


def program(machine: Machine, random: Random, length: int) -> list[Instruction]:
    """So many instructions and `end`. Vectors may be stored over tiles, and loaded from them."""
    first_tile = VECTORS * machine.vector_bytes
    vectors = [place * machine.vector_bytes for place in range(VECTORS)]
    tiles = [first_tile + place * machine.tile_bytes for place in range(TILES)]

    def operand(name: str, mnemonic: str) -> int:
        match name:
            case "y" | "a" | "b":
                return random.randrange(machine.registers)
            case "@":
                if mnemonic in ("tmm", "tma"):
                    return random.choice(tiles)
                return 0 if mnemonic == "ldx" else random.choice([*vectors, *tiles[:-1]])
            case "n":
                return random.choice((1, machine.d, 3 * machine.d, 65_535)) if mnemonic == "fin" else machine.d
            case "s":
                return random.choice((1, 8, 12, 15, 31))
            case "bits":
                return random.choice((10, 12, 16, 20))
        return random.choice((0, 1, 1 << 20, random.randrange(1 << 31), (1 << 31) - 1))

    mnemonics = random.choices(list(OPERATIONS), [OFTEN.get(mnemonic, 2) for mnemonic in OPERATIONS], k=length)
    loads = [Instruction("ldv", {"y": register, "@": random.choice(vectors)}) for register in range(3)]
    lines = [
        Instruction(mnemonic, {name: operand(name, mnemonic) for name in OPERATIONS[mnemonic].names})
        for mnemonic in mnemonics
    ]
    return [*loads, *lines, Instruction("end")]
