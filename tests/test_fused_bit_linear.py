"""The fused BitLinear is the one in steps: the same integers, floats within their rounding, nothing kept in vain."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmf_teach.cost import bit_linear_bytes as traffic
from mmf_teach.engine.bit_linear import inference as fused, training
from mmf_teach.engine.ternary_matmul import kernel as kernel_module
from mmf_teach.layers import bit_linear
from mmf_teach.layers.bit_linear import BitLinear
from mmf_teach.reference import bit_linear as naive
from mmf_teach.ternary.quantise import SMALLEST, absmax, absmean

pytestmark = pytest.mark.usefixtures("without_type_checks")
SIZES = [                                    # tokens, out, in: around what is worked on together
    (1, 1, 1), (2, 3, 5), (3, 33, 10), (4, 128, 252), (5, 129, 253), (9, 300, 1000), (70, 100, 130),
    (0, 4, 4), (2, 0, 4),
]
FLOAT_ROUNDING = 2e-6                        # of a result: a few roundings of float32, each 6e-8 of its size


@pytest.fixture
def always_shared(monkeypatch):
    """However small the layer, it is cut into a part for each thread; one thread does them all, one after the other."""
    before = kernel_module.get_num_threads()
    kernel_module.set_num_threads(1)
    monkeypatch.setattr(fused, "WORTH_SHARING", 0)
    monkeypatch.setattr(fused.config, "NUMBA_NUM_THREADS", 8)
    monkeypatch.setattr(fused, "in_threads", lambda threads, function, *arguments: function(*arguments))
    yield
    kernel_module.set_num_threads(before)


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
        fused.bit_linear(x, fused.KERNEL.pack(some_trits(3, 41)), 1.0, threads)


# The layer.

@pytest.mark.parametrize(("batch", "outputs", "inputs"), SIZES)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_sums_are_exact_for_the_codes(batch, outputs, inputs, threads, always_shared):
    x, trits, w_scale = some_x(batch, inputs), some_trits(outputs, inputs), np.float32(0.375)
    y = fused.bit_linear(x, fused.KERNEL.pack(trits), w_scale, threads)
    assert y.dtype == np.float32 and y.shape == (batch, outputs)
    codes, scale = codes_of(x) if batch else (np.empty((0, inputs), np.int8), np.empty((0, 1), np.float32))
    sums = codes.astype(np.int64) @ trits.T.astype(np.int64)
    np.testing.assert_array_equal(y, sums.astype(np.float32) * (scale * w_scale))


@pytest.mark.parametrize(("batch", "outputs", "inputs"), SIZES)
def test_the_layer_is_the_naive_one_within_a_code_of_each_sum(batch, outputs, inputs):
    x, trits = some_x(batch, inputs), some_trits(outputs, inputs)
    wanted, y = naive.bit_linear(x, trits, 0.5), fused.bit_linear(x, fused.KERNEL.pack(trits), 0.5)
    one_code = absmax(naive.rms_norm(x))[1] * 0.5 if batch else np.empty((0, 1))
    differs = np.abs(y - wanted) > FLOAT_ROUNDING * np.abs(wanted) + 1e-6
    assert (np.abs(y - wanted) <= 2.01 * one_code + 1e-6).all() and differs.mean() < 0.02 if y.size else True


def test_floats_of_other_kinds_and_orders_are_taken():
    x, trits = some_x(6, 20), some_trits(5, 20)
    packed = fused.KERNEL.pack(trits)
    wanted = fused.bit_linear(x, packed, 1.0)
    for same in (x.astype(np.float64), np.asfortranarray(x), x[::-1][::-1]):
        np.testing.assert_array_equal(fused.bit_linear(same, packed, 1.0), wanted)


def test_what_does_not_fit_is_refused():
    packed = fused.KERNEL.pack(some_trits(4, 6))
    for x in (some_x(1, 5), some_x(1, 6)[0]):
        with pytest.raises(ValueError, match="does not fit rows of 6 trits"):
            fused.bit_linear(x, packed, 1.0)
    with pytest.raises(ValueError, match="packed for another"):
        fused.bit_linear(some_x(1, 6), replace(packed, kernel="another"), 1.0)
    with pytest.raises(ValueError, match="one thread or more"):
        fused.bit_linear(some_x(1, 6), packed, 1.0, threads=0)


def test_small_layers_are_not_shared_and_large_ones_leave_the_threads_as_they_were(monkeypatch):
    before = kernel_module.get_num_threads()
    x, trits = some_x(1, 1100), some_trits(1100, 1100)
    packed = fused.KERNEL.pack(trits)
    np.testing.assert_array_equal(
        fused.bit_linear(x, packed, 1.0, threads=2), fused.bit_linear(x, packed, 1.0))
    assert kernel_module.get_num_threads() == before
    monkeypatch.setattr(fused, "in_threads", lambda *_: pytest.fail("a thread was woken"))
    small = fused.KERNEL.pack(trits[:100])
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

FLOAT_GRADIENTS = 1e-6                       # of the textbook's, by the length of the difference: roundings of float32
NARROW_GRADIENTS = 3e-3                      # the same for bfloat16, which has 8 binary digits: two roundings of 2**-9
LAYERS = [                                   # tokens, inputs, outputs of each layer that reads them
    ((1,), 1, (1,)), ((3,), 5, (7,)), ((2, 9), 40, (33, 1, 20)), ((4, 8), 256, (130,)), ((2, 2, 2), 16, (8, 8)),
    ((600,), 17, (5,)), ((1030,), 15, (3, 4)),
]


def layers_and_tokens(shape, inputs, outputs, bias=True, seed=0):
    """Some layers, tokens for them to read, and a gradient for each output."""
    torch.manual_seed(seed)
    layers = [BitLinear(inputs, n, bias=bias) for n in outputs]
    for layer in layers:
        if bias:
            torch.nn.init.normal_(layer.bias)
    return layers, torch.randn(*shape, inputs, requires_grad=True), [torch.randn(*shape, n) for n in outputs]


def textbook(layers, x, dys):
    """Outputs and gradients by the textbook's layer."""
    ys = [layer(x) for layer in layers]
    return ys, torch.autograd.grad(ys, [x, *(p for layer in layers for p in layer.parameters())], dys)


def compiled(layers, x, dys, narrow=training.NARROW):
    ys = training.trained_bit_linears(x, [layer.weight for layer in layers], [layer.bias for layer in layers], narrow)
    return ys, torch.autograd.grad(ys, [x, *(p for layer in layers for p in layer.parameters())], dys)


def off(got, wanted) -> float:
    """Length of the difference, as a share of the length."""
    return float((got.double() - wanted.double()).norm() / wanted.double().norm().clamp(min=1e-30))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("shape", "inputs", "outputs"), LAYERS)
def test_forwards_the_compiled_layer_is_the_textbook_one_to_the_last_bit(shape, inputs, outputs, bias):
    given = layers_and_tokens(shape, inputs, outputs, bias)
    for got, wanted in zip(compiled(*given)[0], textbook(*given)[0], strict=True):
        assert torch.equal(got, wanted)


@pytest.mark.parametrize(("narrow", "tolerance"), [
    (torch.float32, FLOAT_GRADIENTS), (torch.bfloat16, NARROW_GRADIENTS)], ids=["float32", "bfloat16"])
@pytest.mark.parametrize(("shape", "inputs", "outputs"), LAYERS)
def test_backwards_it_is_the_textbook_one_but_for_rounding(shape, inputs, outputs, narrow, tolerance):
    if (shape, inputs) == ((1,), 1):
        tolerance = 1.0                      # a single input is 1 after the norm, whatever it was: its gradient is 0
    layers, x, dys = layers_and_tokens(shape, inputs, outputs)
    gradients = zip(compiled(layers, x, dys, narrow)[1], textbook(layers, x, dys)[1], strict=True)
    for got, wanted in gradients:
        assert got.shape == wanted.shape
        if wanted.dim() > 1:
            assert off(got, wanted) < tolerance
        else:                                # of a bias: a sum over all tokens, small beside what was added up
            torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-6 * dys[0].abs().sum().item() / dys[0].shape[-1])


def test_gradients_of_a_bias_are_added_up_from_many_tokens_without_losing_digits():
    layers, x, dys = layers_and_tokens((5000,), 3, (2,))
    dys[0] += 100.0
    *_, db = compiled(layers, x, dys)[1]
    exact = dys[0].double().sum(0)
    assert ((db - exact).abs() / exact).max() < 3e-7         # one after the other they would lose some 3e-6


@pytest.mark.parametrize("wide", [False, True])
def test_the_product_of_codes_and_trits_is_exact_with_and_without_byte_products(wide, monkeypatch):
    monkeypatch.setattr(training, "ADDS_BYTES", wide and training.ADDS_BYTES)
    for inputs in (1, 2, 15, 16, 17, 300):
        codes = np.random.default_rng(inputs).integers(-127, 128, (70, inputs)).astype(np.int8)
        codes[0], codes[1] = 127, -127
        trits = some_trits(9, inputs)
        trits[0], trits[1] = 1, -1
        sums = torch.empty((70, 9), dtype=torch.int32)
        training._product(torch.from_numpy(codes), torch.from_numpy(trits), sums)
        np.testing.assert_array_equal(sums.numpy(), codes.astype(np.int64) @ trits.T.astype(np.int64))


def test_numbers_are_rounded_to_bfloat16_as_torch_does_it_and_come_back_unchanged():
    bits = np.random.default_rng(0).integers(0, 2**32, 100_000, dtype=np.uint32)
    row = np.concatenate([bits.view(np.float32), np.float32([0, -0.0, 1.00390625, 1.01171875, np.inf, -np.inf])])
    row = row[~np.isnan(row)]
    wanted = torch.from_numpy(row).bfloat16()
    out, again = np.empty(len(row), np.uint16), np.empty(len(row), np.float32)
    training._store(row, out)
    np.testing.assert_array_equal(out, wanted.view(torch.uint16).numpy())
    training._load(out, again)
    np.testing.assert_array_equal(again, wanted.float().numpy())
    same = np.empty(len(row), np.float32)
    training._store(row, same)
    np.testing.assert_array_equal(same, row)


def test_the_trits_and_the_scale_are_those_of_absmean():
    for shape in ((1, 1), (33, 20), (100, 257)):
        w = np.random.default_rng(shape).standard_normal(shape, dtype=np.float32)
        scale = training._scale(torch.from_numpy(w))
        wanted, wanted_scale = absmean(w)
        np.testing.assert_allclose(scale, wanted_scale, rtol=2e-7)
        for dtype in (torch.int8, torch.bfloat16, torch.float32):
            trits = training._trits([torch.from_numpy(w)] * 2, [scale, np.float32(1e9)], dtype)
            np.testing.assert_array_equal(trits.float().numpy(), np.vstack([wanted, np.zeros(shape)]))


def test_weights_of_zero_have_the_smallest_scale_and_outputs_of_zero():
    layers, x, dys = layers_and_tokens((6,), 20, (8,), bias=False)
    torch.nn.init.zeros_(layers[0].weight)
    assert training._scale(layers[0].weight) == SMALLEST
    [y], (dx, dw) = compiled(layers, x, dys)
    assert not y.any() and not dx.any() and torch.isfinite(dw).all() and dw.any()


def test_tokens_of_zeros_and_tokens_without_number_are_as_the_textbook_has_them():
    layers, _, _ = layers_and_tokens((4,), 20, (8,))
    x = torch.randn(4, 20)
    x[1], x[2, 3], x[3, 0] = 0.0, float("nan"), float("inf")
    wanted = layers[0](x)
    got, = training.trained_bit_linears(x, [layers[0].weight], [layers[0].bias])
    assert torch.equal(got[:2], wanted[:2]) and got[2:].isnan().all() and wanted[2:].isnan().all()


def test_no_tokens_give_no_outputs_and_gradients_of_zero():
    layers, x, dys = layers_and_tokens((0,), 20, (8, 3))
    ys, (dx, *others) = compiled(layers, x, dys)
    assert [y.shape for y in ys] == [(0, 8), (0, 3)] and dx.shape == (0, 20)
    assert not any(g.any() for g in others)


def test_nothing_is_kept_for_the_way_back_but_the_input_the_weights_and_three_numbers_a_token():
    layers, x, _ = layers_and_tokens((6,), 20, (8, 4))
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        training.trained_bit_linears(x, [layer.weight for layer in layers], [None, None])
    own = {x.data_ptr(), *(layer.weight.data_ptr() for layer in layers)}
    assert [t.shape for t in kept if t.data_ptr() not in own] == [(3, 6)] and len(kept) == 4


def test_a_layer_whose_input_is_not_learnt_and_a_gradient_not_in_one_piece_are_taken():
    layers, x, [dy] = layers_and_tokens((6, 2), 20, (8,))
    [y] = training.trained_bit_linears(x.detach(), [layers[0].weight], [layers[0].bias])
    scattered = dy.transpose(0, 1).contiguous().transpose(0, 1)
    dw, _ = torch.autograd.grad(y, [layers[0].weight, layers[0].bias], scattered)
    torch.testing.assert_close(dw, compiled(layers, x, [dy])[1][1])


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(wrong):
    w = torch.ones(3, 4)
    w[1, 2] = wrong
    with pytest.raises(ValueError, match="cannot quantise NaN or infinity"):
        training.trained_bit_linears(torch.ones(1, 4), [w], [None])


def test_it_is_made_for_float32_on_a_cpu():
    x = torch.ones(2, 4)
    assert training.fits(x) and not training.fits(x.double()) and not training.fits(x.to("meta"))


def test_a_bias_that_is_every_other_number_of_something_is_taken():
    layers, x, _ = layers_and_tokens((6,), 20, (8, 4))
    weights, scattered = [layer.weight for layer in layers], torch.arange(16.0)[::2]
    got, _ = training.trained_bit_linears(x, weights, [scattered, layers[1].bias])
    wanted, _ = training.trained_bit_linears(x, weights, [scattered.clone(), layers[1].bias])
    assert torch.equal(got, wanted)


def test_values_halfway_between_two_codes_are_rounded_as_the_layer_rounds_them():
    """127 / largest and 1 / largest · 127 differ in their last bits: there it decides, and next to nowhere else."""
    largest = np.random.default_rng(3).uniform(0.5, 4, (500, 1)).astype(np.float32)
    x = np.hstack([largest, largest * (np.arange(127, dtype=np.float32) + 0.5) / 127])
    codes, factors = np.empty(x.shape, np.int8), np.ones((3, len(x)), np.float32)
    training._codes_into(x, 0, len(x), factors, codes)
    wanted, to_value = bit_linear.absmax(torch.from_numpy(x))
    np.testing.assert_array_equal(codes, wanted.numpy())
    np.testing.assert_array_equal(factors[2], to_value[:, 0].numpy())
