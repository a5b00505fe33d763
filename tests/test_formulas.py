"""Operations are counted as the layers compute them: by hand for one block, and by laws for the rest."""

from collections import Counter

import pytest
import torch
from torch import nn

from mmf_teach.cost.formulas import remaining_operations, ternary_operations, trit_operations
from mmf_teach.layers.bit_linear import BitLinear, TernaryLinear
from mmf_teach.model.build import TERNARY, build
from mmf_teach.model.config import ModelConfig

VOCAB, WIDTH = 5, 8
every_ternary = pytest.mark.parametrize("kind", sorted(TERNARY))


def model_of(kind: str, blocks: int = 1, packed: bool = False, width: int = WIDTH):
    torch.manual_seed(0)
    return build(ModelConfig(kind, VOCAB, width, blocks), packed)


def by_hand(layers: list[tuple[int, int]], norms: list[int], gain: bool, rest: dict[str, int]) -> Counter:
    """BitLinear maps as (in, out), all norms by their width, and the sums of everything else."""
    taken_in, sums = sum(i for i, _ in layers), sum(o for _, o in layers)
    normed = sum(norms)
    return Counter(rest) + Counter(
        multiply=(2 + gain) * normed + taken_in + len(layers) + sums,  # x², · 1/rms, gain; codes; scales; outputs
        add=normed,                                                    # the mean square, and ε
        divide=len(norms) + 2 * len(layers),                           # by the width; 127/max and max/127
        root=len(norms),
        compare=3 * taken_in,                                          # the maximum, and a clip at both ends
        round=taken_in,
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
        multiply=477, add=200, subtract=8, divide=80, root=8, exponential=56, compare=264, round=88)
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
        multiply=2436, add=648, subtract=16, divide=305, root=11, exponential=280, compare=912, round=304)
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


@every_ternary
@pytest.mark.parametrize("packed", [False, True])
def test_additions_subtractions_and_skips_add_up_to_the_number_of_ternary_weights(kind, packed):
    model = model_of(kind, blocks=2, packed=packed)
    weights = sum(
        (layer.trits if packed else layer.weight).numel()
        for layer in model.modules() if isinstance(layer, BitLinear | TernaryLinear))
    d, l = WIDTH, model.config.inner
    assert weights == 2 * (4 * d * d + 3 * d * l) + d * VOCAB
    assert ternary_operations(model).total() == weights


@every_ternary
def test_a_packed_model_costs_what_it_cost_while_it_learned(kind):
    learning, packed = model_of(kind), model_of(kind, packed=True)
    assert remaining_operations(packed) == remaining_operations(learning)
    assert ternary_operations(packed) == Counter(skip=ternary_operations(learning).total())    # all its trits are 0 yet


@every_ternary
def test_every_further_block_costs_the_same(kind):
    one, two, three = (remaining_operations(model_of(kind, blocks)) for blocks in (1, 2, 3))
    assert two - one == three - two and (two - one).total() > 0


@every_ternary
def test_multiplications_grow_with_the_width_and_trits_with_its_square(kind):
    """That is the point of the model. The inner width grows in steps, so widths are chosen that fill them."""
    narrow, wide = model_of(kind, width=192), model_of(kind, width=384)
    for name, count in remaining_operations(narrow).items():
        assert remaining_operations(wide)[name] <= 2 * count
    assert ternary_operations(wide).total() > 3.9 * ternary_operations(narrow).total()


def test_a_layer_that_nobody_has_counted_is_an_error_with_its_name():
    model = model_of("matmul_free")
    model.blocks[0].channel_mixer.to_up = nn.Linear(8, 32)
    with pytest.raises(TypeError, match="Linear"):
        remaining_operations(model)
    with pytest.raises(TypeError, match="Attention"):
        remaining_operations(model_of("transformer"))


def test_a_variant_of_a_known_layer_is_not_taken_for_that_layer():
    class OwnBitLinear(BitLinear):
        """A layer that may compute something else."""

    model = model_of("matmul_free")
    model.head = OwnBitLinear(8, VOCAB)
    with pytest.raises(TypeError, match="OwnBitLinear"):
        remaining_operations(model)
