"""Notebook 08: updates, flips and the loop are what autograd, plain Python and a stopwatch of steps say."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from mmf_teach.layers.bit_linear import BitLinear
from mmf_teach.lesson import quiz
from mmf_teach.lesson.figures.step_lines import step_lines
from mmf_teach.lesson.folders import exercises
from mmf_teach.model.build import build
from mmf_teach.model.config import ModelConfig
from mmf_teach.paths import DATA
from mmf_teach.reference.training import run, update
from mmf_teach.ternary.quantise import absmean
from mmf_teach.training.corpus import CORPORA
from mmf_teach.training.flips import FlipWatch, flipped, trits_of
from mmf_teach.training.recipe import Recipe
from mmf_teach.training.schedule import learning_rate

climbs_and_comes_down = exercises("08").climbs_and_comes_down

LAWS = settings(deadline=None, derandomize=True, max_examples=60)
pytestmark = pytest.mark.usefixtures("without_type_checks")
eighths = st.integers(-16, 16).map(lambda n: n / 8)
two_matrices = st.tuples(st.integers(1, 3), st.integers(1, 4)).flatmap(
    lambda shape: st.tuples(*[arrays(np.float64, shape, elements=eighths)] * 2))


def test_an_update_steps_against_the_gradient_of_the_mean_squared_error_of_the_trits():
    dice = np.random.default_rng(1)
    w, x, target = dice.normal(size=(2, 4)), dice.normal(size=(6, 4)), dice.normal(size=(6, 2))
    trits, scale = absmean(w)
    error = x @ (float(scale) * trits).T - target
    slope = np.array([[np.mean(error[:, o] * x[:, k]) for k in range(4)] for o in range(2)])
    np.testing.assert_allclose(update(w, x, target, 0.5), w - 0.5 * slope, rtol=1e-6)


def test_many_small_updates_find_trits_that_no_single_one_would():
    dice = np.random.default_rng(2)
    goal, w, x = dice.integers(-1, 2, (4, 16)), dice.normal(size=(4, 16)), dice.normal(size=(256, 16))
    once = update(w, x, x @ goal.T, 0.01)
    for _ in range(1000):
        w = update(w, x, x @ goal.T, 0.01)
    assert (absmean(w)[0] == goal).mean() > 0.95 > 0.8 > (absmean(once)[0] == goal).mean()


def test_the_loop_asks_for_a_batch_and_a_rate_of_every_step_in_order():
    asked = []
    losses = run(lambda x, y, rate: (x, y, rate), lambda step: asked.append(step) or (step, -step), lambda k: k / 2, 4)
    assert losses == [(k, -k, k / 2) for k in range(4)] and asked == [0, 1, 2, 3]


@LAWS
@given(two_matrices)
def test_flips_are_counted_weight_by_weight_and_do_not_depend_on_the_direction(pair):
    before, after = pair
    one, other = absmean(before)[0].ravel(), absmean(after)[0].ravel()
    assert flipped(before, after) == sum(a != b for a, b in zip(one, other, strict=True)) == flipped(after, before)
    assert flipped(before, 4 * before) == 0 or np.abs(before).mean() < 1e-4


def model():
    torch.manual_seed(0)
    return build(ModelConfig("matmul_free", 11, 16, 2))


def test_the_trits_of_a_model_are_those_of_every_ternary_layer():
    learner = model()
    trits = trits_of(learner)
    assert len(trits) == 2 * 7 + 1 and all(set(np.unique(t)) <= {-1, 0, 1} for t in trits.values())
    assert np.array_equal(trits["head"], absmean(learner.head.weight.detach().numpy())[0])


def test_a_watch_tells_what_flipped_what_never_did_and_what_came_back():
    learner = model()
    layers = [layer for layer in learner.modules() if isinstance(layer, BitLinear)]
    count = sum(layer.weight.numel() for layer in layers)
    watch = FlipWatch(learner)
    assert watch.count == count and watch.look() == 0 and watch.never_moved() == 1
    with torch.no_grad():
        layers[0].weight.neg_()
    turned = int((absmean(layers[0].weight.detach().numpy())[0] != 0).sum())
    assert watch.look() == pytest.approx(turned / count) and watch.back_home() == 0
    assert watch.never_moved() == pytest.approx(1 - turned / count)
    with torch.no_grad():
        layers[0].weight.neg_()
    assert watch.look() == pytest.approx(turned / count) and watch.back_home() == pytest.approx(turned / count)
    assert watch.never_moved() == pytest.approx(1 - turned / count)
    assert watch.look() == 0 and watch.never_moved() == pytest.approx(1 - turned / count)         # it does not forget
    assert watch.zeros()["head"] == pytest.approx(float((trits_of(learner)["head"] == 0).mean()))


def test_the_notebooks_recipe_names_a_text_that_is_always_there():
    recipe = Recipe.read(DATA / "recipes" / "minute.toml")
    assert recipe.corpus == "standard_library" in CORPORA and recipe.dropout == 0
    assert recipe.steps * recipe.batch * recipe.window == 512_000


def test_the_notebook_has_six_questions_of_its_own():
    assert sum(name.startswith("08.") for name in quiz.bank()) >= 6


def test_the_law_of_the_schedule_is_that_of_the_library():
    assert climbs_and_comes_down(learning_rate)
    assert not climbs_and_comes_down(lambda step, steps, peak, warmup: learning_rate(step, steps, peak, warmup + 1))


def test_lines_have_their_dots_in_the_same_colour_and_say_their_lowest_point():
    lines, dots = {"a": ([1, 2, 4], [3.0, 1.0, 2.0], "#123456")}, {"a": ([1, 1], [3, 4])}
    figure = step_lines(lines, "title", "rate", "loss", dots, logarithmic=True)
    line, dots = figure.data
    assert line.mode == "lines" and dots.mode == "markers" and dots.marker.color == line.line.color == "#123456"
    assert list(dots.y) == [3, 4] and "lowest 1 at 2" in figure.layout.meta["alt"] and figure.layout.xaxis.type == "log"
    assert list(figure.layout.xaxis.tickvals) == [1, 2, 4]
