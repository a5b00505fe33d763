"""Vectors of 512 bits inside compiled functions: one function for each instruction that the fast ways need.

Course    notebook 04, "Fast kernels"

A function here is one line of LLVM's language, which numba puts in place of the call. Those named after an
instruction of AVX-512 end the whole process when they are compiled for a processor that lacks it, so a way that
uses them says what it needs and is never compiled elsewhere (kernel.py). Nothing checks an index: who calls does.
"""

from functools import cache

import numpy as np
from llvmlite import binding, ir
from numba.core import types
from numba.core.datamodel import models
from numba.core.registry import cpu_target
from numba.extending import intrinsic, register_model
from numpy import ndarray

LINE = 64                                    # bytes of a vector, and of a cache line
PAGE, LARGE = 4096, 1 << 20                  # bytes

I8, I16, I32, I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
BYTES, SHORTS, INTS = ir.VectorType(I8, 64), ir.VectorType(I16, 32), ir.VectorType(I32, 16)

BYTES_IN_DOT = binding.llvm_version_info >= (22, 0, 0)       # before, LLVM's vpdpbusd took its bytes as integers


class VectorType(types.Type):
    def __init__(self):
        super().__init__(name="Vector512")


VECTOR = VectorType()


@register_model(VectorType)
class VectorModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, SHORTS)


@cache
def features() -> frozenset[str]:
    """What numba may use of this machine's processor, as LLVM names it: sse4.2, avx2, avx512bw, neon, ..."""
    _, _, listed = cpu_target.target_context.codegen().magic_tuple()
    return frozenset(word[1:] for word in listed.split(",") if word.startswith("+"))


def aligned_empty(count: int, dtype: type) -> ndarray:
    """An array that begins where a cache line begins: a vector that straddles two lines is read twice.

    A large one begins where a page begins, at which the processor stops reading ahead.
    """
    dtype = np.dtype(dtype)
    step = PAGE if count * dtype.itemsize >= LARGE else LINE
    room = np.empty(count * dtype.itemsize + step, np.uint8)
    start = -room.__array_interface__["data"][0] % step
    return room[start:start + count * dtype.itemsize].view(dtype)


def element_address(context, builder, kind, array, index):
    """Of one element of a contiguous array."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [index])


def _splat(builder, value, kind):
    """One number in all places of a vector."""
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(I32, 0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(I32, kind.count), [0] * kind.count))


def _constant(kind, numbers):
    return ir.Constant(kind, [int(number) for number in numbers])


def _low_and_high(builder, v):
    """The 16 shorts of either half as 32-bit integers."""
    halves = []
    for start in (0, 16):
        picked = _constant(INTS, range(start, start + 16))
        halves.append(builder.sext(builder.shuffle_vector(v, v, picked), INTS))
    return halves


@intrinsic
def in_widest_vectors(typing_context):
    """Let this function be compiled for the widest vectors there are: for some processors LLVM prefers half as wide."""
    def code(context, builder, signature, arguments):
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')      # `add` itself knows no such name
        return context.get_dummy_value()
    return types.void(), code


@intrinsic
def zero(typing_context):
    """A vector of nothing but 0."""
    return VECTOR(), lambda context, builder, signature, arguments: ir.Constant(SHORTS, [0] * 32)


@intrinsic
def load(typing_context, array, index):
    """64 bytes of an array, from element `index` on."""
    def code(context, builder, signature, arguments):
        address = element_address(context, builder, signature.args[0], *arguments)
        return builder.load(builder.bitcast(address, SHORTS.as_pointer()), align=array.dtype.bitwidth // 8)
    return VECTOR(array, types.int64), code


@intrinsic
def store(typing_context, array, index, vector):
    """Write 64 bytes into an array, from element `index` on."""
    def code(context, builder, signature, arguments):
        address = element_address(context, builder, signature.args[0], *arguments[:2])
        builder.store(
            arguments[2], builder.bitcast(address, SHORTS.as_pointer()), align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()
    return types.void(array, types.int64, vector), code


def _fetch(near):
    """Code that asks for the cache line of an array's element, to be kept in the cache of that number."""
    def code(context, builder, signature, arguments):
        address = builder.bitcast(element_address(context, builder, signature.args[0], *arguments), I8.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [I8.as_pointer(), I32, I32, I32])
        instruction = builder.module.declare_intrinsic("llvm.prefetch.p0", (), kind)
        builder.call(instruction, [address, *(ir.Constant(I32, number) for number in (0, 4 - near, 1))])
        return context.get_dummy_value()
    return code


@intrinsic
def fetch_next(typing_context, array, index):
    """Ask for an element's cache line, into the innermost cache: `prefetcht0`. The element need not exist."""
    return types.void(array, types.int64), _fetch(1)


@intrinsic
def fetch_soon(typing_context, array, index):
    """Ask for an element's cache line, into the second cache: `prefetcht1`. The element need not exist."""
    return types.void(array, types.int64), _fetch(2)


@intrinsic
def add(typing_context, a, b):
    """32 sums of shorts: `vpaddw`."""
    return VECTOR(a, b), lambda context, builder, signature, arguments: builder.add(*arguments)


@intrinsic
def subtract(typing_context, a, b):
    """32 differences of shorts: `vpsubw`."""
    return VECTOR(a, b), lambda context, builder, signature, arguments: builder.sub(*arguments)


@intrinsic
def spread(typing_context, values, index):
    """One short of an array in all 32 places: `vpbroadcastw`."""
    def code(context, builder, signature, arguments):
        return _splat(builder, builder.load(element_address(context, builder, signature.args[0], *arguments)), SHORTS)
    return VECTOR(values, types.int64), code


@intrinsic
def shifted_right(typing_context, vector, places):
    """Each of the 32 shorts without its lowest bits, zeros from above: `vpsrlw`."""
    def code(context, builder, signature, arguments):
        v, n = arguments
        return builder.lshr(v, _splat(builder, builder.trunc(n, I16), SHORTS))
    return VECTOR(vector, types.int64), code


@intrinsic
def look_up(typing_context, table, indices):
    """Entry `index mod 32` of a table of 32 shorts for each of 32 indices: `vpermw`, AVX-512BW."""
    def code(context, builder, signature, arguments):
        kind = ir.FunctionType(SHORTS, [SHORTS, SHORTS])
        instruction = builder.module.declare_intrinsic("llvm.x86.avx512.permvar.hi.512", (), kind)
        return builder.call(instruction, arguments)
    return VECTOR(table, indices), code


@intrinsic
def sums_of_three(typing_context, values, index):
    """All 27 sums d0·a + d1·b + d2·c of three shorts of an array with digits d of -1, 0 and 1, added up by masks.

    Place (d0+1) + 3(d1+1) + 9(d2+1) of the vector; the last five places stay 0.
    """
    def code(context, builder, signature, arguments):
        address = element_address(context, builder, signature.args[0], *arguments)
        total = nothing = ir.Constant(SHORTS, [0] * 32)
        for digit in range(3):
            value = builder.load(builder.gep(address, [ir.Constant(I64, digit)]))
            value = _splat(builder, value, SHORTS)
            digits = [place // 3**digit % 3 if place < 27 else 1 for place in range(32)]
            masks = [_constant(ir.VectorType(ir.IntType(1), 32), [d == sign for d in digits]) for sign in (2, 0)]
            plus, minus = masks
            total = builder.add(total, builder.select(plus, value, nothing))
            total = builder.sub(total, builder.select(minus, value, nothing))
        return total
    return VECTOR(values, types.int64), code


@intrinsic
def store_sums_of_threes(typing_context, array, index, codes, first):
    """The sums of each three of nine bytes, as in sums_of_three: three vectors from `index` on. Reads 16 bytes.

    No number is spread: the nine, their opposites and a zero stand in one vector; two `vpermw` pick the sums of two
    of each three out of it, two more add the third to them.
    """
    def code(context, builder, signature, arguments):
        array, index, codes, first = arguments
        few, half = ir.VectorType(I8, 16), ir.VectorType(I16, 16)
        address = element_address(context, builder, signature.args[2], codes, first)
        read = builder.load(builder.bitcast(address, few.as_pointer()), align=1)
        none = ir.Constant(half, [0] * 16)
        wanted = _constant(ir.VectorType(ir.IntType(1), 16), [k < 9 for k in range(16)])
        nine = builder.select(wanted, builder.sext(read, half), none)
        both = builder.shuffle_vector(nine, builder.sub(none, nine), _constant(ir.VectorType(I32, 32), range(32)))
        both = builder.asm(                  # does nothing; LLVM would else pick from two vectors, which is slower
            ir.FunctionType(SHORTS, [SHORTS]), "", "=v,0", [both], False)

        def picked(vector, places):
            return builder.shuffle_vector(vector, vector, _constant(ir.VectorType(I32, 32), places))

        def of(k, digit):                    # where digit · code k stands: the codes from 0 on, a zero, the opposites
            return {1: k, 0: 9, -1: 16 + k}[digit]

        twos = [(3 * three, place % 3 - 1, place // 3 - 1) for three in range(3) for place in range(9)]
        twos = [(of(k, d0), of(k + 1, d1)) for k, d0, d1 in twos] + [(9, 9)] * 5
        sums_of_two = builder.add(*(picked(both, places) for places in zip(*twos, strict=True)))
        for three in range(3):
            two = [9 * three + place % 9 for place in range(27)] + [27] * 5
            third = [of(3 * three + 2, place // 9 - 1) for place in range(27)] + [9] * 5
            to = element_address(
                context, builder, signature.args[0], array, builder.add(index, ir.Constant(I64, 32 * three)))
            total = builder.add(picked(sums_of_two, two), picked(both, third))
            builder.store(total, builder.bitcast(to, SHORTS.as_pointer()), align=2)
        return context.get_dummy_value()
    return types.void(array, types.int64, codes, types.int64), code


@intrinsic
def add_shorts(typing_context, sums, index, left, vector):
    """Add 32 shorts to 32 integers of an array from `index` on, or only the first `left` of them, if that is less."""
    def code(context, builder, signature, arguments):
        array, index, left, vector = arguments
        places = []
        for part, half in enumerate(_low_and_high(builder, vector)):
            place = builder.add(index, ir.Constant(I64, 16 * part))
            place = element_address(context, builder, signature.args[0], array, place)
            places.append((builder.bitcast(place, INTS.as_pointer()), half))
        with builder.if_else(builder.icmp_signed(">=", left, ir.Constant(I64, 32))) as (all_of_them, some):
            with all_of_them:
                for place, half in places:
                    builder.store(builder.add(builder.load(place, align=4), half), place, align=4)
            with some:
                for part, (place, half) in enumerate(places):
                    _add_masked(builder, place, half, builder.sub(left, ir.Constant(I64, 16 * part)))
        return context.get_dummy_value()
    return types.void(sums, types.int64, types.int64, vector), code


def _add_masked(builder, place, numbers, left):
    """Add to the first `left` of 16 integers in memory, and touch none of the others."""
    mask_type = ir.VectorType(ir.IntType(1), 16)
    left = _splat(builder, left, ir.VectorType(I64, 16))
    mask = builder.icmp_signed("<", _constant(ir.VectorType(I64, 16), range(16)), left)
    pointer = INTS.as_pointer()
    read = builder.module.declare_intrinsic(
        "llvm.masked.load.v16i32.p0", (), ir.FunctionType(INTS, [pointer, I32, mask_type, INTS]))
    write = builder.module.declare_intrinsic(
        "llvm.masked.store.v16i32.p0", (), ir.FunctionType(ir.VoidType(), [INTS, pointer, I32, mask_type]))
    before = builder.call(read, [place, ir.Constant(I32, 4), mask, ir.Constant(INTS, [0] * 16)])
    builder.call(write, [builder.add(before, numbers), place, ir.Constant(I32, 4), mask])


@intrinsic
def low_pairs(typing_context, vector):
    """The two lowest bits of each of 64 bytes: `vpandd`."""
    return VECTOR(vector), lambda context, builder, signature, arguments: builder.and_(
        arguments[0], ir.Constant(SHORTS, [0x0303] * 32))


@intrinsic
def add_products(typing_context, sums, unsigned, signed):
    """To each of 16 integers four products of an unsigned and a signed byte: `vpdpbusd`, AVX-512 VNNI."""
    def code(context, builder, signature, arguments):
        kind = ir.FunctionType(INTS, [INTS, BYTES, BYTES] if BYTES_IN_DOT else [INTS, INTS, INTS])
        instruction = builder.module.declare_intrinsic("llvm.x86.avx512.vpdpbusd.512", (), kind)
        operands = [builder.bitcast(v, wanted) for v, wanted in zip(arguments, kind.args, strict=True)]
        return builder.bitcast(builder.call(instruction, operands), SHORTS)
    return VECTOR(sums, unsigned, signed), code


@intrinsic
def total(typing_context, vector):
    """The sum of a vector's 16 integers."""
    def code(context, builder, signature, arguments):
        kind = ir.FunctionType(I32, [INTS])
        instruction = builder.module.declare_intrinsic("llvm.vector.reduce.add.v16i32", (), kind)
        return builder.call(instruction, [builder.bitcast(arguments[0], INTS)])
    return types.int32(vector), code


@intrinsic
def look_up_byte(typing_context, first, indices, second):
    """Entry `index mod 128` of 128 bytes in two vectors for each of 64 indices: `vpermi2b`, AVX-512 VBMI."""
    def code(context, builder, signature, arguments):
        kind = ir.FunctionType(BYTES, [BYTES] * 3)
        instruction = builder.module.declare_intrinsic("llvm.x86.avx512.vpermi2var.qi.512", (), kind)
        answer = builder.call(instruction, [builder.bitcast(v, BYTES) for v in arguments])
        return builder.bitcast(answer, SHORTS)
    return VECTOR(first, indices, second), code


@intrinsic
def load_widened(typing_context, array, index):
    """16 shorts of an array, without a sign, from element `index` on, as integers: `vpmovzxwd`."""
    def code(context, builder, signature, arguments):
        half = ir.VectorType(I16, 16)
        address = element_address(context, builder, signature.args[0], *arguments)
        shorts = builder.load(builder.bitcast(address, half.as_pointer()), align=2)
        return builder.bitcast(builder.zext(shorts, INTS), SHORTS)
    return VECTOR(array, types.int64), code


@intrinsic
def look_up_integer(typing_context, first, indices, second):
    """Entry `index mod 32` of 32 integers in two vectors for each of 16 indices: `vpermi2d`, AVX-512."""
    def code(context, builder, signature, arguments):
        kind = ir.FunctionType(INTS, [INTS] * 3)
        instruction = builder.module.declare_intrinsic("llvm.x86.avx512.vpermi2var.d.512", (), kind)
        return builder.bitcast(builder.call(instruction, [builder.bitcast(v, INTS) for v in arguments]), SHORTS)
    return VECTOR(first, indices, second), code


@intrinsic
def fours_of_threes(typing_context, array, index):
    """48 bytes of an array from element `index` on, and a zero after each three: `vpermb`, AVX-512 VBMI. Reads 64."""
    def code(context, builder, signature, arguments):
        address = element_address(context, builder, signature.args[0], *arguments)
        read = builder.load(builder.bitcast(address, BYTES.as_pointer()), align=1)
        picked = [3 * four + k if k < 3 else 64 for four in range(16) for k in range(4)]
        spread = builder.shuffle_vector(read, ir.Constant(BYTES, [0] * 64), _constant(ir.VectorType(I32, 64), picked))
        return builder.bitcast(spread, SHORTS)
    return VECTOR(array, types.int64), code


def _is_negative(builder, vector):
    """For each of 64 bytes: is its highest bit set? A mask register, by `vpmovb2m`."""
    return builder.icmp_signed("<", builder.bitcast(vector, BYTES), ir.Constant(BYTES, [0] * 64))


@intrinsic
def inverted_where_negative(typing_context, vector, signs):
    """All bits of a byte turned round where the byte of `signs` has its highest bit set."""
    def code(context, builder, signature, arguments):
        v = builder.bitcast(arguments[0], BYTES)
        chosen = builder.select(_is_negative(builder, arguments[1]), builder.not_(v), v)
        return builder.bitcast(chosen, SHORTS)
    return VECTOR(vector, signs), code


@intrinsic
def count_negative(typing_context, counts, signs):
    """One more in each of 64 byte counters where the byte of `signs` has its highest bit set."""
    def code(context, builder, signature, arguments):
        counts = builder.bitcast(arguments[0], BYTES)
        more = builder.add(counts, ir.Constant(BYTES, [1] * 64))
        return builder.bitcast(builder.select(_is_negative(builder, arguments[1]), more, counts), SHORTS)
    return VECTOR(counts, signs), code


def _interleaved(start):
    """Code for the shorts whose low and high bytes stand in two vectors, 8 of each 16: `vpunpcklbw`, `vpunpckhbw`."""
    picked = [16 * lane + start + k + 64 * half for lane in range(4) for k in range(8) for half in (0, 1)]

    def code(context, builder, signature, arguments):
        low, high = (builder.bitcast(v, BYTES) for v in arguments)
        return builder.bitcast(builder.shuffle_vector(low, high, _constant(ir.VectorType(I32, 64), picked)), SHORTS)
    return code


@intrinsic
def first_halves(typing_context, low, high):
    """Shorts from their low and high bytes: those of bytes 0-7, 16-23, 32-39 and 48-55."""
    return VECTOR(low, high), _interleaved(0)


@intrinsic
def second_halves(typing_context, low, high):
    """Shorts from their low and high bytes: those of bytes 8-15, 24-31, 40-47 and 56-63."""
    return VECTOR(low, high), _interleaved(8)


@intrinsic
def store_bytes(typing_context, array, index, vector, shift):
    """Write one byte of each of 32 shorts, the one that begins at bit `shift`, into an array of bytes: `vpmovwb`."""
    def code(context, builder, signature, arguments):
        address = element_address(context, builder, signature.args[0], *arguments[:2])
        shifted = builder.lshr(arguments[2], _splat(builder, builder.trunc(arguments[3], I16), SHORTS))
        half = ir.VectorType(I8, 32)
        builder.store(builder.trunc(shifted, half), builder.bitcast(address, half.as_pointer()), align=1)
        return context.get_dummy_value()
    return types.void(array, types.int64, vector, types.int64), code


@intrinsic
def pair_products(typing_context, unsigned, signed):
    """32 sums of two products of bytes, one unsigned and one signed: `vpmaddubsw` on either half, AVX2."""
    def code(context, builder, signature, arguments):
        half, shorts = ir.VectorType(I8, 32), ir.VectorType(I16, 16)
        kind = ir.FunctionType(shorts, [half, half])
        instruction = builder.module.declare_intrinsic("llvm.x86.avx2.pmadd.ub.sw", (), kind)
        parts = []
        for start in (0, 32):
            picked = _constant(ir.VectorType(I32, 32), range(start, start + 32))
            halves = [builder.shuffle_vector(v, v, picked) for v in (builder.bitcast(v, BYTES) for v in arguments)]
            parts.append(builder.call(instruction, halves))
        return builder.shuffle_vector(*parts, _constant(ir.VectorType(I32, 32), range(32)))
    return VECTOR(unsigned, signed), code


@intrinsic
def total_of_shorts(typing_context, vector):
    """The sum of a vector's 32 shorts, as an integer."""
    def code(context, builder, signature, arguments):
        instruction = builder.module.declare_intrinsic(
            "llvm.vector.reduce.add.v16i32", (), ir.FunctionType(I32, [INTS]))
        return builder.call(instruction, [builder.add(*_low_and_high(builder, arguments[0]))])
    return types.int32(vector), code
