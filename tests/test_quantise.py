"""Floats become trits and codes as Algorithm 1 of the paper says, and NumPy and torch do it alike."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from mmf_teach.layers import bit_linear
from mmf_teach.ternary.quantise import SMALLEST, absmax, absmean

LAWS = settings(deadline=None, derandomize=True, max_examples=150)
ROUNDINGS = 1e-4                             # of a scale: codes up to 127 carry about three roundings of 6e-8 each
MEAN_ULPS = 2                                # a mean added up in another order; 1 for ordinary weights
sane_floats = st.floats(-(2.0**100), 2.0**100, width=32)
rows = arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 9)), elements=sane_floats)


def outlier(shape=(6, 50)):
    x = np.random.default_rng(1).normal(size=shape)
    x[2, 3] = -1e4
    return x


def close_to_half_way(tokens=64):
    """Each activation as near to the middle of two codes as float32 allows: the order of operations decides."""
    largest = np.random.default_rng(5).uniform(1, 2, (tokens, 1)).astype(np.float32)
    return np.hstack([largest, (np.arange(0.5, 127) * largest / 127)])


CASES = {
    "random": np.random.default_rng(0).normal(size=(31, 77)),
    "wide range": np.random.default_rng(2).normal(size=(40, 20)) * 10.0 ** np.arange(-20, 20)[:, None],
    "constant": np.full((4, 6), -0.3),
    "tiny": np.full((3, 5), 1e-9),
    "below the floor and above it": np.array([[2e-6, -9e-6, 4e-6], [2e-5, -1e-5, 0.0]]),
    "zero": np.zeros((3, 7)),
    "one": np.ones((1, 1)),
    "one outlier": outlier(),
    "largest floats": np.array([[3.4e38, -1.0, 0.0]]),
    "close to half-way": close_to_half_way(),
    "half-way weights": np.array([[0.5, -0.5, 1.5, -1.5], [1.0, -1.0, 0.25, 1.75]]),                 # their mean is 1
    "half-way activations": np.array([[127.0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 125.5, -126.5]]),       # one a code
}
each = pytest.mark.parametrize("x", [x.astype(np.float32) for x in CASES.values()], ids=CASES)


def ulps_apart(a, b) -> float:
    """How many float32 numbers lie from `a` to `b`."""
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    return float(np.abs((a.astype(np.float64) - b) / np.spacing(np.maximum(np.abs(a), np.abs(b)))).max())


@each
def test_numpy_and_torch_make_the_same_trits_and_scales_some_roundings_apart_at_most(x):
    trits, scale = absmean(x)
    trits_torch, scale_torch = bit_linear.absmean(torch.from_numpy(x))
    np.testing.assert_array_equal(trits, trits_torch.numpy())
    assert scale.dtype == np.float32 and scale_torch.dtype == torch.float32
    assert ulps_apart(scale, scale_torch) <= MEAN_ULPS


@each
def test_numpy_and_torch_make_the_same_codes_and_scales_to_the_last_bit(x):
    codes, scale = absmax(x)
    codes_torch, scale_torch = bit_linear.absmax(torch.from_numpy(x))
    np.testing.assert_array_equal(codes, codes_torch.numpy())
    np.testing.assert_array_equal(scale, scale_torch.numpy())
    assert codes.dtype == np.int8 and scale.dtype == np.float32 and scale_torch.dtype == torch.float32


@LAWS
@given(rows)
def test_numpy_and_torch_agree_on_the_codes_of_any_floats(x):
    codes, scale = absmax(x)
    codes_torch, scale_torch = bit_linear.absmax(torch.from_numpy(x))
    np.testing.assert_array_equal(codes, codes_torch.numpy())
    np.testing.assert_array_equal(scale, scale_torch.numpy())


@LAWS
@given(rows)
def test_codes_times_scale_miss_no_activation_by_more_than_half_a_scale(x):
    codes, scale = absmax(x)
    error = np.abs(x.astype(np.float64) - scale.astype(np.float64) * codes)
    assert (error <= (0.5 + ROUNDINGS) * scale).all()


@LAWS
@given(rows)
def test_trits_times_scale_miss_a_weight_by_half_a_scale_at_most_unless_it_was_clipped(w):
    trits, scale = absmean(w)
    size = np.abs(w.astype(np.float64)) / float(scale)
    error = np.abs(w.astype(np.float64) / float(scale) - trits)
    assert (error <= np.maximum(0.5, size - 1) + ROUNDINGS).all()
    assert (trits * w >= 0).all()


@LAWS
@given(rows)
def test_the_largest_activation_has_the_code_127_and_none_has_128(x):
    """|x| · 127 / max|x| is at most 127 and some roundings, so the clip at -128 is never reached."""
    codes, _ = absmax(x)
    largest = np.abs(codes.astype(int)).max(axis=1)
    at_least = np.abs(x).max(axis=1) >= SMALLEST
    assert (largest[at_least] == 127).all() and (largest <= 127).all()


def test_both_ends_of_the_codes_are_reached():
    codes, scale = absmax(np.array([[2.0, -2.0, 1.0], [0.5, -4.0, 4.0]]))
    assert codes.tolist() == [[127, -127, 64], [16, -127, 127]]
    np.testing.assert_array_equal(scale, np.array([[2], [4]], np.float32) / np.float32(127))


def test_each_token_has_a_scale_of_its_own_and_a_matrix_one_for_all():
    x = np.array([[1.0, 0.5], [100.0, 50.0]])
    codes, scales = absmax(x)
    assert codes[0].tolist() == codes[1].tolist() == [127, 64] and scales.shape == (2, 1)
    trits, scale = absmean(x)
    assert trits.tolist() == [[0, 0], [1, 1]] and scale.shape == ()


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_half_way_values_go_to_the_even_neighbour(library):
    w, x = CASES["half-way weights"].astype(np.float32), CASES["half-way activations"].astype(np.float32)
    if library == "numpy":
        trits, codes = absmean(w)[0], absmax(x)[0]
    else:
        trits, codes = bit_linear.absmean(torch.from_numpy(w))[0], bit_linear.absmax(torch.from_numpy(x))[0]
    assert trits.tolist() == [[0, 0, 1, -1], [1, -1, 0, 1]]
    assert codes.tolist() == [[127, 0, 2, 2, 0, -2, -2, 126, -126]]


@pytest.mark.parametrize("scale", [2.0**k for k in (-10, -3, 0, 5, 20)])
def test_a_power_of_two_moves_the_scales_and_leaves_trits_and_codes(scale):
    w = np.random.default_rng(3).normal(size=(5, 40))
    (trits, s), (trits_scaled, s_scaled) = absmean(w), absmean(w * scale)
    (codes, m), (codes_scaled, m_scaled) = absmax(w), absmax(w * scale)
    np.testing.assert_array_equal(trits, trits_scaled)
    np.testing.assert_array_equal(codes, codes_scaled)
    assert s_scaled == s * np.float32(scale) and (m_scaled == m * np.float32(scale)).all()


def test_the_scale_never_falls_below_its_floor():
    """A mean or a maximum below 1e-5 counts as 1e-5, as in the authors' code."""
    for w in (np.zeros((2, 3)), np.full((2, 3), 4e-6)):
        assert absmean(w)[1] == bit_linear.absmean(torch.tensor(w).float())[1] == np.float32(1e-5)
        floor = np.float32(1e-5) / np.float32(127)
        assert (absmax(w)[1] == floor).all() and (bit_linear.absmax(torch.tensor(w).float())[1] == floor).all()
    assert absmean(np.full((2, 3), 4e-6))[0].tolist() == [[0, 0, 0]] * 2
    assert absmean(np.full((2, 3), 6e-6))[0].tolist() == [[1, 1, 1]] * 2


@pytest.mark.parametrize("quantise", [absmean, absmax])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_a_value_that_is_no_finite_float32_is_refused(quantise, value):
    x = np.ones((2, 3))
    x[1, 0] = value
    with pytest.raises(ValueError, match="NaN or infinity"), np.errstate(over="ignore"):
        quantise(x)


def test_nothing_at_all_can_be_quantised():
    assert absmean(np.zeros((0, 3)))[0].shape == (0, 3) and absmean(np.zeros((0, 3)))[1] == SMALLEST
    assert absmax(np.zeros((2, 0)))[0].shape == (2, 0) and absmax(np.zeros((2, 0)))[1].shape == (2, 1)


def test_the_array_handed_in_is_not_changed():
    x = np.random.default_rng(4).normal(size=(3, 4)).astype(np.float32)
    before = x.copy()
    absmean(x)
    absmax(x)
    np.testing.assert_array_equal(x, before)
