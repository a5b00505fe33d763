"""Values, fast: the decoded program in one compiled loop, its matrices packed once as this processor likes them.

Course    notebook 13, "The model on the machine"
Equation  golden.py, number for number; saturated elements are counted here too

Measured on one shared core, shipped model: 6,600 tokens a second against 45 of golden.py.
"""

from functools import cached_property

import numpy as np
from jaxtyping import Int8, Int32, Int64, UInt8
from numba import njit
from numpy import ndarray

from hardware_sim.ternary_core.decode import NUMBER, Table
from hardware_sim.ternary_core.golden import HIGH, LOW
from hardware_sim.ternary_core.machine import Machine
from hardware_sim.ternary_core.units import norm, tmatmul
from hardware_sim.ternary_core.units.rowwise import MIXED, ONE
from mmf_teach.engine.fixed_point import rescale, shift, sigmoid, smallest_square
from mmf_teach.engine.intrinsics.simd import LINE, aligned_empty
from mmf_teach.engine.ternary_matmul.choice import best
from mmf_teach.ternary import fixed_point as fp

KERNEL = best()                              # compiled code tells kernels apart by the types of their arrays
product_into = KERNEL.product_into
LDV, LDX, SV, ADD, SUB, MUL, SIG, MIX, CLR, ACC, FIN, CODE, RESC, TMM, TMA = (
    NUMBER[mnemonic] for mnemonic in
    ("ldv", "ldx", "sv", "add", "sub", "mul", "sig", "mix", "clr", "acc", "fin", "code", "resc", "tmm", "tma"))
END = NUMBER["end"]
LARGEST_SQUARES, LARGEST_MULTIPLIER = norm.LARGEST_SQUARES, norm.LARGEST_MULTIPLIER
LARGEST, INVERSE, SCALE, ROOT, LARGEST_MEAN = fp.LARGEST_CODE, fp.INVERSE, fp.SCALE, fp.ROOT, fp.LARGEST_MEAN
GATE = fp.GATE
SMALLEST = np.array([smallest_square(bits) if bits >= 10 else 0 for bits in range(21)])      # ε, by bits


class CompiledCore:
    """One core with its program: memory, registers and the norm's four numbers as in Golden.

    Matrices are read once, before the first token: a program that stores into one is refused by check.py.
    """

    def __init__(self, machine: Machine, memory: UInt8[ndarray, "bytes"], table: Table):
        require_possible(table, machine, len(memory))
        self.machine, self.memory, self.saturated = machine, memory, 0
        self.registers = np.zeros((machine.registers, machine.d), np.int64)
        self.row_stats = np.zeros(4, np.int64)               # largest, squares, inverse, code_scale
        self._numbers = memory[:len(memory) // 4 * 4].view("<i4")
        tiles = np.isin(table[:, 0], (TMM, TMA))
        self._addresses, numbers = np.unique(table[tiles, -1], return_inverse=True)
        self._table = table.copy()
        self._table[tiles, -1] = numbers                     # a tile is called by its number, not by its address
        self._codes = np.zeros((1, machine.d), np.int8)
        self._sums = np.zeros((1, machine.d), np.int32)
        self._workspace = KERNEL.workspace(machine.d)

    @cached_property
    def _tiles(self) -> ndarray:
        return packed_tiles(self.memory, self._addresses, self.machine)

    def run(self, token: int = 0) -> None:
        """The whole program, for one token. ValueError for bytes that the memory does not have."""
        if token < 0:
            raise ValueError(f"a token is a number from zero up, not {token}")
        lost = _run(
            self._table, token, self.registers, self.row_stats, self._numbers, self._tiles, self._codes, self._sums,
            self._workspace)
        if lost < 0:
            raise ValueError(f"token {token} lies beyond the end of the memory, at {len(self.memory):#x}")
        self.saturated += lost


def require_possible(table: Table, machine: Machine, memory_bytes: int) -> None:
    """ValueError for registers or tiles that there are not: compiled code would not notice."""
    if table[:, 1:4].max(initial=0) >= machine.registers:
        raise ValueError(f"register v{table[:, 1:4].max()} is out of range: this machine has {machine.registers}")
    if (table[:, -1] % 4 * (table[:, -1] >= 0)).any():
        raise ValueError("an address is a multiple of 4, as every number's is")
    last = table[np.isin(table[:, 0], (TMM, TMA)), -1].max(initial=-machine.tile_bytes)
    if last + machine.tile_bytes > memory_bytes:
        raise ValueError(f"the tile at {last:#x} lies beyond the end of the memory, at {memory_bytes:#x}")


def packed_tiles(memory: UInt8[ndarray, "bytes"], addresses: Int64[ndarray, "tiles"], machine: Machine) -> ndarray:
    """Every tile in the words of the fastest product of this processor, a row a tile, each at a cache line."""
    count = KERNEL.count(machine.d, machine.d)
    line = LINE // np.dtype(KERNEL.word).itemsize
    row = -(-count // line) * line
    weights = aligned_empty(len(addresses) * row, KERNEL.word).reshape(len(addresses), row)
    for own, address in zip(weights, addresses.tolist(), strict=True):
        trits = tmatmul.unpack(memory[address:address + machine.tile_bytes], machine.d)
        own[:count] = KERNEL.pack(trits).weights
    return weights[:, :count]


@njit(cache=True, nogil=True, inline="always")
def _held(value: int) -> int:
    """As a register holds it: where 32 bits are too few, the largest or smallest number there is."""
    return min(max(value, LOW), HIGH)


@njit(cache=True, nogil=True)
def _root(n: np.uint64) -> np.uint64:
    """The largest whole number whose square is at most n, of 64 bits without a sign."""
    r = np.uint64(np.sqrt(np.float64(n)))
    while r * r > n or r > np.uint64(0xFFFFFFFF):
        r -= np.uint64(1)
    while r < np.uint64(0xFFFFFFFF) and (r + np.uint64(1)) * (r + np.uint64(1)) <= n:
        r += np.uint64(1)
    return r


@njit(cache=True, nogil=True, error_model="numpy")
def _finish(row_stats: "Int64[ndarray, '4']", n: int, bits: int) -> None:
    """norm.finish: the last two of the unit's four numbers, from the first two."""
    largest = np.uint64(max(row_stats[0], 1))
    mean = np.uint64(row_stats[1]) // np.uint64(n) + np.uint64(SMALLEST[bits])
    if mean < np.uint64(LARGEST_MEAN):
        rms = _root(mean << np.uint64(2 * ROOT))
    else:
        rms = _root(mean) << np.uint64(ROOT)
    row_stats[2] = np.int64(np.uint64(LARGEST << INVERSE) // largest)
    row_stats[3] = np.int64((largest << np.uint64(SCALE + ROOT)) // (np.uint64(LARGEST) * rms))


@njit(cache=True, nogil=True)
def _run(
    table: "Table", token: int, registers: "Int64[ndarray, 'registers d']", row_stats: "Int64[ndarray, '4']",
    numbers: "Int32[ndarray, 'memory']", tiles: "ndarray", codes: "Int8[ndarray, '1 d']", sums: "Int32[ndarray, '1 d']",
    workspace: "ndarray",
) -> int:
    """How many elements saturated; -1, and stopped there, when a vector lies beyond the end of the memory.

    Nine arguments, for compiled code is given arrays and not the object that holds them: those of `CompiledCore`.
    """
    d, lost = registers.shape[1], 0
    for i in range(len(table)):
        operation, s, w, address = table[i, 0], table[i, 4], table[i, 7], table[i, 8]
        y, a, b = registers[table[i, 1]], registers[table[i, 2]], registers[table[i, 3]]
        if operation == END:
            break
        if operation == LDV or operation == LDX or operation == SV:
            first = (address + (4 * table[i, 6] * token if operation == LDX else 0)) // 4
            if first + d > len(numbers):
                return -1
            if operation == SV:
                for k in range(d):
                    numbers[first + k] = a[k]
            else:
                for k in range(d):
                    y[k] = numbers[first + k]
        elif operation == ADD or operation == SUB:
            sign = 1 if operation == ADD else -1
            for k in range(d):
                value = a[k] + sign * b[k]
                lost += _held(value) != value
                y[k] = _held(value)
        elif operation == MUL:
            for k in range(d):
                value = shift(a[k] * b[k], s)
                lost += _held(value) != value
                y[k] = _held(value)
        elif operation == SIG:
            for k in range(d):
                y[k] = sigmoid(a[k])
        elif operation == MIX:
            for k in range(d):
                gate = min(max(a[k], 0), ONE)
                value = shift(gate * y[k] + (ONE - gate) * (b[k] << MIXED), GATE)
                lost += _held(value) != value
                y[k] = _held(value)
        elif operation == CLR:
            row_stats[0] = row_stats[1] = 0
        elif operation == ACC:
            largest, squares = row_stats[0], row_stats[1]
            for k in range(d):
                largest = max(largest, abs(a[k]))
                square = a[k] * a[k]
                squares = LARGEST_SQUARES if squares > LARGEST_SQUARES - square else squares + square
            row_stats[0], row_stats[1] = largest, squares
        elif operation == FIN:
            _finish(row_stats, table[i, 6], table[i, 5])
        elif operation == CODE:
            for k in range(d):
                y[k] = min(max(shift(a[k] * row_stats[2], INVERSE), -LARGEST), LARGEST)
        elif operation == RESC:
            multiplier = min(row_stats[3] * w >> SCALE, LARGEST_MULTIPLIER)
            for k in range(d):
                value = rescale(a[k], multiplier)
                lost += _held(value) != value
                y[k] = _held(value)
        else:
            for k in range(d):
                codes[0, k] = np.int8(a[k])
            product_into(tiles[address], codes, sums, workspace, 0, d)
            for k in range(d):
                value = sums[0, k] + (y[k] if operation == TMA else 0)
                lost += _held(value) != value
                y[k] = _held(value)
    return lost
