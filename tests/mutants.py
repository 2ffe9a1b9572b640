"""Changes of code, one place at a time: comparisons and conditions turned, constants altered, statements left out."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Change: TypeAlias = "Callable[[], Callable[[], None]]"
"""Makes a change in a tree, and returns what takes it back."""

_OPPOSITES: Final[dict[type[ast.AST], type[ast.AST]]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add,
}  # fmt: skip

_LEFT_ALONE: Final = (ast.Import, ast.ImportFrom, ast.Assert, ast.Pass)


@dataclass(frozen=True)
class Mutant:
    """A module with one change. `change` holds the statement before and after, and names the mutant."""

    module: str
    line: int
    change: str
    source: str

    @property
    def name(self) -> str:
        return f"{self.module}: {self.change}"


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """Give every changed form of a module's source."""
    tree = ast.parse(source)
    for statement, change in _changes(tree):
        before = _head(statement)
        take_back = change()
        after = _head(statement) if statement in [*ast.walk(tree)] else "pass"
        changed = ast.unparse(ast.fix_missing_locations(tree))
        take_back()
        if before != after:
            yield Mutant(module, statement.lineno, f"{before}  →  {after}", changed)


def _head(statement: ast.stmt) -> str:
    return ast.unparse(statement).splitlines()[0]


def _changes(tree: ast.Module) -> Iterator[tuple[ast.stmt, Change]]:
    for parent in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            body = getattr(parent, field, None)
            if not isinstance(body, list):
                continue
            for index, statement in enumerate(body):
                if not _is_left_alone(statement):
                    yield from ((statement, change) for change in _of_statement(body, index, statement))


def _is_left_alone(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return True  # a docstring, or an ellipsis
    if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "msg":
        return True  # what people read
    return isinstance(statement, _LEFT_ALONE) or _head(statement) == "if TYPE_CHECKING:"


def _of_statement(body: list[ast.stmt], index: int, statement: ast.stmt) -> Iterator[Change]:
    if isinstance(statement, ast.Expr | ast.Raise | ast.AugAssign):
        yield _put(body, index, ast.Pass())
    if isinstance(statement, ast.Return) and statement.value and ast.unparse(statement.value) != "None":
        yield _set(statement, "value", ast.Constant(None))
    if isinstance(statement, ast.If | ast.While) and not _is_plain(statement.test):
        yield _set(statement, "test", _not(statement.test))
    for node in _expressions(statement):
        yield from _of_expression(node)


def _of_expression(node: ast.AST) -> Iterator[Change]:
    yield from _of_operators(node)
    if isinstance(node, ast.IfExp) and not _is_plain(node.test):
        yield _set(node, "test", _not(node.test))
    if isinstance(node, ast.comprehension):
        yield from (_put(node.ifs, index, _not(test)) for index, test in enumerate(node.ifs) if not _is_plain(test))
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield _set(node, "value", not node.value if isinstance(node.value, bool) else node.value + 1)


def _of_operators(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        for index, operator in enumerate(node.ops):
            if type(operator) in _OPPOSITES:
                yield _put(node.ops, index, _OPPOSITES[type(operator)]())
        for part in (node.left, *node.comparators):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield _set(part, "value", f"{part.value} altered")
    if isinstance(node, ast.BoolOp | ast.BinOp) and type(node.op) in _OPPOSITES:
        yield _set(node, "op", _OPPOSITES[type(node.op)]())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield _set(node, "operand", _not(node.operand))


def _expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """Give the expressions of a statement, without those of statements within it, types, decorators and texts."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return
    pending = [
        child
        for name, field in ast.iter_fields(statement)
        if name not in {"body", "orelse", "finalbody", "handlers", "annotation"}
        for child in (field if isinstance(field, list) else [field])
        if isinstance(child, ast.AST)
    ]
    while pending:
        node = pending.pop(0)
        if isinstance(node, ast.JoinedStr | ast.stmt):
            continue
        yield node
        pending += ast.iter_child_nodes(node)


def _is_plain(test: ast.expr) -> bool:
    """Tell whether negating a condition would be what turning its operator is."""
    return isinstance(test, ast.Compare) or (isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not))


def _not(test: ast.expr) -> ast.UnaryOp:
    return ast.UnaryOp(ast.Not(), test)


def _set(node: ast.AST, field: str, value: object) -> Change:
    def change() -> Callable[[], None]:
        before = getattr(node, field)
        setattr(node, field, value)
        return lambda: setattr(node, field, before)

    return change


def _put(
    nodes: list[ast.AST] | list[ast.stmt] | list[ast.expr] | list[ast.cmpop], index: int, value: ast.AST
) -> Change:
    def change() -> Callable[[], None]:
        before = nodes[index]
        nodes[index] = value  # type: ignore[call-overload]

        def take_back() -> None:
            nodes[index] = before  # type: ignore[call-overload]

        return take_back

    return change
