"""The GRU and what is left of it, its memories four ways, and the results that notebook 05 shows."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from fixtures.tiny import CORPUS
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from mmf_teach.engine.mlgru_scan import chunked, compiled, doubling
from mmf_teach.layers import mlgru_scan as naive
from mmf_teach.layers.gru import GRU
from mmf_teach.layers.mlgru import MLGRU
from mmf_teach.lesson import quiz
from mmf_teach.lesson.figures.recall_points import recall_points
from mmf_teach.lesson.folders import exercises
from mmf_teach.model.ablation import with_held_gates
from mmf_teach.model.build import build
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.matmul_free import MatMulFree
from mmf_teach.model.traces import token_mixer_trace
from mmf_teach.reference.mlgru import half_life
from mmf_teach.reference.mlgru_scan import at_once, by_chunks, by_doubling, memories, two_steps
from mmf_teach.training import gru_to_mlgru as deletions
from mmf_teach.training.grammar import Grammar
from mmf_teach.training.gru_to_mlgru import MIXERS, RATES, RUNGS, TRITS, best_rows, learn, model_of

agrees_with_the_loop = exercises("05").agrees_with_the_loop

SIZES = [(1, 1), (2, 3), (5, 1), (8, 2), (17, 3), (64, 2), (100, 1)]
EXACT = settings(max_examples=60, deadline=None)


def halves(shape, lowest, highest):
    """Numbers that a few dozen steps of halving leave exact in float64."""
    return arrays(np.float64, shape, elements=st.integers(lowest, highest).map(lambda n: n / 2))


@st.composite
def texts(draw):
    time, width = draw(st.integers(1, 20)), draw(st.integers(1, 3))
    return draw(halves((time, width), 0, 2)), draw(halves((time, width), -8, 8))


# The reference


@given(texts())
@EXACT
def test_all_steps_of_a_text_joined_to_one_make_its_last_memory_however_they_are_joined(text):
    f, c = text
    steps = list(zip(f, (1 - f) * c, strict=True))
    forwards = steps[0]
    for step in steps[1:]:
        forwards = two_steps(forwards, step)
    backwards = steps[-1]
    for step in steps[-2::-1]:
        backwards = two_steps(step, backwards)
    np.testing.assert_array_equal(forwards[1], memories(f, c, np.zeros(f.shape[1]))[-1])
    np.testing.assert_array_equal(forwards, backwards)


def test_a_scan_does_not_change_what_it_is_given():
    kept, written = np.full((5, 2), 0.5), np.ones((5, 2))
    by_doubling(kept, written), by_chunks(kept, written, 2), at_once(kept, written)
    assert (kept == 0.5).all() and (written == 1).all()


def test_the_closed_form_is_right_at_first_and_fails_where_the_notebook_says():
    kept = np.full((2000, 1), 0.9, np.float32)
    closed = at_once(kept, 1 - kept)[:, 0]
    wanted = memories(kept.astype(float), np.ones((2000, 1)), np.zeros(1))[:, 0]
    np.testing.assert_allclose(closed[:842], wanted[:842], rtol=1e-5)
    assert np.isposinf(closed[842:]).all()
    half = np.full((300, 1), 0.5, np.float32)
    assert np.isnan(at_once(half, 1 - half)[-1])


def test_the_test_of_scans_passes_every_way_and_not_one_that_loses_its_memory():
    for way in (naive, doubling, chunked, compiled):
        assert agrees_with_the_loop(
            lambda f, c, h, way=way: way.mlgru_scan(*(torch.tensor(a)[None] for a in (f, c, h)))[0].numpy())
    assert not agrees_with_the_loop(lambda f, c, h: memories(f, c, h) * (np.arange(len(f)) < 299)[:, None])


@given(st.floats(0.001, 0.999))
def test_after_its_half_life_half_is_left(f):
    assert f ** half_life(f) == pytest.approx(0.5)


@pytest.mark.parametrize("share", [-0.01, 1.01, float("nan")])
def test_a_share_that_is_none_has_no_half_life(share):
    with pytest.raises(ValueError, match="keeps a share from 0 to 1"):
        half_life(share)


def test_what_never_forgets_lasts_for_ever_and_what_keeps_nothing_no_time():
    assert (half_life(1.0), half_life(0.0)) == (float("inf"), 0.0)


# The GRU and its deletions


def torch_gru(layer):
    """torch's own GRU with the weights of ours: its update gate keeps as ours does, its reset gate comes first."""
    other = torch.nn.GRUCell(layer.width, layer.width).double()
    parts = [(layer.to_r, layer.loop_r), (layer.to_f, layer.loop_f), (layer.to_c, layer.loop_c)]
    with torch.no_grad():
        other.weight_ih.copy_(torch.cat([outside.weight for outside, _ in parts]))
        other.weight_hh.copy_(torch.cat([inside.weight for _, inside in parts]))
        other.bias_ih.copy_(torch.cat([outside.bias for outside, _ in parts]))
        other.bias_hh.zero_()
    return other


def test_with_nothing_deleted_gates_are_those_of_torchs_gru():
    """torch resets after the product, h U_c, and not before; with a reset gate of 1 the two are the same."""
    torch.manual_seed(1)
    layer = GRU(5).double()
    with torch.no_grad():
        layer.to_r.weight.zero_(), layer.to_r.bias.fill_(100.0), layer.loop_r.weight.zero_()
    x, h = torch.randn(4, 5).double(), torch.randn(4, 5).double()
    with torch.no_grad():
        torch.testing.assert_close(layer.step(x, h)[1], torch_gru(layer)(x, h))


def test_the_reset_gate_stands_before_the_matrix_of_the_candidate():
    layer = GRU(2)
    with torch.no_grad():
        for matrix in (layer.to_f, layer.to_c, layer.to_r, layer.loop_f, layer.loop_r):
            matrix.weight.zero_()
        layer.to_f.bias.fill_(-100.0), layer.to_c.bias.zero_()
        layer.to_r.bias.copy_(torch.tensor([100.0, -100.0]))
        layer.loop_c.weight.copy_(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        _, h = layer.step(torch.zeros(1, 2), torch.tensor([[0.3, 0.6]]))
    torch.testing.assert_close(h, torch.tanh(torch.tensor([[0.0, 0.3]])))


@pytest.mark.parametrize("rung", MIXERS)
def test_a_rung_reads_many_tokens_as_it_reads_them_one_by_one(rung):
    torch.manual_seed(2)
    mixer = MIXERS[rung](6)
    x, h = torch.randn(3, 9, 6), torch.randn(3, 6)
    with torch.no_grad():
        together, last = mixer(x, h)
        for t in range(9):
            y, h = mixer.step(x[:, t], h)
            torch.testing.assert_close(y, together[:, t])
    torch.testing.assert_close(h, last)


def test_matrices_in_the_loop_go_one_after_the_other_until_none_is_left():
    inside = {rung: sum(name.startswith("loop") for name, _ in MIXERS[rung](4).named_parameters()) for rung in MIXERS}
    assert inside == {
        "no memory (control)": 0, "GRU": 3, "gates read the token only": 1, "candidate too: no loop": 0,
        "silu for tanh": 0, "an output gate": 0}
    assert [MIXERS[rung](4).curve for rung in MIXERS] == [torch.tanh] * 4 + [torch.nn.functional.silu] * 2
    assert [MIXERS[rung](4).looks_back for rung in MIXERS] == [False, True, True, False, False, False]


def test_the_last_rung_but_trits_is_an_mlgru_of_floats():
    torch.manual_seed(3)
    mine, theirs = MIXERS["an output gate"](6), MLGRU(6, torch.nn.Linear)
    theirs.load_state_dict(mine.state_dict())
    x, h = torch.randn(2, 7, 6), torch.randn(2, 6)
    for a, b in zip(mine(x, h), theirs(x, h), strict=True):
        torch.testing.assert_close(a, b)


def test_the_control_remembers_nothing():
    mixer = MIXERS["no memory (control)"](4)
    x = torch.randn(1, 5, 4)
    with torch.no_grad():
        before = mixer(x, mixer.initial_state(1))[0]
        x[:, 0] += 1
        after = mixer(x, torch.ones(1, 4))[0]
    assert torch.equal(before[:, 1:], after[:, 1:]) and not torch.equal(before[:, 0], after[:, 0])


def test_all_rungs_begin_with_the_same_short_and_long_memories():
    biases = [MIXERS[rung](9).to_f.bias for rung in MIXERS]
    assert all(torch.equal(bias, MLGRU(9).to_f.bias) for bias in biases)


def test_each_rung_is_a_model_of_the_same_size_and_the_last_the_matmul_free_one():
    config = ModelConfig("matmul_free", 11, 16, 2)
    for rung in RUNGS:
        model = model_of(rung, config)
        assert model(torch.zeros(1, 3, dtype=torch.int64))[0].shape == (1, 3, 11) and len(model.blocks) == 2
    assert isinstance(model_of(TRITS, config), MatMulFree)
    with pytest.raises(ValueError, match="no rung 'LSTM'"):
        model_of("LSTM", config)


def test_a_rung_learns_and_its_row_says_how_well():
    recipe = replace(deletions.RECIPE, width=16, blocks=1, steps=40, batch=8, window=16, warmup=5)
    rows = [learn(rung, 0.02, CORPUS, recipe) for rung in ("no memory (control)", "candidate too: no loop")]
    assert [row["rung"] for row in rows] == ["no memory (control)", "candidate too: no loop"]
    assert rows[1]["held_out_nats"] < rows[0]["held_out_nats"] < np.log(len(CORPUS.vocabulary))
    assert all(row["held_out_nats"] == round(row["held_out_nats"], 4) for row in rows)
    assert learn("candidate too: no loop", 0.02, CORPUS, recipe) == rows[1]


def test_a_ladder_that_was_cut_short_goes_on_where_it_was(tmp_path, monkeypatch):
    asked, told = [], []
    monkeypatch.setattr(deletions, "grammar", lambda: CORPUS)
    monkeypatch.setattr(deletions, "learn", lambda rung, rate, corpus, make_step: asked.append((rung, rate)) or {
        "rung": rung, "learning_rate": rate, "held_out_nats": 1 + abs(rate - 5e-3)})
    path, threads = tmp_path / "d.json", torch.get_num_threads()
    deletions.ladder(path, told.append)
    assert asked == [(rung, rate) for rung in RUNGS for rate in RATES]
    document = json.loads(path.read_text("utf-8"))
    assert told == [str(row) for row in document["rows"]]
    document["rows"] = document["rows"][:-2]
    path.write_text(json.dumps(document), "utf-8")
    deletions.ladder(path, told.append)
    torch.set_num_threads(threads)
    assert asked[len(RUNGS) * len(RATES):] == [(TRITS, rate) for rate in RATES[-2:]]
    rows, rest = best_rows(path)
    assert list(rows) == list(RUNGS) and all(row["learning_rate"] == 5e-3 for row in rows.values())
    assert rest["floor_nats"] == round(Grammar().floor_nats, 4) and "rows" not in rest


def test_the_stored_ladder_has_every_rung_at_every_rate_and_nobody_beats_the_floor():
    document = json.loads(deletions.RESULTS.read_text("utf-8"))
    assert {(row["rung"], row["learning_rate"]) for row in document["rows"]} == {(n, r) for n in RUNGS for r in RATES}
    assert document["recipe"] == deletions.RECIPE.to_json() and document["hardware"] and document["threads"] == 1
    assert all(row["held_out_nats"] > document["floor_nats"] for row in document["rows"])
    rows, _ = best_rows()
    vocab = len(deletions.grammar().vocabulary)
    for rung, row in rows.items():
        config = ModelConfig("matmul_free", vocab, deletions.RECIPE.width, deletions.RECIPE.blocks)
        assert row["parameters"] == model_of(rung, config).count_parameters()


# Gates held still


def test_gates_that_stand_still_keep_their_share_and_at_zero_nothing_is_remembered():
    torch.manual_seed(5)
    model = build(ModelConfig("matmul_free", len(CORPUS.vocabulary), 16, 1)).eval()
    tokens = CORPUS.vocabulary.encode("a man had a hat.")
    mixer = model.blocks[0].token_mixer
    trace = token_mixer_trace(model, tokens, 0)
    shares = torch.linspace(0, 1, 16)
    held = with_held_gates(model, [shares]).blocks[0].token_mixer
    x = model.embedding(torch.from_numpy(tokens)[None])
    wanted = memories(np.tile(shares.numpy(), (len(tokens), 1)), trace["candidate c"], np.ones(16))
    with torch.no_grad():
        y, last = held(x, torch.ones(1, 16))
        torch.testing.assert_close(last[0], torch.from_numpy(wanted[-1]).float())
        shown = mixer.to_o(torch.from_numpy(trace["output gate g"] * wanted).float())
        torch.testing.assert_close(y[0], shown)
        forgetful = with_held_gates(model, [0 * shares]).blocks[0].token_mixer
        torch.testing.assert_close(forgetful(x, torch.ones(1, 16))[1][0], torch.from_numpy(trace["candidate c"][-1]))
    assert torch.equal(held.initial_state(2), mixer.initial_state(2)) and model.blocks[0].token_mixer is mixer


@pytest.mark.parametrize("rows", [1, 3])
def test_gates_are_held_in_every_block_or_in_none(rows):
    model = build(ModelConfig("matmul_free", 11, 16, 2))
    with pytest.raises(ValueError, match="argument"):
        with_held_gates(model, [torch.zeros(16)] * rows)


# The figure and the questions


def test_the_points_of_a_kind_are_joined_in_the_order_of_what_they_keep():
    points = {"a": [(200, 0.9), (100, 0.5)], "b": [(64, 0.1)]}
    figure = recall_points(points, {"a": "#0072B2"}, 1 / 64, "T", "numbers", "share")
    assert list(figure.data[0].x) == [100, 200] and list(figure.data[0].y) == [0.5, 0.9]
    alt = figure.layout.meta["alt"]
    assert "a: 50% with 100, 90% with 200; b: 10% with 64. Guessing gives 1.6%." in alt
    assert figure.layout.xaxis.type == "log" and figure.data[0].line.color == "#0072B2"


def test_the_reasons_of_the_questions_quote_what_the_library_computes():
    why = " ".join(choice.why for question in quiz.of(5) for choice in question.choices)
    assert "0.98 to the power 34 is 0.50" in why and round(0.98**34, 2) == 0.5 and round(half_life(0.98)) == 34
    assert "0.9 to the power 843 is 3e-39" in why and f"{0.9**843:.0e}" == "3e-39"
    assert 1 / 0.9**842 < float(np.finfo("f4").max) < 1 / 0.9**843
    kept, written = two_steps((np.array([0.5]), np.array([1.0])), (np.array([0.25]), np.array([4.0])))
    assert (kept.item(), written.item()) == (1 / 8, 4.25)
