"""Checks refuse wrong answers that nobody listed: at least 95 % of all small changes to an answer that are mistakes.

Every sixth mistake is tried here, and in the slow part all of them; of the mutants that are none, which cost most
because every input is tried on them, every twentieth. `python -m tests.answer_mutants` tries all and prints a table.
"""

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests import answer_mutants
from tests.answer_mutants import LEAST, Tried, changed_answers, exercises, explained, listed, main, share, table, tried
from tests.mutate_source import mutants, replaced


@pytest.mark.filterwarnings("ignore")                 # wrong answers divide by zero, and NumPy says so
@pytest.mark.usefixtures("without_type_checks")
@pytest.mark.parametrize("notebook", answer_mutants.NOTEBOOKS)
def test_of_a_sample_all_mistakes_are_refused_but_those_explained(notebook):
    found = list(tried(notebook, every=60, mistakes=6))
    assert not [one for one in found if one.refused and one.equivalent], table(found)
    missed = {(one.exercise, one.change) for one in found if not one.refused and not one.equivalent}
    assert missed <= explained().keys() and len(found) > 10, table(found)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("without_type_checks")
@pytest.mark.parametrize("notebook", answer_mutants.NOTEBOOKS)
def test_nearly_all_mistakes_are_refused_and_none_is_listed_as_harmless(notebook):
    found = list(tried(notebook, every=20))
    assert share(found) >= LEAST and share(found, all_kinds=False) >= LEAST, table(found)
    assert not [one for one in found if one.refused and one.equivalent], table(found)
    missed = {(one.exercise, one.change) for one in found if not one.refused and not one.equivalent}
    assert missed == {key for key in explained() if key[0][:2] == notebook}, table(found)


@pytest.mark.parametrize("notebook", answer_mutants.NOTEBOOKS)
def test_every_exercise_has_mutants_and_every_listed_one_exists_once(notebook):
    changes = [(one.id, change) for one in exercises(notebook) for change, _ in changed_answers(one)]
    assert min(Counter(name for name, _ in changes).values()) >= 15
    assert len(set(changes)) == len(changes)
    assert {key for key in listed() if key[0][:2] == notebook} <= set(changes)


def test_the_list_says_of_each_whether_it_is_the_same_or_allowed_and_why():
    assert all(why.partition(": ")[0] in answer_mutants.KINDS and why.endswith(".") for why in listed().values())
    assert all(len(why.split()) > 8 for why in explained().values()) and not explained().keys() & listed().keys()


@pytest.mark.parametrize("entry", [
    "kind = 'other'\nwhy = 'It does not matter at all.'\nchanges = ['a']",
    "kind = 'same'\nwhy = 'So what.'\nchanges = ['a']",
    "kind = 'same'\nwhy = 'It does not matter at all.'\nchanges = ['a', 'a']",
])
def test_a_list_without_kind_or_reason_or_with_something_twice_is_refused(tmp_path, monkeypatch, entry):
    path = tmp_path / "list.toml"
    path.write_text(f"[[equivalent]]\nexercise = '01.1'\n{entry}\n", "utf-8")
    monkeypatch.setattr(answer_mutants, "LIST", path)
    with pytest.raises(ValueError, match="listed twice"):
        listed()


def changes_of(source: str) -> dict[str, str]:
    tree = ast.parse(source)
    return {said: ast.unparse(mutant) for said, mutant in mutants(tree, tree.body)}


def test_a_function_is_changed_in_every_way_that_the_course_names():
    said = " | ".join(changes_of(
        "def f(w, scale):\n    '''Doc 1 + 1.'''\n    for i in range(3):\n"
        "        if w[i] > 0 and scale:\n            pass\n"
        "    return np.clip(np.rint(w / scale), -1, 1).max(axis=0, keepdims=True).astype(np.int8), scale\n"))
    for change in (
        "w * scale", "w // scale", "scale / w", "np.floor(", "np.ceil(", "np.trunc(", "np.rint(w / scale).max",
        "axis=1", "max(keepdims=True)", "keepdims=False", "min(axis=0", "return (scale, np.clip", "range(4)",
        "range(2)", "w[i] >= 0", "w[i] > 1", "w[i] > 0 or scale", "if not (w[i]", "keepdims=True), scale)",
        "np.int64", "w[w] > 0", "=>  pass", "list(range(3))[1:]", "list(range(3))[:-1]",
    ):
        assert change in said, change
    assert "Doc 1 + 1" not in said and "Doc 2" not in said


def test_each_mutant_differs_from_the_function_and_from_all_others_in_one_place():
    source = "def f(a, b):\n    return a - b if a > b else max(a, 2 * b)\n"
    found = changes_of(source)
    assert len(found) > 25 and len(set(found.values())) == len(found)
    assert ast.unparse(ast.parse(source)) not in found.values()


def test_the_tree_itself_stays_as_it_is():
    tree = ast.parse("def f(a):\n    return a + 1")
    before = ast.dump(tree)
    for _ in mutants(tree, tree.body):
        pass
    assert ast.dump(tree) == before
    one = tree.body[0].body[0]
    assert ast.dump(replaced(tree, one, [one, one])).count("Return(") == 2 and ast.dump(tree) == before


def test_the_words_of_an_error_are_not_changed_but_its_kind_and_whether_it_is_raised():
    source = "def f(n):\n    if n < 1:\n        raise ValueError('at least 1')\n    return n\n"
    raised = {said.partition("  =>  ")[2] for said in changes_of(source) if said.startswith("raise")}
    assert raised == {"pass", "raise LookupError('at least 1')"}


def test_the_table_counts_what_was_refused_and_names_what_was_not():
    found = [
        Tried("01.1", "a", True, "not yet", "", ""), Tried("01.1", "b", True, "error", "", ""),
        Tried("01.1", "c", False, "passed", "", ""), Tried("01.1", "d", False, "passed", "", "same: It is."),
    ]
    assert share(found) == 2 / 3 and share(found, all_kinds=False) == 1 / 2
    rows = table(found).splitlines()
    assert rows[1].split() == ["01.1", "4", "1", "2", "1", "1"]
    assert "survives 01.1: c" in rows and not [row for row in rows if row.endswith(": d")]


def test_the_command_says_no_when_too_many_survive_or_the_list_is_out_of_date(monkeypatch, capsys):
    refused = [Tried("01.1", str(number), True, "not yet", "", "") for number in range(19)]
    kept = Tried("01.1", "kept", False, "passed", "", "")
    monkeypatch.setattr(answer_mutants, "listed", lambda: {})
    for found, code in (([*refused, kept], 0), ([*refused, kept, kept], 1)):
        monkeypatch.setattr(answer_mutants, "tried", lambda notebook, found=found: found)
        assert main(["01"]) == code
    monkeypatch.setattr(answer_mutants, "tried", lambda notebook: refused)
    monkeypatch.setattr(answer_mutants, "listed", lambda: {("01.1", "gone"): "same: It is."})
    assert main(["01", "--json"]) == 1 and "no such mutant" in capsys.readouterr().err
    monkeypatch.setattr(answer_mutants, "listed", lambda: {})
    harmful = Tried("01.1", "x", True, "not yet", "", "same: It is.")
    monkeypatch.setattr(answer_mutants, "tried", lambda notebook: [*refused, harmful])
    assert main(["01"]) == 1


def test_the_file_is_read_from_beside_the_program():
    assert Path(answer_mutants.LIST).is_file()
