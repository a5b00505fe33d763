"""Operations are counted as the layers compute them: by hand for one block, by laws, and up to the published sizes."""

from collections import Counter

import pytest
import torch
from torch import nn

from mmf_teach.cost import closed_form
from mmf_teach.cost.cache_size import cache_bytes, decoder_of
from mmf_teach.cost.model_operations import remaining_operations, ternary_operations, trit_operations
from mmf_teach.cost.sizes import NAMED, sizes
from mmf_teach.layers.bit_linear import BitLinear, TernaryLinear
from mmf_teach.layers.rms_norm import RMSNorm
from mmf_teach.model.build import MODELS, RUNNING, TERNARY, build
from mmf_teach.model.config import ModelConfig

VOCAB, WIDTH = 5, 8
every_ternary = pytest.mark.parametrize("kind", sorted(TERNARY))
every_kind = pytest.mark.parametrize("kind", MODELS)


def model_of(kind: str, blocks: int = 1, packed: bool = False, width: int = WIDTH):
    torch.manual_seed(0)
    return build(ModelConfig(kind, VOCAB, width, blocks), packed)


def by_hand(layers: list[tuple[int, int]], norms: list[int], gain: bool, rest: dict[str, int]) -> Counter:
    """BitLinear maps as (in, out), all norms by their width, and the sums of everything else."""
    taken_in, sums = sum(i for i, _ in layers), sum(o for _, o in layers)
    normed = sum(norms)
    return Counter(rest) + Counter(
        # x², · 1/rms, gain; codes; 1/max · 127 and the product of both scales; outputs
        multiply=(2 + gain) * normed + taken_in + 2 * len(layers) + sums,
        add=normed,                                                    # the mean square, and ε
        divide=len(norms) + 2 * len(layers),                           # by the width; 1/max and max/127
        root=len(norms),
        comparison=3 * taken_in,                                       # the maximum, and a clip at both ends
        round=taken_in,
        table_look_up=1,                                               # the embedding
    )


def test_one_block_of_the_paper_s_form_is_counted_by_hand():
    """Width 8, inner width 32, five letters."""
    layers = [(8, 8)] * 4 + [(8, 32)] * 2 + [(32, 8), (8, 5)]          # f, c, g, o; gate, up; down; head
    rest = {
        "multiply": 8 + 8 + 8 + 8 + 32 + 32,     # silu(c); f h; (1-f) c; g h; silu(gate); times up
        "add": 4 * 8 + 8 + 8 + 8 + 8 + 32 + 16,  # biases; 1 + exp for f, c, g; f h + ...; for the gate; two residuals
        "subtract": 8,                           # 1 - f
        "divide": 8 + 8 + 8 + 32,                # the sigmoids of f, c, g and the gate
        "exponential": 8 + 8 + 8 + 32,
    }
    counted = by_hand(layers, [i for i, _ in layers], gain=False, rest=rest)
    assert counted == Counter(
        multiply=485, add=200, subtract=8, divide=80, root=8, exponential=56, comparison=264, round=88, table_look_up=1)
    assert remaining_operations(model_of("matmul_free")) == counted


def test_one_block_of_the_released_form_is_counted_by_hand():
    """Width 8, inner width 256, five letters."""
    layers = [(8, 8)] * 4 + [(8, 512), (256, 8), (8, 5)]               # i, f, g, o; gate and up; down; head
    norms = [i for i, _ in layers] + [8, 8, 8, 8]                      # gate; before the mixers and the head
    rest = {
        "multiply": 8 + 8 + 8 + 8 + 8 + 8 + 256 + 256,   # bound; silu(i); f h; (1-f) i; silu(h); norm(g) h; GLU
        "add": 8 + 8 + 8 + 8 + 8 + 256 + 16,             # σ(f); bound; silu(i); f h + ...; silu(h); GLU; residuals
        "subtract": 8 + 8,                               # 1 - bound, 1 - f
        "divide": 8 + 8 + 8 + 256,                       # sigmoid of f, i, h and the gate
        "exponential": 8 + 8 + 8 + 256,
    }
    counted = by_hand(layers, norms, gain=True, rest=rest)
    assert counted == Counter(
        multiply=2443, add=648, subtract=16, divide=305, root=11, exponential=280, comparison=912, round=304,
        table_look_up=1)
    assert remaining_operations(model_of("matmul_free_released")) == counted


def test_each_trit_is_an_addition_a_subtraction_or_nothing():
    layer = TernaryLinear(4, 2)
    layer.trits.copy_(torch.tensor([[1, -1, 0, 1], [0, 0, 1, -1]]))
    assert trit_operations(layer) == Counter(add=3, subtract=2, skip=3)


def test_a_layer_that_still_learns_is_counted_by_the_trits_of_its_weights():
    layer = BitLinear(4, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -1.0, 0.1, 9.0], [0.0, -0.1, 2.0, -2.0]]))      # mean 1.9
    assert trit_operations(layer) == Counter(add=3, subtract=2, skip=3)


def test_the_closed_form_has_trits_where_a_running_model_has():
    for kind in MODELS:
        config = ModelConfig(kind, 11, 32, 3)
        layers = build(config, packed=kind in RUNNING).modules()
        trits = sum(layer.trits.numel() for layer in layers if isinstance(layer, TernaryLinear))
        assert closed_form.parts(config)["ternary"] == trits, kind


@every_ternary
@pytest.mark.parametrize("packed", [False, True])
def test_the_trits_of_a_model_are_as_many_as_its_sizes_say(kind, packed):
    model = model_of(kind, blocks=2, packed=packed)
    from_sizes = closed_form.operations(model.config)
    assert ternary_operations(model).total() == from_sizes.pop("ternary") == closed_form.matrix_weights(model.config)
    assert remaining_operations(model) == from_sizes


@every_kind
def test_what_a_model_at_hand_costs_depends_on_the_text_before_it_where_the_model_looks_back(kind):
    model = model_of(kind, blocks=2)
    for context in (0, 9):
        total = closed_form.operations(model.config, context)
        assert remaining_operations(model, context) + Counter(ternary=total["ternary"]) == total


@every_kind
def test_the_closed_form_knows_how_many_weights_the_maps_have(kind):
    """All matrices but the embedding; of Mamba's convolution and the lower bounds no row meets a token whole."""
    for config in (ModelConfig(kind, VOCAB, 48, 3, heads=2), ModelConfig(kind, VOCAB, 16, 2)):
        model = build(config)
        maps = [layer.weight for layer in model.modules() if hasattr(layer, "weight") and layer is not model.embedding]
        assert closed_form.matrix_weights(config) == sum(weight.numel() for weight in maps if weight.ndim == 2)


@every_kind
def test_every_further_pair_of_blocks_costs_the_same(kind):
    two, four, six = (closed_form.operations(ModelConfig(kind, VOCAB, 16, blocks), 3) for blocks in (2, 4, 6))
    assert four - two == six - four and (four - two).total() > 0


@every_ternary
def test_multiplications_grow_with_the_width_and_trits_with_its_square(kind):
    """That is the point of the model. The inner width grows in steps, so widths are chosen that fill them."""
    narrow, wide = (closed_form.operations(ModelConfig(kind, VOCAB, width, 1)) for width in (192, 384))
    assert wide.pop("ternary") > 3.9 * narrow.pop("ternary")
    for name, count in narrow.items():
        assert wide[name] <= 2 * count


@every_kind
def test_only_models_that_look_back_cost_more_after_a_longer_text(kind):
    config = ModelConfig(kind, VOCAB, 16, 2, heads=2)
    early, late = (closed_form.operations(config, context)["multiply"] for context in (1, 2000))
    assert (late > early) == (kind in ("transformer", "bitnet", "binary_bitnet", "hybrid"))
    far, farther = (closed_form.operations(config, context) for context in (2000, 4000))
    assert (farther == far) == (kind not in ("transformer", "bitnet", "binary_bitnet"))


@pytest.mark.parametrize(("size", "millions_of_trits", "millions_left", "percent_with_a_float_head"), [
    ("370M", 341, 1.56, 10.0), ("1.3B", 1299, 3.09, 5.3), ("2.7B", 2620, 5.10, 3.3), ("13B", 12852, 12.7, 1.4),
])
def test_the_published_sizes_agree_with_a_count_made_apart(size, millions_of_trits, millions_left,
                                                           percent_with_a_float_head):
    """By hand from the released code: 40 d + 8 l a block, 7 d + v at the end; we have two more a BitLinear."""
    config = sizes(size, "matmul_free_released")
    counted, floated = closed_form.operations(config), closed_form.with_float_head(config)
    assert counted["ternary"] == pytest.approx(1e6 * millions_of_trits, rel=2e-3)
    by_hand = config.blocks * (40 * config.width + 8 * config.inner) + 7 * config.width + config.vocab
    assert counted["multiply"] == by_hand + 2 * (6 * config.blocks + 1)
    assert counted["multiply"] == pytest.approx(1e6 * millions_left, rel=5e-3)
    percent = 100 * floated["multiply"] / (floated["multiply"] + floated["ternary"])
    assert percent == pytest.approx(percent_with_a_float_head, abs=0.06)


@pytest.mark.parametrize(("size", "cache_kib", "state_kib"), [
    ("370M", 96, 48), ("1.3B", 192, 96), ("2.7B", 320, 160), ("13B", 800, 400),
])
def test_what_is_kept_of_a_text_agrees_with_a_count_made_apart(size, cache_kib, state_kib):
    """Two bytes a number: the cache of one token against the whole state of the MatMul-free model."""
    assert decoder_of(sizes(size, "transformer"), bits=16).kept_bytes(1) == 1024 * cache_kib
    assert decoder_of(sizes(size, "matmul_free"), bits=16).kept_bytes(50_000) == 1024 * state_kib


def test_mamba_of_2_8_billion_weights_keeps_what_was_counted_apart():
    """64 layers of width 2560, 16 memories a feature: 12,160 KiB at two bytes."""
    assert decoder_of(ModelConfig("mamba", 50_280, 2560, 32), bits=16).kept_bytes(9) == 12_160 * 1024


@pytest.mark.parametrize("config", [
    *[ModelConfig(kind, VOCAB, 16, 3, heads=2) for kind in MODELS],
    ModelConfig("transformer", VOCAB, 16, 2, 4, kv_heads=2),
    ModelConfig("hybrid", VOCAB, 16, 3, 4, kv_heads=1, reach=4),
], ids=str)
def test_what_is_kept_is_what_a_running_model_carries_along(config):
    """Every float in its state but the count of tokens read; a new Mamba begins with zeros of full size."""
    def floats(state) -> int:
        if isinstance(state, torch.Tensor):
            return state.numel() if state.is_floating_point() else 0
        return sum(map(floats, state))

    model = build(config).eval()
    state = model.initial_state(1)
    for context in range(7):
        assert floats(state) == decoder_of(config).kept_bytes(context) or context == 0
        _, state = model.step(torch.tensor([1]), state)


def test_a_state_is_written_anew_and_a_cache_grows_by_one_token():
    def moved(kind, context, **others):
        return decoder_of(ModelConfig(kind, VOCAB, 16, 4, heads=2, **others)).moved_bytes(context)

    assert moved("matmul_free", 0) == moved("matmul_free", 900) == 2 * 4 * 16
    assert moved("transformer", 9) == moved("bitnet", 9) == 4 * 2 * 16 * (9 + 1)
    assert moved("transformer", 9, kv_heads=1) == 4 * 2 * 8 * (9 + 1)
    assert moved("hybrid", 9, reach=4) == 2 * 2 * 16 + 2 * 2 * 16 * (3 + 1)
    assert moved("hybrid", 9, reach=1) == 2 * 2 * 16
    assert moved("mamba", 9) == 2 * 8 * 32 * (16 + 3)


@every_kind
def test_bits_scale_what_is_kept_and_half_a_byte_takes_a_whole_one(kind):
    config = ModelConfig(kind, VOCAB, 16, 2)
    narrow, numbers, wide = (decoder_of(config, bits=bits).kept_bytes(10) for bits in (4, 8, 32))
    assert 8 * narrow == 4 * numbers == wide
    assert decoder_of(ModelConfig("matmul_free", VOCAB, 2, 1), bits=2).kept_bytes(1) == 1


def test_a_cache_is_what_cache_bytes_says():
    config = ModelConfig("bitnet", VOCAB, 16, 3, heads=4, kv_heads=2)
    assert decoder_of(config, bits=4).kept_bytes(7) == cache_bytes(16, 3, 7, 4, shared=2) == 3 * 2 * 8 * 7 / 2


@pytest.mark.parametrize("count", [
    lambda: decoder_of(ModelConfig("perceptron", VOCAB, 16, 2)), lambda: sizes("3B", "mamba"),
    lambda: decoder_of(ModelConfig("mamba", VOCAB, 16, 2)).kept_bytes(-1),
    lambda: closed_form.operations(ModelConfig("perceptron", VOCAB, 16, 2)),
    lambda: closed_form.with_float_head(ModelConfig("bitnet", VOCAB, 16, 2)),
])
def test_what_nobody_has_counted_or_named_is_refused_in_a_sentence(count):
    with pytest.raises(ValueError, match=r"nobody has counted|there is no size|a text has|dense as it is"):
        count()


def test_all_kinds_of_a_named_size_have_the_same_maps():
    """But Mamba, whose layers have no channel mixer, and BitNet, whose count is the same by another split."""
    for size in NAMED:
        weights = {kind: closed_form.matrix_weights(sizes(size, kind)) for kind in MODELS}
        mamba = weights.pop("mamba")
        assert len(set(weights.values())) == 1
        assert mamba == pytest.approx(weights["transformer"], rel=0.06)


@pytest.mark.parametrize(("kind", "place", "changed", "said"), [
    ("matmul_free", "blocks.0.channel_mixer.to_up", nn.Linear(8, 32), "a Linear costs as blocks.0.channel_mixer.to_up"),
    ("transformer", "blocks.0.token_mixer.to_q", BitLinear(8, 8), "a BitLinear"),
    ("matmul_free_released", "blocks.0.token_norm", nn.Identity(), "an? Identity"),
    ("matmul_free", "head.norm", RMSNorm(8, gain=True), "a RMSNorm costs as head.norm"),
    ("matmul_free", "head", BitLinear(8, VOCAB, bias=True), "a BitLinear costs as head"),
    ("matmul_free", "head", BitLinear(8, 2 * VOCAB), "a BitLinear costs as head"),
])
def test_a_layer_that_nobody_has_counted_is_an_error_with_its_name(kind, place, changed, said):
    """Another kind of layer, or the same with more or other numbers than the model's sizes say."""
    model = model_of(kind)
    model.set_submodule(place, changed)
    with pytest.raises(TypeError, match=f"nobody has counted what {said}"):
        remaining_operations(model)


def test_a_layer_that_is_missing_or_one_too_many_is_noticed():
    model = model_of("matmul_free")
    model.extra = nn.Linear(8, 8)
    with pytest.raises(TypeError, match="a Linear costs as extra"):
        remaining_operations(model)
    del model.extra, model.blocks[0].channel_mixer.to_up
    with pytest.raises(TypeError, match="missing layer"):
        remaining_operations(model)


def test_a_variant_of_a_known_layer_is_not_taken_for_that_layer():
    class OwnBitLinear(BitLinear):
        """A layer that may compute something else."""

    model = model_of("matmul_free")
    model.head = OwnBitLinear(8, VOCAB)
    with pytest.raises(TypeError, match="OwnBitLinear"):
        remaining_operations(model)
