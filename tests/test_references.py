"""The models compute what their equations say: scores and gradients equal a second, hand-written implementation.

And the comparison can fail: each mistake below, made in the reference, is noticed.
"""

from functools import cache, partial

import pytest
import references as reference
import torch

from mmf_teach.model.build import build
from mmf_teach.model.config import ModelConfig

TOLERANCE = 1e-9                             # float64, sums in another order, three blocks deep
BATCH, TIME = 2, 5
CONFIGS = {
    "matmul_free": ModelConfig("matmul_free", vocab=7, width=10, blocks=3),
    "matmul_free_released": ModelConfig("matmul_free_released", vocab=7, width=10, blocks=3),
    "transformer": ModelConfig("transformer", vocab=7, width=12, blocks=3, heads=3),
}
REFERENCES = {
    "matmul_free": reference.matmul_free,
    "matmul_free_released": reference.matmul_free_released,
    "transformer": partial(reference.transformer, heads=3),
}


def masked(w):
    """Algorithm 1, but a clipped weight learns nothing."""
    s = 1 / w.abs().mean()
    w = torch.where((s * w).abs() <= 1, w, w.detach())
    return reference.straight_through(w, torch.clamp(torch.round(s * w), -1, 1) / s)


def scale_learns(w):
    """Algorithm 1, but the gradient flows into the scale as well."""
    s = 1 / w.abs().mean()
    return torch.clamp(torch.round(s * w), -1, 1).detach() / s + w - w.detach()


def scaled_apart(weights, name, x):
    """Gate and up as two products, each with a scale of its own."""
    x = reference.quantised_activation(reference.norm(x, weights[f"{name}.norm.gain"]))
    return tuple(reference.quantised_weight(half) @ x for half in weights[f"{name}.weight"].chunk(2))


def rounded_to_trits(w, size):
    return reference.straight_through(w, torch.clamp(torch.round(w / size), -1, 1) * size)


def shares_of_blocks(bounds):
    return bounds.softmax(dim=0)


silu, sigmoid, norm = reference.silu, reference.sigmoid, reference.norm
IN_BIT_LINEAR = {
    "the weights' scale is their maximum": {"quantised_weight": lambda w: rounded_to_trits(w, w.abs().max())},
    "one scale for each row of weights":
        {"quantised_weight": lambda w: rounded_to_trits(w, w.abs().mean(dim=1, keepdim=True))},
    "weights are not rounded": {"quantised_weight": lambda w: w},
    "weights are not clipped":
        {"quantised_weight": lambda w: reference.straight_through(w, torch.round(w / w.abs().mean()) * w.abs().mean())},
    "a clipped weight learns nothing": {"quantised_weight": masked},
    "the scale of the weights learns": {"quantised_weight": scale_learns},
    "rounding passes no gradient": {"straight_through": lambda x, rounded: rounded},
    "activations are not rounded": {"quantised_activation": lambda x: x},
    "no norm inside BitLinear": {"inner_norm": lambda x, gain: x if gain is None else x * gain},
    "the mean is taken off first": {"inner_norm": lambda x, gain: norm(x - x.mean(), gain)},
}
IN_THE_RECURRENCE = {
    "memory is not carried": {"remembered": lambda f, c, h: (1 - f) * c},
    "the candidate is written in full": {"remembered": lambda f, c, h: f * h + c},
    "the forget gate is turned round": {"remembered": lambda f, c, h: (1 - f) * h + f * c},
}
AROUND_THE_MIXERS = {
    "no residual sum": {"added": lambda x, y: y},
    "gate and up are exchanged": {"gated": lambda gate, up: gate * silu(up)},
    "the channel mixer gates by a sigmoid": {"gated": lambda gate, up: sigmoid(gate) * up},
}
OUTER_NORMS = {
    "no norm before mixers and head": {"outer_norm": lambda x, gain: x * gain},
    "norms before mixers and head have no gain": {"outer_norm": lambda x, gain: norm(x, None)},
}
MISTAKES = {
    "matmul_free": IN_BIT_LINEAR | IN_THE_RECURRENCE | AROUND_THE_MIXERS | {
        "no output gate": {"opened": lambda g, h: h},
        "the output gate of the released code": {"opened": lambda g, h: norm(g, None) * silu(h)},
        "the candidate is a tanh": {"silu": torch.tanh},
    },
    "matmul_free_released": IN_BIT_LINEAR | IN_THE_RECURRENCE | AROUND_THE_MIXERS | OUTER_NORMS | {
        "norms inside BitLinear have no gain": {"inner_norm": lambda x, gain: norm(x, None)},
        "no lower bound": {"lower_bounds": lambda bounds: 0 * bounds},
        "the first share is not taken off": {"lower_bounds": lambda bounds: shares_of_blocks(bounds).cumsum(0)},
        "the bound is the share before it is added up":
            {"lower_bounds": lambda bounds: shares_of_blocks(bounds) - shares_of_blocks(bounds)[0]},
        "shares over the features":
            {"lower_bounds": lambda bounds: bounds.softmax(1).cumsum(0) - bounds.softmax(1)[0]},
        "each bound goes to the block above":
            {"lower_bounds": lambda bounds: [shares_of_blocks(bounds)[0], *shares_of_blocks(bounds).cumsum(0)[:-1]]},
        "the gate is cut off at its bound": {"bounded": lambda gate, bound: torch.maximum(gate, bound)},
        "norm and silu are exchanged": {"opened_released": lambda g, h, gain: silu(g) * norm(h, gain)},
        "the output gate of the paper": {"opened_released": lambda g, h, gain: sigmoid(g) * h},
        "the output gate has no norm": {"opened_released": lambda g, h, gain: g * gain * silu(h)},
        "gate and up are scaled apart": {"gate_and_up": scaled_apart},
        "up comes before gate":
            {"gate_and_up": lambda weights, name, x: reference.bit_linear(weights, name, x).chunk(2)[::-1]},
    },
    "transformer": AROUND_THE_MIXERS | OUTER_NORMS | {
        "no positions": {"turned": lambda x, position: x},
        "neighbouring features are paired": {"pair": lambda i, head: (2 * i, 2 * i + 1)},
        "turned twice as far": {"angle": lambda position, i, head: 2 * position * 10_000 ** (-2 * i / head)},
        "turned the slower the lower": {"angle": lambda position, i, head: position * 10_000 ** (-2 * (1 - i) / head)},
        "frequencies of the whole width": {"angle": lambda position, i, head: position * 10_000 ** (-2 * i / 12)},
        "scores are not divided": {"score": lambda q, k, width: q @ k},
        "scores are divided by the root of the whole width": {"score": lambda q, k, width: q @ k / width**0.5},
        "the next token is seen": {"seen": lambda t: range(0, t + 2)},
        "the token itself is not seen": {"seen": lambda t: range(0, max(t, 1))},
        "the first token is forgotten": {"seen": lambda t: range(min(t, 1), t + 1)},
        "heads take every third feature": {"features_of": lambda h, heads, width: list(range(h, width, heads))},
    },
}


@pytest.fixture(autouse=True)
def in_float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@cache
def case(kind: str):
    """A model with random weights, texts, and the direction of scores that the gradients are taken in."""
    torch.manual_seed(1)
    model = build(CONFIGS[kind])
    with torch.no_grad():
        for p in model.parameters():         # away from where it begins: no bias is 0, no gain is 1
            p.add_(0.3 * torch.randn_like(p))
    return model, torch.randint(7, (BATCH, TIME)), torch.randn(BATCH, TIME, 7)


def with_gradients(kind: str, logits):
    """The scores, and the gradients of all parameters by name."""
    model, _, direction = case(kind)
    names, parameters = zip(*model.named_parameters(), strict=True)
    gradients = torch.autograd.grad(
        (logits * direction).sum(), parameters, allow_unused=True, materialize_grads=True)
    return {"logits": logits.detach()} | dict(zip(names, gradients, strict=True))


@cache
def library(kind: str):
    model, tokens, _ = case(kind)
    return with_gradients(kind, model(tokens)[0])


def differing(kind: str) -> list[str]:
    """What library and reference do not agree on: the scores or, where these agree, names of parameters."""
    model, tokens, _ = case(kind)
    weights, ours = dict(model.named_parameters()), library(kind)
    logits = torch.stack([REFERENCES[kind](weights, text.tolist()) for text in tokens])
    assert torch.isfinite(logits).all()
    if not torch.allclose(ours["logits"], logits, rtol=TOLERANCE, atol=TOLERANCE):
        return ["logits"]
    wanted = with_gradients(kind, logits)
    return [name for name in ours if not torch.allclose(ours[name], wanted[name], rtol=TOLERANCE, atol=TOLERANCE)]


@pytest.mark.parametrize("kind", CONFIGS)
def test_scores_and_all_gradients_equal_the_hand_written_reference(kind):
    assert differing(kind) == []
    unmoved = [name for name, gradient in library(kind).items() if not gradient.any()]
    assert unmoved == []                     # every parameter takes part, so every gradient was compared


@pytest.mark.parametrize(("kind", "mistake"), [(kind, mistake) for kind in MISTAKES for mistake in MISTAKES[kind]])
def test_the_comparison_notices(kind, mistake, monkeypatch):
    for name, wrong in MISTAKES[kind][mistake].items():
        assert callable(getattr(reference, name))
        monkeypatch.setattr(reference, name, wrong)
    assert differing(kind) != []
