"""Notebook 03: every way of rounding, its error and the layer made of it are checked against ones written by hand."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from mmf_teach.layers.straight_through import straight_through
from mmf_teach.lesson import quiz
from mmf_teach.model.build import build
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.rounded import matrices, rounded
from mmf_teach.paths import DATA
from mmf_teach.quantity import read
from mmf_teach.reference.bit_linear import bit_linear
from mmf_teach.reference.rms_norm import rms_norm
from mmf_teach.ternary.binary import sign_mean
from mmf_teach.ternary.formats import FORMATS
from mmf_teach.ternary.fp4 import BLOCK, MAGNITUDES, decode_e2m1, mxfp4, to_e2m1
from mmf_teach.ternary.int4 import int4, to_int4
from mmf_teach.ternary.other_trits import absmax_trits, best_trits
from mmf_teach.ternary.quantise import SMALLEST, absmean
from mmf_teach.ternary.rounding_error import lost_share
from mmf_teach.training import classifier
from mmf_teach.training.classifier import accuracy, fit, new_weights, scores
from mmf_teach.training.digits import FONT, SIDE, digit, digits

LAWS = settings(deadline=None, derandomize=True, max_examples=120)
pytestmark = pytest.mark.usefixtures("without_type_checks")
eighths = st.integers(-64, 64).map(lambda n: n / 8)
small_matrices = arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 4)), elements=eighths)


# FP4


FP4 = [0, 0.5, 1, 1.5, 2, 3, 4, 6]           # from the table of the MX specification


def nearest_fp4(x: float) -> float:
    """The nearest of the table; half-way the one at an even place."""
    size = min(abs(x), 6.0)
    distances = [abs(size - magnitude) for magnitude in FP4]
    nearest = [place for place, distance in enumerate(distances) if distance == min(distances)]
    return float(np.copysign(FP4[min(nearest, key=lambda place: place % 2)], x))


def test_the_sixteen_codes_stand_for_the_numbers_of_the_specification():
    assert [decode_e2m1(code) for code in range(16)] == FP4 + [-size for size in FP4]
    assert MAGNITUDES.tolist() == FP4


@LAWS
@given(arrays(np.float64, st.integers(1, 20), elements=st.integers(-80, 80).map(lambda n: n / 8)))
@example(np.array([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0, -0.25, -0.75, -5.0, 6.0, -6.0, 7.0, 1e30]))
def test_fp4_rounds_to_the_nearest_half_way_to_the_even_code_and_beyond_6_to_6(x):
    assert to_e2m1(x).tolist() == [nearest_fp4(value) for value in x]


def test_fp4_keeps_the_sign_of_a_zero_and_what_it_can_write():
    every = np.array([decode_e2m1(code) for code in range(16)])
    assert to_e2m1(every).tolist() == every.tolist()
    assert np.signbit(to_e2m1(np.array([-0.1]))).all()


@pytest.mark.parametrize("largest", [6.0, 4.0, 7.9, 8.0, 3.99, 1.0, 0.7, 1e-3, 1e10, 1e-38, 2.0**-126])
def test_the_scale_of_a_block_is_the_power_of_two_that_puts_its_largest_between_4_and_8(largest):
    block = np.zeros((1, BLOCK))
    block[0, 5], block[0, 9] = -largest, largest / 3
    numbers, scale = mxfp4(block)
    assert numbers.shape == scale.shape == block.shape and len(set(scale[0].tolist())) == 1
    power = np.log2(float(scale[0, 0]))
    assert power == round(power) >= -127 and float(np.float32(largest)) / float(scale[0, 0]) < 8
    assert float(np.float32(largest)) / float(scale[0, 0]) >= 4 or power == -127     # the smallest that 8 bits hold
    assert numbers[0].tolist() == [nearest_fp4(float(np.float32(value)) / float(scale[0, 0])) for value in block[0]]


def test_each_block_of_32_has_its_own_scale_and_zeros_stay_zeros():
    w = np.concatenate([np.full(32, 6.0), np.full(32, 0.375), np.zeros(32)]).reshape(1, 96)
    numbers, scale = mxfp4(np.vstack([w, 2 * w]))
    assert scale[0, [0, 31, 32, 63]].tolist() == [1, 1, 2**-4, 2**-4] and scale[1, 0] == 2
    assert (scale[0, 64:] > 0).all() and not numbers[0, 64:].any()
    assert numbers[0, [0, 32]].tolist() == [6, 6]


@pytest.mark.parametrize("width", [1, 31, 33, 63])
def test_rows_that_are_no_whole_number_of_blocks_are_refused(width):
    with pytest.raises(ValueError, match=f"{width} weights is no whole number of blocks of 32"):
        mxfp4(np.zeros((2, width)))


# int4


@LAWS
@given(small_matrices)
@example(np.array([[7.0, 0.5, 1.5, 2.5], [-3.5, 0.25, 0.75, 1.25]]))
def test_int4_gives_each_row_the_scale_that_makes_its_largest_a_7(w):
    codes, scale = int4(w)
    assert codes.dtype == np.int8 and scale.dtype == np.float32 and scale.shape == (len(w), 1)
    for row, mine, worth in zip(np.float32(w), codes, scale[:, 0], strict=True):
        assert worth == max(np.abs(row).max() / np.float32(7), SMALLEST)
        assert mine.tolist() == [round(float(value / worth)) for value in row]
        assert np.abs(mine).max() == (7 if np.abs(row).max() >= 7 * SMALLEST else 0)


def test_int4_rounds_half_way_values_to_even_and_ends_at_minus_8_and_7():
    x = np.array([-100.0, -8.5, -8.0, -1.5, -0.5, 0.5, 1.5, 2.5, 7.4, 7.6, 100.0])
    assert to_int4(x).tolist() == [-8, -8, -8, -2, 0, 0, 2, 2, 7, 7, 7]
    assert int4(np.zeros((2, 3)))[1].tolist() == [[np.float32(1e-5)]] * 2
    assert int4(np.zeros((2, 0)))[0].shape == (2, 0)


# One bit, and other trits


@LAWS
@given(small_matrices)
def test_signs_have_the_mean_size_as_scale_and_zero_counts_as_positive(w):
    signs, scale = sign_mean(w)
    assert signs.dtype == np.int8 and signs.tolist() == [[-1 if value < 0 else 1 for value in row] for row in w]
    assert scale == pytest.approx(sum(map(abs, w.ravel())) / w.size)


@LAWS
@given(small_matrices)
def test_no_other_scale_brings_signs_nearer_than_the_mean_size(w):
    signs, scale = sign_mean(w)
    best = np.square(w - float(scale) * signs).sum()
    for other in (0.9, 0.99, 1.01, 1.1):
        assert best <= np.square(w - other * float(scale) * signs).sum() + 1e-6


@LAWS
@given(small_matrices)
@example(np.array([[1.0, 0.5, -0.5, 0.625]]))
@example(np.zeros((2, 2)))
def test_absmax_trits_keep_what_is_more_than_half_of_the_largest(w):
    trits, scale = absmax_trits(w)
    largest = max(map(abs, w.ravel()))
    assert scale == max(np.float32(largest), SMALLEST)
    assert trits.tolist() == [
        [0 if abs(value) <= largest / 2 else 1 if value > 0 else -1 for value in row] for row in w]


@LAWS
@given(arrays(np.float64, st.tuples(st.integers(1, 2), st.integers(1, 3)), elements=eighths))
@example(np.zeros((1, 3)))
@example(np.array([[1.0, -1.0, 1.0]]))
def test_no_trits_at_all_come_nearer_than_the_best(w):
    """Every row of trits there is, each with the scale that suits it best."""
    trits, scale = best_trits(w)
    mine = np.square(w - scale * trits).sum()
    for drawn in product((-1, 0, 1), repeat=w.size):
        other = np.array(drawn).reshape(w.shape)
        fitting = (w * other).sum() / max(1, np.abs(other).sum())
        assert mine <= np.square(w - fitting * other).sum() + 1e-9
    assert trits.dtype == np.int8 and scale >= SMALLEST


def test_the_best_trits_have_the_published_threshold_on_a_bell_curve():
    """Li et al. 2016: about 0.7 mean|W|... their estimate for a bell curve is 0.6 of the standard deviation."""
    w = np.random.default_rng(0).normal(size=(300, 300))
    trits, _ = best_trits(w)
    threshold = np.abs(w)[trits == 0].max()
    assert 0.57 < threshold < 0.66
    losses = [lost_share(w, *way(w)) for way in (best_trits, absmean, sign_mean, absmax_trits)]
    assert losses == sorted(losses) and losses[0] == pytest.approx(0.19, abs=0.005)
    assert losses[2] == pytest.approx(1 - 2 / np.pi, abs=0.01)                   # known in closed form


# What rounding loses


@LAWS
@given(small_matrices, st.sampled_from([0.25, 1.0, 3.0]))
def test_the_lost_share_is_the_squares_missing_over_the_squares_there_were(w, scale):
    codes = np.clip(np.rint(w), -1, 1).astype(np.int8)
    missing = sum((value - scale * int(code)) ** 2 for value, code in zip(w.ravel(), codes.ravel(), strict=True))
    whole = sum(value**2 for value in w.ravel())
    assert lost_share(w, codes, scale) == pytest.approx(missing / whole if whole else 0)


def test_nothing_lost_is_0_everything_lost_is_1_and_a_scale_may_be_a_column():
    w = np.array([[1.0, -2.0], [30.0, 0.0]])
    assert lost_share(w, w, 1.0) == 0 and lost_share(w, 0 * w, 5.0) == 1 and lost_share(0 * w, w, 1.0) == 0
    assert lost_share(w, np.array([[1, -2], [1, 0]], np.int8), np.array([[1.0], [30.0]])) == 0
    assert isinstance(lost_share(w.astype(np.float32), w, 1.0), float)


def test_a_small_error_of_large_weights_is_neither_lost_in_rounding_nor_made_by_it():
    third = 1e4 + 1 / 3                      # float32 would be off by 0.0003
    assert lost_share(np.full((1, 3), third), np.ones((1, 3), np.int8), third) == 0
    w = np.full((1, 1000), 1e4, np.float32)
    assert lost_share(w, np.ones((1, 1000), np.int8), 1e4 + 1) == pytest.approx(1e-8, rel=1e-6)


# The table of formats


@pytest.mark.parametrize(("name", "bits"), [
    ("signs", 1 + 32 / 8192), ("trits, absmax", 1.6 + 32 / 8192), ("trits, absmean", 1.6 + 32 / 8192),
    ("trits, best", 1.6 + 32 / 8192), ("int4", 4 + 16 / 128), ("FP4", 4.25),
])
def test_a_format_takes_the_bits_of_its_codes_and_its_part_of_the_scales(name, bits):
    assert FORMATS[name].bits(64, 128) == bits


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_hands_back_weights_near_those_it_got_and_says_what_it_lost(name):
    dice = np.random.default_rng(2)
    some = [dice.normal(size=(4, 64)), 100 * dice.normal(size=(3, 32))]
    lost = []
    for w in some:
        codes, scale = FORMATS[name].quantise(w)
        lost.append(100 * float(np.square(w - scale * codes).sum() / np.square(w).sum()))
    shown = FORMATS[name].bits_and_percent_lost(some)
    assert shown[1] == pytest.approx(np.mean(lost), abs=0.006)
    assert shown[0] == pytest.approx(np.mean([FORMATS[name].bits(4, 64), FORMATS[name].bits(3, 32)]), abs=0.0006)
    assert 0 < shown[1] < 100


def test_more_bits_lose_less_and_no_format_beats_the_bound_of_a_bell_curve():
    w = [np.random.default_rng(1).normal(size=(128, 128))]
    points = {name: each.bits_and_percent_lost(w) for name, each in FORMATS.items()}
    assert points["signs"][1] > points["trits, absmean"][1] > points["trits, best"][1] > points["FP4"][1]
    assert all(lost > 100 * 4**-bits for bits, lost in points.values())


# A model rounded after training


@pytest.fixture(scope="module")
def dense():
    torch.manual_seed(5)
    return build(ModelConfig("transformer", 11, 32, 1)).eval()


def test_a_rounded_model_has_each_matrix_replaced_and_everything_else_untouched(dense):
    before = {name: value.clone() for name, value in dense.state_dict().items()}
    copy = rounded(dense, absmean)
    assert all(torch.equal(value, before[name]) for name, value in dense.state_dict().items())
    changed = {name for name, value in copy.state_dict().items() if not torch.equal(value, before[name])}
    linear = {f"{name}.weight" for name, layer in dense.named_modules() if isinstance(layer, torch.nn.Linear)}
    assert changed == linear and len(linear) == len(matrices(dense)) > 3
    for mine, layer in zip(matrices(copy), matrices(dense), strict=True):
        trits, scale = absmean(layer.weight.detach().numpy())
        np.testing.assert_array_equal(mine.weight.detach().numpy(), scale * trits.astype(np.float32))


def test_a_model_without_dense_matrices_has_nothing_to_round():
    with pytest.raises(ValueError, match="no dense matrices to round"):
        rounded(build(ModelConfig("matmul_free", 11, 32, 1)), absmean)


# Straight through


@LAWS
@given(arrays(np.float32, st.integers(1, 5), elements=st.floats(-8, 8, width=32)), st.data())
def test_the_value_is_the_rounded_one_and_the_gradient_what_comes_from_above(values, data):
    above = torch.tensor(data.draw(st.lists(st.integers(-9, 9), min_size=len(values), max_size=len(values)))).float()
    x, other = torch.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    y = straight_through(x, other.round())
    y.backward(above)
    assert torch.equal(y, torch.tensor(values).round()) and torch.equal(x.grad, above) and other.grad is None


def test_the_rounded_tensor_is_not_handed_on_itself():
    r = torch.zeros(2)
    y = straight_through(torch.ones(2, requires_grad=True), r)
    with torch.no_grad():
        y += 1
    assert r.tolist() == [0, 0]


# BitLinear, one step after the other


def naive_layer(x, trits, w_scale):
    """The same with Python's floats, one number at a time."""
    rows = []
    for token in x:
        rms = (sum(value * value for value in token) / len(token) + 1e-6) ** 0.5
        normed = [value / rms for value in token]
        largest = max(max(map(abs, normed)), 1e-5)
        codes = [round(value / largest * 127) for value in normed]
        sums = [sum(int(t) * c for t, c in zip(row, codes, strict=True)) for row in trits]
        rows.append([total * largest / 127 * w_scale for total in sums])
    return rows


@pytest.mark.parametrize(("batch", "out", "width"), [
    (1, 1, 1), (1, 1, 2), (2, 3, 5), (3, 7, 63), (2, 5, 129), (1, 2, 352),
])
def test_the_layer_is_norm_codes_integer_sums_and_two_scales(batch, out, width):
    dice = np.random.default_rng(width)
    x, trits = dice.normal(size=(batch, width)), dice.integers(-1, 2, (out, width)).astype(np.int8)
    got = bit_linear(x, trits, 0.3)
    assert got.dtype == np.float32 and got.shape == (batch, out)
    np.testing.assert_allclose(got, naive_layer(x.tolist(), trits.tolist(), 0.3), rtol=2e-5, atol=2e-6)


def test_a_token_of_zeros_gives_zeros_and_a_token_may_be_scaled_without_effect():
    trits = np.array([[1, -1, 0], [1, 1, 1]], np.int8)
    assert bit_linear(np.zeros((2, 3)), trits, 2.0).tolist() == [[0, 0], [0, 0]]
    x = np.array([[3.0, -1.0, 2.0]])
    np.testing.assert_allclose(bit_linear(64 * x, trits, 2.0), bit_linear(x, trits, 2.0), rtol=1e-5)


def test_the_norm_makes_the_mean_square_one():
    x = np.random.default_rng(0).normal(size=(4, 65)) * [[1], [100], [1e4], [0.1]]
    assert np.square(rms_norm(x)).mean(axis=1) == pytest.approx([1, 1, 1, 1], rel=1e-3)
    assert rms_norm(np.zeros((1, 3))).tolist() == [[0, 0, 0]] and rms_norm(x).dtype == np.float32


# The digits and the classifier


def test_each_digit_is_seven_rows_of_five_and_no_two_are_alike():
    drawn = {value: digit(value) for value in range(10)}
    assert set(FONT) == set(range(10)) and all(picture.shape == (7, 5) for picture in drawn.values())
    assert all(set(picture.ravel().tolist()) == {0.0, 1.0} for picture in drawn.values())
    for one, other in product(range(10), repeat=2):
        assert one == other or np.abs(drawn[one] - drawn[other]).sum() >= 3


def test_a_picture_without_noise_is_a_digit_somewhere_inside_the_frame():
    pictures, values = digits(200, seed=1, noise=0.0)
    places = set()
    for picture, value in zip(pictures.reshape(-1, SIDE, SIDE), values, strict=True):
        found = [
            (top, left) for top, left in product(range(SIDE - 6), range(SIDE - 4))
            if np.array_equal(picture[top : top + 7, left : left + 5], digit(int(value)))]
        assert found and picture.sum() == digit(int(value)).sum()
        places |= set(found)
    assert places == set(product(range(2), range(4))) and set(values.tolist()) == set(range(10))


def test_pictures_are_the_same_for_a_seed_others_for_another_and_as_noisy_as_asked():
    first, labels = digits(100, seed=3)
    again, _ = digits(100, seed=3)
    other, _ = digits(100, seed=4)
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert first.shape == (100, SIDE * SIDE) and labels.shape == (100,)
    assert digits(0, seed=0)[0].shape == (0, SIDE * SIDE)
    clean = np.where(first > 0.5, first - 1, first)
    assert 0.2 < clean.std() < 0.32


def matmul(x, w):
    return x @ w.T


def test_the_scores_are_norm_matrix_relu_norm_matrix():
    weights = [torch.tensor([[1.0, -1.0], [0.0, 2.0]]).double(), torch.tensor([[3.0, 1.0]]).double()]
    pictures = torch.tensor([[3.0, 4.0]]).double()
    x = np.array([3.0, 4.0]) / np.sqrt(12.5 + 1e-6)
    hidden = np.maximum([x[0] - x[1], 2 * x[1]], 0)
    hidden /= np.sqrt((hidden**2).mean() + 1e-6)
    assert scores(pictures, weights, matmul).item() == pytest.approx(3 * hidden[0] + hidden[1])


def test_training_starts_from_the_seeds_weights_and_ends_the_same_each_time():
    x, y = digits(300, seed=0)
    untrained = fit(x, y, matmul, steps=0)
    assert all(torch.equal(a, b) for a, b in zip(untrained, new_weights(64), strict=True))
    assert not any(w.requires_grad for w in untrained)
    one, two, other = fit(x, y, matmul, 3), fit(x, y, matmul, 3), fit(x, y, matmul, 3, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True)) and not torch.equal(one[0], other[0])


def test_a_dense_classifier_learns_the_digits_and_one_without_gradient_does_not():
    x, y = digits(1000, seed=0)
    held_x, held_y = digits(500, seed=1)
    started = accuracy(held_x, held_y, new_weights(64), matmul)
    dense = accuracy(held_x, held_y, fit(x, y, matmul, steps=150), matmul)

    def rounds(a, w):
        return a @ (w.round() + 0 * w).T     # what rounding lets through is nothing

    flat = accuracy(held_x, held_y, fit(x, y, rounds, steps=20), rounds)
    assert started < 0.3 and flat < 0.3 and dense > 0.75


def test_accuracy_is_the_share_of_right_guesses():
    weights = [torch.eye(64, dtype=torch.float64), torch.eye(64, dtype=torch.float64)[:10]]
    pictures = np.eye(64)[:4]
    for labels, share in (([0, 1, 2, 3], 1.0), ([0, 1, 3, 2], 0.5), ([1, 2, 3, 0], 0.0)):
        found = accuracy(pictures, np.array(labels), weights, matmul)
        assert found == share and type(found) is float
    assert classifier.HIDDEN == 64


# Questions and quoted numbers


def test_the_reasons_of_the_questions_quote_what_the_library_computes():
    why = {choice.why for question in quiz.of(3) for choice in question.choices}
    w = np.random.default_rng(3).normal(size=(400, 400))
    assert any("best possible trits lose 19 %" in said and "absmean loses 26 %" in said for said in why)
    assert round(100 * lost_share(w, *best_trits(w))) == 19 and round(100 * lost_share(w, *absmean(w))) == 26
    assert np.abs([[0.5, -0.6, 0.4, 2.0]]).mean() == 0.875


@pytest.mark.parametrize("path", sorted((DATA / "quality").glob("*.toml")), ids=lambda path: path.stem)
def test_what_few_bits_cost_is_quoted_or_modelled_and_never_said_to_be_measured_here(path):
    assert {number.kind for number in read(path).values()} <= {"quoted", "modelled"}
