"""Generated text is drawn by the model's own odds, one token after the other, and the same seed draws it again."""

from itertools import islice

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from mmf_teach.model.build import MODELS, build
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.generate import draw, generate

VOCAB = 11
PROMPT = np.array([3, 1, 4, 1, 5])
UNLIKELY = 0.001                             # a fair draw falls below this once in a thousand seeds; the seed is fixed
LAST_BELOW_ONE = 1 - 2**-53                  # the largest number that rng.random() can give


class Fixed(np.random.Generator):
    """A generator of random numbers that always gives the same one."""

    def __init__(self, number: float):
        super().__init__(np.random.PCG64())
        self.number = number

    def random(self, *_) -> float:
        return self.number


def model_of(kind: str = "matmul_free"):
    torch.manual_seed(0)
    return build(ModelConfig(kind, VOCAB, 32, 2)).eval()


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.5])
def test_carrying_the_state_draws_the_same_as_reading_the_whole_text_anew_for_each_token(kind, temperature):
    model, rng, text = model_of(kind), np.random.default_rng(7), PROMPT.tolist()
    for _ in range(12):
        logits, _ = model(torch.tensor([text]))
        text.append(draw(logits[0, -1].detach().numpy(), temperature, rng))
    assert list(generate(model, PROMPT, 12, temperature, seed=7)) == text[len(PROMPT) :]


def test_at_temperature_0_the_likeliest_token_follows_whatever_the_seed():
    model, text = model_of(), PROMPT.tolist()
    for _ in range(10):
        text.append(int(model(torch.tensor([text]))[0][0, -1].argmax()))
    for seed in (0, 1):
        assert list(generate(model, PROMPT, 10, 0.0, seed)) == text[len(PROMPT) :]


def test_the_same_seed_writes_the_same_and_another_seed_writes_something_else():
    model = model_of()
    one, again, other = (list(generate(model, PROMPT, 40, 1.0, seed)) for seed in (1, 1, 2))
    assert one == again != other


@pytest.mark.parametrize("tokens", [0, 1, 7])
def test_as_many_tokens_come_as_were_asked_for_and_a_shorter_text_begins_the_longer(tokens):
    model = model_of()
    text = list(generate(model, PROMPT, tokens))
    assert len(text) == tokens and all(type(token) is int and 0 <= token < VOCAB for token in text)
    assert text == list(islice(generate(model, PROMPT, 30), tokens))


def test_the_prompt_is_read_to_its_last_token_and_in_order():
    model = model_of()
    texts = {tuple(generate(model, np.array(prompt), 20, 0.5)) for prompt in ([1, 2, 3], [2, 1, 3], [1, 2], [1, 2, 4])}
    assert len(texts) == 4


def test_tokens_are_drawn_only_as_they_are_asked_for():
    model, steps = model_of(), []
    model.register_forward_hook(lambda *_: steps.append("read"))
    plain = model.step
    model.step = lambda *given: steps.append("step") or plain(*given)
    text = generate(model, PROMPT, 1000)
    assert steps == []
    next(text)
    next(text)
    assert steps == ["read", "step"]


def test_generating_keeps_no_gradients_and_changes_no_weight():
    model = model_of()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    seen = []
    plain = model.step
    model.step = lambda *given: seen.append(plain(*given)[0]) or plain(*given)
    list(generate(model, PROMPT, 3))
    assert seen and not any(scores.requires_grad for scores in seen)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_draws_come_as_often_as_the_softmax_of_the_scores_says(temperature):
    scores, rng, draws = np.array([0.0, -1.0, 2.0, 0.5, -3.0], np.float32), np.random.default_rng(0), 20_000
    counts = np.bincount([draw(scores, temperature, rng) for _ in range(draws)], minlength=5)
    odds = np.exp(scores.astype(np.float64) / temperature)
    assert chisquare(counts, draws * odds / odds.sum()).pvalue > UNLIKELY


def test_a_number_between_0_and_1_draws_the_token_whose_share_it_falls_into():
    scores = np.log(np.array([1, 2, 5], np.float32))                 # shares 0 to 1/8, to 3/8, to 1
    shares = {0.0: 0, 0.124: 0, 0.126: 1, 0.374: 1, 0.376: 2, LAST_BELOW_ONE: 2}
    assert {number: draw(scores, 1.0, Fixed(number)) for number in shares} == shares


@pytest.mark.parametrize("number", [0.0, 0.5, LAST_BELOW_ONE])
@pytest.mark.parametrize("impossible", [-np.inf, -1e30, -800.0])
def test_a_token_without_any_odds_is_never_drawn_wherever_it_stands(number, impossible):
    scores = np.array([impossible, 1.0, impossible, 1.0, impossible], np.float32)
    assert draw(scores, 1.0, Fixed(number)) in (1, 3)


def test_the_largest_random_number_still_draws_a_token_that_there_is():
    """The sum of many odds depends on the order they are added in: no rounding may carry a draw beyond the end."""
    rng = np.random.default_rng(0)
    for size in (2, 65, 200):
        for _ in range(300):
            assert draw(rng.normal(size=size).astype(np.float32), 0.8, Fixed(LAST_BELOW_ONE)) < size


@pytest.mark.parametrize("shift", [-1e4, 1e4])
def test_large_scores_overflow_nothing_and_only_their_differences_count(shift):
    scores = np.array([0.0, 1.0, 2.0])
    for number in (0.05, 0.2, 0.5, 0.99):
        assert draw(scores + shift, 1.0, Fixed(number)) == draw(scores, 1.0, Fixed(number))


def test_a_temperature_close_to_0_draws_the_likeliest():
    scores = np.array([0.0, 1.0, 0.9])
    assert {draw(scores, 1e-6, Fixed(number)) for number in (0.0, 0.5, LAST_BELOW_ONE)} == {1}


def test_an_empty_prompt_is_refused():
    with pytest.raises(ValueError, match="at least one character"):
        next(generate(model_of(), np.array([], np.int64), 5))


@pytest.mark.parametrize(
    ("tokens", "temperature"), [(-1, 0.8), (5, -0.1), (5, float("nan")), (5, float("inf")), (5, float("-inf"))])
def test_a_number_below_zero_or_none_at_all_is_refused_with_its_value(tokens, temperature, without_type_checks):
    with pytest.raises(ValueError) as refusal:
        next(generate(model_of(), PROMPT, tokens, temperature))
    assert f"tokens ({tokens}) and temperature ({temperature})" in str(refusal.value)
