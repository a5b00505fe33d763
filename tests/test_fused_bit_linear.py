"""The fused BitLinear is the one in steps: the same integers, floats within their rounding, nothing kept in vain."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch

from mmf_teach.kernels.fused_bit_linear import fused, naive, traffic, training
from mmf_teach.kernels.ternary_matmul import way as way_module
from mmf_teach.layers.bit_linear import BitLinear
from mmf_teach.ternary.quantise import SMALLEST, absmax, absmean

pytestmark = pytest.mark.usefixtures("without_type_checks")
SIZES = [(1, 1, 1), (2, 3, 5), (3, 33, 10), (4, 128, 252), (5, 129, 253), (9, 300, 1000), (0, 4, 4), (2, 0, 4)]
FLOAT_ROUNDING = 2e-6                        # of a result: a few roundings of float32, each 6e-8 of its size


@pytest.fixture
def always_shared(monkeypatch):
    """However small the layer, it is cut into a part for each thread; one thread does them all, one after the other."""
    before = way_module.get_num_threads()
    way_module.set_num_threads(1)
    monkeypatch.setattr(fused, "WORTH_SHARING", 0)
    monkeypatch.setattr(fused.config, "NUMBA_NUM_THREADS", 8)
    monkeypatch.setattr(fused, "numba_threads", lambda threads: nullcontext())
    yield
    way_module.set_num_threads(before)


def some_x(batch, inputs, seed=0):
    return np.random.default_rng([seed, batch, inputs]).standard_normal((batch, inputs), dtype=np.float32)


def some_trits(outputs, inputs):
    return np.random.default_rng([outputs, inputs]).integers(-1, 2, (outputs, inputs)).astype(np.int8)


def codes_of(x):
    codes = np.empty(x.shape, np.int8)
    scales = [fused.quantise_token(token, out) for token, out in zip(x, codes, strict=True)]
    return codes, np.array(scales, np.float32)[:, None]


# The codes.

@pytest.mark.parametrize("inputs", [1, 2, 15, 16, 17, 100, 4096])
def test_codes_are_those_of_the_naive_way_but_where_rounding_is_a_toss_up(inputs):
    x = some_x(20, inputs)
    normed = naive.rms_norm(x)
    wanted, wanted_scale = absmax(normed)
    codes, scale = codes_of(x)
    np.testing.assert_allclose(scale, wanted_scale, rtol=1e-6)
    exact = normed.astype(np.float64) / wanted_scale
    toss_up = np.abs(exact - np.floor(exact) - 0.5) < 1e-4
    np.testing.assert_array_equal(codes[~toss_up], wanted[~toss_up])
    assert np.abs(codes.astype(int) - wanted).max() <= 1


def test_the_largest_input_becomes_127_whatever_its_size_and_sign():
    for size in (1e-2, 1.0, 3e4, 1e18):
        for sign in (1, -1):
            codes, _ = codes_of(np.array([[0.1, sign * 1.0, -0.3]], np.float32) * np.float32(size))
            assert codes.tolist() == [[13, sign * 127, -38]]


def test_a_token_of_zeros_has_the_smallest_scale_and_no_codes():
    codes, scale = codes_of(np.zeros((1, 7), np.float32))
    assert not codes.any() and scale == SMALLEST / np.float32(127)


def test_a_token_too_small_for_the_floor_is_not_blown_up():
    """Its root mean square is far below the ε of the norm, and its largest value below the floor of absmax."""
    x = np.full((1, 8), 1e-9, np.float32)
    codes, scale = codes_of(x)
    wanted, wanted_scale = absmax(naive.rms_norm(x))
    assert codes.tolist() == wanted.tolist() and scale == wanted_scale


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [(0, 0), (2, 3), (5, 40)])
@pytest.mark.parametrize("threads", [1, 2])
def test_nan_and_infinity_are_refused_wherever_they_are(wrong, at, threads, always_shared):
    x = some_x(6, 41)
    x[at] = wrong
    with pytest.raises(ValueError, match="cannot quantise NaN or infinity"):
        fused.bit_linear(x, fused.WAY.pack(some_trits(3, 41)), 1.0, threads)


# The layer.

@pytest.mark.parametrize(("batch", "outputs", "inputs"), SIZES)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_sums_are_exact_for_the_codes(batch, outputs, inputs, threads, always_shared):
    x, trits, w_scale = some_x(batch, inputs), some_trits(outputs, inputs), np.float32(0.375)
    y = fused.bit_linear(x, fused.WAY.pack(trits), w_scale, threads)
    assert y.dtype == np.float32 and y.shape == (batch, outputs)
    codes, scale = codes_of(x) if batch else (np.empty((0, inputs), np.int8), np.empty((0, 1), np.float32))
    sums = codes.astype(np.int64) @ trits.T.astype(np.int64)
    np.testing.assert_array_equal(y, sums.astype(np.float32) * (scale * w_scale))


@pytest.mark.parametrize(("batch", "outputs", "inputs"), SIZES)
def test_the_layer_is_the_naive_one_within_a_code_of_each_sum(batch, outputs, inputs):
    x, trits = some_x(batch, inputs), some_trits(outputs, inputs)
    wanted, y = naive.bit_linear(x, trits, 0.5), fused.bit_linear(x, fused.WAY.pack(trits), 0.5)
    one_code = absmax(naive.rms_norm(x))[1] * 0.5 if batch else np.empty((0, 1))
    differs = np.abs(y - wanted) > FLOAT_ROUNDING * np.abs(wanted) + 1e-6
    assert (np.abs(y - wanted) <= 2.01 * one_code + 1e-6).all() and differs.mean() < 0.02 if y.size else True


def test_floats_of_other_kinds_and_orders_are_taken():
    x, trits = some_x(6, 20), some_trits(5, 20)
    packed = fused.WAY.pack(trits)
    wanted = fused.bit_linear(x, packed, 1.0)
    for same in (x.astype(np.float64), np.asfortranarray(x), x[::-1][::-1]):
        np.testing.assert_array_equal(fused.bit_linear(same, packed, 1.0), wanted)


def test_what_does_not_fit_is_refused():
    packed = fused.WAY.pack(some_trits(4, 6))
    for x in (some_x(1, 5), some_x(1, 6)[0]):
        with pytest.raises(ValueError, match="does not fit rows of 6 trits"):
            fused.bit_linear(x, packed, 1.0)
    with pytest.raises(ValueError, match="packed for another"):
        fused.bit_linear(some_x(1, 6), replace(packed, way="another"), 1.0)
    with pytest.raises(ValueError, match="one thread or more"):
        fused.bit_linear(some_x(1, 6), packed, 1.0, threads=0)


def test_small_layers_are_not_shared_and_large_ones_leave_the_threads_as_they_were(monkeypatch):
    before = way_module.get_num_threads()
    x, trits = some_x(1, 1100), some_trits(1100, 1100)
    packed = fused.WAY.pack(trits)
    np.testing.assert_array_equal(
        fused.bit_linear(x, packed, 1.0, threads=2), fused.bit_linear(x, packed, 1.0))
    assert way_module.get_num_threads() == before
    monkeypatch.setattr(fused, "numba_threads", lambda threads: pytest.fail("a thread was woken"))
    small = fused.WAY.pack(trits[:100])
    fused.bit_linear(x, small, 1.0, threads=2)


# What is moved.

def test_fusing_saves_everything_that_one_step_writes_for_the_next():
    sizes = {"batch": 3, "outputs": 5, "inputs": 7, "weight_bytes": 100}
    steps, once = traffic.bytes_in_steps(**sizes), traffic.bytes_fused(**sizes)
    assert once == {"tokens": 4 * 21, "weights": 100, "results": 4 * 15}
    normed, codes, scales, sums = 4 * 21, 21, 4 * 3, 4 * 15
    assert sum(steps.values()) - sum(once.values()) == 2 * (normed + codes + scales + sums)


def test_the_steps_are_counted_with_the_sizes_of_the_arrays_that_naive_makes():
    x, trits = some_x(3, 7), some_trits(5, 7)
    normed = naive.rms_norm(x)
    codes, scale = absmax(normed)
    sums = naive.ternary_matmul(codes, trits)
    y = naive.bit_linear(x, trits, 1.0)
    assert traffic.bytes_in_steps(3, 5, 7, trits.nbytes) == {
        "norm": x.nbytes + normed.nbytes,
        "codes": normed.nbytes + codes.nbytes + scale.nbytes,
        "product": codes.nbytes + trits.nbytes + sums.nbytes,
        "scales": sums.nbytes + scale.nbytes + y.nbytes,
    }


# Training.

def both_ways(batch_shape, width_in, width_out, seed=0):
    """Output and gradients by the readable layer, and by the fused one, of the same x, weights and dy."""
    torch.manual_seed(seed)
    layer = BitLinear(width_in, width_out)
    x = torch.randn(*batch_shape, width_in)
    dy = torch.randn(*batch_shape, width_out)
    results = []
    for function in (lambda x, w: layer(x), training.trained_bit_linear):
        own_x, own_w = x.clone().requires_grad_(), layer.weight
        if function is training.trained_bit_linear:
            own_w = layer.weight.detach().clone().requires_grad_()
        y = function(own_x, own_w)
        y.backward(dy)
        results.append((y.detach(), own_x.grad, own_w.grad.clone()))
    return results


@pytest.mark.parametrize(("batch_shape", "width_in", "width_out"), [
    ((1,), 1, 1), ((3,), 5, 7), ((2, 9), 40, 33), ((4, 8), 256, 130), ((2, 2, 2), 16, 8),
])
def test_the_fused_layer_learns_as_the_readable_one_does(batch_shape, width_in, width_out):
    (y, dx, dw), (own_y, own_dx, own_dw) = both_ways(batch_shape, width_in, width_out)
    assert own_y.shape == y.shape and own_dx.shape == dx.shape and own_dw.shape == dw.shape
    torch.testing.assert_close(own_dx, dx, rtol=1e-4, atol=1e-5)
    one_code = 4 * 2 / 127                   # a code may differ by 1: 4 is beyond the largest normed input here
    assert (own_y - y).norm() <= 1e-3 * y.norm() + 1e-6
    assert (own_dw - dw).abs().max() <= one_code * 4 and (own_dw - dw).norm() <= 1e-3 * dw.norm() + 1e-6


def test_the_trits_and_the_scale_are_those_of_absmean():
    for shape in ((1, 1), (33, 20), (100, 257)):
        w = np.random.default_rng(shape).standard_normal(shape, dtype=np.float32)
        trits, scale = training._ternary(torch.from_numpy(w))
        wanted, wanted_scale = absmean(w)
        np.testing.assert_array_equal(trits, wanted)
        np.testing.assert_allclose(scale, wanted_scale, rtol=2e-7)


def test_weights_of_zero_are_trits_of_zero():
    trits, scale = training._ternary(torch.zeros(3, 4))
    assert not trits.any() and scale == SMALLEST


def test_nothing_is_kept_for_the_way_back_but_the_input_and_the_weights():
    x, w = torch.randn(6, 20, requires_grad=True), torch.randn(8, 20, requires_grad=True)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.data_ptr()) or t, lambda t: t):
        training.trained_bit_linear(x, w)
    assert set(kept) == {x.data_ptr(), w.data_ptr()}


def test_the_gradient_of_the_norm_is_the_true_one():
    """With the identity as weights the product only hands on what the norm gives it."""
    x = torch.tensor([[1.0, -2.0, 0.5, 2.0]], requires_grad=True)
    w = torch.eye(4)
    weights = torch.tensor([[1.0, 2.0, -1.0, 0.5]])
    training.trained_bit_linear(x, w).mul(weights).sum().backward()
    exact = x.detach().double().requires_grad_()
    normed = exact / (exact.square().mean(dim=-1, keepdim=True) + 1e-6).sqrt()
    (normed * weights.double() * 0.25).sum().backward()      # absmean of the identity: 1/4
    torch.testing.assert_close(x.grad.double(), exact.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(wrong):
    w = torch.ones(3, 4)
    w[1, 2] = wrong
    with pytest.raises(ValueError, match="cannot quantise NaN or infinity"):
        training.trained_bit_linear(torch.ones(1, 4), w)
