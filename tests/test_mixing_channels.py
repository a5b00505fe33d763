"""Sizes in a block are what they are said to be; a model can be looked into, and taken apart, letter by letter."""

import json

import numpy as np
import pytest
import torch
from fixtures.tiny import CORPUS
from hypothesis import given, settings, strategies as st

from mmf_teach.lesson import quiz
from mmf_teach.lesson.figures import style
from mmf_teach.lesson.figures.letter_rows import NEWLINE, SPACE, letter_rows
from mmf_teach.lesson.figures.power_lines import power_lines
from mmf_teach.lesson.folders import exercises
from mmf_teach.lesson.widgets.letter_trace import LONGEST, LetterTrace, in_words
from mmf_teach.model.ablation import PARTS, without
from mmf_teach.model.build import build
from mmf_teach.model.config import ModelConfig, inner_width
from mmf_teach.model.traces import channel_mixer_trace, stream, token_mixer_trace
from mmf_teach.reference.activation_functions import silu
from mmf_teach.reference.block import stream_sizes
from mmf_teach.reference.rms_norm import rms_norm

is_rms_norm = exercises("06").is_rms_norm

TEXT = "a man had a hat."


def model_of(kind="matmul_free", blocks=2):
    torch.manual_seed(4)
    return build(ModelConfig(kind, len(CORPUS.vocabulary), 16, blocks)).eval()


@pytest.fixture(scope="module")
def model():
    return model_of()


@pytest.fixture(scope="module")
def tokens():
    return CORPUS.vocabulary.encode(TEXT)


# The reference


def test_sizes_of_independent_additions_are_those_of_random_directions():
    dice, x, added = np.random.default_rng(1), np.zeros(200_000), [0.5, 2.0, 1.0, 3.0]
    x += dice.normal(size=x.shape)
    sizes = [1.0]
    for size in added:
        x += size * dice.normal(size=x.shape)
        sizes.append(np.sqrt(np.square(x).mean()))
    np.testing.assert_allclose(stream_sizes(1.0, added), sizes, rtol=0.02)


@given(st.integers(1, 20_000), st.sampled_from([1, 2, 7, 32, 256]))
@settings(max_examples=200, deadline=None)
def test_the_inner_width_is_the_least_multiple_that_gives_eight_squares_of_weights(width, step):
    inner = inner_width(width, step)
    assert inner % step == 0 and 3 * width * inner >= 8 * width**2 > 3 * width * (inner - step)


def test_the_models_use_the_widths_of_the_papers_code():
    released = {width: ModelConfig("matmul_free_released", 10, width, 1).inner for width in (1024, 2048, 2560)}
    assert released == {1024: 2816, 2048: 5632, 2560: 6912}
    assert ModelConfig("matmul_free", 10, 128, 1).inner == 352


def test_the_test_of_norms_passes_the_layers_norm_and_no_other(model):
    own = model.blocks[0].channel_mixer.to_gate.norm
    assert is_rms_norm(lambda x: own(torch.tensor(x)).numpy()) and is_rms_norm(rms_norm)
    layer_norm = torch.nn.LayerNorm(7, elementwise_affine=False)
    assert not is_rms_norm(lambda x: layer_norm(torch.tensor(x)).numpy())


# Looking in


def test_the_stream_begins_with_the_embedding_and_ends_where_the_head_reads(model, tokens):
    flows = stream(model, tokens)
    assert len(flows) == 1 + 2 * len(model.blocks)
    with torch.no_grad():
        assert torch.equal(flows[0], model.embedding(torch.from_numpy(tokens)[None]))
        scores, _ = model(torch.from_numpy(tokens)[None])
        torch.testing.assert_close(model.head(flows[-1]), scores)


@pytest.mark.parametrize("block", [0, 1])
def test_what_is_seen_of_a_memory_is_what_the_layer_does_one_letter_after_the_other(model, tokens, block):
    trace = token_mixer_trace(model, tokens, block)
    f, c, h, g = (trace[name] for name in ("forget gate f", "candidate c", "memory h", "output gate g"))
    assert next(iter(trace)) == "memory h" and h.shape == (len(TEXT), 16)
    assert 0 < f.min() and f.max() < 1 and 0 < g.min() and g.max() < 1
    before = np.vstack([np.zeros(16), h[:-1]])
    np.testing.assert_allclose(h, f * before + (1 - f) * c, rtol=1e-5, atol=1e-6)
    mixer, x = model.blocks[block].token_mixer, stream(model, tokens)[2 * block]
    with torch.no_grad():
        state = mixer.initial_state(1)
        for t in range(len(TEXT)):
            y, state = mixer.step(x[:, t], state)
            np.testing.assert_allclose(state[0], h[t], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(mixer.to_o(torch.from_numpy(g[-1:] * h[-1:])), y)


@pytest.mark.parametrize("block", [0, 1])
def test_what_is_seen_of_the_channels_makes_what_the_layer_adds(model, tokens, block):
    trace = channel_mixer_trace(model, tokens, block)
    gate, content, product = trace.values()
    np.testing.assert_array_equal(product, gate * content)
    flows = stream(model, tokens)
    with torch.no_grad():
        added = model.blocks[block].channel_mixer.to_down(torch.from_numpy(product)[None])
    torch.testing.assert_close(flows[2 * block + 1] + added, flows[2 * block + 2])


def test_a_model_with_other_mixers_is_refused_in_a_sentence(tokens):
    with pytest.raises(ValueError, match="only an MLGRU has these gates"):
        token_mixer_trace(model_of("transformer", 1), tokens, 0)
    with pytest.raises(ValueError, match="only a GLU has these channels"):
        channel_mixer_trace(model_of("matmul_free_released", 1), tokens, 0)


# Taking apart


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_taken_out_of_a_copy_and_changes_what_the_model_says(model, tokens, part):
    x = torch.from_numpy(tokens)[None]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        told = model(x)[0]
        assert not torch.allclose(without(model, part)(x)[0], told, rtol=1e-3)
        assert torch.equal(model(x)[0], told)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_mixer_that_is_taken_out_adds_nothing(model, tokens):
    no_channels = stream(without(model, "channel mixers"), tokens)
    no_tokens = stream(without(model, "token mixers"), tokens)
    assert all(torch.equal(no_channels[i], no_channels[i + 1]) for i in (1, 3))
    assert all(torch.equal(no_tokens[i], no_tokens[i + 1]) for i in (0, 2))


def test_an_open_gate_multiplies_nothing_and_a_relu_shuts_below_zero(model):
    x = torch.randn(4, 16)
    mixer = model.blocks[0].channel_mixer
    with torch.no_grad():
        wide = mixer.to_up(x)
        opened = without(model, "the gate (always open)").blocks[0].channel_mixer(x)
        torch.testing.assert_close(opened, mixer.to_down(wide))
        curved = without(model, "the curve of the gate (relu)").blocks[0].channel_mixer(x)
        torch.testing.assert_close(curved, mixer.to_down(mixer.to_gate(x).clamp(min=0) * wide))


def test_without_its_norms_a_gated_unit_grows_with_the_square_and_with_them_not_at_all(model):
    x = torch.randn(4, 16)
    bare = without(model, "all norms of the channel mixer").blocks[0].channel_mixer
    half = without(model, "norm before down").blocks[0].channel_mixer
    wide = without(model, "norms before gate and up").blocks[0].channel_mixer
    with torch.no_grad():
        def growth(mixer):
            return float((mixer(1e4 * x).square().mean() / mixer(1e3 * x).square().mean()).sqrt())
        assert growth(bare) == pytest.approx(100, rel=0.1)
        assert growth(model.blocks[0].channel_mixer) == pytest.approx(1, rel=1e-3)
        assert growth(half) == pytest.approx(1, rel=1e-3) and growth(wide) == pytest.approx(1, rel=0.1)


def test_a_part_that_there_is_not_is_told_with_those_that_there_are(model):
    with pytest.raises(ValueError, match="no part 'wheels': choose one of norms before gate and up, "):
        without(model, "wheels")


# Figures and the widget


def test_letters_stand_below_their_bars_and_what_hangs_down_has_another_colour():
    figure = letter_rows("a b\n", {"gate": [0.5, -1.0, 0.0, 2.0], "content": [1.0, 1.0, 1.0, 1.0]}, "T", "two things")
    assert len(figure.data) == 2
    assert list(figure.data[0].marker.color) == [style.PLUS, style.MINUS, style.PLUS, style.PLUS]
    assert list(figure.layout.xaxis2.ticktext) == ["a", SPACE, "b", NEWLINE]
    alt = figure.layout.meta["alt"]
    assert "gate: from -1.00 to 2.00, furthest from 0 at letter 4" in alt and f"'a{SPACE}b{NEWLINE}'" in alt


def test_lines_over_powers_of_ten_say_where_they_begin_and_end_and_what_is_marked():
    lines = {"up": ([1.0, 100.0], style.BLUE), "flat": ([3.0, 3.0], style.GREY)}
    figure = power_lines([0.1, 10.0], lines, "T", "size", "size", here=(1.0, "today"))
    alt = figure.layout.meta["alt"]
    assert "up: 1 at 0.1, 100 at 10; flat: 3 at 0.1, 3 at 10. A mark at 1: today." in alt and "logarithmic axes" in alt
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log" and len(figure.data) == 2
    places = power_lines([0, 1], lines, "T", "place", "size", places=True)
    assert places.layout.xaxis.type is None and "a logarithmic axis" in places.layout.meta["alt"]


def sent(widget):
    names = ("text", "block", "blocks", "feature", "features", "rows", "said", "problem")
    return json.loads(json.dumps({name: getattr(widget, name) for name in names}))


@pytest.mark.usefixtures("without_type_checks")
@pytest.mark.parametrize(("inside", "trace"), [("memory", token_mixer_trace), ("channels", channel_mixer_trace)])
def test_the_widget_shows_the_feature_that_is_asked_for_at_each_letter(model, inside, trace):
    widget = LetterTrace(model, CORPUS.vocabulary, inside, text=TEXT, block=1, feature=3)
    for text, block, feature in ((TEXT, 1, 3), (TEXT, 0, 3), ("a hat", 0, 3), ("a hat", 0, 11)):
        widget.text, widget.block, widget.feature = text, block, feature
        wanted = trace(model, CORPUS.vocabulary.encode(text), block)
        assert list(widget.rows) == list(wanted) and len(widget.said) == len(wanted)
        for name, values in wanted.items():
            np.testing.assert_allclose(widget.rows[name], values[:, feature], atol=1e-4)
        assert widget.features == next(iter(wanted.values())).shape[1]
    assert sent(widget)["blocks"] == 2


@pytest.mark.usefixtures("without_type_checks")
@pytest.mark.parametrize(("text", "said"), [("a Zoo", "does not know the character 'Z'"), ("", "at least one letter")])
def test_a_text_that_cannot_be_read_is_told_and_the_next_is_read_again(model, text, said):
    widget = LetterTrace(model, CORPUS.vocabulary, text=TEXT)
    before = widget.rows
    widget.text = text
    assert said in widget.problem and widget.rows == before
    widget.text = "a hat"
    assert widget.problem == "" and len(widget.rows["memory h"]) == 5


@pytest.mark.usefixtures("without_type_checks")
def test_only_so_many_letters_are_read_as_fit_and_a_feature_beyond_the_last_is_the_last(model):
    widget = LetterTrace(model, CORPUS.vocabulary, text=TEXT * 9, feature=15)
    assert all(len(values) == LONGEST for values in widget.rows.values())
    widget.feature = 99
    trace = token_mixer_trace(model, CORPUS.vocabulary.encode((TEXT * 9)[:LONGEST]), 0)
    np.testing.assert_allclose(widget.rows["memory h"], trace["memory h"][:, 15], atol=1e-4)


def test_the_sentence_says_where_a_quantity_is_highest_and_lowest():
    assert in_words("xyz", [1.0, -2.0, 0.5], "gate") == (
        "gate: highest after 'x', 1.00; lowest after 'xy', -2.00; -0.17 on average.")


# Questions


def test_the_reasons_of_the_questions_quote_what_the_library_computes():
    why = " ".join(choice.why for question in quiz.of(6) for choice in question.choices)
    assert "silu(-6) is -0.015" in why and silu(np.array([-6.0])).round(3).tolist() == [-0.015]
    assert "root of 6 is 2.45" in why and round(stream_sizes(0.0, [1.0] * 6)[-1], 2) == 2.45
    assert "0.0025" in why and round(1 / (1 + np.exp(6)), 4) == 0.0025
