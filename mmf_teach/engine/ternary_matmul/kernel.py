"""What all kernels of the ternary product have in common: pack a matrix once, multiply it with many codes.

Course    notebook 04, "Fast kernels"

A compiled kernel is four functions over plain arrays, which other compiled functions may call as well:

    pack_rows(trits, weights, outputs, first)             write some rows, from `first` on, into a packed matrix
    unpack_rows(weights, trits, outputs, first)           read some rows back
    product_into(weights, codes, sums, workspace, first, last)      sums[:, first:last] = those rows' product
    product_threads(weights, codes, sums, workspaces, by_rows)      the same for all rows, one thread a workspace

`trits` [rows, in] int8 are some rows of a matrix that has `outputs` in all. `weights` is the packed matrix alone, of
count(outputs, inputs) words of the kernel's own type, or that slice of an array that holds many; `codes` [b, in] int8
and `sums` [b, out] int32 are whole and in C order; `workspace` is what workspace(inputs) returns, and whatever stands
in it is overwritten; `by_rows` says whether threads share the matrix or the tokens. They take numbers and arrays and no
records, of which one would have to be made for every product; check nothing; and reserve nothing. All that checks is
here.

No two compiled kernels have the same types of weights and workspace: so code that calls the chosen one is compiled,
and kept, for each choice apart.

A product may begin to read at four places at once; then the kernel says how far they are apart (`apart`).
"""

import importlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from jaxtyping import Int8, Int32, UInt8
from numba import config, get_num_threads, njit, set_num_threads
from numpy import ndarray

from mmf_teach.engine.intrinsics import amx
from mmf_teach.engine.intrinsics.simd import LINE, aligned_empty, features
from mmf_teach.ternary.packing import unpack_base3
from mmf_teach.ternary.trits import require_trits

BLOCK = 640                                  # rows packed at once: whole tiles, and whole bytes of five trits
_OF_THIS_THREAD = threading.local()
_compiled: dict[tuple[str, str], Callable] = {}              # functions of kernels that this processor can run
WORTH_SHARING = 1 << 20                      # weights times tokens; below, waking a second thread costs more


@dataclass(frozen=True)
class Packed:
    """A ternary matrix as one kernel reads it."""

    kernel: str                              # its name: the weights mean nothing to others, but to those of its packing
    weights: ndarray = field(repr=False)
    outputs: int
    inputs: int

    @property
    def bits(self) -> float:
        """Bits a weight, with all that was filled up."""
        return 8 * self.weights.nbytes / max(1, self.outputs * self.inputs)


@dataclass(frozen=True)
class Kernel:
    """The product of int8 codes and trits in one way; all kernels lead to the same integers."""

    name: str
    idea: str
    bits: float                              # a weight, in a matrix that needs no filling
    multiplies: bool                         # does the processor multiply anywhere?
    needs: tuple[str, ...]                   # features of the processor, as LLVM names them
    packing: str = field(default="", kw_only=True)           # the kernel whose packed weights it reads, if not its own

    @property
    def reads(self) -> str:
        """The name of the kernel whose packed weights it reads."""
        return self.packing or self.name

    def missing(self) -> list[str]:
        """What this machine's processor would need in addition."""
        lacking = [feature for feature in self.needs if feature not in features()]
        if not lacking and amx.FEATURES & set(self.needs) and not amx.permitted():
            return ["tiles that this system lets a process use"]
        return lacking

    def pack(self, trits: Int8[ndarray, "out in"]) -> Packed:
        """The matrix packed for this kernel. ValueError when a value is not a trit."""
        raise NotImplementedError

    def unpack(self, packed: Packed) -> Int8[ndarray, "out in"]:
        """The trits again."""
        raise NotImplementedError

    def product(self, codes: Int8[ndarray, "b in"], packed: Packed, threads: int = 1) -> Int32[ndarray, "b out"]:
        """For each token and each row: the sum of the codes under a 1, less those under a -1."""
        raise NotImplementedError

    def _require_own(self, packed: Packed) -> None:
        if packed.kernel != self.reads:
            raise ValueError(f"this matrix was packed for {packed.kernel}, not for {self.name}")

    def _require_possible(self) -> None:
        if missing := self.missing():
            raise ValueError(f"the kernel {self.name} needs a processor with {', '.join(missing)}")


@dataclass(frozen=True)
class Plain(Kernel):
    """A kernel that works on the trits as they are, one byte each."""

    function: Callable = field(repr=False)

    def pack(self, trits: Int8[ndarray, "out in"]) -> Packed:
        """A copy: nothing is packed."""
        trits = require_trits(_matrix(trits, "a matrix of trits"))
        return Packed(self.reads, trits, *trits.shape)

    def unpack(self, packed: Packed) -> Int8[ndarray, "out in"]:
        """A copy."""
        self._require_own(packed)
        return packed.weights.copy()

    def product(self, codes: Int8[ndarray, "b in"], packed: Packed, threads: int = 1) -> Int32[ndarray, "b out"]:
        """The product, always in one thread."""
        self._require_own(packed)
        return self.function(_codes_for(codes, packed), packed.weights)


@njit(cache=True, nogil=True)
def from_the_front(outputs, inputs):
    """How far the places are apart at which a product begins to read: nothing, where there is only one."""
    return 0


@dataclass(frozen=True)
class Compiled(Kernel):
    """A kernel made of compiled functions: the module's name, and the shape of what it stores."""

    module: str = field(repr=False)
    word: type = field(repr=False)                           # of a packed matrix
    count: Callable[[int, int], int] = field(repr=False)     # words of a matrix with so many outputs and inputs
    workspace: Callable[[int], ndarray] = field(repr=False)  # memory to work in, for so many inputs
    apart: Callable = field(default=from_the_front, repr=False, kw_only=True)        # compiled; in words, of such a one

    @property
    def product_into(self) -> Callable:
        """`product_into`, for other compiled functions. ValueError where the processor cannot run it."""
        return self._function("product_into")

    def pack(self, trits: Int8[ndarray, "out in"]) -> Packed:
        """The matrix packed for this kernel. ValueError when a value is not a trit."""
        trits = np.ascontiguousarray(_matrix(trits, "a matrix of trits"))
        if trits.dtype != np.int8 or ((trits + np.int8(1)).view(np.uint8) > 2).any():
            trits = require_trits(trits)
        blocks = (trits[first:first + BLOCK] for first in range(0, len(trits), BLOCK))
        return Packed(self.reads, self._packed(blocks, *trits.shape), *trits.shape)

    def pack_base3(self, stored: UInt8[ndarray, "bytes"], outputs: int, inputs: int) -> Packed:
        """The same from a stored matrix of five trits a byte (ternary/packing.py), a few rows at a time."""
        if len(stored) != -(-outputs * inputs // 5):
            raise ValueError(f"{outputs} x {inputs} trits take {-(-outputs * inputs // 5)} bytes, not {len(stored)}")

        def blocks() -> Iterator[ndarray]:
            for first in range(0, outputs, BLOCK):           # BLOCK rows begin where a byte begins
                rows = min(BLOCK, outputs - first)
                start = first * inputs // 5
                own = stored[start:start + -(-rows * inputs // 5)]
                yield unpack_base3(own, rows * inputs).reshape(rows, inputs)

        return Packed(self.reads, self._packed(blocks(), outputs, inputs), outputs, inputs)

    def unpack(self, packed: Packed) -> Int8[ndarray, "out in"]:
        """The trits again."""
        self._require_own(packed)
        trits = np.empty((packed.outputs, packed.inputs), np.int8)
        self._function("unpack_rows")(packed.weights, trits, packed.outputs, 0)
        return trits

    def product(self, codes: Int8[ndarray, "b in"], packed: Packed, threads: int = 1) -> Int32[ndarray, "b out"]:
        """For each token and each row: the sum of the codes under a 1, less those under a -1."""
        self._require_own(packed)
        codes = _codes_for(codes, packed)
        batch, outputs = len(codes), packed.outputs
        sums = np.empty((batch, outputs), np.int32)
        if threads < 1:
            raise ValueError(f"work is done by one thread or more, not {threads}")
        if threads == 1 or batch * outputs * packed.inputs < WORTH_SHARING or not threads_can_share():
            self.product_into(packed.weights, codes, sums, self.workspaces(packed.inputs, 1)[0], 0, outputs)
            return sums
        threads = min(threads, config.NUMBA_NUM_THREADS)
        product, workspaces = self._function("product_threads"), self.workspaces(packed.inputs, threads)
        in_threads(threads, product, packed.weights, codes, sums, workspaces, batch < 8 * threads)
        return sums

    def workspaces(self, inputs: int, threads: int) -> ndarray:
        """Memory for each thread to work in, a row a thread, which begins where a cache line begins.

        For the calling thread it is reserved once: that would take longer than a small product.
        """
        kept, key = _OF_THIS_THREAD.__dict__, (self.name, inputs, threads)
        if key not in kept:
            one = self.workspace(inputs)
            line = LINE // one.itemsize
            width = -(-one.size // line) * line
            kept[key] = aligned_empty(threads * width, one.dtype).reshape(threads, width)
        return kept[key]

    def _packed(self, blocks: Iterator[ndarray], outputs: int, inputs: int) -> ndarray:
        weights = aligned_empty(self.count(outputs, inputs), self.word)
        pack_rows, first = self._function("pack_rows"), 0
        for rows in blocks:
            pack_rows(rows, weights, outputs, first)
            first += len(rows)
        return weights

    def _function(self, name: str) -> Callable:
        """One of the four, looked up once: in each product the weights sweep Python's own code out of the caches."""
        key = self.module, name
        if key not in _compiled:
            self._require_possible()
            _compiled[key] = getattr(importlib.import_module(self.module), name)
        return _compiled[key]


def in_threads(threads: int, function: Callable, *arguments: object) -> object:
    """Call a compiled function that numba does in so many threads; after it numba wakes as many as before."""
    before = get_num_threads()
    if threads == before:
        return function(*arguments)
    set_num_threads(threads)
    try:
        return function(*arguments)
    finally:
        set_num_threads(before)


@cache
def threads_can_share() -> bool:
    """Is there a runtime in which several threads may work at once? numba's own last resort is not one."""
    for runtime in ("tbbpool", "omppool"):
        try:
            importlib.import_module(f"numba.np.ufunc.{runtime}")
            return True
        except ImportError:
            pass
    return False


def _matrix(values: ndarray, what: str) -> ndarray:
    values = np.asarray(values)
    if values.ndim != 2:
        raise ValueError(f"{what} has two axes, not {values.ndim}")
    return values


def _codes_for(codes: ndarray, packed: Packed) -> Int8[ndarray, "b in"]:
    codes = _matrix(codes, "an array of codes")
    if codes.dtype != np.int8:
        raise ValueError(f"codes are int8, not {codes.dtype}")
    if codes.shape[1] != packed.inputs:
        raise ValueError(f"{codes.shape[1]} inputs do not fit rows of {packed.inputs} trits")
    return np.ascontiguousarray(codes)

