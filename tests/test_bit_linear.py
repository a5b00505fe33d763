"""BitLinear is norm, codes, ternary product and two scales, and learns as if nothing had been rounded."""

import pytest
import torch

from mmf_teach.layers.binary_linear import BinaryLinear
from mmf_teach.layers.bit_linear import (
    BitLinear,
    TernaryLinear,
    TernaryProduct,
    absmax,
    absmean,
)
from mmf_teach.reference.ternary_matmul import ternary_matmul

DOUBLE_TOLERANCE = 1e-12                     # the same sums in float64, in another order
ROUNDING = 2e-7                              # a few roundings of float32
SHAPES = [(1, 1), (3, 7), (2, 5, 7), (2, 1, 33)]


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def trained(layer: torch.nn.Module, seed: int = 1) -> torch.nn.Module:
    """The layer with every parameter moved away from where it began."""
    with torch.no_grad():
        for at, p in enumerate(layer.parameters()):
            p.add_(0.5 * normal(*p.shape, seed=seed + at, dtype=p.dtype))
    return layer


def integer_product(codes, trits):
    """By the naive kernel, which knows integers only."""
    rows = codes.reshape(-1, codes.shape[-1]).to(torch.int8).numpy()
    sums = ternary_matmul(rows, trits.to(torch.int8).numpy())
    return torch.from_numpy(sums).view(*codes.shape[:-1], len(trits))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_product_is_the_integer_product_times_both_scales_to_the_last_bit(shape):
    x, w = normal(*shape), normal(6, shape[-1], seed=1)
    (codes, x_scale), (trits, w_scale) = absmax(x), absmean(w)
    wanted = integer_product(codes, trits).float() * (x_scale * w_scale)
    assert torch.equal(TernaryProduct.apply(x, w), wanted)


@pytest.mark.parametrize("gain", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_the_layer_norms_first_multiplies_then_and_adds_its_bias_last(bias, gain):
    layer, x = trained(BitLinear(7, 4, bias=bias, gain=gain)), normal(2, 5, 7)
    normed = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)
    y = TernaryProduct.apply(normed * layer.norm.gain if gain else normed, layer.weight)
    assert torch.equal(layer(x), y + layer.bias if bias else y)
    assert [name for name, _ in layer.named_parameters()] == ["weight"] + ["bias"] * bias + ["norm.gain"] * gain


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_are_those_of_the_textbook_straight_through_estimator(shape):
    """Textbook: x + (q(x) - x).detach() is q(x) forwards and x backwards; the same for the weights."""
    x, w = normal(*shape, dtype=torch.float64), normal(6, shape[-1], seed=1, dtype=torch.float64)
    above = normal(*shape[:-1], 6, seed=2, dtype=torch.float64)

    x_own, w_own = x.clone().requires_grad_(), w.clone().requires_grad_()
    own = TernaryProduct.apply(x_own, w_own)
    own.backward(above)

    x, w = x.requires_grad_(), w.requires_grad_()
    size = 127 / x.abs().amax(-1, keepdim=True)
    x_rounded = x + ((size * x).round().clamp(-128, 127) / size - x).detach()
    size = 1 / w.abs().mean()
    w_rounded = w + ((size * w).round().clamp(-1, 1) / size - w).detach()
    textbook = x_rounded @ w_rounded.T
    textbook.backward(above)

    for a, b in ((own, textbook), (x_own.grad, x.grad), (w_own.grad, w.grad)):
        torch.testing.assert_close(a, b, rtol=DOUBLE_TOLERANCE, atol=DOUBLE_TOLERANCE)


def test_a_clipped_weight_still_learns():
    """The authors' estimator is the identity everywhere: nothing is masked where rounding was clipped."""
    w = torch.tensor([[9.0, 0.1, 0.1, 0.1]], requires_grad=True)     # 9 / mean is 3.9, clipped to 1
    TernaryProduct.apply(torch.ones(1, 4), w).sum().backward()
    assert (w.grad != 0).all()


@pytest.mark.parametrize("gain", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_the_layer_that_keeps_only_trits_gives_the_same_to_the_last_bit(bias, gain):
    layer, x = trained(BitLinear(33, 9, bias=bias, gain=gain)), normal(2, 5, 33)
    packed = TernaryLinear(33, 9, bias=bias, gain=gain)
    trits, scale = absmean(layer.weight.detach())
    state = {"trits": trits.to(torch.int8), "scale": scale}
    state |= {name: p.detach() for name, p in layer.named_parameters() if name != "weight"}
    packed.load_state_dict(state)
    assert torch.equal(packed(x), layer(x))


def test_the_layer_that_keeps_only_trits_has_no_float_weights_and_begins_as_zero():
    packed = TernaryLinear(5, 3, bias=True)
    assert packed.trits.dtype == torch.int8 and packed.trits.shape == (3, 5)
    assert [name for name, _ in packed.named_parameters()] == ["bias"]
    assert (packed(normal(2, 5)) == 0).all()


def test_the_product_of_132_000_inputs_is_exact_even_when_every_sum_is_as_large_as_it_can_be():
    """All codes 127: 16,764,000 is below 2**24, up to which float32 knows every whole number."""
    inputs = 132_000
    x, w = torch.ones(2, inputs), torch.ones(3, inputs)
    x[1] = normal(inputs)
    w[1], w[2] = -1.0, normal(inputs, seed=3)
    (codes, x_scale), (trits, w_scale) = absmax(x), absmean(w)
    exact = codes.to(torch.int64) @ trits.to(torch.int64).T
    assert exact[0].tolist()[:2] == [127 * inputs, -127 * inputs] and 127 * inputs < 2**24
    assert torch.equal((codes @ trits.T).to(torch.int64), exact)
    back = torch.randperm(inputs, generator=torch.Generator().manual_seed(4))
    assert torch.equal((codes[:, back] @ trits[:, back].T).to(torch.int64), exact)
    assert torch.equal(TernaryProduct.apply(x, w), exact.float() * (x_scale * w_scale))
    assert float(torch.tensor(127.0 * 132_105)) != 127 * 132_105     # a little further on float32 has gaps


def test_a_token_of_zeros_gives_zeros_and_finite_gradients():
    layer, x = BitLinear(6, 4), torch.zeros(2, 3, 6, requires_grad=True)
    y = layer(x)
    y.sum().backward()
    assert (y == 0).all() and torch.isfinite(x.grad).all() and (layer.weight.grad == 0).all()


def test_weights_of_zero_give_zeros_and_finite_gradients():
    layer, x = BitLinear(6, 4), normal(2, 3, 6).requires_grad_()
    torch.nn.init.zeros_(layer.weight)
    y = layer(x)
    y.sum().backward()
    assert (y == 0).all() and (x.grad == 0).all() and torch.isfinite(layer.weight.grad).all()


def test_tokens_are_coded_one_by_one():
    layer, x = trained(BitLinear(7, 4, bias=True)), normal(2, 3, 7)
    x[1, 2] *= 100
    for b in range(2):
        for t in range(3):
            assert torch.equal(layer(x)[b, t], layer(x[b, t][None])[0])


def test_the_size_of_a_token_does_not_matter():
    layer, x = BitLinear(8, 5), normal(3, 8)
    torch.testing.assert_close(layer(x * 64), layer(x), rtol=1e-2, atol=1e-2)      # ε moves a code by one at most
    torch.testing.assert_close(layer(x * 2.0**14), layer(x * 2.0**12), rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize("kind", [BitLinear, BinaryLinear])
def test_a_new_layer_keeps_the_size_of_what_goes_through(kind):
    """Weights begin with variance 1/in, so outputs begin with a mean square near 1, less what rounding costs."""
    torch.manual_seed(0)
    layer = kind(400, 300)
    size = layer(normal(50, 400)).square().mean().sqrt().item()
    assert 0.7 < size < 1.1 and abs(layer.weight.std().item() * 400**0.5 - 1) < 0.02


def test_what_is_kept_for_the_gradient_is_a_byte_for_each_code_and_trit_and_the_scales():
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.nbytes) or tensor, lambda t: t):
        TernaryProduct.apply(normal(2, 5, 7).requires_grad_(), normal(3, 7).requires_grad_())
    assert kept == [2 * 5 * 7, 4 * 2 * 5, 3 * 7, 4]
