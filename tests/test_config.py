"""The sizes of a model are whole numbers that fit together, and everything else follows from them."""

import dataclasses

import pytest

from mmf_teach.model.config import LARGEST, ModelConfig

GOOD = {"kind": "matmul_free", "vocab": 65, "width": 128, "blocks": 6, "heads": 2}
SIZES = ["vocab", "width", "blocks", "heads"]

pytestmark = pytest.mark.usefixtures("without_type_checks")


def test_reading_undoes_writing():
    config = ModelConfig(**GOOD)
    assert config.to_json() == GOOD
    assert ModelConfig.from_json(config.to_json()) == config


def test_heads_may_be_left_out():
    document = {name: value for name, value in GOOD.items() if name != "heads"}
    assert ModelConfig.from_json(document).heads == 1


@pytest.mark.parametrize("missing", ["kind", "vocab", "width", "blocks"])
def test_a_document_without_a_size_is_refused_with_the_entries_it_must_have(missing):
    document = {name: value for name, value in GOOD.items() if name != missing}
    with pytest.raises(ValueError, match=r"blocks, .*, kind, kv_heads, reach, state, vocab, width and no others"):
        ModelConfig.from_json(document)


@pytest.mark.parametrize("document", [GOOD | {"depth": 3}, [], None, "matmul_free", 5, list(GOOD)])
def test_a_document_with_another_entry_or_that_is_no_dictionary_is_refused(document):
    with pytest.raises(ValueError, match="and no others"):
        ModelConfig.from_json(document)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("size", [0, -1, LARGEST + 1, 10**30, 8.0, 1.5, True, "8", None, [8], float("nan")])
def test_a_size_that_is_no_whole_number_from_1_to_the_largest_is_refused_with_its_name(name, size):
    with pytest.raises(ValueError, match=f"{name} must be a whole number from 1 to {LARGEST}"):
        ModelConfig.from_json(GOOD | {name: size})


@pytest.mark.parametrize("name", SIZES)
def test_the_largest_size_is_taken(name):
    sizes = GOOD | {"heads": 1, name: LARGEST}
    if name == "heads":
        sizes["width"] = 2 * LARGEST         # refused for its own size, but the heads are not
        with pytest.raises(ValueError, match="width must be"):
            ModelConfig(**sizes)
    else:
        assert getattr(ModelConfig(**sizes), name) == LARGEST


@pytest.mark.parametrize(("width", "heads"), [(7, 1), (1, 1), (10, 2), (8, 8), (12, 4), (6, 2)])
def test_a_width_that_heads_cannot_share_in_pairs_is_refused(width, heads):
    with pytest.raises(ValueError, match=f"width {width} must be a multiple of twice the {heads} heads"):
        ModelConfig("transformer", 65, width, 1, heads)


def test_an_epsilon_that_is_no_number_between_0_and_1_is_refused():
    good = GOOD | {"kind": "matmul_free_released"}
    assert ModelConfig(**good, epsilon=0.5).epsilon == 0.5
    for wrong in (0.0, 1.0, 1.5, -1e-6, float("nan"), float("inf"), 1, 0, "1e-6", None):
        with pytest.raises(ValueError, match="epsilon must be a number between 0 and 1"):
            ModelConfig(**good, epsilon=wrong)


def test_what_a_stored_model_leaves_out_is_as_it_was_when_it_was_stored():
    """config.json does not name what is usual: with another default every stored model would be another."""
    def read(kind: str) -> ModelConfig:
        return ModelConfig.from_json({"kind": kind, "vocab": 65, "width": 128, "blocks": 6})

    assert read("hybrid").reach == 64 and read("mamba").state == 16 and read("matmul_free_released").epsilon == 1e-6
    assert read("transformer").kv_heads is None and read("transformer").heads == 1


def test_the_inner_width_is_the_next_multiple_of_its_step_that_is_not_below_8_thirds_of_the_width():
    for kind, step in (("matmul_free", 32), ("transformer", 32), ("matmul_free_released", 256)):
        for width in range(2, 3000, 2):
            inner = ModelConfig(kind, 65, width, 1).inner
            assert inner % step == 0 and 3 * inner >= 8 * width > 3 * (inner - step)


@pytest.mark.parametrize(("width", "inner"), [(1024, 2816), (2048, 5632), (2560, 6912)])
def test_the_released_models_have_the_inner_widths_that_their_files_have(width, inner):
    assert ModelConfig("matmul_free_released", 32000, width, 24).inner == inner


def test_a_configuration_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ModelConfig(**GOOD).width = 64
