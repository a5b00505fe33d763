"""All models of the course keep the same promises: step by step or at once, in pieces or whole, the same scores."""

import pytest
import torch

from mmf_teach.layers.mlgru import LONGEST_BIAS, MLGRU
from mmf_teach.model.build import MODELS, RUNNING, TERNARY, build
from mmf_teach.model.config import ModelConfig

VOCAB, BATCH, TIME, BLOCKS = 11, 3, 40, 3
REACH = 8                                    # of the hybrid's local attention: shorter than the texts below
FLOAT_TOLERANCE = 1e-4                       # scores up to 20 in float32, products of floats in another order
DOUBLE_TOLERANCE = 1e-10                     # the same in float64
IN_DOUBLE = {                                # models in which the roundings of float32 are magnified
    "bitnet", "binary_bitnet", "hybrid",     # a code of what attention gave may round the other way
    "mamba",                                 # multiplies what it read by what it read, in twice as many layers
}
ONE_FORM = "matmul_free_released"
every_kind = pytest.mark.parametrize("kind", MODELS)
ternary_kind = pytest.mark.parametrize("kind", sorted(TERNARY))


def config(kind: str, width: int = 32, blocks: int = BLOCKS) -> ModelConfig:
    return ModelConfig(kind, VOCAB, width, blocks, heads=2, **({"reach": REACH} if kind == "hybrid" else {}))


def model_of(kind: str, width: int = 32, blocks: int = BLOCKS, packed: bool = False):
    """A model with every parameter moved away from where it began, dropout off."""
    torch.manual_seed(width)
    model = build(config(kind, width, blocks), packed).to(torch.float64 if kind in IN_DOUBLE else torch.float32)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn_like(p))
        for name, buffer in model.named_buffers():
            buffer.copy_(torch.randint(-1, 2, buffer.shape) if name.endswith("trits") else torch.rand(()) + 0.5)
    return model.eval().requires_grad_(False)


def texts(batch: int = BATCH, time: int = TIME):
    return torch.randint(VOCAB, (batch, time), generator=torch.Generator().manual_seed(5))


def agree(kind: str, a, b) -> None:
    """To the last bit for sums of integers; the others multiply floats, in an order that depends on the shape."""
    if kind in TERNARY:
        assert torch.equal(a, b)
    else:
        tolerance = DOUBLE_TOLERANCE if kind in IN_DOUBLE else FLOAT_TOLERANCE
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@every_kind
@pytest.mark.parametrize("width", [32, pytest.param(128, marks=pytest.mark.slow)])
def test_stepping_through_a_text_equals_reading_it_at_once(kind, width):
    """Bit for bit where the width fills the processor's vectors: elsewhere exp may round another way at their end."""
    model, tokens = model_of(kind, width), texts()
    at_once, after = model(tokens)
    state, scores = model.initial_state(BATCH), []
    for t in range(TIME):
        logits, state = model.step(tokens[:, t], state)
        scores.append(logits)
    agree(kind, torch.stack(scores, dim=1), at_once)
    for stepped, read in zip(state, after, strict=True):
        for a, b in zip(stepped, read, strict=True):
            agree(kind, a, b)


@every_kind
@pytest.mark.parametrize("cut", [1, 17, 39])
def test_reading_in_two_pieces_with_the_state_carried_over_equals_reading_at_once(kind, cut):
    model, tokens = model_of(kind), texts()
    whole, _ = model(tokens)
    first, state = model(tokens[:, :cut])
    second, _ = model(tokens[:, cut:], state)
    agree(kind, torch.cat([first, second], dim=1), whole)


@every_kind
def test_reading_from_the_initial_state_is_reading_from_none(kind):
    model, tokens = model_of(kind), texts(time=5)
    assert torch.equal(model(tokens, model.initial_state(BATCH))[0], model(tokens)[0])


@every_kind
def test_the_state_handed_in_is_not_changed(kind):
    model, tokens = model_of(kind), texts()
    _, state = model(tokens)
    again, _ = model(tokens, state)
    model.step(tokens[:, 0], state)
    assert torch.equal(model(tokens, state)[0], again)


@every_kind
@pytest.mark.parametrize("changed", [0, 7, 39])
def test_a_token_changes_no_score_before_it_and_its_own(kind, changed):
    model, tokens = model_of(kind), texts()
    other = tokens.clone()
    other[:, changed] = (other[:, changed] + 1) % VOCAB
    before, after = model(tokens)[0], model(other)[0]
    assert torch.equal(before[:, :changed], after[:, :changed])
    assert (before[:, changed] != after[:, changed]).any(dim=-1).all()


@every_kind
def test_the_first_token_is_remembered_to_the_end(kind):
    model, tokens = model_of(kind), texts(time=8)
    other = tokens.clone()
    other[:, 0] = (other[:, 0] + 1) % VOCAB
    assert (model(tokens)[0][:, -1] != model(other)[0][:, -1]).any(dim=-1).all()


@every_kind
def test_the_order_of_earlier_tokens_matters(kind):
    model, tokens = model_of(kind), torch.tensor([[1, 2, 3, 4, 5]])
    exchanged = torch.tensor([[2, 1, 3, 4, 5]])
    assert (model(tokens)[0][:, -1] - model(exchanged)[0][:, -1]).abs().max() > 1e-3


@every_kind
def test_no_text_of_a_batch_sees_another(kind):
    model, tokens = model_of(kind), texts()
    together, _ = model(tokens)
    for b in range(BATCH):
        agree(kind, model(tokens[b : b + 1])[0][0], together[b])


@every_kind
def test_scores_have_one_entry_for_each_possible_next_token(kind):
    model, tokens = model_of(kind), texts()
    logits, state = model(tokens)
    assert logits.shape == (BATCH, TIME, VOCAB)
    assert model.step(tokens[:, 0], state)[0].shape == (BATCH, VOCAB)


@ternary_kind
def test_a_recurrent_model_remembers_one_vector_a_block_however_long_the_text(kind):
    model = model_of(kind)
    for state in (model.initial_state(BATCH), model(texts(time=1))[1], model(texts())[1]):
        assert [memory.shape for memory in state] == [(BATCH, 32)] * BLOCKS
    assert not any(memory.any() for memory in model.initial_state(BATCH))


def test_a_transformer_remembers_keys_and_values_of_every_token():
    model = model_of("transformer")
    for state, read in ((model.initial_state(BATCH), 0), (model(texts())[1], TIME)):
        assert [x.shape for cache in state for x in cache] == [(BATCH, 2, read, 16)] * (2 * BLOCKS)


@every_kind
def test_a_model_in_float64_runs_in_float64(kind):
    model = model_of(kind).double()
    logits, state = model(texts(time=3))
    assert logits.dtype == torch.float64
    assert model.step(torch.tensor([1] * BATCH), state)[0].dtype == torch.float64


@every_kind
@pytest.mark.parametrize(("width", "blocks"), [(8, 1), (32, 3)])
def test_the_count_of_parameters_is_the_closed_formula(kind, width, blocks):
    sizes = config(kind, width, blocks)
    v, d, n, l = VOCAB, width, blocks, sizes.inner
    assert build(sizes).count_parameters() == {
        "matmul_free": v * d + n * (4 * (d * d + d) + 3 * d * l) + d * v,
        "matmul_free_released":
            v * d + n * (4 * (d * d + d) + d + 2 * d + (2 * d * l + d) + (d * l + l)) + n * d + d + (d * v + d),
        "transformer": v * d + n * (4 * d * d + 3 * d * l + 2 * d) + d + d * v,
        "bitnet": v * d + n * (4 * d * d + 3 * d * l) + d + d * v,
        "binary_bitnet": v * d + n * (4 * d * d + 3 * d * l) + d + d * v,
        "mamba": v * d + 2 * n * (mamba_layer(d, sizes.state) + d) + d + d * v,
        "hybrid": v * d + n * (4 * d * d + 3 * d * l) + (n + 1) // 2 * 4 * d + d * v,
    }[kind]


def mamba_layer(d: int, n: int) -> int:
    """Two maps of d to 2d and one back, four taps and a bias, what Δ, B and C are made of, A and D."""
    e, r = 2 * d, -(-d // 16)
    return 3 * d * e + (4 + 1) * e + e * (r + 2 * n) + (r * e + e) + e * n + e


@ternary_kind
def test_a_packed_model_has_the_same_layers_and_only_trits_for_weights(kind):
    learning, packed = model_of(kind), model_of(kind, packed=True)
    matrices = {name for name, p in learning.named_parameters() if p.dim() == 2 and name != "bounds"}
    others = {name for name, _ in learning.named_parameters()} - matrices
    assert {name for name, _ in packed.named_parameters()} == others | {"embedding.weight"}
    trits = {name.replace(".trits", ".weight"): buffer for name, buffer in packed.named_buffers() if "trits" in name}
    assert trits.keys() == matrices - {"embedding.weight"}
    assert all(trits[name].shape == learning.get_parameter(name).shape for name in trits)


@ternary_kind
def test_a_packed_model_steps_as_it_reads(kind):
    model, tokens = model_of(kind, packed=True), texts(time=6)
    at_once, _ = model(tokens)
    state = model.initial_state(BATCH)
    for t in range(6):
        logits, state = model.step(tokens[:, t], state)
        assert torch.equal(logits, at_once[:, t])


@pytest.mark.parametrize("packed", [False, True])
def test_an_unknown_kind_is_refused_with_the_known_ones(packed):
    with pytest.raises(ValueError, match=r"unknown model 'lstm'; there are matmul_free, .*transformer"):
        build(ModelConfig("lstm", VOCAB, 8, 1), packed)


@every_kind
@pytest.mark.parametrize("packed", [False, True])
def test_all_that_a_model_makes_is_made_where_its_weights_are(kind, packed):
    """On the device "meta", which takes no memory and refuses what lies elsewhere, as a GPU does."""
    if packed and kind not in RUNNING:
        packed = False
    with torch.device("meta"):
        model, text = build(config(kind), packed), texts()[:, :5]
    _, state = model(text.to("meta"))
    scores, state = model(text.to("meta"), state)
    last, _ = model.step(text[:, 0].to("meta"), state)
    assert scores.device == last.device == torch.device("meta")


@every_kind
def test_every_parameter_learns_from_a_text(kind):
    model = model_of(kind).requires_grad_(True)
    model(texts(time=6))[0].square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@every_kind
def test_the_same_seed_makes_the_same_model_and_training_has_no_dropout_unless_asked(kind):
    torch.manual_seed(3)
    one = build(config(kind)).train()
    torch.manual_seed(3)
    two = build(config(kind)).eval()
    assert torch.equal(one(texts())[0], two(texts())[0])


def test_lower_bounds_begin_with_zero_rise_from_block_to_block_and_stay_below_one():
    model = model_of(ONE_FORM)
    bounds = model.lower_bounds()
    assert (bounds[0] == 0).all() and (bounds.diff(dim=0) > 0).all() and (bounds < 1).all()
    fresh = build(config(ONE_FORM)).lower_bounds().detach()          # before it learns, all shares are equal
    torch.testing.assert_close(fresh, (torch.arange(BLOCKS) / BLOCKS)[:, None].expand(-1, 32))


def test_a_forget_gate_never_falls_below_the_bound_of_its_block():
    model = model_of(ONE_FORM)
    mixer, x, h = model.blocks[2].token_mixer, torch.randn(BATCH, 32), torch.ones(BATCH, 32)
    with torch.no_grad():
        mixer.to_f.weight.fill_(-1.0)        # every gate as far closed as it goes
        mixer.to_i.weight.zero_()            # nothing is written
    bound = model.lower_bounds()[2]
    _, kept = mixer.step(x, h, bound)
    assert (kept >= bound).all() and (kept < 1).all()


def test_features_of_the_paper_s_form_begin_with_short_and_long_memories():
    """The longest forgets half of what it holds in about 38 tokens, the shortest in one."""
    bias = MLGRU(16).to_f.bias.detach()
    assert bias[0] == 0 and bias[-1] == LONGEST_BIAS and (bias.diff() > 0).all()
    keeps = torch.sigmoid(bias)
    assert keeps[0] ** 1 == 0.5 and keeps[-1] ** 38 > 0.5 > keeps[-1] ** 39


def test_rotary_scores_depend_on_the_distance_of_two_tokens_only():
    """Shifting a text by tokens that nobody attends to would leave its scores: here by starting at another position."""
    from mmf_teach.layers.attention import rotate

    q, k = torch.randn(1, 2, 5, 8, dtype=torch.float64), torch.randn(1, 2, 5, 8, dtype=torch.float64)
    here = rotate(q, 0) @ rotate(k, 0).transpose(-1, -2)
    there = rotate(q, 30) @ rotate(k, 30).transpose(-1, -2)
    torch.testing.assert_close(here, there, rtol=1e-5, atol=1e-5)    # angles are kept in float32
    torch.testing.assert_close(rotate(q, 9).norm(dim=-1), q.norm(dim=-1), rtol=1e-6, atol=1e-6)
