"""The integer engine: the same whole numbers as the naive model, the float model's loss, a state that survives."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from fixtures.engine_loss import engine_loss_nats

from mmf_teach.engine import runtime as engine_file
from mmf_teach.engine.runtime import Engine
from mmf_teach.engine.ternary_matmul import popcount
from mmf_teach.model.build import build
from mmf_teach.model.checkpoint import load_model
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.integer import integer_model
from mmf_teach.paths import DATA, SHIPPED_MODEL
from mmf_teach.reference.integer_model import IntegerBlock, IntegerLinear, IntegerModel
from mmf_teach.ternary import fixed_point as fp
from mmf_teach.training.validation_loss import loss_nats

ONE = 1 << fp.ACTIVATION


def random_model(width: int, inner: int, blocks: int, vocabulary: int, seed: int = 0) -> IntegerModel:
    """Trits, scales and biases drawn at random: any shape, and numbers that training would not give."""
    dice = np.random.default_rng(seed)

    def linear(out: int, inputs: int) -> IntegerLinear:
        trits = dice.integers(-1, 2, size=(out, inputs)).astype(np.int8)
        if seed % 3 == 0:
            trits[0] = 0                     # a row that hears nothing
        return IntegerLinear(trits, int(dice.integers(1, 1 << 22)), dice.integers(-ONE, ONE, size=out))

    shapes = [(width, width)] * 4 + [(inner, width)] * 2 + [(width, inner)]
    embedding = dice.integers(-3 * ONE, 3 * ONE, size=(vocabulary, width))
    blocks = [IntegerBlock(*(linear(*shape) for shape in shapes)) for _ in range(blocks)]
    return IntegerModel(embedding, blocks, linear(vocabulary, width))


@pytest.fixture(scope="module")
def shipped():
    return load_model(SHIPPED_MODEL)


@pytest.fixture(scope="module")
def naive(shipped):
    return integer_model(shipped[0])


@pytest.fixture(scope="module")
def engine(naive):
    return Engine(naive)


@pytest.fixture(scope="module")
def text(shipped):
    return shipped[1].encode((DATA / "corpus" / "held_out_excerpt.txt").read_text("utf-8"))


@pytest.mark.parametrize("batch", [1, 3, 32])
@pytest.mark.parametrize(("width", "inner", "blocks", "vocabulary"), [
    (1, 1, 1, 2), (8, 24, 2, 5), (33, 65, 1, 3), (128, 352, 1, 65), (130, 27, 3, 129),
])
def test_every_score_and_memory_is_the_naive_models(width, inner, blocks, vocabulary, batch):
    model = random_model(width, inner, blocks, vocabulary, seed=width + batch)
    fast = Engine(model)
    tokens = np.random.default_rng(1).integers(0, vocabulary, size=(batch, 5))
    slow_state, state = model.initial_state(batch), fast.initial_state(batch)
    after_each = []
    for t in range(tokens.shape[1]):
        want, slow_state = model.step(tokens[:, t], slow_state)
        got, state = fast.step(tokens[:, t], state)
        assert np.array_equal(got, want) and np.array_equal(state, slow_state)
        after_each.append(want)
    scores, read_state = fast.read(tokens, every=True)
    assert np.array_equal(scores * ONE, np.stack(after_each, axis=1)) and np.array_equal(read_state, slow_state)


def test_the_shipped_model_agrees_with_the_naive_one_on_real_text(naive, engine, text):
    tokens = text[:120].reshape(2, 60)
    state = naive.initial_state(2)
    for t in range(60):
        want, state = naive.step(tokens[:, t], state)
    got, after = engine.read(tokens)
    assert np.array_equal(got * ONE, want) and np.array_equal(after, state)


def test_reading_in_parts_is_reading_at_once(engine, text):
    tokens = text[None, :301]                # not a multiple of what is read together
    once, state = engine.read(tokens)
    first, kept = engine.read(tokens[:, :77])
    second, after = engine.read(tokens[:, 77:], kept)
    assert np.array_equal(once, second) and np.array_equal(state, after) and not np.array_equal(once, first)


def test_a_step_leaves_the_state_it_was_given(engine):
    state = engine.initial_state(1)
    _, after = engine.step(np.array([3]), state)
    assert not state.any() and after.any()


def test_the_loss_is_that_of_the_float_model(shipped, engine, text):
    """0.02 nat is asked for; measured on the whole standard split: 1.40917 against 1.40920."""
    assert abs(engine_loss_nats(engine, text) - loss_nats(shipped[0], text)) < 0.002


def test_the_engine_says_which_bias_is_too_large():
    model = random_model(8, 8, 1, 3)
    model.blocks[0].to_up.bias[5] = -(1 << 33)
    with pytest.raises(ValueError, match=r"^a bias of 2,097,152 is too large for the engine$"):
        Engine(model)


def test_a_state_is_of_the_model_and_not_of_the_threads_that_read_it(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_file, "WORTH_SHARING", 0)
    model = random_model(130, 200, 1, 5)
    alone, together = Engine(model), Engine(model, 2)
    together.save_state(tmp_path / "state", together.read(np.array([[1, 2]]))[1])
    assert np.array_equal(alone.load_state(tmp_path / "state"), alone.read(np.array([[1, 2]]))[1])


def test_a_part_of_a_state_and_one_that_cannot_be_written_are_states(engine):
    """And nothing is compiled for them, which would take seconds."""
    tokens = np.array([[3, 4], [5, 6], [7, 8]])
    want, state = engine.read(tokens)
    compiled = list(engine_file.read.signatures)
    again, _ = engine.read(tokens[1:2, :1], state[:, 1:2])
    state.flags.writeable = False
    every, after = engine.read(tokens[:, :1], state)
    assert np.array_equal(every[1], again[0]) and after.flags.writeable and not np.array_equal(after, state)
    assert engine_file.read.signatures == compiled and want.shape == every.shape


def test_a_state_survives_on_disk(engine, text, tmp_path):
    _, state = engine.read(text[None, :20])
    engine.save_state(tmp_path / "state", state)
    again = engine.load_state(tmp_path / "state")
    assert np.array_equal(again, state) and again.dtype == state.dtype
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_a_state_of_another_model_or_a_damaged_one_is_refused(engine, tmp_path):
    other = Engine(random_model(128, 352, 6, 65))
    other.save_state(tmp_path / "other", other.initial_state(1))
    with pytest.raises(ValueError, match="another model"):
        engine.load_state(tmp_path / "other")
    whole = (tmp_path / "other").read_bytes()
    for content in (b"", whole[:50], whole[:-8], b"\x80\x04K\x01."):
        (tmp_path / "damaged").write_bytes(content)
        with pytest.raises(ValueError, match="no state that can be read"):
            engine.load_state(tmp_path / "damaged")
    with pytest.raises(ValueError, match="no state that can be read"):
        engine.load_state(tmp_path / "absent")


@pytest.mark.usefixtures("without_type_checks")
@pytest.mark.parametrize("tokens", [[65], [-1], [0.5], [2**40]])
def test_what_is_no_token_is_refused(engine, tokens):
    with pytest.raises(ValueError, match="whole numbers from 0 to 64"):
        engine.step(np.array(tokens), engine.initial_state(1))


@pytest.mark.usefixtures("without_type_checks")
def test_wrong_states_batches_and_threads_are_refused(engine, naive):
    with pytest.raises(ValueError, match="state must be int64"):
        engine.step(np.array([1]), engine.initial_state(2))
    with pytest.raises(ValueError, match="state must be int64"):
        engine.step(np.array([1]), engine.initial_state(1).astype(np.int32))
    for batch in (0, 33):
        with pytest.raises(ValueError, match="1 to 32 sequences"):
            engine.initial_state(batch)
    with pytest.raises(ValueError, match="at least one token"):
        engine.read(np.zeros((1, 0), np.int64))
    with pytest.raises(ValueError, match="one thread or more"):
        Engine(naive, threads=0)


def test_only_a_packed_model_in_the_papers_form_becomes_integers():
    config = ModelConfig(kind="transformer", vocab=5, width=8, blocks=1, heads=2)
    with pytest.raises(ValueError, match="packed MatMul-free model"):
        integer_model(build(config))


PORTABLE = """
import json, sys
import numpy as np
sys.path.insert(0, "tests")
from mmf_teach.engine.ternary_matmul.any_batch import KERNEL
from test_engine import Engine, random_model
model = random_model(33, 65, 2, 5)
fast = Engine(model)
tokens = np.array([[1, 4, 0, 2]])
state = model.initial_state(1)
for t in range(4):
    want, state = model.step(tokens[:, t], state)
got, after = fast.read(tokens)
print(json.dumps([KERNEL.name, bool((got * 4096 == want).all() and (after == state).all())]))
"""


def test_a_machine_without_wide_vectors_gets_the_same_numbers(tmp_path):
    """The compiler is told of a processor of 2008: another kernel is chosen, compiled and compared."""
    environment = os.environ | {
        "NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": "+popcnt,+sse4.2", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PORTABLE], env=environment, cwd=DATA.parent, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [popcount.KERNEL.name, True]
