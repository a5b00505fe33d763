"""The rivals are what they claim to be: held against their equations, and from file to memory.

What all models promise is in tests/test_models.py, and another's code beside ours in tests/test_another_s_code.py.
"""

import numpy as np
import pytest
import torch
from torch.nn.functional import softplus

from mmf_teach.engine.packed_linear import PackedLinear
from mmf_teach.engine.selective_scan import compiled, doubling
from mmf_teach.layers import selective_scan as naive
from mmf_teach.layers.attention import Attention
from mmf_teach.layers.binary_linear import BinaryLinear, SignLinear, sign_mean
from mmf_teach.layers.bit_linear import BitLinear, TernaryLinear, absmax
from mmf_teach.layers.mamba import LONGEST, SHORTEST, TAPS, Mamba
from mmf_teach.layers.mlgru import MLGRU
from mmf_teach.layers.sliding_attention import SlidingAttention
from mmf_teach.model.build import MODELS, RUNNING, build
from mmf_teach.model.character_tokenizer import Vocabulary
from mmf_teach.model.checkpoint import load_model, save_model
from mmf_teach.model.config import ModelConfig
from mmf_teach.ternary import binary

VOCAB, WIDTH, TIME = 13, 32, 20
STEP_TOLERANCE = 2e-5                        # scores of order 1 in float32, sums in another order
AT_ONCE_TOLERANCE = 2e-6                     # the scan adds in another order: some roundings of float32
every_rival = pytest.mark.parametrize("kind", ["transformer", "bitnet", "binary_bitnet", "mamba", "hybrid"])
packable = pytest.mark.parametrize("kind", sorted(RUNNING))


def model_of(kind: str, blocks: int = 2, **sizes):
    torch.manual_seed(1)
    sizes = {"heads": 4} | ({"reach": 5} if kind == "hybrid" else {}) | sizes
    return build(ModelConfig(kind, VOCAB, WIDTH, blocks, **sizes)).eval().requires_grad_(False)


def tokens(batch: int = 2, time: int = TIME):
    return torch.randint(VOCAB, (batch, time), generator=torch.Generator().manual_seed(3))


@every_rival
def test_a_step_gives_the_scores_of_reading_at_once_in_float32(kind, record_property):
    """Few weights are rounded the other way in so short a text: the largest difference is printed with the test."""
    model, text = model_of(kind), tokens()
    at_once, _ = model(text)
    state, largest = model.initial_state(2), 0.0
    for t in range(TIME):
        scores, state = model.step(text[:, t], state)
        largest = max(largest, (scores - at_once[:, t]).abs().max().item())
    record_property("largest difference", largest)
    print(f"{kind}: step and forward differ by at most {largest:.1e}")
    assert largest <= STEP_TOLERANCE


# --- attention --------------------------------------------------------------------------------------------------


def test_heads_that_share_keys_and_values_give_what_copies_of_them_would():
    torch.manual_seed(0)
    shared, own = Attention(WIDTH, heads=4, kv_heads=2), Attention(WIDTH, heads=4)
    with torch.no_grad():
        own.to_q.weight.copy_(shared.to_q.weight)
        own.to_o.weight.copy_(shared.to_o.weight)
        for name in ("to_k", "to_v"):        # head 0 and 1 use the first keys and values, head 2 and 3 the second
            heads = getattr(shared, name).weight.view(2, 8, WIDTH)
            getattr(own, name).weight.copy_(heads[[0, 0, 1, 1]].reshape(WIDTH, WIDTH))
    x = torch.randn(2, 7, WIDTH)
    torch.testing.assert_close(shared(x, shared.initial_state(2))[0], own(x, own.initial_state(2))[0])


def test_sharing_halves_the_memory_and_the_weights_that_make_keys_and_values():
    model = model_of("transformer", kv_heads=2)
    assert {tensor.shape for cache in model(tokens())[1] for tensor in cache} == {(2, 2, TIME, 8)}
    assert model.blocks[0].token_mixer.to_k.weight.shape == (WIDTH // 2, WIDTH)


@pytest.mark.parametrize("reach", [1, 2, 5, 40])
def test_local_attention_is_attention_to_the_last_tokens_alone(reach):
    torch.manual_seed(0)
    layer, x = SlidingAttention(WIDTH, 4, reach).double(), torch.randn(2, TIME, WIDTH, dtype=torch.float64)
    whole = Attention(WIDTH, 4).double()
    whole.load_state_dict(layer.state_dict())
    y, _ = layer(x, layer.initial_state(2))
    for t in range(TIME):
        seen = x[:, max(0, t + 1 - reach) : t + 1]
        torch.testing.assert_close(y[:, t], whole(seen, whole.initial_state(2))[0][:, -1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reach", [1, 4])
def test_what_local_attention_remembers_stops_growing_and_counts_on(reach):
    layer = SlidingAttention(WIDTH, 4, reach)
    state = layer.initial_state(2)
    for t in range(1, 9):
        _, state = layer.step(torch.randn(2, WIDTH), state)
        keys, values, read = state
        assert keys.shape == values.shape == (2, 4, min(t, reach - 1), 8) and int(read) == t
    _, (keys, _, read) = layer(torch.randn(2, 5, WIDTH), state)
    assert keys.shape == (2, 4, reach - 1, 8) and int(read) == 8 + 5


def test_what_a_token_finds_depends_on_how_far_back_it_lies_and_not_on_where_the_text_began():
    """Keys are turned by the position at which they were read: also of tokens that have left the window since."""
    layer = SlidingAttention(WIDTH, 4, reach=3).double()
    x = torch.randn(1, 4, WIDTH, dtype=torch.float64)
    early, _ = layer(x, layer.initial_state(1))
    _, state = layer(torch.randn(1, 50, WIDTH, dtype=torch.float64), layer.initial_state(1))
    late, _ = layer(x, state)
    torch.testing.assert_close(early[:, 3], late[:, 3], rtol=1e-4, atol=1e-4)        # angles are kept in float32
    assert (early[:, 0] - late[:, 0]).abs().max() > 1e-2     # the first still sees what stood before it


def test_every_second_block_of_the_hybrid_attends_and_its_maps_are_ternary():
    mixers = [block.token_mixer for block in model_of("hybrid", blocks=5).blocks]
    assert [type(mixer) for mixer in mixers] == [MLGRU, SlidingAttention] * 2 + [MLGRU]
    assert mixers[1].reach == 5 and isinstance(mixers[1].to_q, BitLinear)


# --- weights of one bit -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (16, 33)])
def test_signs_in_torch_are_those_of_numpy(shape):
    w = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    w[0, 0] = 0.0                            # counts as positive
    signs, scale = sign_mean(w)
    expected, expected_scale = binary.sign_mean(w.numpy())
    assert np.array_equal(signs.numpy(), expected) and signs[0, 0] == 1
    assert scale.item() == pytest.approx(float(expected_scale) or 1e-5, rel=1e-6)


def test_a_binary_layer_sums_codes_with_signs_and_scales_the_sum():
    torch.manual_seed(0)
    layer, x = BinaryLinear(24, 7), torch.randn(3, 24)
    codes, x_scale = absmax(layer.norm(x))
    signs, w_scale = sign_mean(layer.weight)
    sums = codes.long() @ signs.long().T
    torch.testing.assert_close(layer(x), sums * (x_scale * w_scale), rtol=1e-6, atol=0)


def test_the_gradient_goes_straight_through_both_roundings():
    torch.manual_seed(0)
    layer, x = BinaryLinear(24, 7), torch.randn(3, 24, requires_grad=True)
    dy = torch.randn(3, 7)
    dx, dw = torch.autograd.grad((layer(x) * dy).sum(), (x, layer.weight))
    codes, x_scale = absmax(layer.norm(x))
    signs, w_scale = sign_mean(layer.weight)
    torch.testing.assert_close(dw, (dy * x_scale).T @ codes, rtol=1e-5, atol=1e-6)
    expected, = torch.autograd.grad((layer.norm(x) * (dy @ signs * w_scale).detach()).sum(), x)
    torch.testing.assert_close(dx, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1000])
def test_unpacking_signs_undoes_packing_them_at_eight_a_byte(count):
    signs = np.random.default_rng(count).choice(np.array([-1, 1], np.int8), size=count)
    packed = binary.pack_signs(signs)
    assert len(packed) == -(-count // 8) and packed.dtype == np.uint8
    unpacked = binary.unpack_signs(packed, count)
    assert unpacked.dtype == np.int8 and np.array_equal(unpacked, signs)


@pytest.mark.parametrize("count", [-1, 8, 17])
def test_a_wrong_number_of_bytes_for_signs_is_refused(count):
    with pytest.raises(ValueError, match=f"{count} signs take .* not 2"):
        binary.unpack_signs(np.zeros(2, np.uint8), count)


def test_signs_beyond_the_end_and_what_is_no_sign_are_refused():
    with pytest.raises(ValueError, match="beyond the end"):
        binary.unpack_signs(np.array([0b1000], np.uint8), 3)
    for wrong in (0, 2):
        with pytest.raises(ValueError, match="a sign is -1 or 1"):
            binary.pack_signs(np.array([1, wrong], np.int8))


# --- Mamba ------------------------------------------------------------------------------------------------------


def test_mamba_computes_its_equations_number_by_number():
    torch.manual_seed(0)
    layer = Mamba(4, state=3).double().requires_grad_(False)
    x = torch.randn(1, 6, 4, dtype=torch.float64)
    u_and_z = layer.to_u_and_z(x)[0]
    u, z = u_and_z[:, :8], u_and_z[:, 8:]
    h = torch.zeros(8, 3, dtype=torch.float64)
    a = -layer.log_a.exp().view(8, 3)
    y, _ = layer(x, layer.initial_state(1))
    for t in range(6):
        mixed = layer.taps_bias.clone()
        for k in range(TAPS):
            if t - k >= 0:
                mixed += layer.taps[TAPS - 1 - k] * u[t - k]
        mixed = mixed * torch.sigmoid(mixed)
        thin, b, c = layer.to_selection(mixed).split([1, 3, 3])
        delta = softplus(layer.to_delta(thin))
        for e in range(8):
            for n in range(3):
                h[e, n] = torch.exp(delta[e] * a[e, n]) * h[e, n] + delta[e] * mixed[e] * b[n]
        read = (h * c).sum(dim=1) + layer.d * mixed
        torch.testing.assert_close(y[0, t], layer.to_o(read * z[t] * torch.sigmoid(z[t])), rtol=1e-10, atol=1e-12)


def test_mamba_begins_with_steps_from_short_to_long_and_memories_that_fade_at_n_speeds():
    layer = Mamba(WIDTH, state=4)
    steps = softplus(layer.to_delta.bias.detach())
    assert steps[0].item() == pytest.approx(SHORTEST, rel=1e-3) and steps[-1].item() == pytest.approx(LONGEST, rel=1e-3)
    assert (steps.diff() > 0).all()
    torch.testing.assert_close(layer.log_a.detach().exp().view(-1, 4)[5], torch.tensor([1.0, 2.0, 3.0, 4.0]))


def test_mamba_has_the_sizes_and_beginnings_of_its_paper():
    torch.manual_seed(0)
    layer = Mamba(272, state=4)
    assert layer.to_delta.weight.shape == (2 * 272, 272 // 16) and layer.taps.shape == (4, 2 * 272)
    assert (SHORTEST, LONGEST) == (0.001, 0.1) and (layer.d == 1).all() and (layer.taps_bias == 0).all()
    taps = layer.taps.detach()               # as a convolution over four tokens begins: evenly between -1/2 and 1/2
    assert -0.5 <= taps.min() < -0.49 and 0.49 < taps.max() <= 0.5 and abs(taps.mean()) < 0.03


def test_mamba_s_memory_is_n_numbers_a_feature_and_the_last_three_inputs():
    model = model_of("mamba", state=6)
    for state in (model.initial_state(2), model(tokens())[1]):
        assert [[part.shape for part in memory] for memory in state] == [[(2, 3, 64), (2, 64 * 6)]] * 4


def test_the_optimiser_finds_no_matrix_in_what_must_not_decay():
    """Training shrinks parameters of two axes or more; A and D say how fast a memory fades."""
    assert all(parameter.dim() == 1 for name, parameter in Mamba(8, 2).named_parameters() if name in ("log_a", "d"))


SIZES = [(1, 1, 1), (3, 17, 5), (2, 63, 64), (1, 130, 33)]


def scanned(scan, b: int, t: int, d: int, dtype=torch.float32):
    """Memories and the gradients of a weighted sum of them; the first feature often forgets all, the last nothing."""
    dice = torch.Generator().manual_seed(b * t * d)
    decay, write, h, weights = (
        torch.randn(size, dtype=dtype, generator=dice) for size in [(b, t, d), (b, t, d), (b, d), (b, t, d)])
    decay = torch.sigmoid(decay)
    decay[:, 1::3, 0], decay[:, :, -1] = 0.0, 1.0
    given = [x.requires_grad_() for x in (decay, write, h)]
    memories = scan.selective_scan(*given)
    return memories, *torch.autograd.grad((memories * weights).sum(), given)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", SIZES)
def test_the_compiled_scan_equals_the_naive_one_to_the_last_bit(size, dtype):
    (one, *gradients), (other, *expected) = scanned(compiled, *size, dtype), scanned(naive, *size, dtype)
    assert torch.equal(one, other)
    for got, wanted in zip(gradients, expected, strict=True):
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("size", [*SIZES, (2, 16, 3), (2, 15, 3)])
def test_the_scan_by_doubling_agrees_with_the_naive_one(size):
    for got, wanted in zip(scanned(doubling, *size), scanned(naive, *size), strict=True):
        torch.testing.assert_close(got, wanted, rtol=10 * AT_ONCE_TOLERANCE, atol=10 * AT_ONCE_TOLERANCE)


# --- sizes and files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sizes", "told"), [
    ({"kind": "matmul_free", "reach": 8}, "the reach of a matmul_free is always 64, not 8"),
    ({"kind": "transformer", "state": 8}, "the state of a transformer is always 16, not 8"),
    ({"kind": "mamba", "kv_heads": 1}, "the kv_heads of a mamba is always None, not 1"),
    ({"kind": "transformer", "heads": 4, "kv_heads": 3}, "the 4 heads cannot share 3 kv_heads evenly"),
    ({"kind": "transformer", "kv_heads": 2}, "the 1 heads cannot share 2 kv_heads evenly"),
    ({"kind": "hybrid", "reach": 0}, "reach must be a whole number"),
    ({"kind": "mamba", "state": 1 << 21}, "state must be a whole number"),
    ({"kind": "transformer", "epsilon": 1e-5}, "the epsilon of a transformer is always 1e-06, not 1e-05"),
])
def test_a_size_that_a_model_does_not_have_or_cannot_have_is_refused(without_type_checks, sizes, told):
    with pytest.raises(ValueError, match=told):
        ModelConfig(**{"vocab": VOCAB, "width": WIDTH, "blocks": 2} | sizes)


def test_a_size_is_written_only_where_it_is_not_the_usual_one():
    usual = {"kind": "hybrid", "vocab": VOCAB, "width": WIDTH, "blocks": 2, "heads": 1}
    assert ModelConfig(**usual).to_json() == usual
    for special in ({"reach": 8}, {"kv_heads": 1}):
        config = ModelConfig(**usual | special)
        assert config.to_json() == usual | special and ModelConfig.from_json(config.to_json()) == config


def test_models_of_equal_sizes_have_nearly_equal_weights():
    """Mamba's are up to a sixth more, its n memories a feature taking what theory leaves out."""
    counts = {kind: build(ModelConfig(kind, 65, 128, 6)).count_parameters() for kind in MODELS}
    least = min(counts.values())
    assert all(count <= 1.04 * least for kind, count in counts.items() if kind not in ("mamba", "matmul_free_released"))
    assert counts["mamba"] <= 1.17 * least


LETTERS = Vocabulary(tuple("abcdefghijklm"))


@packable
def test_a_packed_rival_has_no_float_maps_left_and_steps_as_it_reads(kind, tmp_path):
    save_model(tmp_path, model_of(kind), LETTERS)
    loaded, _ = load_model(tmp_path)
    assert not any(isinstance(layer, BitLinear | BinaryLinear) for layer in loaded.modules())
    at_once, _ = loaded(tokens())
    state = loaded.initial_state(2)
    for t in range(TIME):
        scores, state = loaded.step(tokens()[:, t], state)
        torch.testing.assert_close(scores, at_once[:, t], rtol=STEP_TOLERANCE, atol=STEP_TOLERANCE)


@pytest.mark.parametrize("kind", ["bitnet", "binary_bitnet", "hybrid"])
def test_a_rival_comes_back_with_its_trits_or_signs_and_scales(kind, tmp_path):
    model = model_of(kind)
    save_model(tmp_path, model, LETTERS)
    loaded, _ = load_model(tmp_path)
    assert loaded.config == model.config
    exact = {f"{name}.weight": layer.weight for name, layer in model.named_modules()
             if isinstance(layer, BitLinear | BinaryLinear)}
    model.load_state_dict({name: w.half().float() for name, w in model.state_dict().items()} | exact)
    torch.testing.assert_close(loaded(tokens())[0], model(tokens())[0], rtol=STEP_TOLERANCE, atol=STEP_TOLERANCE)


def test_a_binary_model_is_stored_at_one_bit_a_weight(tmp_path):
    model = model_of("binary_bitnet")
    save_model(tmp_path, model, LETTERS)
    loaded, _ = load_model(tmp_path, PackedLinear)         # there is no product of packed signs: they are unpacked
    layers = [layer for layer in loaded.modules() if isinstance(layer, SignLinear)]
    assert len(layers) == 14 and all((layer.trits.abs() == 1).all() for layer in layers)
    weights = sum(layer.trits.numel() for layer in layers)
    rest = sum(p.numel() for p in loaded.parameters())
    stored = (tmp_path / "weights.safetensors").stat().st_size
    header = int.from_bytes((tmp_path / "weights.safetensors").read_bytes()[:8], "little")
    assert stored - header - 8 == weights // 8 + 2 * rest + 4 * len(layers)


@pytest.mark.parametrize("kind", ["bitnet", "hybrid"])
def test_a_rival_runs_on_trits_that_stay_packed(kind, tmp_path):
    save_model(tmp_path, model_of(kind), LETTERS)
    plain, packed = load_model(tmp_path)[0], load_model(tmp_path, PackedLinear)[0]
    assert not any(isinstance(layer, TernaryLinear) for layer in packed.modules())
    torch.testing.assert_close(packed(tokens())[0], plain(tokens())[0], rtol=STEP_TOLERANCE, atol=STEP_TOLERANCE)


@pytest.mark.parametrize("kind", sorted(set(MODELS) - set(RUNNING)))
def test_a_model_of_floats_cannot_be_packed(kind):
    with pytest.raises(ValueError, match=f"a {kind} has no trits to run on"):
        build(ModelConfig(kind, VOCAB, WIDTH, 1), packed=True)
