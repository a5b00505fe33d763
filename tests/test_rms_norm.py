"""RMSNorm brings every token to the same size and leaves its direction."""

import pytest
import torch

from mmf_teach.layers.rms_norm import EPSILON, RMSNorm

SIZE_TOLERANCE = 2e-6                        # ε against a mean square of 1, halved by the root, and float32 roundings
DOUBLE_TOLERANCE = 1e-12


def tokens(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(1, 2), (3, 7), (2, 5, 33)])
def test_every_token_leaves_with_a_root_mean_square_of_1(shape):
    y = RMSNorm(shape[-1], gain=False)(tokens(*shape) + 2)
    size = y.square().mean(dim=-1).sqrt()
    torch.testing.assert_close(size, torch.ones_like(size), rtol=0, atol=SIZE_TOLERANCE)


def test_the_direction_of_a_token_stays():
    x = tokens(4, 9)
    y = RMSNorm(9, gain=False)(x)
    cosine = torch.nn.functional.cosine_similarity(x, y, dim=-1)
    torch.testing.assert_close(cosine, torch.ones(4), rtol=0, atol=SIZE_TOLERANCE)


def test_the_size_a_token_came_with_does_not_matter():
    norm, x = RMSNorm(9, gain=False), tokens(4, 9)
    torch.testing.assert_close(norm(1000 * x), norm(x), rtol=SIZE_TOLERANCE, atol=SIZE_TOLERANCE)


def test_tokens_are_normed_one_by_one():
    norm, x = RMSNorm(9, gain=True), tokens(2, 3, 9)
    for b in range(2):
        for t in range(3):
            assert torch.equal(norm(x)[b, t], norm(x[b, t][None])[0])


@pytest.mark.parametrize("size", [0.0, 1e-4, 1e-3, 1.0])
def test_epsilon_is_added_to_the_mean_square_under_the_root(size):
    """With features of ±s the result is ±s / sqrt(s² + ε); ε is the authors' 1e-6."""
    x = torch.tensor([[size, -size]], dtype=torch.float64)
    y = RMSNorm(2, gain=False)(x)
    wanted = x / (size**2 + 1e-6) ** 0.5
    assert EPSILON == 1e-6
    torch.testing.assert_close(y, wanted, rtol=DOUBLE_TOLERANCE, atol=DOUBLE_TOLERANCE)


def test_the_gain_multiplies_each_feature_and_begins_as_1():
    plain, with_gain, x = RMSNorm(5, gain=False), RMSNorm(5, gain=True), tokens(3, 5)
    assert list(plain.parameters()) == [] and with_gain.gain.shape == (5,)
    assert torch.equal(with_gain(x), plain(x))
    with torch.no_grad():
        with_gain.gain.copy_(torch.tensor([1.0, -2.0, 0.0, 0.5, 4.0]))
    assert torch.equal(with_gain(x), plain(x) * torch.tensor([1.0, -2.0, 0.0, 0.5, 4.0]))


def test_gradients_agree_with_finite_differences():
    norm = RMSNorm(5, gain=True).double()
    assert torch.autograd.gradcheck(norm, tokens(2, 3, 5).double().requires_grad_())
