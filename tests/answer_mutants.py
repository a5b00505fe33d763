"""Change the answer to each exercise, one small mistake at a time, and see whether its check still lets it pass.

    python -m tests.answer_mutants              all notebooks
    python -m tests.answer_mutants 01 --json    one of them, every mutant with what came of it

The mutants of an exercise are made from its answer and the private functions and constants of the same file
(tests/mutate_source.py), and from the form that readers are likely to write (tests/fixtures/other_answers.py). A
Parsons problem has its lines mutated and, besides, put in other orders.

A mutant that is no mistake is listed in tests/equivalent_answers.toml, each group with a sentence that says why.
All others ought to be refused; those that are not are listed there too, as missed. Exit code 1 when fewer than 95 %
are refused in a notebook, or the list is out of date.
"""

import argparse
import ast
import inspect
import json
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from random import Random
from types import ModuleType

import jaxtyping

from mmf_teach.lesson import folders
from mmf_teach.lesson.exercise import ERROR, Exercise
from mmf_teach.lesson.property_test import PropertyTest
from tests.fixtures.other_answers import OTHER_ANSWERS
from tests.mutate_source import mutants

NOTEBOOKS = list(folders.files("exercises.py"))
LIST = Path(__file__).with_name("equivalent_answers.toml")
KINDS = ("same", "allowed")                  # computes the same; or differs where the exercise leaves it to the reader
LEAST = 0.95                                 # of the mutants that are mistakes
ORDERS = 150                                 # of a Parsons problem's lines, besides all swaps and all single moves
GIVEN = {"Counted", "SMALLEST", "EPSILON", "rms_norm", "ROWWISE", "PROGRAMS"}   # what the notebook hands to the reader
NEEDED = {                                   # functions and classes that belong to an answer besides private ones
    "03.5": {"to_int4"}, "03.6": {"StraightThrough"},
}


@dataclass(frozen=True)
class Tried:
    """A mutant and what came of it."""

    exercise: str
    change: str
    refused: bool
    state: str
    message: str
    equivalent: str                          # why it is no mistake; empty when it is one


def exercises(notebook: str) -> list[Exercise | PropertyTest]:
    """The exercises of a notebook."""
    return folders.exercises(notebook).EXERCISES


def explained() -> dict[tuple[str, str], str]:
    """Why a mutant that is a mistake gets through all the same, by exercise and change."""
    missed = tomllib.loads(LIST.read_text("utf-8"))["missed"]
    return {(entry["exercise"], change): entry["why"] for entry in missed for change in entry["changes"]}


def listed() -> dict[tuple[str, str], str]:
    """Why a mutant is no mistake, by exercise and change. ValueError for one that is listed twice."""
    reasons: dict[tuple[str, str], str] = {}
    for entry in tomllib.loads(LIST.read_text("utf-8"))["equivalent"]:
        for change in entry["changes"]:
            key = (entry["exercise"], change)
            if key in reasons or entry["kind"] not in KINDS or len(entry["why"].split()) < 5:
                raise ValueError(f"{key} is listed twice, or as no known kind, or without a sentence")
            reasons[key] = f"{entry['kind']}: {entry['why']}"
    return reasons


def changed_answers(one: Exercise | PropertyTest) -> Iterator[tuple[str, Callable[[], Callable | None]]]:
    """What was changed, and how to make the function that comes of it; None where Python makes none of it."""
    lines = getattr(one, "lines", ())
    name = one.answer.__name__
    if lines:
        sources = {"": ("import numpy as np\n" + "\n".join(lines), {name})}
        yield from (_order(lines, order, name) for order in _orders(len(lines), one.id))
    else:
        sources = {"": _part_of_its_file(one.answer, NEEDED.get(one.id, set()))}
    if one.id in OTHER_ANSWERS:
        sources["other: "] = _part_of_its_file(OTHER_ANSWERS[one.id], set())
    for form, (source, wanted) in sources.items():
        tree = ast.parse(source)
        targets = [node for node in tree.body if _names(node) & wanted]
        for change, mutant in mutants(tree, targets):
            yield form + change, lambda mutant=mutant: _made(mutant, name, inspect.getmodule(one.answer))


def _part_of_its_file(answer: Callable, others: set[str]) -> tuple[str, set[str]]:
    """The imports and definitions that an answer needs, without annotations, and which of them may be changed."""
    tree = ast.parse(inspect.getsource(inspect.getmodule(answer)))
    defined = {name: node for node in tree.body for name in _names(node)}
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    needed, waiting = set(), [answer.__name__]
    while waiting:
        name = waiting.pop()
        if name in defined and name not in needed:
            needed.add(name)
            waiting += [node.id for node in ast.walk(_bare(defined[name])) if isinstance(node, ast.Name)]
    own = others | {answer.__name__}
    wanted = {name for name in needed - (GIVEN - own) if name.startswith("_") or name.isupper() or name in own}
    parts = [_bare(node) for node in tree.body if _names(node) & needed]
    return ast.unparse(ast.fix_missing_locations(ast.Module([*imports, *parts], []))), wanted


def _names(node: ast.stmt) -> set[str]:
    """What a statement of a module defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else []
    return {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}


def _bare(node: ast.stmt) -> ast.stmt:
    """A function without its annotations, which need not be evaluated again for every mutant."""
    for each in ast.walk(node):
        if isinstance(each, ast.arg):
            each.annotation = None
        elif isinstance(each, ast.FunctionDef):
            each.returns = None
    return node


def _made(tree: ast.Module, name: str, module: ModuleType) -> Callable | None:
    namespace = {"__name__": module.__name__}
    try:
        exec(compile(tree, "<mutant>", "exec"), namespace)
    except Exception:
        return None
    return namespace.get(name)


def _orders(lines: int, seed: str) -> list[tuple[int, ...]]:
    """Other orders of so many lines: all swaps of two, all moves of one, and some at random."""
    right, found = tuple(range(lines)), {}
    for first, second in combinations(range(lines), 2):
        order = list(right)
        order[first], order[second] = order[second], order[first]
        found[tuple(order)] = None
    for line in range(lines):
        for place in range(lines):
            order = [each for each in right if each != line]
            order.insert(place, line)
            found[tuple(order)] = None
    dice = Random(seed)
    for _ in range(ORDERS):
        found[0, *dice.sample(range(1, lines), lines - 1)] = None    # the def comes first, or nothing is read at all
    found.pop(right, None)
    return list(found)


def _order(lines: tuple[str, ...], order: tuple[int, ...], name: str) -> tuple[str, Callable[[], Callable | None]]:
    def make() -> Callable | None:
        namespace: dict = {}
        try:
            exec("import numpy as np\n" + "\n".join(lines[place] for place in order), namespace)
        except Exception:
            return None
        return namespace.get(name)
    return f"lines in the order {' '.join(str(place + 1) for place in order)}", make


def tried(notebook: str, every: int = 1, mistakes: int = 1) -> Iterator[Tried]:
    """The mutants of a notebook, each shown to its check; of those that are no mistakes every second, third, ...

    Of the mistakes, too, as `mistakes` says.
    """
    reasons, seen = listed(), Counter()
    for one in exercises(notebook):
        for change, make in changed_answers(one):
            why = reasons.get((one.id, change), "")
            seen[bool(why)] += 1
            if seen[bool(why)] % (every if why else mistakes):
                continue
            function = make()
            if function is not None:         # what Python cannot even read is no test of a check
                report = one.examine(function)
                yield Tried(one.id, change, not report, report.state, report.message, why)


def share(found: list[Tried], all_kinds: bool = True) -> float:
    """Refused mutants among those that are mistakes; if asked, only of those that do not stop with an error."""
    mistakes = [one for one in found if not one.equivalent and (all_kinds or one.state != ERROR)]
    return sum(one.refused for one in mistakes) / len(mistakes)


def table(found: list[Tried]) -> str:
    """A row an exercise, one for the whole, and each mistake that got through."""
    rows = ["exercise  mutants  equivalent  refused  of them with an error  survived"]
    for name in [*dict.fromkeys(one.exercise for one in found), "all"]:
        own = [one for one in found if name in {one.exercise, "all"}]
        mistakes = [one for one in own if not one.equivalent]
        refused, stopped = sum(one.refused for one in mistakes), sum(one.state == ERROR for one in mistakes)
        rows.append(
            f"{name:8}  {len(own):7}  {len(own) - len(mistakes):10}  {refused:7}  {stopped:21}  "
            f"{len(mistakes) - refused:8}")
    rows.append(
        f"refused: {100 * share(found):.1f} % of the mistakes; {100 * share(found, all_kinds=False):.1f} % of those "
        "that run to their end")
    rows += [f"survives {one.exercise}: {one.change}" for one in found if not one.refused and not one.equivalent]
    rows += [f"listed as no mistake, but refused: {one.exercise}: {one.change}" for one in found
             if one.refused and one.equivalent]
    return "\n".join(rows)


def main(arguments: list[str]) -> int:
    """Try the mutants of the notebooks named, or of all, and print what came of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("notebooks", nargs="*", default=NOTEBOOKS)
    parser.add_argument("--json", action="store_true", help="every mutant, as JSON")
    options = parser.parse_args(arguments)
    results = {notebook: list(tried(notebook)) for notebook in options.notebooks}
    if options.json:
        print(json.dumps({name: [asdict(one) for one in found] for name, found in results.items()}, indent=1))
    else:
        for notebook, found in results.items():
            print(f"notebook {notebook}\n{table(found)}\n")
    known = {(one.exercise, one.change) for found in results.values() for one in found}
    unknown = [key for key in listed() if key[0][:2] in results and key not in known]
    for key in unknown:
        print(f"listed, but there is no such mutant: {key}", file=sys.stderr)
    stale = any(one.refused and one.equivalent for found in results.values() for one in found)
    return 1 if unknown or stale or any(share(found) < LEAST for found in results.values()) else 0


if __name__ == "__main__":
    jaxtyping.config.update("jaxtyping_disable", True)
    sys.exit(main(sys.argv[1:]))
