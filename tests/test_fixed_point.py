"""Fixed-point arithmetic: each function against exact fractions or floats, and its compiled twin against it."""

from fractions import Fraction
from math import floor, isqrt

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from mmf_teach.engine import fixed_point as compiled
from mmf_teach.ternary import fixed_point as fp

LAWS = settings(deadline=None, derandomize=True, max_examples=200)
ACTIVATIONS = st.integers(-(1 << 24), 1 << 24)
EDGES = np.array([0, 1, -1, 2**11, -(2**11), 2**15 - 1, 2**15, -(2**15), -(2**15) - 1, 2**20, -(2**20)], np.int64)


def nearest(exact: Fraction) -> int:
    return floor(exact + Fraction(1, 2))     # halves up


@LAWS
@given(st.integers(-(1 << 40), 1 << 40), st.integers(1, 30))
def test_a_shift_divides_and_rounds_halves_up(number, bits):
    want = nearest(Fraction(number, 1 << bits))
    assert fp.shift(np.array([number]), bits)[0] == want == compiled.shift(number, bits)


@LAWS
@given(st.one_of(st.integers(0, 1 << 40), st.integers((1 << 52) - 9, 1 << 62)))
def test_a_root_is_exact(number):
    for n in (number, isqrt(number) ** 2, max(0, isqrt(number) ** 2 - 1)):
        assert fp.root(np.array([n]))[0] == isqrt(n) == compiled.root(n)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2.0**20])
def test_a_number_that_cannot_be_written_so_is_refused(value):
    with pytest.raises(ValueError, match="finite and fit in 32 bits"):
        fp.to_fixed(value, fp.ACTIVATION)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.int64])
def test_to_fixed_knows_numbers_of_every_type_by_what_they_say(dtype):
    assert fp.to_fixed(np.array([-3, 0, 5], dtype), fp.SCALE).tolist() == [-3 << fp.SCALE, 0, 5 << fp.SCALE]


def test_to_fixed_takes_the_nearest():
    assert fp.to_fixed(np.array([0.5, -1.0, 1e-9, 1 / 3]), 12).tolist() == [2048, -4096, 0, 1365]


def test_to_fixed_works_in_float64_whatever_it_is_given():
    """1000 · 2**12 is beyond float16."""
    assert fp.to_fixed(np.array([1000.0], np.float16), 12).tolist() == [4096000]


@LAWS
@given(st.lists(ACTIVATIONS, min_size=1, max_size=9))
def test_codes_are_the_nearest_of_255_up_to_one_rounding_of_the_reciprocal(values):
    codes, largest = fp.codes(np.array([values]))
    assert largest[0, 0] == max(1, *map(abs, values))
    for value, code in zip(values, codes[0], strict=True):
        exact = Fraction(127 * value, int(largest[0, 0]))
        assert abs(code - exact) <= Fraction(1, 2) + Fraction(abs(value), 1 << 24)
    if 0 < max(map(abs, values)) < 1 << 23:  # 2,048.0 in the stream, 128.0 in a memory
        assert np.abs(codes).max() == 127


@LAWS
@given(st.lists(ACTIVATIONS, min_size=1, max_size=9), st.integers(12, 25))
def test_the_root_mean_square_and_the_worth_of_a_code_are_those_of_the_floats(values, bits):
    x = np.array([values])
    real = x / 2.0**bits
    rms = np.sqrt((real**2).mean() + 1e-6)
    got = fp.root_mean_square(x, bits)
    assert got[0, 0] == pytest.approx(rms * 2 ** (bits + fp.ROOT), rel=1e-2, abs=2)
    _, largest = fp.codes(x)
    worth = fp.code_scale(largest, got) / 2.0**fp.SCALE
    assert worth[0, 0] == pytest.approx(int(largest[0, 0]) / (127 * int(got[0, 0]) / 2**fp.ROOT), rel=1e-4, abs=1e-6)


def test_the_sigmoid_is_off_by_less_than_it_says_everywhere():
    z = np.arange(-(10 << 12), 10 << 12)
    exact = 1 / (1 + np.exp(-z / 4096))
    assert np.abs(fp.sigmoid(z) / 2**15 - exact).max() < 2**-14 + np.exp(-8)
    inside = np.abs(z) < 8 << 12
    assert np.abs(fp.sigmoid(z) / 2**15 - exact)[inside].max() <= 2**-14
    assert (np.diff(fp.sigmoid(z)) >= 0).all(), "a larger number never has a smaller gate"


def test_silu_is_the_number_times_its_gate():
    z = np.arange(-(8 << 12), 8 << 12, 7)
    assert np.abs(fp.silu(z) / 4096 - z / 4096 / (1 + np.exp(-z / 4096))).max() < 8 * 2**-14 + 2**-12


def test_remembering_everything_keeps_the_memory_and_nothing_writes_the_candidate():
    h, c = np.array([123_456, -7]), np.array([-4096, 50])
    one = np.array([1 << fp.GATE] * 2)
    assert fp.remember(one, c, h).tolist() == h.tolist()
    assert fp.remember(0 * one, c, h).tolist() == [-65536, 800]


# The compiled twins


def test_the_compiled_sigmoid_and_silu_are_the_same_everywhere():
    z = np.concatenate([np.arange(-(9 << 12), 9 << 12), EDGES])
    assert [compiled.sigmoid(int(each)) for each in z] == fp.sigmoid(z).tolist()
    assert [compiled.silu(int(each)) for each in z[::5]] == fp.silu(z[::5]).tolist()


@LAWS
@given(st.integers(1, 40), st.integers(1, 3), st.sampled_from([fp.ACTIVATION, fp.MEMORY]), st.integers(0, 2**31))
def test_compiled_quantising_gives_the_same_codes_and_scale(width, rows, bits, seed):
    dice = np.random.default_rng(seed)
    x = dice.integers(-(1 << int(dice.integers(1, 25))), 1 << 24, size=(rows, width))
    x[0] = 0 if seed % 7 == 0 else x[0]
    codes, code_scale = np.empty((rows, width), np.int8), np.empty(rows, np.int64)
    parts, row_stats = ((0, width // 3), (width // 3, width)), np.empty((2, rows, 2), np.int64)
    for part, columns in enumerate(parts):                   # as two threads share the columns
        compiled.measure(x, row_stats[part], columns)
    for columns in parts:
        compiled.quantise(x, compiled.smallest_square(bits), row_stats, codes, code_scale, columns)
    want, largest = fp.codes(x)
    assert codes.tolist() == want.tolist()
    assert code_scale.tolist() == fp.code_scale(largest, fp.root_mean_square(x, bits)).ravel().tolist()


@LAWS
@given(st.integers(1, 20), st.integers(1, 4), st.integers(0, 2**31))
def test_the_compiled_recurrence_and_gated_unit_are_the_same(width, time, seed):
    dice = np.random.default_rng(seed)
    sums = dice.integers(-40_000, 40_000, size=(time, 3 * width)).astype(np.int32)
    code_scale = dice.integers(0, 1 << 21, size=time)
    scales, biases = dice.integers(1, 1 << 22, size=3), dice.integers(-(1 << 14), 1 << 14, size=3 * width)
    h = dice.integers(-(1 << 18), 1 << 18, size=width)
    mine, gated = h.copy(), np.empty((time, width), np.int64)
    inner = np.empty((time, width), np.int64)
    stream = dice.integers(-(1 << 18), 1 << 18, size=(time, width))
    added = stream.copy()
    for column, end in ((0, width // 3), (width // 3, width)):           # columns of two parts,
        f, c, g = (np.ascontiguousarray(sums[:, k * width + column:k * width + end]) for k in range(3))
        for own in ((column, (column + end) // 2), ((column + end) // 2, end)):              # and of two threads each
            compiled.remember(np.hstack([f, c, g]), code_scale, scales, biases, mine, gated, column, own)
            compiled.gate_up(np.hstack([f, c]), code_scale, scales, biases, inner, column, own)
            compiled.add_rescaled(added, f, code_scale, scales[0], biases[:width], column, own)
    for t in range(time):
        f, c, g = (
            fp.rescale(part[None], code_scale[t, None, None], int(scale)) + bias for part, scale, bias in
            zip(sums[t].reshape(3, width), scales, biases.reshape(3, width), strict=True))
        h = fp.remember(fp.sigmoid(f), fp.silu(c), h[None])[0]
        assert gated[t].tolist() == fp.shift(fp.sigmoid(g) * h, fp.GATE)[0].tolist()
        wide = fp.silu(f) * c
        assert inner[t].tolist() == fp.shift(wide, 2 * fp.ACTIVATION - fp.MEMORY)[0].tolist()
        assert (added[t] - stream[t]).tolist() == f[0].tolist()
    assert mine.tolist() == h.tolist()
