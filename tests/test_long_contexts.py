"""Notebook 09: memories give what attention over everything gives, and their bytes are those of real models."""

from collections import deque

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch.nn.functional import scaled_dot_product_attention

from mmf_teach.cost.cache_size import WINDOW, Decoder, cache_bytes, decoders, lines, moved_bytes
from mmf_teach.cost.closed_form import context_of_equal_work, matrix_weights
from mmf_teach.cost.sizes import NAMED, SHARED, sizes
from mmf_teach.engine.bench.contexts import grown, remembered_bytes, step_us
from mmf_teach.layers.superposition import WORDS, recall, share_recalled, store
from mmf_teach.lesson.figures.size_lines import size_lines
from mmf_teach.lesson.widgets.moved_bytes import BATCHES, CONTEXTS, FREE, MovedBytes, parts
from mmf_teach.model.build import build
from mmf_teach.model.config import ModelConfig
from mmf_teach.reference.attention import attend
from mmf_teach.reference.sliding_attention import read_at_once, read_with_cache, window_mask

LAWS = settings(deadline=None, derandomize=True, max_examples=80)
pytestmark = pytest.mark.usefixtures("without_type_checks")


def drawn(tokens: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(3, tokens, width))


# The reference's attention


@LAWS
@given(st.integers(1, 9), st.integers(1, 6), st.integers(0, 99))
def test_a_token_takes_values_by_how_well_keys_fit_one_number_at_a_time(tokens, width, seed):
    queries, keys, values = drawn(tokens, width, seed)
    odds = [np.exp(sum(q * k for q, k in zip(queries[0], key, strict=True)) / width**0.5) for key in keys]
    taken = [sum(odd * value[i] for odd, value in zip(odds, values, strict=True)) / sum(odds) for i in range(width)]
    np.testing.assert_allclose(attend(queries[0], keys, values), taken)


def test_a_fit_that_exp_cannot_hold_is_no_trouble_and_nothing_kept_is_told():
    assert attend(np.array([1e4]), np.array([[1.0], [0.9]]), np.array([[3.0], [5.0]])).tolist() == [3.0]
    with pytest.raises(ValueError, match="nothing to look at"):
        attend(np.ones(2), np.ones((0, 2)), np.ones((0, 2)))


@LAWS
@given(st.integers(1, 12), st.integers(1, 14), st.integers(1, 5), st.integers(0, 99))
def test_a_cache_with_a_window_a_mask_and_torch_agree(tokens, window, width, seed):
    queries, keys, values = drawn(tokens, width, seed)
    one_by_one = read_with_cache(queries, keys, values, window)
    np.testing.assert_allclose(read_at_once(queries, keys, values, window), one_by_one, atol=1e-12)
    q, k, v = (torch.from_numpy(x)[None] for x in (queries, keys, values))
    masked = scaled_dot_product_attention(q, k, v, attn_mask=torch.from_numpy(window_mask(tokens, window)))
    np.testing.assert_allclose(masked[0].numpy(), one_by_one, atol=1e-12)


@pytest.mark.parametrize(("tokens", "window"), [(0, 1), (1, 1), (5, 1), (5, 2), (5, 5), (4, 9)])
def test_a_mask_shows_a_token_itself_and_what_its_window_still_holds(tokens, window):
    mask, held = window_mask(tokens, window), deque(maxlen=window)
    assert mask.shape == (tokens, tokens) and mask.dtype == bool
    for token in range(tokens):
        held.append(token)
        assert np.flatnonzero(mask[token]).tolist() == list(held)


# Pairs on top of one another


def test_the_memory_is_the_sum_of_products_and_one_pair_comes_out_whole():
    words = np.array([[1, 1, -1], [-1, 1, 1], [1, -1, -1]])
    for said, word in enumerate(words):
        memory = store(np.array([[1, -1, -1]]), word[None])
        assert memory.tolist() == (word * [1, -1, -1]).tolist() and memory.dtype == np.int64
        assert recall(memory, np.array([1, -1, -1]), words) == said
    assert store(np.full((300, 2), -1, np.int8), np.ones((300, 2), np.int8)).tolist() == [-300, -300]


def test_the_share_recalled_is_that_of_asking_for_each_pair():
    dice, right = np.random.default_rng([0, 6, 32]), 0
    for _ in range(20):
        words = dice.choice([-1, 1], (WORDS, 32))
        keys, said = dice.choice([-1, 1], (6, 32)), dice.integers(0, WORDS, 6)
        memory = store(keys, words[said])
        right += sum(recall(memory, key, words) == word for key, word in zip(keys, said, strict=True))
    assert share_recalled(6, 32) == right / 120 and 0.3 < right / 120 < 0.9


def test_four_times_the_numbers_hold_four_times_the_pairs_and_a_full_memory_guesses():
    for pairs in (8, 16, 32):
        assert share_recalled(4 * pairs, 1024) == pytest.approx(share_recalled(pairs, 256), abs=0.06)
    assert WORDS == 16                       # as the question of the notebook says
    assert share_recalled(1, 64) == 1.0 and share_recalled(512, 16) < 2.5 / WORDS


# Bytes that are kept


@pytest.mark.parametrize("context", [0, 1, 7])
def test_the_formula_of_the_cache_is_what_a_real_one_takes(context):
    model = build(ModelConfig("transformer", 11, 16, 3, heads=2))
    _, cache = model(torch.zeros(2, context, dtype=torch.int64))
    assert remembered_bytes(cache) == 2 * cache_bytes(16, 3, context, 32, 1)
    assert remembered_bytes(grown(model.initial_state(2), context)) == remembered_bytes(cache)


def test_a_state_takes_the_same_after_any_text():
    model = build(ModelConfig("matmul_free", 11, 16, 3), packed=True)
    start, after = model.initial_state(1), model(torch.zeros(1, 9, dtype=torch.int64))[1]
    for state in (start, after, grown(start, 5)):
        assert remembered_bytes(state) == 3 * 16 * 4


@pytest.mark.parametrize(("name", "kibibytes"), [("370M", 96), ("1.3B", 192), ("2.7B", 320), ("13B", 800)])
def test_a_token_leaves_the_published_shapes_so_much(name, kibibytes):
    width, blocks = NAMED[name]
    assert cache_bytes(width, blocks, 1, 16, 1) == 1024 * kibibytes
    assert cache_bytes(width, blocks, 8, 8, 4) == 1024 * kibibytes


def test_half_a_byte_takes_a_whole_one_and_what_cannot_be_is_refused():
    assert cache_bytes(1, 1, 1, 4, 1) == 1 and cache_bytes(3, 1, 1, 4, 2) == 2 and cache_bytes(5, 2, 0, 16, 1) == 0
    for context, shared in ((-1, 1), (1, 0)):
        with pytest.raises(ValueError, match="at least 0 and 1"):
            cache_bytes(8, 1, context, 16, shared)


# Work


@pytest.mark.parametrize(("width", "inner"), [(8, 32), (10, 7), (64, 192)])
def test_work_is_equal_where_multiplications_counted_one_by_one_are(width, inner):
    weights = sum(width * width for _ in "qkvo") + sum(width * inner for _ in ("gate", "up", "down"))
    at = context_of_equal_work(width, inner)
    assert int(at) * 2 * width <= weights < (int(at) + 1) * 2 * width


def test_equal_work_lies_near_six_widths_in_all_named_sizes():
    for name in NAMED:
        size = sizes(name, "transformer")
        assert 6 <= context_of_equal_work(size.width, size.inner) / size.width < 6.2


# Bytes that move


@LAWS
@given(st.integers(1, 40), st.integers(1, 8), st.integers(1, 12))
def test_bytes_moved_are_those_of_a_cache_entry_by_entry(context, batch, window):
    """A list of entries; every look at one and every entry written counts. A window of one token keeps none."""
    full, local = deque([1] * context), deque([1] * context, maxlen=window - 1)
    written = min(1, window - 1)
    decoder = Decoder(900, token_bytes=10, local_bytes=3, window=window, state_bytes=50)
    entries = 900 / batch + 10 * (len(full) + 1) + 3 * (len(local) + written) + 2 * 50
    assert decoder.moved_bytes(context, batch) == pytest.approx(entries)
    assert decoder.kept_bytes(context) == 10 * len(full) + 3 * len(local) + 50


def test_weights_are_shared_by_a_batch_and_nothing_else_is():
    assert moved_bytes(1000, 10, 7, 5, 4) == 250 + 60 + 14
    with pytest.raises(ValueError, match="one sequence or more, not 0"):
        moved_bytes(1, 1, 1, 1, 0)
    with pytest.raises(ValueError, match="one sequence or more, not 0"):
        Decoder(1.0).moved_bytes(1, 0)


@pytest.mark.parametrize(("context", "batch", "plain", "free"), [
    (2048, 1, 5.91, 0.655), (2048, 32, 0.835, 0.0208), (32_768, 1, 15.98, 0.655), (32_768, 32, 10.90, 0.0208),
    (131_072, 1, 48.2, 0.655),
])
def test_the_table_reckoned_by_hand_comes_out(context, batch, plain, free):
    """Gigabytes per token at 2.7B, bf16 against two bits, counted apart for this project."""
    models = decoders("2.7B")
    assert models["Transformer++, bf16"].moved_bytes(context, batch) / 1e9 == pytest.approx(plain, rel=2e-3)
    assert models["MatMul-free"].moved_bytes(context, batch) / 1e9 == pytest.approx(free, rel=2e-3)


def test_each_precision_moves_less_than_the_one_before_and_the_control_has_the_same_weights():
    models = decoders("13B")
    moved = [model.moved_bytes(4096) for model in list(models.values())[:4]]
    assert moved == sorted(moved, reverse=True)
    control, free = models["T++, ternary, int8 cache"], models["MatMul-free"]
    assert control.weight_bytes == free.weight_bytes == matrix_weights(sizes("13B", "transformer")) / 4
    assert 1 < control.moved_bytes(16) / free.moved_bytes(16) < 1.01


def test_a_state_that_is_read_and_written_moves_more_than_a_very_short_cache_of_few_bits():
    """So the fixed state does not win everywhere."""
    models = decoders("2.7B")
    control, free = models["T++, ternary, int8 cache"], models["MatMul-free"]
    assert control.moved_bytes(6) < free.moved_bytes(6) and control.moved_bytes(8) > free.moved_bytes(8)


def test_the_hybrid_keeps_what_a_hybrid_of_the_course_keeps():
    config = ModelConfig("hybrid", 11, 16, 4, reach=8)
    model = build(config)
    bytes_of_all = [
        sum(part.nbytes for part in ([state] if isinstance(state, torch.Tensor) else state) if part.is_floating_point())
        for state in model(torch.zeros(1, 20, dtype=torch.int64))[1]]
    hybrid = decoders("2.7B")["hybrid, every second block local"]
    free = decoders("2.7B")["MatMul-free"]
    states, caches = sorted(bytes_of_all)[:2], sorted(bytes_of_all)[2:]
    assert states == [16 * 4] * 2 and caches == [2 * 16 * 4 * 7] * 2       # seven before it, and itself
    assert hybrid.state_bytes == free.state_bytes / 2 and hybrid.window == WINDOW
    assert hybrid.local_bytes == cache_bytes(2560, 16, 1, 16, 1) and hybrid.token_bytes == 0
    assert hybrid.moved_bytes(10**6) == hybrid.moved_bytes(WINDOW)


def test_the_lines_of_the_picture_are_these_models_in_gigabytes():
    found = dict(lines("370M", [16, 4096], 2))
    assert list(found) == list(decoders("370M")) and SHARED == 4
    for name, values in found.items():
        assert values == [decoders("370M")[name].moved_bytes(context, 2) / 1e9 for context in (16, 4096)]


# What is timed, drawn and explored


def test_every_context_is_timed_for_every_model_and_states_are_filled_to_it():
    models = {
        "one": build(ModelConfig("transformer", 11, 16, 1, heads=2)).eval(),
        "two": build(ModelConfig("matmul_free", 11, 16, 1), packed=True).eval()}
    found = dict(step_us(models, [3, 30]))
    assert list(found) == [3, 30] and all(list(times) == ["one", "two"] for times in found.values())
    assert all(us > 0 for times in found.values() for us in times.values())
    keys, values = grown(models["one"].initial_state(1), 30)[0]
    assert keys.shape == values.shape == (1, 2, 30, 8) and keys.abs().sum() > 0


def test_lines_over_sizes_say_their_ends_and_middle_and_shares_have_a_guess():
    curves = {"a": [1.0, 2.0, 3.0], "b": [9.0, 8.0, 7.0]}
    figure = size_lines([1, 10, 100], curves, {"a": "#0072B2"}, "T", "tokens", "GB")
    assert [(line.name, list(line.x), list(line.y)) for line in figure.data] == [
        ("a", [1, 10, 100], [1, 2, 3]), ("b", [1, 10, 100], [9, 8, 7])]
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log" and figure.data[0].line.color == "#0072B2"
    assert figure.layout.meta["alt"] == "GB against tokens. a: 1 at 1, 2 at 10, 3 at 100; b: 9 at 1, 8 at 10, 7 at 100."
    share = size_lines([1, 2, 4, 8], {"a": [1.0, 0.5, 0.4, 0.2]}, {}, "T", "pairs", "share", guessing=0.125)
    assert share.layout.yaxis.type is None and share.layout.shapes[0].y0 == 0.125
    assert share.layout.xaxis.type == "category" and list(share.data[0].x) == ["1", "2", "4", "8"]
    assert share.layout.meta["alt"].endswith("a: 1 at 1, 0.4 at 4, 0.2 at 8. Guessing gives 0.125.")


def test_the_explorers_table_holds_weights_and_the_rest_of_every_setting():
    widget = MovedBytes()
    assert widget.rivals == [name for name in decoders("2.7B") if name != FREE] and widget.contexts == CONTEXTS
    for name, decoder in decoders("2.7B").items():
        for context in CONTEXTS:
            for batch in BATCHES:
                weights, kept = widget.table[name][str(context)][str(batch)]
                assert (weights, kept) == tuple(round(part, 3) for part in parts(name, context, batch))
                assert 1e6 * (weights + kept) == pytest.approx(decoder.moved_bytes(context, batch), abs=1100)
                assert 1e6 * weights == pytest.approx(decoder.weight_bytes / batch, abs=600)
