"""Tiles inside compiled functions: eight registers of 16 lines of 64 bytes, which AMX multiplies with each other.

Course    notebook 04, "Fast kernels"
Sources   Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18 (AMX)

As in simd.py a function here is one line of LLVM's language. A tile's number is written as a plain number, from 0 to 7.
On Linux a process must ask before it may touch a tile (Documentation/arch/x86/xstate.rst of the kernel).
"""

import ctypes
import platform
from functools import cache

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from mmf_teach.engine.intrinsics.simd import I8, I64, LINE, element_address

FEATURES = frozenset({"amx-int8", "amx-tile"})
LINES = 16                                   # of a tile
TILE = LINES * LINE                          # its bytes
BYTES = I8.as_pointer()
ASK, TILE_DATA = 0x1023, 18                  # arch_prctl's ARCH_REQ_XCOMP_PERM, and the part of the state it is about
ARCH_PRCTL = 158                             # the number of that system call, which the C library has no function for


@cache
def permitted() -> bool:
    """May this process use tiles? Asked once; the answer holds for all threads, those to come included."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    return ctypes.CDLL(None).syscall(ARCH_PRCTL, ASK, TILE_DATA) == 0


def _call(builder, name, kinds, arguments):
    kind = ir.FunctionType(ir.VoidType(), kinds)
    builder.call(builder.module.declare_intrinsic(f"llvm.x86.{name}", (), kind), arguments)


def _tile(number):
    return ir.Constant(I8, number.literal_value)


@intrinsic
def begin(typing_context):
    """From here on all eight tiles have 16 lines of 64 bytes: `ldtilecfg`."""
    shape = bytes([1]) + bytes(15) + LINE.to_bytes(2, "little") * 8 + bytes(16) + bytes([LINES] * 8) + bytes(8)

    def code(context, builder, signature, arguments):
        stored = cgutils.global_constant(builder.module, "tiles", cgutils.make_bytearray(shape))
        _call(builder, "ldtilecfg", [BYTES], [builder.bitcast(stored, BYTES)])
        return context.get_dummy_value()
    return types.void(), code


@intrinsic
def end(typing_context):
    """The tiles are empty again, and a change of threads need not save them: `tilerelease`."""
    def code(context, builder, signature, arguments):
        _call(builder, "tilerelease", [], [])
        return context.get_dummy_value()
    return types.void(), code


@intrinsic(prefer_literal=True)
def clear(typing_context, tile):
    """A tile of nothing but 0: `tilezero`."""
    def code(context, builder, signature, arguments):
        _call(builder, "tilezero", [I8], [_tile(tile)])
        return context.get_dummy_value()
    return types.void(tile), code


def _moved(name, array):
    """Code that moves 1,024 bytes between a tile and an array, from one of its elements on."""
    def code(context, builder, signature, arguments):
        address = builder.bitcast(element_address(context, builder, array, *arguments[1:]), BYTES)
        _call(builder, name, [I8, BYTES, I64], [_tile(signature.args[0]), address, ir.Constant(I64, LINE)])
        return context.get_dummy_value()
    return code


@intrinsic(prefer_literal=True)
def load_tile(typing_context, tile, array, index):
    """16 lines of an array, one after the other, into a tile: `tileloadd`."""
    return types.void(tile, array, types.int64), _moved("tileloadd64", array)


@intrinsic(prefer_literal=True)
def store_tile(typing_context, tile, array, index):
    """A tile's 16 lines into an array, one after the other: `tilestored`."""
    return types.void(tile, array, types.int64), _moved("tilestored64", array)


@intrinsic(prefer_literal=True)
def add_products(typing_context, sums, first, second):
    """To each of 16 x 16 integers 64 products of bytes with a sign: `tdpbssd`.

    Line m of `sums`, integer n, receives Σ over k and j of byte 4k + j of line m of `first` times byte 4n + j of line
    k of `second`.
    """
    def code(context, builder, signature, arguments):
        _call(builder, "tdpbssd", [I8] * 3, [_tile(tile) for tile in (sums, first, second)])
        return context.get_dummy_value()
    return types.void(sums, first, second), code
