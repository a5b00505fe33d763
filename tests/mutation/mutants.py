"""All small mistakes that can be made in a file: its text with one place changed, everything around it as it was.

The changes are those of tests/mutate_source.py. Words for people (a string with a space in it) are left alone: that
they are good is no matter of tests. What runs when a module is imported (constants, fields of records) has no function
of its own; it is called by the name that Python gives it, `<module>`.
"""

import ast
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tests.mutate_source import NEIGHBOURS, changes, default_changes, local_names, words

AT_IMPORT = "<module>"


@dataclass(frozen=True)
class Mutant:
    file: str                                # relative to the project
    function: str                            # as Python's tracebacks call it: f, Class.f or <module>
    line: int
    change: str                              # in words of Python, before  =>  after
    source: str                              # the whole file's text with this change
    same: str = ""                           # why it says the same as before, where that is plain from its form


@dataclass(frozen=True)
class Change:
    """A mutant that is not written out yet: there are a hundred thousand."""

    root: Path
    file: str
    function: str
    statement: ast.stmt
    old: Any
    new: Any
    number: int                              # of the statement among those of the function that read the same

    def mutant(self) -> Mutant | None:
        """Written out; None for one that Python cannot compile."""
        lines = (self.root / self.file).read_bytes().splitlines(keepends=True)
        source = _spliced(lines, _place(self.old), _text(self.old, self.new))
        said = words(self.statement, self.old, self.new) + (f"  #{self.number}" if self.number > 1 else "")
        if not _compiles(source):
            return None
        return Mutant(self.file, self.function, self.old.lineno, said, source, _same(self.old, self.new))


def _same(old: Any, new: Any) -> str:
    """Why a change is none: a == b and b == a, 1.0 and 1."""
    match old, new:
        case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq() | ast.Is() | ast.IsNot()]), ast.Compare() if (
                new.left is not left):
            return "Whether two things are equal does not depend on which is named first."
        case ast.Constant(value=float(one)), ast.Constant(value=int(other)) if one == other:
            return "It is the same number, without its point."
    return ""


def changes_of(root: Path, file: str) -> list[Change]:
    """Each change to a file, in the order of its functions."""
    found = []
    for function, targets in _targets(ast.parse((root / file).read_bytes()).body).items():
        known: set[tuple[tuple[int, ...], str]] = set()
        numbers: dict[ast.stmt, int] = {}
        same: Counter[str] = Counter()
        for statement, old, new in (change for target in targets for change in _all_changes(target)):
            place, code = _place(old), _text(old, new)
            if (place, code) in known or code == _text(old, old):    # two rules come to the same, or one to nothing
                continue
            known.add((place, code))
            if statement not in numbers:
                same[ast.dump(statement)] += 1
                numbers[statement] = same[ast.dump(statement)]
            found.append(Change(root, file, function, statement, old, new, numbers[statement]))
    return found


def enclosing(source: str, line: int) -> str:
    """The function in which a line stands."""
    for name, targets in _targets(ast.parse(source).body).items():
        if name != AT_IMPORT and any(target.lineno <= line <= target.end_lineno for target in targets):
            return name
    return AT_IMPORT


def _targets(body: list[ast.stmt], inside: str = "") -> dict[str, list[ast.stmt]]:
    """What can be changed, by the name of the function it belongs to."""
    found: dict[str, list[ast.stmt]] = {}
    for node in body:
        if isinstance(node, ast.ClassDef):
            for name, targets in _targets(node.body, f"{inside}{node.name}.").items():
                found.setdefault(name, []).extend(targets)
        elif isinstance(node, ast.FunctionDef):
            found.setdefault(f"{inside}{node.name}", []).append(node)
        elif not isinstance(node, ast.Import | ast.ImportFrom) and not _names_a_type(node):
            found.setdefault(AT_IMPORT, []).append(node)
    return found


def _names_a_type(node: ast.stmt) -> bool:
    """Heads = Float[Tensor, "b heads t head"]: an annotation that has a name."""
    value = node.value if isinstance(node, ast.Assign) else None
    return isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name) and not value.value.id.isupper()


def _all_changes(target: ast.stmt) -> Iterator[tuple[ast.stmt, Any, Any]]:
    """Without words for people; and a name is taken for one other name, not for each, or there were little else."""
    defaults = default_changes(target) if isinstance(target, ast.FunctionDef) else ()
    for statement, old, new in chain(changes(target), defaults):
        if isinstance(old, ast.Constant) and isinstance(old.value, str) and " " in old.value:
            continue
        if isinstance(old, ast.Name) and isinstance(new, ast.Name) and old.id not in NEIGHBOURS:
            names = sorted(local_names(target))
            if new.id != names[(names.index(old.id) + 1) % len(names)]:
                continue
        yield statement, old, new


def _place(node: Any) -> tuple[int, int, int, int]:
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


def _text(old: ast.AST, new: Any) -> str:
    """The source of a new node; an expression stands in brackets, so that it holds together wherever it is put."""
    if isinstance(new, list):
        return "\n".join(_text(old, statement) for statement in new)
    code = ast.unparse(ast.fix_missing_locations(new))
    if isinstance(old, ast.stmt | ast.Slice):
        return code
    if isinstance(new, ast.Tuple) and any(isinstance(each, ast.Slice) for each in new.elts):
        return ", ".join(ast.unparse(each) for each in new.elts)
    return f"({code})"


def _spliced(lines: list[bytes], place: tuple[int, int, int, int], code: str) -> str:
    """The text with other code at a place, indented as the place is."""
    first, start, last, end = place
    head, tail = lines[first - 1][:start], lines[last - 1][end:]
    replaced = lines[first - 1][start:]
    indent = " " * (len(head) - len(head.lstrip()))
    if replaced.startswith(b"elif ") and not head.strip():       # an else that holds nothing but an if
        code = f"el{code}" if code.startswith("if ") else "else:\n    " + code.replace("\n", "\n    ")
    code = code.replace("\n", f"\n{indent}") if not head.strip() else code
    return b"".join([*lines[:first - 1], head, code.encode("utf-8"), tail, *lines[last:]]).decode("utf-8")


def _compiles(source: str) -> bool:
    try:
        with warnings.catch_warnings(action="ignore"):
            compile(source, "<mutant>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True
