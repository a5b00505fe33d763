"""A recipe says everything that decides a run, and nothing in it can be wrong unnoticed."""

import dataclasses
import json

import pytest
from fixtures.tiny import RECIPE, ROOT, recipe_file
from hypothesis import given, strategies as st

from mmf_teach.training.recipe import Recipe

pytestmark = pytest.mark.usefixtures("without_type_checks")         # the recipe itself refuses what is wrong
NAN, INFINITY = float("nan"), float("inf")
WRONG = {
    str: [3, True, ["a"], ""],
    int: [0, -1, 1.5, True, "5", [1]],
    float: [-0.1, NAN, INFINITY, True, "0.1", [0.1]],
    tuple[float, float]: [0.9, "ab", [0.9], [0.9, 0.99, 0.999], [-0.1, 0.9], [0.9, 1.0], ["a", "b"],
                          [NAN, 0.9], [True, 0.9]],
}
ALSO_WRONG = {"dropout": [1, 1.0, 1.5], "seed": [-1, 1.5, True, "1"]}


def wrong_entries():
    for field in dataclasses.fields(Recipe):
        for value in ALSO_WRONG.get(field.name, []) + (WRONG[field.type] if field.name != "seed" else []):
            yield pytest.param(field.name, value, id=f"{field.name} {value!r}")


def words(least: int = 1):
    return st.integers(least, 10**6)


recipes = st.builds(
    Recipe, corpus=st.sampled_from(["shakespeare", "my texts/ünï.txt"]), kind=st.sampled_from(["matmul_free", "x"]),
    width=words(), blocks=words(), heads=words(), steps=words(), batch=words(), window=words(), warmup=words(),
    seed=words(0), evaluations=words(), learning_rate=st.floats(0, 10), weight_decay=st.integers(0, 9),
    clip=st.floats(0, 1e9), dropout=st.floats(0, 1, exclude_max=True),
    betas=st.tuples(*[st.floats(0, 1, exclude_max=True)] * 2),
)


@given(recipe=recipes)
def test_a_recipe_survives_being_stored(recipe):
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


@given(recipe=recipes)
def test_a_recipe_survives_being_written_as_toml(recipe, tmp_path_factory):
    path = recipe_file(tmp_path_factory.getbasetemp() / "recipe.toml", recipe)
    assert Recipe.read(path) == Recipe.read(str(path)) == recipe


@pytest.mark.parametrize(("name", "value"), list(wrong_entries()))
def test_a_wrong_entry_is_refused_by_its_name_and_that_of_the_file(tmp_path, name, value):
    path = recipe_file(tmp_path / "recipe.toml", **{name: value})
    with pytest.raises(ValueError) as told:
        Recipe.read(path)
    assert str(told.value).startswith(f"{path}: ") and name in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Recipe)])
def test_an_entry_that_is_missing_is_named(tmp_path, name):
    path = recipe_file(tmp_path / "recipe.toml", **{name: None})
    with pytest.raises(ValueError, match=rf"recipe.toml: the recipe lacks {name}$"):
        Recipe.read(path)


def test_entries_that_no_recipe_has_are_named_beside_those_that_are_missing(tmp_path):
    path = recipe_file(tmp_path / "recipe.toml", steps=None, batch=None, stepps=3)
    with pytest.raises(ValueError, match=r": the recipe lacks batch, steps and has an unknown stepps$"):
        Recipe.read(path)


@pytest.mark.parametrize("content", [b"steps = ", b"\xff\xfe", b"[[trial]]"])
def test_a_file_that_is_no_recipe_is_named(tmp_path, content):
    path = tmp_path / "recipe.toml"
    path.write_bytes(content)
    with pytest.raises(ValueError) as told:
        Recipe.read(path)
    assert str(told.value).startswith(f"{path}: ")


def test_a_recipe_does_not_change_after_it_was_checked():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RECIPE.steps = -1


RECIPES = [path for path in sorted((ROOT / "data" / "recipes").glob("*.toml")) if not path.stem.endswith("_trials")]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_the_project_can_be_read(path):
    assert Recipe.read(path).to_json()["steps"] > 0
