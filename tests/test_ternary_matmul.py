"""The ternary product, which only adds and subtracts, is the matrix product: by every kernel of this machine."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from numba import njit

from mmf_teach.engine import ternary_matmul as package
from mmf_teach.engine.intrinsics import amx, simd
from mmf_teach.engine.ternary_matmul import (
    amx_tiles,
    any_batch,
    choice,
    kernel as kernel_module,
    lookup_9_in_16,
    popcount,
    skipping,
)
from mmf_teach.engine.ternary_matmul.kernel import Compiled, Packed
from mmf_teach.reference.ternary_matmul import ternary_matmul
from mmf_teach.ternary.packing import pack_base3

LAWS = settings(deadline=None, derandomize=True, max_examples=150)
ALL = [kernel for kernel in choice.LADDER if not kernel.missing()]
COMPILED = [kernel for kernel in ALL if kernel not in (choice.NAIVE, choice.MASKED)]
SIZES = [                                    # out, in: around 9, 64, 128 and 252, and whole tiles of everything
    (1, 1), (2, 3), (31, 8), (32, 9), (33, 10), (65, 63), (127, 64), (128, 65), (129, 251), (3, 252), (130, 253),
    (7, 255), (160, 256), (96, 257), (250, 505), (300, 1000), (641, 130), (0, 5), (5, 0),
]

every_kernel = pytest.mark.parametrize("kernel", ALL, ids=lambda kernel: kernel.name)
every_compiled_kernel = pytest.mark.parametrize("kernel", COMPILED, ids=lambda kernel: kernel.name)


@pytest.fixture
def parts_in_turn():
    """One thread does the parts of all: on a busy machine threads wait for each other longer than they work."""
    before = kernel_module.get_num_threads()
    kernel_module.set_num_threads(1)
    yield
    kernel_module.set_num_threads(before)


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


# Every kernel, from the slowest to the choice.

@every_kernel
@pytest.mark.parametrize(("outputs", "inputs"), SIZES)
def test_a_kernel_gives_the_same_integers_at_sizes_that_fill_nothing(kernel, outputs, inputs):
    trits, codes = random_trits(outputs, inputs), random_codes(3, inputs)
    if kernel is choice.NAIVE and trits.size > 20_000:
        trits, codes = trits[-20:], codes[:1]
    sums = kernel.product(codes, kernel.pack(trits))
    assert sums.dtype == np.int32 and sums.flags.c_contiguous
    np.testing.assert_array_equal(sums, product_of_integers(codes, trits))


@every_compiled_kernel
@settings(LAWS, max_examples=60)
@given(st.data(), st.integers(1, 3), st.integers(1, 300), st.integers(1, 40))
def test_a_kernel_gives_the_same_integers_as_the_naive_one(kernel, data, batch, inputs, outputs):
    seed = data.draw(st.integers(0, 2**32 - 1))
    trits, codes = random_trits(outputs, inputs, seed), random_codes(batch, inputs, seed)
    np.testing.assert_array_equal(kernel.product(codes, kernel.pack(trits)), ternary_matmul(codes, trits))


@every_compiled_kernel
@pytest.mark.parametrize("inputs", [9, 252, 255, 1000, 70_000])
@pytest.mark.parametrize("code", [-128, -127, 0, 127])
def test_no_sum_overflows_on_the_way(kernel, inputs, code):
    """The worst that can happen: all trits and all codes alike, for longer than any model's rows."""
    trits = np.zeros((131, inputs), np.int8)
    trits[:64], trits[100:] = 1, -1
    codes = np.full((1, inputs), code, np.int8)
    wanted = [[code * inputs] * 64 + [0] * 36 + [-code * inputs] * 31]
    assert kernel.product(codes, kernel.pack(trits)).tolist() == wanted


@every_compiled_kernel
def test_signs_that_take_turns_do_not_overflow_either(kernel):
    """Trits and codes of both signs whose products are all of one sign."""
    signs = np.where(np.arange(5_003) % 3 == 0, -1, 1).astype(np.int8)
    trits = np.stack([signs, -signs])
    codes = np.stack([signs * 127, np.where(signs > 0, 127, -128).astype(np.int8)]).astype(np.int8)
    np.testing.assert_array_equal(kernel.product(codes, kernel.pack(trits)), product_of_integers(codes, trits))


@every_compiled_kernel
def test_rows_of_zeros_give_zero_between_others(kernel):
    trits = random_trits(300, 77)
    trits[[0, 31, 32, 127, 128, 255, 299]] = 0
    codes = random_codes(2, 77)
    np.testing.assert_array_equal(kernel.product(codes, kernel.pack(trits)), product_of_integers(codes, trits))


@every_compiled_kernel
@pytest.mark.parametrize("batch", [0, *range(1, 10), 16, 17, 31, 32, 33])
def test_any_number_of_tokens_at_once(kernel, batch):
    trits, codes = random_trits(150, 300), random_codes(batch, 300)
    np.testing.assert_array_equal(kernel.product(codes, kernel.pack(trits)), product_of_integers(codes, trits))


@every_compiled_kernel
@pytest.mark.parametrize(("batch", "outputs", "inputs"), [(1, 1300, 900), (40, 270, 259), (17, 1000, 70)])
def test_threads_share_the_work_and_leave_nothing_out(kernel, batch, outputs, inputs):
    assert batch * outputs * inputs >= kernel_module.WORTH_SHARING
    trits, codes = random_trits(outputs, inputs), random_codes(batch, inputs)
    packed, wanted = kernel.pack(trits), product_of_integers(codes, trits)
    for threads in (1, 2):
        np.testing.assert_array_equal(kernel.product(codes, packed, threads=threads), wanted)


@every_compiled_kernel
@pytest.mark.parametrize("by_rows", [True, False])
@pytest.mark.parametrize("threads", [2, 3, 5])
def test_any_number_of_threads_shares_rows_or_tokens(kernel, by_rows, threads, parts_in_turn):
    """Also more threads than there are cores, tiles or tokens."""
    trits, codes = random_trits(333, 100), random_codes(4, 100)
    sums = np.full((4, 333), 99, np.int32)
    workspaces = kernel.workspaces(100, threads)
    assert all(workspace.ctypes.data % simd.LINE == 0 for workspace in workspaces)
    kernel._function("product_threads")(kernel.pack(trits).weights, codes, sums, workspaces, by_rows)
    np.testing.assert_array_equal(sums, product_of_integers(codes, trits))


def test_small_work_is_not_shared(monkeypatch):
    """Waking a second thread would take longer than the product."""
    kernel = choice.best()
    monkeypatch.setattr(kernel_module, "in_threads", lambda *_: pytest.fail("a thread was woken"))
    trits, codes = random_trits(100, 100), random_codes(1, 100)
    packed = kernel.pack(trits)
    np.testing.assert_array_equal(kernel.product(codes, packed, threads=2), product_of_integers(codes, trits))


def test_without_a_runtime_for_threads_one_does_all(monkeypatch):
    kernel = choice.best()
    monkeypatch.setattr(kernel_module, "threads_can_share", lambda: False)
    monkeypatch.setattr(kernel_module, "in_threads", lambda *_: pytest.fail("a thread was woken"))
    trits, codes = random_trits(1100, 1100), random_codes(1, 1100)
    packed = kernel.pack(trits)
    np.testing.assert_array_equal(kernel.product(codes, packed, threads=2), product_of_integers(codes, trits))


@pytest.mark.parametrize(("asked", "used"), [(2, 2), (5, 5), (9, 6)])
def test_threads_are_woken_as_asked_and_then_left_as_they_were(asked, used, monkeypatch):
    """Up to as many as numba may use: with OMP_NUM_THREADS=1, as in these tests, that would be one."""
    told, kernel = [], choice.best()
    monkeypatch.setattr(kernel_module, "get_num_threads", lambda: 4)
    monkeypatch.setattr(kernel_module, "set_num_threads", told.append)
    monkeypatch.setattr(kernel_module.config, "NUMBA_NUM_THREADS", 6)
    trits, codes = random_trits(1100, 1100), random_codes(1, 1100)
    packed = kernel.pack(trits)
    np.testing.assert_array_equal(kernel.product(codes, packed, threads=asked), product_of_integers(codes, trits))
    assert told == [used, 4]
    told.clear()
    kernel.product(codes, kernel.pack(trits), threads=4)
    assert told == []                        # as many as there are


def test_threads_of_the_caller_do_not_share_their_room():
    """Two products at once, from two threads of the reader: each has tables of its own."""
    kernel, rooms = choice.best(), []
    for _ in range(2):
        thread = threading.Thread(target=lambda: rooms.append(kernel.workspaces(70, 2)))
        thread.start()
        thread.join()
    assert rooms[0].ctypes.data != rooms[1].ctypes.data != kernel.workspaces(70, 2).ctypes.data
    again = kernel.workspaces(70, 2)
    assert again is kernel.workspaces(70, 2) and kernel.workspaces(70, 1) is not again


@every_compiled_kernel
@pytest.mark.parametrize("threads", [0, -1])
def test_no_threads_at_all_are_refused(kernel, threads):
    with pytest.raises(ValueError, match="one thread or more"):
        kernel.product(random_codes(1, 5), kernel.pack(random_trits(3, 5)), threads=threads)


@every_kernel
def test_codes_may_be_a_view_of_something_else(kernel):
    trits, codes = random_trits(40, 50), random_codes(6, 100)[::2, ::2]
    np.testing.assert_array_equal(kernel.product(codes, kernel.pack(trits)), product_of_integers(codes, trits))


# The packing and its inverse.

@every_kernel
@pytest.mark.parametrize(("outputs", "inputs"), SIZES)
def test_unpack_undoes_pack(kernel, outputs, inputs):
    trits = random_trits(outputs, inputs)
    packed = kernel.pack(trits)
    assert (packed.kernel, packed.outputs, packed.inputs) == (kernel.reads, outputs, inputs)
    np.testing.assert_array_equal(kernel.unpack(packed), trits)


@every_compiled_kernel
def test_each_place_of_a_matrix_is_packed_by_itself(kernel):
    """A single trit of 1 or -1 in a matrix of zeros comes back where it was."""
    for at in [(0, 0), (0, 259), (63, 63), (127, 251), (128, 252), (129, 255), (129, 259)]:
        for trit in (1, -1):
            trits = np.zeros((130, 260), np.int8)
            trits[at] = trit
            np.testing.assert_array_equal(kernel.unpack(kernel.pack(trits)), trits)


@pytest.mark.parametrize(("outputs", "inputs"), [(1536, 1024), (512, 2816), (130, 260), (65, 20), (128, 9), (30, 9)])
def test_a_product_of_nine_begins_to_read_where_its_four_runs_do(outputs, inputs):
    """As far apart as the rows that are added up side by side lie in the packed matrix."""
    height, weights = -(-outputs // 32) * 32, -(-inputs // 9)
    run = height // 32 // lookup_9_in_16.RUNS * 32
    apart = lookup_9_in_16.place_of(run, 0, height, weights) - lookup_9_in_16.place_of(0, 0, height, weights)
    assert lookup_9_in_16.KERNEL.apart(outputs, inputs) == apart
    assert {kernel.apart(outputs, inputs) for kernel in COMPILED if kernel is not lookup_9_in_16.KERNEL} <= {0}


def test_a_function_may_ask_for_the_widest_vectors():
    @njit
    def widely():
        simd.in_widest_vectors()

    widely()
    assert '"prefer-vector-width"="512"' in next(iter(widely.inspect_llvm().values()))


@every_compiled_kernel
def test_trits_may_be_of_any_kind_and_order(kernel):
    trits = random_trits(90, 70)
    wanted = kernel.pack(trits).weights
    for same in (trits.astype(np.float32), trits.astype(np.int64), np.asfortranarray(trits), trits[::-1][::-1]):
        np.testing.assert_array_equal(kernel.pack(same).weights, wanted)


@every_kernel
@pytest.mark.parametrize("wrong", [2, -2, 3, 127, -128, 0.5, np.nan])
def test_what_is_no_trit_is_not_packed(kernel, wrong):
    trits = random_trits(4, 5).astype(np.float32 if isinstance(wrong, float) else np.int8)
    trits[2, 3] = wrong
    with pytest.raises(ValueError, match=r"a trit must be -1, 0 or 1, not .* \(at index \(2, 3\)\)"):
        kernel.pack(trits)


@every_kernel
def test_a_matrix_has_two_axes(kernel):
    with pytest.raises(ValueError, match="two axes, not 1"):
        kernel.pack(np.zeros(4, np.int8))
    with pytest.raises(ValueError, match="two axes, not 1"):
        kernel.product(np.zeros(4, np.int8), kernel.pack(np.zeros((2, 4), np.int8)))


@every_compiled_kernel
@pytest.mark.parametrize(("outputs", "inputs"), [(1, 1), (5, 7), (129, 253), (640, 11), (1283, 33), (0, 3)])
def test_stored_bytes_of_five_trits_are_packed_without_a_whole_matrix_of_trits(kernel, outputs, inputs):
    trits = random_trits(outputs, inputs)
    packed = kernel.pack_base3(pack_base3(trits), outputs, inputs)
    assert (packed.outputs, packed.inputs) == (outputs, inputs)
    np.testing.assert_array_equal(packed.weights, kernel.pack(trits).weights)


@every_compiled_kernel
def test_stored_bytes_that_are_damaged_are_refused(kernel):
    stored = pack_base3(random_trits(700, 7))
    with pytest.raises(ValueError, match="700 x 7 trits take 980 bytes, not 979"):
        kernel.pack_base3(stored[:-1], 700, 7)
    stored[970] = 243
    with pytest.raises(ValueError, match="243"):
        kernel.pack_base3(stored, 700, 7)


@every_kernel
def test_a_matrix_takes_as_many_bits_as_its_kernel_says(kernel):
    packed = kernel.pack(random_trits(128, 11_520))             # 11,520 inputs fill bytes, words, planes and vectors
    assert packed.bits == pytest.approx(kernel.bits, rel=1e-12)


def test_the_kernels_keep_what_they_promise_about_bits_and_multiplication():
    table = {kernel.name: (round(kernel.bits, 2), kernel.multiplies) for kernel in choice.LADDER}
    assert table == {
        "naive": (8, False), "masks": (8, False), "skipping": (8, False), "bit planes": (2, False),
        "pairs": (2, True), "VNNI": (2, True), "tiles": (1.78, True),
        "tables of five": (1.6, False), "tables of nine": (1.78, False),
    }


@every_kernel
def test_a_matrix_packed_for_another_kernel_is_refused(kernel):
    other = replace(kernel.pack(random_trits(4, 4)), kernel="another")
    with pytest.raises(ValueError, match=f"packed for another, not for {kernel.name}"):
        kernel.product(random_codes(1, 4), other)
    with pytest.raises(ValueError, match=f"packed for another, not for {kernel.name}"):
        kernel.unpack(other)


@every_kernel
def test_codes_that_do_not_fit_are_refused(kernel):
    packed = kernel.pack(random_trits(4, 6))
    with pytest.raises(ValueError, match="5 inputs do not fit rows of 6 trits"):
        kernel.product(random_codes(1, 5), packed)
    with pytest.raises(ValueError, match="codes are int8, not int32"):
        kernel.product(random_codes(1, 6).astype(np.int32), packed)


def test_packed_weights_and_workspaces_begin_where_a_cache_line_begins():
    for kernel in COMPILED:
        for size in (1, 3, 100):
            assert kernel.pack(random_trits(size, size)).weights.ctypes.data % simd.LINE == 0
            assert kernel.workspace(size).ctypes.data % simd.LINE == 0


# Called from other compiled functions.

@every_compiled_kernel
def test_many_matrices_in_one_array_are_multiplied_from_inside_one_compiled_function(kernel):
    """As the integer engine does it: slices of one array, one workspace, whatever stood in it and in the sums."""
    inner = kernel.product_into

    @njit
    def both(weights, end, codes, first, second, workspace):
        inner(weights[:end], codes, first, workspace, 0, first.shape[1])
        inner(weights[end:], codes, second, workspace, 0, second.shape[1])

    one, two, codes = random_trits(70, 260), random_trits(200, 260, seed=5), random_codes(5, 260)
    packed = [kernel.pack(one).weights, kernel.pack(two).weights]
    assert [len(weights) for weights in packed] == [kernel.count(70, 260), kernel.count(200, 260)]
    arena = simd.aligned_empty(len(packed[0]) + len(packed[1]), kernel.word)
    arena[:] = np.concatenate(packed)
    first, second = np.full((5, 70), 77, np.int32), np.full((5, 200), 77, np.int32)
    workspace = kernel.workspace(260)
    workspace.view(np.uint8)[:] = 0xA5
    both(arena, len(packed[0]), codes, first, second, workspace)
    np.testing.assert_array_equal(first, product_of_integers(codes, one))
    np.testing.assert_array_equal(second, product_of_integers(codes, two))


@every_compiled_kernel
def test_some_rows_are_computed_without_touching_the_others(kernel):
    trits, codes = random_trits(300, 90), random_codes(2, 90)
    sums = np.full((2, 300), 77, np.int32)
    kernel.product_into(kernel.pack(trits).weights, codes, sums, kernel.workspace(90), 128, 256)
    np.testing.assert_array_equal(sums[:, 128:256], product_of_integers(codes, trits[128:256]))
    assert (sums[:, :128] == 77).all() and (sums[:, 256:] == 77).all()


@every_compiled_kernel
def test_nothing_is_written_beyond_the_sums(kernel):
    """The sums of the last rows stand right before something else, and rows that fill the last tile are not zero."""
    for outputs in (1, 31, 33, 98, 100, 129, 161):
        stored = max(n for n in range(outputs, outputs + 200) if kernel.count(n, 50) == kernel.count(outputs, 50))
        room = np.full(2 * outputs + 300, 77, np.int32)
        sums = room[:2 * outputs].reshape(2, outputs)
        trits, codes = random_trits(stored, 50), random_codes(2, 50)
        kernel.product_into(kernel.pack(trits).weights, codes, sums, kernel.workspace(50), 0, outputs)
        np.testing.assert_array_equal(sums, product_of_integers(codes, trits[:outputs]))
        assert (room[2 * outputs:] == 77).all()


# The choice.

@pytest.fixture
def plain_processor(monkeypatch):
    monkeypatch.setattr(kernel_module, "features", lambda: frozenset({"sse2", "sse4.2"}))
    monkeypatch.setattr(kernel_module, "_compiled", {})         # as before the first product


def test_the_package_hands_on_the_fastest_kernel_and_all_kernels():
    assert package.best() is choice.best() in package.KERNELS
    assert list(package.KERNELS) == ALL and len({kernel.name for kernel in ALL}) == len(ALL) >= 4
    with pytest.raises(AttributeError, match="no attribute fastest_of_all"):
        package.fastest_of_all


@pytest.mark.parametrize(("able", "names"), [
    ("sse2", ["bit planes"]), ("avx2", ["bit planes", "pairs"]), ("avx2 avx512f avx512bw", ["tables of nine"]),
    ("avx2 avx512f avx512bw avx512vnni avx512vbmi", ["VNNI", "tables of five", "tables of nine"]),
])
def test_what_is_measured_is_what_may_be_the_fastest_on_such_a_processor(able, names, monkeypatch):
    monkeypatch.setattr(kernel_module, "features", lambda: frozenset(able.split()))
    assert [kernel.name for kernel in choice.candidates()] == names


@pytest.fixture
def not_yet_measured(monkeypatch, tmp_path):
    """Two candidates that every processor has, and a list of the measurements made."""
    made, kernels = [], (popcount.KERNEL, skipping.KERNEL)
    monkeypatch.delenv("MMF_KERNEL", raising=False)
    monkeypatch.setattr(choice, "FOLDER", tmp_path)
    monkeypatch.setattr(choice, "candidates", lambda: kernels)
    times = {"bit planes": 7.5, "skipping": 9}
    monkeypatch.setattr(choice, "measure_us", lambda kernels: made.append(kernels) or times)
    choice._fastest.cache_clear()
    yield made
    choice._fastest.cache_clear()


def test_the_choice_is_measured_once_and_kept(not_yet_measured, tmp_path):
    for _ in range(3):
        assert choice.best() is popcount.KERNEL
        choice._fastest.cache_clear()        # as in another process
    assert len(not_yet_measured) == 1
    (tmp_path / "kernel_us.json").write_text('{"bit planes": 7.5, "skipping": 7.4}', "utf-8")
    assert choice.best() is skipping.KERNEL and len(not_yet_measured) == 1


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"bit planes": 1}', '{"bit planes": 1, "skipping": "fast"}'])
def test_a_damaged_measurement_or_one_of_other_kernels_is_made_again(kept, not_yet_measured, tmp_path):
    (tmp_path / "kernel_us.json").write_text(kept, "utf-8")
    assert choice.best() is popcount.KERNEL and len(not_yet_measured) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["kernel_us.json"]


def test_where_nothing_can_be_kept_nothing_is_measured(not_yet_measured, monkeypatch):
    monkeypatch.setattr(choice, "FOLDER", None)
    assert choice.best() is skipping.KERNEL and not not_yet_measured


def test_a_choice_may_be_made_by_hand(monkeypatch):
    for kernel in COMPILED:
        monkeypatch.setenv("MMF_KERNEL", kernel.name)
        assert choice.best() is kernel
    monkeypatch.setenv("MMF_KERNEL", "abacus")
    with pytest.raises(ValueError, match=r"^MMF_KERNEL is 'abacus', and this machine has: skipping, .*bit planes"):
        choice.best()


def test_a_measurement_takes_less_than_a_second(monkeypatch):
    """It is of each candidate, and of weights that no cache holds."""
    monkeypatch.setattr(choice, "last_level_cache_bytes", lambda: 1 << 30)               # as much as is ever read
    kernels = choice.candidates()[-2:] if len(choice.candidates()) > 1 else (popcount.KERNEL, choice.best())
    measured_us = choice.measure_us(kernels)
    began = time.perf_counter()
    assert choice.measure_us(kernels).keys() == measured_us.keys() == {kernel.name for kernel in kernels}
    assert time.perf_counter() - began < 2               # 0.5 s on a quiet machine
    assert all(1 < us < 100_000 for us in measured_us.values())


def test_compiled_code_tells_kernels_apart_by_the_types_that_it_is_handed():
    """numba keeps code by types alone: were those of two kernels the same, another choice would find the old code."""
    kernels = [kernel for kernel in choice.LADDER if isinstance(kernel, Compiled)]
    assert len({(np.dtype(kernel.word), kernel.workspace(8).dtype) for kernel in kernels}) == len(kernels)
    assert all(one.apart is other.apart for one in kernels for other in kernels if one.word is other.word and
               amx_tiles.KERNEL not in (one, other))         # which reads what was packed for another


def test_another_choice_never_finds_the_code_of_the_last_one(tmp_path):
    """One folder for all of them, and both orders."""
    able = [kernel.name for kernel in COMPILED if kernel is not amx_tiles.KERNEL][-2:]
    for name in (*able, *able):
        printed = python(WHOLE_LAYER, NUMBA_CACHE_DIR=str(tmp_path), MMF_KERNEL=name)
        assert printed == [name.replace(" ", "_"), "True"]


def test_many_tokens_are_multiplied_in_tiles_where_there_are_any(monkeypatch):
    monkeypatch.setattr(kernel_module, "features", lambda: frozenset(amx_tiles.KERNEL.needs))
    monkeypatch.setattr(amx, "permitted", lambda: True)
    monkeypatch.setattr(choice, "_fastest", lambda kernels: kernels[-1])                 # they may not run here
    assert [choice.best(n) for n in (1, choice.MANY - 1)] == [lookup_9_in_16.KERNEL] * 2
    assert [choice.best(n) for n in (choice.MANY, 512)] == [amx_tiles.KERNEL] * 2
    monkeypatch.setattr(amx, "permitted", lambda: False)
    monkeypatch.setattr(kernel_module, "_compiled", {})         # as before the first product
    assert choice.best(512) is lookup_9_in_16.KERNEL
    with pytest.raises(ValueError, match=r"^the kernel tiles needs a processor with tiles that this system lets"):
        amx_tiles.KERNEL.pack(random_trits(2, 2))


@pytest.mark.skipif(bool(amx_tiles.KERNEL.missing()), reason="no AMX here")
@pytest.mark.parametrize("tokens", [1, 15, 16, 17, 33, 127, 129, 300])
@pytest.mark.parametrize(("outputs", "inputs"), [(33, 47), (31, 48), (160, 49), (97, 288), (130, 289), (40, 20_000)])
def test_tiles_multiply_what_was_packed_for_one_token(tokens, outputs, inputs):
    """Around 16 and 128 tokens, 16 and 32 rows, 48 and 288 inputs; 20,000 inputs leave room for 32 tokens at once."""
    trits, codes = random_trits(outputs, inputs), random_codes(tokens, inputs)
    packed = lookup_9_in_16.KERNEL.pack(trits)
    np.testing.assert_array_equal(amx_tiles.KERNEL.product(codes, packed), product_of_integers(codes, trits))


@pytest.mark.parametrize("tokens", [1, choice.MANY - 1, choice.MANY, 40])
def test_inside_compiled_functions_the_number_of_tokens_chooses_the_kernel(tokens):
    trits, codes = random_trits(150, 300), random_codes(tokens, 300)
    sums, rooms = np.full((tokens, 150), 77, np.int32), any_batch.workspaces(300)
    for room in rooms:
        room.view(np.uint8)[:] = 0xA5
    before = [room.copy() for room in rooms]
    any_batch.product_into(any_batch.KERNEL.pack(trits).weights, codes, sums, rooms, 0, 150)
    np.testing.assert_array_equal(sums, product_of_integers(codes, trits))
    if any_batch.KERNEL is not any_batch.KERNEL_OF_MANY:
        used = [not np.array_equal(room, old) for room, old in zip(rooms, before, strict=True)]
        assert used == [tokens < choice.MANY, tokens >= choice.MANY]


def test_without_either_bits_are_counted(plain_processor):
    kernel = choice.best()
    assert kernel is popcount.KERNEL and all(not kernel.needs for kernel in choice.runnable())
    trits, codes = random_trits(100, 333), random_codes(3, 333)
    np.testing.assert_array_equal(kernel.product(codes, kernel.pack(trits)), product_of_integers(codes, trits))


@pytest.mark.parametrize("kernel", [kernel for kernel in choice.LADDER if kernel.needs], ids=lambda kernel: kernel.name)
def test_a_kernel_that_the_processor_lacks_is_refused_before_anything_is_compiled(kernel, plain_processor, monkeypatch):
    monkeypatch.setattr(kernel_module, "importlib", None)       # so nothing compiled can be reached
    lacking = ", ".join(kernel.needs)
    packed = Packed(kernel.reads, np.zeros(kernel.count(2, 2), kernel.word), 2, 2)       # as another may have packed it
    for use in (lambda: kernel.pack(random_trits(2, 2)), lambda: kernel.product_into,
                lambda: kernel.product(random_codes(1, 2), packed)):
        with pytest.raises(ValueError, match=f"^the kernel {kernel.name} needs a processor with {lacking}$"):
            use()


WHOLE_LAYER = """
import numpy as np
from mmf_teach.engine.bit_linear.inference import KERNEL, bit_linear
r = np.random.default_rng(0)
trits, x = r.integers(-1, 2, (150, 64)).astype(np.int8), r.integers(-127, 128, (2, 64)).astype(np.float32)
x[:, 0] = 127
y = bit_linear(x, KERNEL.pack(trits), 1.0)
rms = np.sqrt((x * x).mean(1) + 1e-6)
print(KERNEL.name.replace(" ", "_"), np.allclose(y, x @ trits.T / rms[:, None], rtol=1e-4, atol=1e-4))
"""


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
kernel = ternary_matmul.best()
packed = kernel.pack(trits)
one, two = kernel.product(codes, packed), kernel.product(codes, packed, threads=2)
seconds = time.perf_counter() - began
exact = codes.astype(np.int64) @ trits.T
assert (one == exact).all() and (two == exact).all() and (kernel.unpack(packed) == trits).all()
print(kernel.name.replace(" ", "_"), seconds)
"""


def test_what_was_compiled_once_is_there_in_the_next_process(tmp_path):
    """Also no crash: numba's parallel functions are known to end the second process that finds them compiled."""
    slow, fast, again = (python(EXACT, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(3))
    assert slow[0] == fast[0] == again[0]
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
for kernel in runnable():
    for batch, inputs in [(1, 1), (1, 9), (1, 15), (1, 16), (1, 17), (3, 64), (2, 253), (1, 1024)]:
        codes = np.frombuffer(pages, np.int8, batch * inputs, page - batch * inputs).reshape(batch, inputs)
        codes[:] = r.integers(-128, 128, codes.shape)
        trits = r.integers(-1, 2, (33, inputs)).astype(np.int8)
        sums = kernel.product(codes, kernel.pack(trits))
        assert (sums == codes.astype(np.int64) @ trits.T).all(), (kernel.name, inputs)
print("nothing beyond")
"""


@pytest.mark.skipif(not hasattr(os, "sched_yield") or sys.platform == "darwin", reason="pages are locked as Linux does")
def test_no_kernel_reads_a_code_beyond_the_last():
    """The page after the codes cannot be read: whoever tries ends the process."""
    assert python(AT_THE_EDGE) == ["nothing", "beyond"]


def test_a_processor_without_anything_special_counts_bits(tmp_path):
    """numba is told to compile for the plainest processor: features are those it compiles for, not the machine's."""
    name, _ = python(EXACT, NUMBA_CACHE_DIR=str(tmp_path), NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="")
    assert name == "bit_planes"


@pytest.mark.skipif("avx2" not in simd.features(), reason="no AVX2 here")
def test_a_processor_with_avx2_and_no_more_multiplies_pairs_or_counts_bits(tmp_path):
    """Compiled for such a processor and run on this one: nothing of AVX-512 may be in it."""
    older = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+sse4.2,+popcnt,+avx2,+bmi2"}
    name, _ = python(EXACT, NUMBA_CACHE_DIR=str(tmp_path), **older)
    assert name in ("pairs", "bit_planes")
    name, _ = python(EXACT, NUMBA_CACHE_DIR=str(tmp_path), MMF_KERNEL="pairs", **older)
    assert name == "pairs"


def test_the_naive_kernel_is_imported_without_a_compiler():
    code = "import sys; import mmf_teach.reference.ternary_matmul; print('numba' in sys.modules)"
    assert python(code) == ["False"]
