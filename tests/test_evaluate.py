"""The loss of a model on a text, against a slow computation that anybody can follow."""

from math import exp, log

import numpy as np
import pytest
import torch
from fixtures.tiny import CORPUS
from hypothesis import given, settings, strategies as st

from mmf_teach.model.build import MODELS, build
from mmf_teach.model.config import ModelConfig
from mmf_teach.training.validation_loss import WINDOW, loss_nats

ORDER_OF_SUMS = 2e-6                         # nats: reading many windows at once adds float32 in another order


def small(kind: str = "matmul_free"):
    """A model with random weights large enough that its scores differ."""
    torch.manual_seed(1)
    model = build(ModelConfig(kind, len(CORPUS.vocabulary), 16, 1)).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(2)
    return model


@torch.no_grad()
def slowly(model, tokens, window: int) -> float:
    """Letter by letter, forgetting everything at the start of each window."""
    surprises, state = [], None
    for i in range(len(tokens) - 1):
        if i % window == 0:
            state = model.initial_state(1)
        scores, state = model.step(torch.tensor([tokens[i]]), state)
        odds = [exp(score) for score in scores[0].double().tolist()]
        surprises.append(-log(odds[tokens[i + 1]] / sum(odds)))
    return sum(surprises) / len(surprises)


@pytest.mark.parametrize("kind", MODELS)
def test_it_is_the_mean_surprise_letter_by_letter_from_a_fresh_state_in_each_window(kind):
    model, tokens = small(kind), CORPUS.held_out
    assert loss_nats(model, tokens, window=50) == pytest.approx(slowly(model, tokens, 50), abs=ORDER_OF_SUMS)


def test_windows_are_of_256_letters_unless_said_otherwise(without_type_checks):
    model, tokens = small(), CORPUS.train[: WINDOW + 20]
    assert WINDOW == 256
    assert loss_nats(model, tokens) == pytest.approx(slowly(model, tokens, 256), abs=ORDER_OF_SUMS)


@pytest.mark.usefixtures("without_type_checks")
@settings(deadline=None, max_examples=15)
@given(length=st.integers(2, 40), window=st.integers(1, 45))
def test_every_letter_but_the_first_counts_once_however_short_the_last_window(length, window):
    model, tokens, read = small(), CORPUS.train[:length], []
    loss = loss_nats(model, tokens, window, batch=2, report=read.append)
    assert loss == pytest.approx(slowly(model, tokens, window), abs=ORDER_OF_SUMS)
    assert read == sorted(set(read)) and read[-1] == length - 1


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_how_many_windows_are_read_at_once_does_not_matter(batch):
    model, tokens = small(), CORPUS.held_out
    assert loss_nats(model, tokens, 20, batch) == pytest.approx(loss_nats(model, tokens, 20), abs=ORDER_OF_SUMS)


def test_a_model_that_knows_nothing_is_surprised_by_the_number_of_letters():
    model = small()
    with torch.no_grad():
        for p in model.head.parameters():
            p.zero_()
    assert loss_nats(model, CORPUS.held_out) == pytest.approx(log(len(CORPUS.vocabulary)), abs=ORDER_OF_SUMS)


@pytest.mark.parametrize("length", [0, 1])
def test_a_text_in_which_nothing_can_be_predicted_is_refused(length):
    with pytest.raises(ValueError, match="at least two characters"):
        loss_nats(small(), np.zeros(length, np.int64))


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_read_without_dropout_and_goes_on_as_it_was(training):
    model, quiet = small(), loss_nats(small(), CORPUS.held_out)
    model.dropout.p = 0.5
    model.train(training)
    assert loss_nats(model, CORPUS.held_out) == quiet
    assert all(module.training == training for module in model.modules())
    assert all(p.grad is None for p in model.parameters())
