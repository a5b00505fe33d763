"""Every example in a docstring gives what is written under it."""

import ast
import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted(path for folder in ("mmf_teach", "hardware_sim") for path in (ROOT / folder).rglob("*.py"))
MUST_HAVE_EXAMPLES = {                       # where a reader should find a case to check by hand
    "mmf_teach.ternary.packing": {"pack_base3", "unpack_base3", "pack_2bit", "unpack_2bit"},
    "mmf_teach.ternary.quantise": {"absmean", "absmax"},
    "mmf_teach.reference.ternary_matmul": {"ternary_matmul"},
}


def docstrings(source: str) -> dict[str, str]:
    """All docstrings of a text with examples in them, by the name of what they describe ("" for the file itself).

    Read from the text, since the shape check that runs while testing hides functions from doctest's own search.
    """
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, documented)]
    found: dict[str, str] = {}
    for node in nodes:                       # a function and a property may have the same name
        name = getattr(node, "name", "")
        found[name] = "\n\n".join(filter(None, [found.get(name), ast.get_docstring(node)]))
    return {name: text for name, text in found.items() if ">>>" in text}


def failures(name: str, text: str, names: dict) -> int:
    """How many of the examples in a docstring give something else; fails when there is none."""
    test = doctest.DocTestParser().get_doctest(text, dict(names), name, None, None)
    assert test.examples
    return doctest.DocTestRunner().run(test).failed


EXAMPLES = {
    (".".join(path.relative_to(ROOT).with_suffix("").parts), name): text
    for path in FILES for name, text in docstrings(path.read_text("utf-8")).items()
}


@pytest.mark.parametrize(("module", "name"), EXAMPLES)
def test_the_examples_give_what_is_written_under_them(module, name):
    assert failures(name, EXAMPLES[module, name], vars(importlib.import_module(module))) == 0


@pytest.mark.parametrize("module", MUST_HAVE_EXAMPLES)
def test_what_can_be_checked_by_hand_has_an_example(module):
    assert {name for file, name in EXAMPLES if file == module} >= MUST_HAVE_EXAMPLES[module]


def test_no_example_is_written_where_it_would_not_be_run():
    """In a comment, or in a text that is no docstring."""
    for path in FILES:
        source = path.read_text("utf-8")
        assert source.count(">>> ") == sum(text.count(">>> ") for text in docstrings(source).values()), path


def test_a_wrong_example_is_noticed_and_so_is_one_that_raises():
    assert failures("right", ">>> 1 + 1\n2\n", {}) == 0
    assert failures("wrong", ">>> 1 + 1\n3\n", {}) == 1
    assert failures("raises", ">>> 1 / 0\n0\n", {}) == 1
