"""The ternary product, which only adds and subtracts, is the matrix product: in every way that this machine can run."""

import os
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from numba import njit

from mmf_teach.engine import ternary_matmul as package
from mmf_teach.engine.intrinsics import amx, simd
from mmf_teach.engine.ternary_matmul import (
    amx_tiles as tiles,
    any_batch,
    choice as fastest,
    int8_dot as vnni,
    kernel as way_module,
    lookup_5_in_8 as tables_of_five,
    lookup_9_in_16 as tables_of_nine,
    pairs,
    popcount as bit_planes,
    skipping,
    two_bits,
)
from mmf_teach.engine.ternary_matmul.kernel import Packed
from mmf_teach.reference.ternary_matmul import ternary_matmul
from mmf_teach.ternary.packing import pack_base3

LAWS = settings(deadline=None, derandomize=True, max_examples=150)
ALL = [way for way in fastest.LADDER if not way.missing()]
COMPILED = [way for way in ALL if way not in (fastest.NAIVE, fastest.MASKED)]
SIZES = [                                    # out, in: around 9, 64, 128 and 252, and whole tiles of everything
    (1, 1), (2, 3), (31, 8), (32, 9), (33, 10), (65, 63), (127, 64), (128, 65), (129, 251), (3, 252), (130, 253),
    (7, 255), (160, 256), (96, 257), (250, 505), (300, 1000), (641, 130), (0, 5), (5, 0),
]

every_way = pytest.mark.parametrize("way", ALL, ids=lambda way: way.name)
every_compiled_way = pytest.mark.parametrize("way", COMPILED, ids=lambda way: way.name)


@pytest.fixture
def parts_in_turn():
    """One thread does the parts of all: on a busy machine threads wait for each other longer than they work."""
    before = way_module.get_num_threads()
    way_module.set_num_threads(1)
    yield
    way_module.set_num_threads(before)


def random_trits(outputs, inputs, seed=0):
    return np.random.default_rng([seed, outputs, inputs]).integers(-1, 2, (outputs, inputs)).astype(np.int8)


def random_codes(batch, inputs, seed=1):
    return np.random.default_rng([seed, batch, inputs]).integers(-128, 128, (batch, inputs)).astype(np.int8)


def product_of_integers(codes, trits):
    """The definition, by NumPy's product of 64-bit integers."""
    return codes.astype(np.int64) @ trits.T.astype(np.int64)


@LAWS
@given(st.data(), st.integers(0, 4), st.integers(0, 9), st.integers(0, 5))
def test_the_product_of_codes_and_trits_is_that_of_whole_numbers(data, batch, inputs, outputs):
    codes = data.draw(arrays(np.int8, (batch, inputs), elements=st.integers(-128, 127)))
    trits = data.draw(arrays(np.int8, (outputs, inputs), elements=st.integers(-1, 1)))
    sums = ternary_matmul(codes, trits)
    assert sums.dtype == np.int32 and sums.shape == (batch, outputs)
    np.testing.assert_array_equal(sums, product_of_integers(codes, trits))


@pytest.mark.parametrize("inputs", [1, 17, 63, 130, 300])
def test_the_extremes_of_int8_are_added_up_without_wrapping_round(inputs):
    """From two inputs on the sum of -128 does not fit into int8, from 256 on not into int16."""
    codes = np.stack([np.full(inputs, -128), np.full(inputs, 127)]).astype(np.int8)
    trits = np.stack([np.full(inputs, -1), np.zeros(inputs), np.ones(inputs)]).astype(np.int8)
    wanted = [[128 * inputs, 0, -128 * inputs], [-127 * inputs, 0, 127 * inputs]]
    assert ternary_matmul(codes, trits).tolist() == wanted


def test_a_product_over_nothing_is_zero():
    assert ternary_matmul(np.zeros((2, 0), np.int8), np.zeros((3, 0), np.int8)).tolist() == [[0, 0, 0]] * 2


@pytest.mark.parametrize("inputs", [0, 3, 5])
def test_inputs_of_another_length_than_the_rows_are_refused(inputs, without_type_checks):
    with pytest.raises(ValueError):
        ternary_matmul(np.zeros((1, inputs), np.int8), np.zeros((1, 4), np.int8))


# Every way, from the slowest to the fastest.

@every_way
@pytest.mark.parametrize(("outputs", "inputs"), SIZES)
def test_a_way_gives_the_same_integers_at_sizes_that_fill_nothing(way, outputs, inputs):
    trits, codes = random_trits(outputs, inputs), random_codes(3, inputs)
    if way is fastest.NAIVE and trits.size > 20_000:
        trits, codes = trits[-20:], codes[:1]
    sums = way.product(codes, way.pack(trits))
    assert sums.dtype == np.int32 and sums.flags.c_contiguous
    np.testing.assert_array_equal(sums, product_of_integers(codes, trits))


@every_compiled_way
@settings(LAWS, max_examples=60)
@given(st.data(), st.integers(1, 3), st.integers(1, 300), st.integers(1, 40))
def test_a_way_gives_the_same_integers_as_the_naive_one(way, data, batch, inputs, outputs):
    seed = data.draw(st.integers(0, 2**32 - 1))
    trits, codes = random_trits(outputs, inputs, seed), random_codes(batch, inputs, seed)
    np.testing.assert_array_equal(way.product(codes, way.pack(trits)), ternary_matmul(codes, trits))


@every_compiled_way
@pytest.mark.parametrize("inputs", [9, 252, 255, 1000, 70_000])
@pytest.mark.parametrize("code", [-128, -127, 0, 127])
def test_no_sum_overflows_on_its_way(way, inputs, code):
    """The worst that can happen: all trits and all codes alike, for longer than any model's rows."""
    trits = np.zeros((131, inputs), np.int8)
    trits[:64], trits[100:] = 1, -1
    codes = np.full((1, inputs), code, np.int8)
    wanted = [[code * inputs] * 64 + [0] * 36 + [-code * inputs] * 31]
    assert way.product(codes, way.pack(trits)).tolist() == wanted


@every_compiled_way
def test_signs_that_take_turns_do_not_overflow_either(way):
    """Trits and codes of both signs whose products are all of one sign."""
    signs = np.where(np.arange(5_003) % 3 == 0, -1, 1).astype(np.int8)
    trits = np.stack([signs, -signs])
    codes = np.stack([signs * 127, np.where(signs > 0, 127, -128).astype(np.int8)]).astype(np.int8)
    np.testing.assert_array_equal(way.product(codes, way.pack(trits)), product_of_integers(codes, trits))


@every_compiled_way
def test_rows_of_zeros_give_zero_between_others(way):
    trits = random_trits(300, 77)
    trits[[0, 31, 32, 127, 128, 255, 299]] = 0
    codes = random_codes(2, 77)
    np.testing.assert_array_equal(way.product(codes, way.pack(trits)), product_of_integers(codes, trits))


@every_compiled_way
@pytest.mark.parametrize("batch", [0, *range(1, 10), 16, 17, 31, 32, 33])
def test_any_number_of_tokens_at_once(way, batch):
    trits, codes = random_trits(150, 300), random_codes(batch, 300)
    np.testing.assert_array_equal(way.product(codes, way.pack(trits)), product_of_integers(codes, trits))


@every_compiled_way
@pytest.mark.parametrize(("batch", "outputs", "inputs"), [(1, 1300, 900), (40, 270, 259), (17, 1000, 70)])
def test_threads_share_the_work_and_leave_nothing_out(way, batch, outputs, inputs):
    assert batch * outputs * inputs >= way_module.WORTH_SHARING
    trits, codes = random_trits(outputs, inputs), random_codes(batch, inputs)
    packed, wanted = way.pack(trits), product_of_integers(codes, trits)
    for threads in (1, 2):
        np.testing.assert_array_equal(way.product(codes, packed, threads=threads), wanted)


@every_compiled_way
@pytest.mark.parametrize("by_rows", [True, False])
@pytest.mark.parametrize("threads", [2, 3, 5])
def test_any_number_of_threads_shares_rows_or_tokens(way, by_rows, threads, parts_in_turn):
    """Also more threads than there are cores, tiles or tokens."""
    trits, codes = random_trits(333, 100), random_codes(4, 100)
    sums = np.full((4, 333), 99, np.int32)
    scratches = way.scratches(100, threads)
    assert all(scratch.ctypes.data % simd.LINE == 0 for scratch in scratches)
    way._function("product_threads")(way.pack(trits).words, codes, sums, scratches, by_rows)
    np.testing.assert_array_equal(sums, product_of_integers(codes, trits))


def test_small_work_is_not_shared(monkeypatch):
    """Waking a second thread would take longer than the product."""
    way = fastest.best()
    monkeypatch.setattr(way_module, "in_threads", lambda *_: pytest.fail("a thread was woken"))
    trits, codes = random_trits(100, 100), random_codes(1, 100)
    np.testing.assert_array_equal(way.product(codes, way.pack(trits), threads=2), product_of_integers(codes, trits))


def test_without_a_runtime_for_threads_one_does_all(monkeypatch):
    way = fastest.best()
    monkeypatch.setattr(way_module, "threads_can_share", lambda: False)
    monkeypatch.setattr(way_module, "in_threads", lambda *_: pytest.fail("a thread was woken"))
    trits, codes = random_trits(1100, 1100), random_codes(1, 1100)
    np.testing.assert_array_equal(way.product(codes, way.pack(trits), threads=2), product_of_integers(codes, trits))


@pytest.mark.parametrize(("asked", "used"), [(2, 2), (5, 5), (9, 6)])
def test_threads_are_woken_as_asked_and_then_left_as_they_were(asked, used, monkeypatch):
    """Up to as many as numba may use: with OMP_NUM_THREADS=1, as in these tests, that would be one."""
    told, way = [], fastest.best()
    monkeypatch.setattr(way_module, "get_num_threads", lambda: 4)
    monkeypatch.setattr(way_module, "set_num_threads", told.append)
    monkeypatch.setattr(way_module.config, "NUMBA_NUM_THREADS", 6)
    trits, codes = random_trits(1100, 1100), random_codes(1, 1100)
    np.testing.assert_array_equal(way.product(codes, way.pack(trits), threads=asked), product_of_integers(codes, trits))
    assert told == [used, 4]
    told.clear()
    way.product(codes, way.pack(trits), threads=4)
    assert told == []                        # as many as there are


def test_threads_of_the_caller_do_not_share_their_room():
    """Two products at once, from two threads of the reader: each has tables of its own."""
    way, rooms = fastest.best(), []
    for _ in range(2):
        thread = threading.Thread(target=lambda: rooms.append(way.scratches(70, 2)))
        thread.start()
        thread.join()
    assert rooms[0].ctypes.data != rooms[1].ctypes.data != way.scratches(70, 2).ctypes.data
    assert way.scratches(70, 2) is way.scratches(70, 2) and way.scratches(70, 1) is not way.scratches(70, 2)


@every_compiled_way
@pytest.mark.parametrize("threads", [0, -1])
def test_no_threads_at_all_are_refused(way, threads):
    with pytest.raises(ValueError, match="one thread or more"):
        way.product(random_codes(1, 5), way.pack(random_trits(3, 5)), threads=threads)


@every_way
def test_codes_may_be_a_view_of_something_else(way):
    trits, codes = random_trits(40, 50), random_codes(6, 100)[::2, ::2]
    np.testing.assert_array_equal(way.product(codes, way.pack(trits)), product_of_integers(codes, trits))


# The packing and its inverse.

@every_way
@pytest.mark.parametrize(("outputs", "inputs"), SIZES)
def test_unpack_undoes_pack(way, outputs, inputs):
    trits = random_trits(outputs, inputs)
    packed = way.pack(trits)
    assert (packed.way, packed.outputs, packed.inputs) == (way.reads, outputs, inputs)
    np.testing.assert_array_equal(way.unpack(packed), trits)


@every_compiled_way
def test_each_place_of_a_matrix_is_packed_by_itself(way):
    """A single trit of 1 or -1 in a matrix of zeros comes back where it was."""
    for at in [(0, 0), (0, 259), (63, 63), (127, 251), (128, 252), (129, 255), (129, 259)]:
        for trit in (1, -1):
            trits = np.zeros((130, 260), np.int8)
            trits[at] = trit
            np.testing.assert_array_equal(way.unpack(way.pack(trits)), trits)


@pytest.mark.parametrize(("outputs", "inputs"), [(1536, 1024), (512, 2816), (130, 260), (65, 20), (128, 9), (30, 9)])
def test_a_product_of_nine_begins_to_read_where_its_four_runs_do(outputs, inputs):
    """As far apart as the rows that are added up side by side lie in the packed matrix."""
    height, words = -(-outputs // 32) * 32, -(-inputs // 9)
    run = height // 32 // tables_of_nine.RUNS * 32
    apart = tables_of_nine.place_of(run, 0, height, words) - tables_of_nine.place_of(0, 0, height, words)
    assert tables_of_nine.WAY.apart(outputs, inputs) == apart
    assert {way.apart(outputs, inputs) for way in COMPILED if way is not tables_of_nine.WAY} <= {0}


def test_a_function_may_ask_for_the_widest_vectors():
    @njit
    def widely():
        simd.in_widest_vectors()

    widely()
    assert '"prefer-vector-width"="512"' in next(iter(widely.inspect_llvm().values()))


@every_compiled_way
def test_trits_may_be_of_any_kind_and_order(way):
    trits = random_trits(90, 70)
    wanted = way.pack(trits).words
    for same in (trits.astype(np.float32), trits.astype(np.int64), np.asfortranarray(trits), trits[::-1][::-1]):
        np.testing.assert_array_equal(way.pack(same).words, wanted)


@every_way
@pytest.mark.parametrize("wrong", [2, -2, 3, 127, -128, 0.5, np.nan])
def test_what_is_no_trit_is_not_packed(way, wrong):
    trits = random_trits(4, 5).astype(np.float32 if isinstance(wrong, float) else np.int8)
    trits[2, 3] = wrong
    with pytest.raises(ValueError, match=r"a trit must be -1, 0 or 1, not .* \(at index \(2, 3\)\)"):
        way.pack(trits)


@every_way
def test_a_matrix_has_two_axes(way):
    with pytest.raises(ValueError, match="two axes, not 1"):
        way.pack(np.zeros(4, np.int8))
    with pytest.raises(ValueError, match="two axes, not 1"):
        way.product(np.zeros(4, np.int8), way.pack(np.zeros((2, 4), np.int8)))


@every_compiled_way
@pytest.mark.parametrize(("outputs", "inputs"), [(1, 1), (5, 7), (129, 253), (640, 11), (1283, 33), (0, 3)])
def test_stored_bytes_of_five_trits_are_packed_without_a_whole_matrix_of_trits(way, outputs, inputs):
    trits = random_trits(outputs, inputs)
    packed = way.pack_base3(pack_base3(trits), outputs, inputs)
    assert (packed.outputs, packed.inputs) == (outputs, inputs)
    np.testing.assert_array_equal(packed.words, way.pack(trits).words)


@every_compiled_way
def test_stored_bytes_that_are_damaged_are_refused(way):
    stored = pack_base3(random_trits(700, 7))
    with pytest.raises(ValueError, match="700 x 7 trits take 980 bytes, not 979"):
        way.pack_base3(stored[:-1], 700, 7)
    stored[970] = 243
    with pytest.raises(ValueError, match="243"):
        way.pack_base3(stored, 700, 7)


@every_way
def test_stored_words_give_the_same_product_again(way):
    trits, codes = random_trits(130, 300), random_codes(2, 300)
    words = way.pack(trits).words
    packed = way.load(words, 130, 300)
    stored = words.copy()
    words[...] = 0
    np.testing.assert_array_equal(packed.words, stored)
    np.testing.assert_array_equal(way.product(codes, packed), product_of_integers(codes, trits))


@every_way
def test_words_of_another_number_or_kind_are_refused(way):
    words = way.pack(random_trits(30, 40)).words
    for wrong in (words.ravel()[:-1], words.astype(np.float32), words.astype(np.int32)):
        with pytest.raises(ValueError, match="the packed matrix takes"):
            way.load(wrong, 30, 40)
    with pytest.raises(ValueError, match="the packed matrix takes"):
        way.load(words, 700, 400)


DAMAGED = [                                  # of 5 rows of 7 trits 0: what no such matrix can contain
    (tables_of_nine.WAY, 0, 27 + 32 * 13 + 1024 * 13, "the first number is 27"),
    (tables_of_nine.WAY, 4, 13 + 32 * 31 + 1024 * 13, "the second is 31"),
    (tables_of_nine.WAY, 4, 13 + 32 * 13 + 1024 * 27, "the third is 27"),
    (tables_of_nine.WAY, 2, 13 + 32 * 13 + 1024 * 13 + 2**15, "the highest bit is set"),
    (tables_of_nine.WAY, 0, 13 + 32 * 13 + 1024 * 22, "a trit beyond the last input"),
    (tables_of_nine.WAY, 5, 14 + 32 * 13 + 1024 * 13, "a trit beyond the last row"),
    (tables_of_five.WAY, 0, 122, "more than 121"),
    (tables_of_five.WAY, 0, 128, "minus zero"),
    (tables_of_five.WAY, 0, 255, "less than -121"),
    (tables_of_five.WAY, 128, 9, "a trit beyond the last input"),
    (tables_of_five.WAY, 16, 1, "a trit beyond the last row"),
    (two_bits.WAY, 0, 0b10, "the code 10"),
    (two_bits.WAY, 9, 0b100000, "the code 10 in the last row"),
    (two_bits.WAY, 1, 0b01000000, "a trit beyond the last input"),
    (bit_planes.WAY, 1, 1, "the sign of a zero"),
    (bit_planes.WAY, 0, 1 << 7, "a trit beyond the last input"),
    (vnni.WAY, 0, 0b01010111, "the code 3"),
    (vnni.WAY, 7, 0b01010110, "a trit beyond the last input"),
    (vnni.WAY, 256 + 64, 0b01010110, "a trit beyond the last row"),
    (pairs.WAY, 7, 0b11010101, "the code 3"),
    (skipping.WAY, 3, 2, "a number that is no trit"),
]


@pytest.mark.parametrize(("way", "word", "value"), [row[:3] for row in DAMAGED], ids=[row[3] for row in DAMAGED])
def test_words_that_stand_for_no_trits_are_refused(way, word, value):
    if way.missing():
        pytest.skip(f"no {', '.join(way.missing())} here")
    words = way.pack(np.zeros((5, 7), np.int8)).words
    assert words[word] != value
    words[word] = value
    with pytest.raises(ValueError, match=f"word {word} of the packed matrix stands for no trits"):
        way.load(words, 5, 7)


@every_way
def test_a_matrix_takes_as_many_bits_as_its_way_says(way):
    packed = way.pack(random_trits(128, 11_520))             # 11,520 inputs fill bytes, words, planes and vectors
    assert packed.bits == pytest.approx(way.bits, rel=1e-12)


def test_the_ways_keep_what_they_promise_about_bits_and_multiplication():
    table = {way.name: (round(way.bits, 2), way.multiplies) for way in fastest.LADDER}
    assert table == {
        "naive": (8, False), "masks": (8, False), "skipping": (8, False), "two bits": (2, True),
        "bit planes": (2, False), "pairs": (2, True), "VNNI": (2, True), "tiles": (1.78, True),
        "tables of five": (1.6, False), "tables of nine": (1.78, False),
    }


@every_way
def test_a_matrix_packed_for_another_way_is_refused(way):
    other = replace(way.pack(random_trits(4, 4)), way="another")
    with pytest.raises(ValueError, match=f"packed for another, not for {way.name}"):
        way.product(random_codes(1, 4), other)
    with pytest.raises(ValueError, match=f"packed for another, not for {way.name}"):
        way.unpack(other)


@every_way
def test_codes_that_do_not_fit_are_refused(way):
    packed = way.pack(random_trits(4, 6))
    with pytest.raises(ValueError, match="5 inputs do not fit rows of 6 trits"):
        way.product(random_codes(1, 5), packed)
    with pytest.raises(ValueError, match="codes are int8, not int32"):
        way.product(random_codes(1, 6).astype(np.int32), packed)


def test_packed_words_and_scratch_begin_where_a_cache_line_begins():
    for way in COMPILED:
        for size in (1, 3, 100):
            assert way.pack(random_trits(size, size)).words.ctypes.data % simd.LINE == 0
            assert way.scratch(size).ctypes.data % simd.LINE == 0


# Called from other compiled functions.

@every_compiled_way
def test_many_matrices_in_one_array_are_multiplied_from_inside_one_compiled_function(way):
    """As the integer engine does it: slices of one array, one scratch for all, whatever stood in it and in the sums."""
    kernel = way.kernel

    @njit
    def both(words, end, codes, first, second, scratch):
        kernel(words[:end], codes, first, scratch, 0, first.shape[1])
        kernel(words[end:], codes, second, scratch, 0, second.shape[1])

    one, two, codes = random_trits(70, 260), random_trits(200, 260, seed=5), random_codes(5, 260)
    packed = [way.pack(one).words, way.pack(two).words]
    assert [len(words) for words in packed] == [way.count(70, 260), way.count(200, 260)]
    arena = simd.aligned_empty(len(packed[0]) + len(packed[1]), way.word)
    arena[:] = np.concatenate(packed)
    first, second = np.full((5, 70), 77, np.int32), np.full((5, 200), 77, np.int32)
    scratch = way.scratch(260)
    scratch.view(np.uint8)[:] = 0xA5
    both(arena, len(packed[0]), codes, first, second, scratch)
    np.testing.assert_array_equal(first, product_of_integers(codes, one))
    np.testing.assert_array_equal(second, product_of_integers(codes, two))


@every_compiled_way
def test_some_rows_are_computed_without_touching_the_others(way):
    trits, codes = random_trits(300, 90), random_codes(2, 90)
    sums = np.full((2, 300), 77, np.int32)
    way.kernel(way.pack(trits).words, codes, sums, way.scratch(90), 128, 256)
    np.testing.assert_array_equal(sums[:, 128:256], product_of_integers(codes, trits[128:256]))
    assert (sums[:, :128] == 77).all() and (sums[:, 256:] == 77).all()


@every_compiled_way
def test_nothing_is_written_beyond_the_sums(way):
    """The sums of the last rows stand right before something else, and rows that fill the last tile are not zero."""
    for outputs in (1, 31, 33, 98, 100, 129, 161):
        stored = max(n for n in range(outputs, outputs + 200) if way.count(n, 50) == way.count(outputs, 50))
        room = np.full(2 * outputs + 300, 77, np.int32)
        sums = room[:2 * outputs].reshape(2, outputs)
        trits, codes = random_trits(stored, 50), random_codes(2, 50)
        way.kernel(way.pack(trits).words, codes, sums, way.scratch(50), 0, outputs)
        np.testing.assert_array_equal(sums, product_of_integers(codes, trits[:outputs]))
        assert (room[2 * outputs:] == 77).all()


# The choice.

@pytest.fixture
def plain_processor(monkeypatch):
    monkeypatch.setattr(way_module, "features", lambda: frozenset({"sse2", "sse4.2"}))
    monkeypatch.setattr(way_module, "_compiled", {})         # as before the first product


def test_the_package_hands_on_the_fastest_way_and_all_ways():
    assert package.best() is fastest.best() is package.WAYS[-1]
    assert list(package.WAYS) == ALL and len({way.name for way in package.WAYS}) == len(package.WAYS) >= 5
    with pytest.raises(AttributeError, match="no attribute fastest_of_all"):
        package.fastest_of_all


def test_with_avx512_the_fastest_way_multiplies_nowhere(monkeypatch):
    monkeypatch.setattr(way_module, "features", lambda: frozenset({"avx512f", "avx512bw"}))
    assert fastest.best() is tables_of_nine.WAY and not fastest.best().multiplies


def test_many_tokens_are_multiplied_in_tiles_where_there_are_any(monkeypatch):
    monkeypatch.setattr(way_module, "features", lambda: frozenset(tiles.WAY.needs))
    monkeypatch.setattr(amx, "permitted", lambda: True)
    assert [fastest.best(n) for n in (1, fastest.MANY - 1)] == [tables_of_nine.WAY] * 2
    assert [fastest.best(n) for n in (fastest.MANY, 512)] == [tiles.WAY] * 2
    monkeypatch.setattr(amx, "permitted", lambda: False)
    monkeypatch.setattr(way_module, "_compiled", {})         # as before the first product
    assert fastest.best(512) is tables_of_nine.WAY
    with pytest.raises(ValueError, match=r"^the way tiles needs a processor with tiles that this system lets"):
        tiles.WAY.pack(random_trits(2, 2))


@pytest.mark.skipif(bool(tiles.WAY.missing()), reason="no AMX here")
@pytest.mark.parametrize("tokens", [1, 15, 16, 17, 33, 127, 129, 300])
@pytest.mark.parametrize(("outputs", "inputs"), [(33, 47), (31, 48), (160, 49), (97, 288), (130, 289), (40, 20_000)])
def test_tiles_multiply_what_was_packed_for_one_token(tokens, outputs, inputs):
    """Around 16 and 128 tokens, 16 and 32 rows, 48 and 288 inputs; 20,000 inputs leave room for 32 tokens at once."""
    trits, codes = random_trits(outputs, inputs), random_codes(tokens, inputs)
    packed = tables_of_nine.WAY.pack(trits)
    np.testing.assert_array_equal(tiles.WAY.product(codes, packed), product_of_integers(codes, trits))


@pytest.mark.parametrize("tokens", [1, fastest.MANY - 1, fastest.MANY, 40])
def test_inside_compiled_functions_the_number_of_tokens_chooses_the_way(tokens):
    trits, codes = random_trits(150, 300), random_codes(tokens, 300)
    sums, rooms = np.full((tokens, 150), 77, np.int32), any_batch.scratches(300)
    for room in rooms:
        room.view(np.uint8)[:] = 0xA5
    before = [room.copy() for room in rooms]
    any_batch.product_into(any_batch.WAY.pack(trits).words, codes, sums, rooms, 0, 150)
    np.testing.assert_array_equal(sums, product_of_integers(codes, trits))
    if any_batch.WAY is not any_batch.WAY_OF_MANY:
        used = [not np.array_equal(room, old) for room, old in zip(rooms, before, strict=True)]
        assert used == [tokens < fastest.MANY, tokens >= fastest.MANY]


def test_with_avx2_and_no_more_pairs_are_multiplied(monkeypatch):
    monkeypatch.setattr(way_module, "features", lambda: frozenset({"sse2", "avx2"}))
    assert fastest.best() is pairs.WAY and len(fastest.runnable()) == len(fastest.LADDER) - 4


def test_without_either_bits_are_counted(plain_processor):
    way = fastest.best()
    assert way is bit_planes.WAY and all(not way.needs for way in fastest.runnable())
    trits, codes = random_trits(100, 333), random_codes(3, 333)
    np.testing.assert_array_equal(way.product(codes, way.pack(trits)), product_of_integers(codes, trits))


@pytest.mark.parametrize("way", [way for way in fastest.LADDER if way.needs], ids=lambda way: way.name)
def test_a_way_that_the_processor_lacks_is_refused_before_anything_is_compiled(way, plain_processor, monkeypatch):
    monkeypatch.setattr(way_module, "importlib", None)       # so nothing compiled can be reached
    lacking = ", ".join(way.needs)
    packed = Packed(way.reads, np.zeros(way.count(2, 2), way.word), 2, 2)            # as another way may have packed it
    for use in (lambda: way.pack(random_trits(2, 2)), lambda: way.kernel, lambda: way.load(packed.words, 2, 2),
                lambda: way.product(random_codes(1, 2), packed)):
        with pytest.raises(ValueError, match=f"^the way {way.name} needs a processor with {lacking}$"):
            use()


def python(code, **variables):
    """What a fresh Python process prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | variables, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()


EXACT = """
import time, numpy as np
from mmf_teach.engine import ternary_matmul
r = np.random.default_rng(0)
trits, codes = r.integers(-1, 2, (1100, 1000)).astype(np.int8), r.integers(-128, 128, (2, 1000)).astype(np.int8)
began = time.perf_counter()
way = ternary_matmul.best()
packed = way.pack(trits)
one, two = way.product(codes, packed), way.product(codes, packed, threads=2)
seconds = time.perf_counter() - began
exact = codes.astype(np.int64) @ trits.T
assert (one == exact).all() and (two == exact).all() and (way.unpack(packed) == trits).all()
print(way.name.replace(" ", "_"), seconds)
"""


def test_what_was_compiled_once_is_there_in_the_next_process(tmp_path):
    """Also no crash: numba's parallel functions are known to end the second process that finds them compiled."""
    slow, fast, again = (python(EXACT, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(3))
    assert slow[0] == fast[0] == again[0] == fastest.best().name.replace(" ", "_")
    assert float(again[1]) < 10 and float(again[1]) < float(slow[1])     # measured: 3 s, then 0.1 s


@pytest.mark.parametrize(("count", "step"), [(1, 64), (33, 64), (1000, 64), (1 << 19, 4096), ((1 << 19) + 5, 4096)])
def test_small_arrays_begin_at_a_cache_line_and_large_ones_at_a_page(count, step):
    for _ in range(5):
        array = simd.aligned_empty(count, np.int16)
        assert array.shape == (count,) and array.dtype == np.int16
        assert array.__array_interface__["data"][0] % step == 0


AT_THE_EDGE = """
import ctypes, mmap, numpy as np
from mmf_teach.engine.ternary_matmul.choice import runnable
page, libc = mmap.PAGESIZE, ctypes.CDLL(None, use_errno=True)
pages = mmap.mmap(-1, 2 * page)
start = ctypes.addressof(ctypes.c_char.from_buffer(pages))
assert libc.mprotect(ctypes.c_void_p(start + page), page, 0) == 0
r = np.random.default_rng(0)
for way in runnable():
    for batch, inputs in [(1, 1), (1, 9), (1, 15), (1, 16), (1, 17), (3, 64), (2, 253), (1, 1024)]:
        codes = np.frombuffer(pages, np.int8, batch * inputs, page - batch * inputs).reshape(batch, inputs)
        codes[:] = r.integers(-128, 128, codes.shape)
        trits = r.integers(-1, 2, (33, inputs)).astype(np.int8)
        assert (way.product(codes, way.pack(trits)) == codes.astype(np.int64) @ trits.T).all(), (way.name, inputs)
print("nothing beyond")
"""


@pytest.mark.skipif(not hasattr(os, "sched_yield") or sys.platform == "darwin", reason="pages are locked as Linux does")
def test_no_way_reads_a_code_beyond_the_last():
    """The page after the codes cannot be read: whoever tries ends the process."""
    assert python(AT_THE_EDGE) == ["nothing", "beyond"]


def test_a_processor_without_anything_special_counts_bits(tmp_path):
    """numba is told to compile for the plainest processor: features are those it compiles for, not the machine's."""
    name, _ = python(EXACT, NUMBA_CACHE_DIR=str(tmp_path), NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="")
    assert name == "bit_planes"


@pytest.mark.skipif("avx2" not in simd.features(), reason="no AVX2 here")
def test_a_processor_with_avx2_and_no_more_multiplies_pairs(tmp_path):
    """Compiled for such a processor and run on this one: nothing of AVX-512 may be in it."""
    older = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+sse4.2,+popcnt,+avx2,+bmi2"}
    name, _ = python(EXACT, NUMBA_CACHE_DIR=str(tmp_path), **older)
    assert name == "pairs"


def test_the_naive_way_is_imported_without_a_compiler():
    code = "import sys; import mmf_teach.reference.ternary_matmul; print('numba' in sys.modules)"
    assert python(code) == ["False"]
