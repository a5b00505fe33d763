"""All small mistakes that can be made in a function: its syntax tree with one place changed, a mutant a change.

Operators, comparisons and their operands; constants off by one; calls left out, half left out or replaced by a
neighbour (rint by floor, min by max, any by all); keywords dropped; statements dropped; returns one level deeper;
names of the same function taken for one another. Docstrings, annotations and the words of errors stay as they are.
"""

import ast
from collections.abc import Iterator
from itertools import permutations
from typing import Any

SWAPS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub, ast.Mult), ast.Sub: (ast.Add,), ast.Mult: (ast.Div, ast.Add, ast.FloorDiv),
    ast.Div: (ast.Mult, ast.FloorDiv), ast.FloorDiv: (ast.Div, ast.Mod), ast.Mod: (ast.FloorDiv, ast.Mult),
    ast.Pow: (ast.Mult,), ast.MatMult: (ast.Mult,), ast.LShift: (ast.RShift,), ast.RShift: (ast.LShift,),
    ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,),
    ast.Eq: (ast.NotEq, ast.GtE, ast.LtE), ast.NotEq: (ast.Eq, ast.Gt, ast.Lt), ast.Lt: (ast.LtE, ast.GtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt, ast.GtE), ast.Gt: (ast.GtE, ast.LtE, ast.Lt), ast.GtE: (ast.Gt, ast.Lt, ast.LtE),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.And: (ast.Or,), ast.Or: (ast.And,),
}
NEIGHBOURS = {                               # a name, of a function or a type, and what may be taken for it
    "rint": ("floor", "ceil", "trunc", "sign"), "ceil": ("floor", "round"), "abs": ("square", "sign"), "min": ("max",),
    "max": ("min", "mean", "sum"), "mean": ("sum", "max"), "sum": ("mean", "max"), "any": ("all",), "all": ("any",),
    "maximum": ("minimum",), "minimum": ("maximum",), "square": ("abs",), "sqrt": ("square",),
    "empty": ("ones",), "zeros": ("ones",), "left": ("right",), "right": ("left",),
    "int8": ("uint8", "int64", "float32"), "uint8": ("int8", "int64"), "int32": ("int8", "int16", "int64", "float32"),
    "float32": ("float64", "float16", "int8"), "float64": ("float32", "int8"), "ValueError": ("LookupError",),
}
SUITES = ("body", "orelse", "handlers", "finalbody", "cases")


def mutants(tree: ast.Module, targets: list[ast.stmt]) -> Iterator[tuple[str, ast.Module]]:
    """Each mutant as what was changed, in words of Python, and the tree with that change."""
    seen: dict[str, int] = {}
    original = ast.unparse(tree)
    known = {original}
    for target in targets:
        for statement, old, new in changes(target):
            mutant = replaced(tree, old, new)
            source = ast.unparse(ast.fix_missing_locations(mutant))
            if source in known:              # two rules that come to the same
                continue
            known.add(source)
            said = words(statement, old, new)
            seen[said] = seen.get(said, 0) + 1
            yield said if seen[said] == 1 else f"{said}  #{seen[said]}", mutant


def changes(target: ast.stmt) -> Iterator[tuple[ast.stmt, Any, Any]]:
    """Each change to a function, a class or an assignment: the statement, a node in it, and what is to stand for it."""
    names = sorted(local_names(target))
    for statement in _statements(target):
        for old, new in _changes(statement, names):
            yield statement, old, new


def default_changes(function: ast.FunctionDef) -> Iterator[tuple[ast.stmt, Any, Any]]:
    """Each change to a constant that an argument is given where the caller gives none."""
    for default in [*function.args.defaults, *filter(None, function.args.kw_defaults)]:
        for node in ast.walk(default):
            for new in _expression_changes(node, []):
                yield function, node, new


def words(statement: ast.stmt, old: Any, new: Any) -> str:
    """A change in words of Python."""
    before, after = _head(statement), _head(replaced(statement, old, new))
    return f"{before}  =>  {after if after != before else 'another body'}"


def replaced(node: Any, old: Any, new: Any) -> Any:
    """A copy of a tree in which `new` stands for `old`; a list of statements may stand for one."""
    if node is old:
        return new
    if isinstance(node, list):
        made = []
        for item in node:
            one = replaced(item, old, new)
            made += one if isinstance(one, list) else [one]
        return made
    if isinstance(node, ast.AST):
        fields = {name: replaced(value, old, new) for name, value in ast.iter_fields(node)}
        return ast.copy_location(type(node)(**fields), node)
    return node


def _head(statement: ast.stmt | list[ast.stmt]) -> str:
    """A statement in a line, of a compound one only what stands before its body."""
    if isinstance(statement, list):
        return "; ".join(map(_head, statement))
    lines = ast.unparse(ast.fix_missing_locations(statement)).split("\n")
    return "pass" if lines == ["pass"] else lines[0] if hasattr(statement, "body") else " ".join(lines)


def _statements(target: ast.stmt) -> Iterator[ast.stmt]:
    if isinstance(target, ast.FunctionDef):
        for statement in target.body:
            yield from _statements(statement)
    elif isinstance(target, ast.ClassDef):
        for statement in target.body:
            yield from _statements(statement)
    else:
        yield target
        for part in SUITES:
            for inner in getattr(target, part, []):
                for statement in [inner] if isinstance(inner, ast.stmt) else inner.body:
                    yield from _statements(statement)


def local_names(target: ast.stmt) -> set[str]:
    """Arguments and variables, which may be taken for one another."""
    if not isinstance(target, ast.FunctionDef | ast.ClassDef):
        return set()
    stored = {node.id for node in ast.walk(target) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return stored | {node.arg for node in ast.walk(target) if isinstance(node, ast.arg)} - {"ctx"}


def _changes(statement: ast.stmt, names: list[str]) -> Iterator[tuple[Any, Any]]:
    """Everything that can be changed in a statement itself: pairs of a node and what is to stand for it."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return                               # a docstring
    if not (isinstance(statement, ast.Assign) and not names):            # a constant of the module must stay
        yield statement, ast.Pass()
    yield from _statement_changes(statement)
    if isinstance(statement, ast.Raise):
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and node.id in NEIGHBOURS:
                yield from ((node, ast.Name(other, node.ctx)) for other in NEIGHBOURS[node.id])
        return
    for node in _own_nodes(statement):
        for new in _expression_changes(node, names):
            yield node, new


def _own_nodes(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes of a statement without its body, without annotations and without text that is put together."""
    waiting: list[Any] = [value for name, value in _own_fields(statement) if name not in {"annotation", "op"}]
    if isinstance(statement, ast.AugAssign):
        yield statement
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, list):
            waiting = node + waiting
        elif isinstance(node, ast.AST) and not isinstance(node, ast.JoinedStr):
            yield node
            waiting = [value for _, value in _own_fields(node)] + waiting


def _own_fields(node: ast.AST) -> list[tuple[str, Any]]:
    """All fields but those that hold statements: a handler and a case count for what stands before their body."""
    return [
        (name, value) for name, value in ast.iter_fields(node)
        if not (isinstance(value, list) and value and isinstance(value[0], ast.stmt))]


def _statement_changes(statement: ast.stmt) -> Iterator[tuple[Any, Any]]:
    match statement:
        case ast.Return(value=ast.Tuple(elts=parts)):
            yield statement, ast.Return(ast.Tuple(parts[::-1], ast.Load()))
            yield from ((statement, ast.Return(part)) for part in parts)
        case ast.AugAssign(target=target, value=value):
            yield statement, ast.Assign([target], value)
        case ast.If(test=test, body=body, orelse=orelse):
            yield test, ast.UnaryOp(ast.Not(), test)
            yield statement, body
            if orelse:
                yield statement, orelse
                yield statement, ast.If(test, body, [])
        case ast.For(target=target, iter=over, body=body):
            for lower, upper in ((1, None), (None, -1)):
                cut = ast.Slice(lower and ast.Constant(lower), upper and ast.UnaryOp(ast.USub(), ast.Constant(1)))
                whole = ast.Call(ast.Name("list", ast.Load()), [over], [])
                yield over, ast.Subscript(whole, cut, ast.Load())
            yield statement, ast.For(target, over, [*body, ast.Break()], [])


def _expression_changes(node: ast.AST, names: list[str]) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            yield from (ast.BinOp(left, other(), right) for other in SWAPS.get(type(op), ()))
            yield from (left, right)
            if not isinstance(op, ast.Add | ast.Mult | ast.BitAnd | ast.BitOr):
                yield ast.BinOp(right, op, left)
        case ast.AugAssign(target=target, op=op, value=value):
            yield from (ast.AugAssign(target, other(), value) for other in SWAPS.get(type(op), ()))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            yield from (ast.Compare(left, [other()], [right]) for other in SWAPS.get(type(op), ()))
            if isinstance(right, ast.Constant) and isinstance(right.value, int):
                return
            yield ast.Compare(right, [op], [left])
        case ast.BoolOp(op=op, values=values):
            yield from (ast.BoolOp(other(), values) for other in SWAPS[type(op)])
            yield from values
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield from (body, orelse, ast.IfExp(test, orelse, body))
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield from (ast.Constant(other) for other in dict.fromkeys([value + 1, value - 1, 2 * value, 0, 1]))
        case ast.Constant(value=str(value)):
            yield from (ast.Constant(other) for other in NEIGHBOURS.get(value, (f"{value}x",)))
        case ast.Attribute(value=value, attr=name, ctx=ast.Load()) if name in NEIGHBOURS:
            yield from (ast.Attribute(value, other, ast.Load()) for other in NEIGHBOURS[name])
        case ast.Name(id=name, ctx=ast.Load()):
            yield from (ast.Name(other, ast.Load()) for other in NEIGHBOURS.get(name, ()))
            yield from (ast.Name(other, ast.Load()) for other in names if name in names and other != name)
        case ast.Subscript(value=value, slice=part, ctx=ast.Load()):
            yield value
            if isinstance(part, ast.Tuple) and len(part.elts) == 2:
                yield ast.Subscript(value, ast.Tuple(part.elts[::-1], ast.Load()), ast.Load())
        case ast.Slice(lower=lower, upper=upper, step=step):
            yield from (ast.Slice(lower, other, step) for other in _off_by_one(upper))
            yield from (ast.Slice(other, upper, step) for other in _off_by_one(lower))
        case ast.Tuple(elts=parts, ctx=ast.Load()) if len(parts) == 2:
            yield ast.Tuple(parts[::-1], ast.Load())
        case ast.Call(func=function, args=arguments, keywords=keywords):
            if isinstance(function, ast.Attribute) and not _is_module(function.value):
                yield function.value         # a method left out
            yield from arguments             # a function left out: any of its arguments instead
            if 1 < len(arguments) < 4:
                yield from (
                    ast.Call(function, list(order), keywords)
                    for order in list(permutations(arguments))[1:])
            for number in range(len(keywords)):
                yield ast.Call(function, arguments, keywords[:number] + keywords[number + 1 :])
        case ast.GeneratorExp(elt=elt, generators=generators) | ast.ListComp(elt=elt, generators=generators):
            for number, one in enumerate(generators):
                for left_out in range(len(one.ifs)):
                    ifs = one.ifs[:left_out] + one.ifs[left_out + 1 :]
                    loop = ast.comprehension(one.target, one.iter, ifs, 0)
                    yield type(node)(elt, [*generators[:number], loop, *generators[number + 1 :]])


def _off_by_one(end: ast.expr | None) -> list[ast.expr | None]:
    """An end of a slice left out, one further, one nearer."""
    return [None, *(ast.BinOp(end, op, ast.Constant(1)) for op in (ast.Add(), ast.Sub()))] if end else []


def _is_module(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"np", "torch", "ast"}
