"""Small changes of a program, each of which a test should notice: which there are in a file, and how to make one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import numpy as np

__all__ = ["Mutant", "draw", "mutants_of"]

_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}
_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_TWINS = (("min", "max"), ("minimum", "maximum"), ("amin", "amax"), ("argmin", "argmax"), ("any", "all"))
_SWAPPED = {a: b for pair in _TWINS for a, b in (pair, pair[::-1])}
# Their arguments say how fast a function is compiled or what a warning reads like, not what is computed.
_SKIPPED_CALLS = {"njit", "warn", "isinstance", "unknown_name", "InputError"}


@dataclass(frozen=True)
class Mutant:
    """One change: characters ``start:end`` of a file become `after`."""

    file: str
    line: int
    start: int
    end: int
    before: str
    after: str
    source_line: str
    changed_line: str

    def apply(self, source: str) -> str:
        """The changed file; brackets keep the rest of an expression as it was."""
        return f"{source[: self.start]}({self.after}){source[self.end :]}"


def mutants_of(file: str, source: str) -> list[Mutant]:
    """Every change of a file in the order of its text; docstrings, messages, annotations and ``__all__`` have none."""
    lines = source.splitlines(keepends=True)
    offsets = np.concatenate([[0], np.cumsum([len(line) for line in lines])])
    found = []
    for node, changed in _changes(ast.parse(source)):
        start, end = (
            int(offsets[line - 1]) + len(lines[line - 1].encode()[:column].decode())
            for line, column in ((node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0))
        )
        after = ast.unparse(changed)
        before = " ".join(source[start:end].split())
        line = lines[node.lineno - 1].strip()
        first, last = int(offsets[node.lineno - 1]), int(offsets[node.end_lineno or 0])
        changed_line = f"{source[first:start]}({after}){source[end:last]}".strip()
        found.append(Mutant(file, node.lineno, start, end, before, after, line, changed_line))
    return sorted(set(found), key=lambda m: (m.start, m.end, m.after))


def draw(candidates: list[Mutant], count: int, seed: int) -> list[Mutant]:
    """A random choice without repetition, in the order of the candidates."""
    chosen = np.random.default_rng(seed).permutation(len(candidates))[:count]
    return [candidates[i] for i in sorted(chosen)]


def _changes(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Pairs of an expression and what takes its place."""
    if isinstance(node, ast.expr):
        yield from ((node, new) for new in _replacements(node))
    condition = node.test if isinstance(node, ast.If | ast.While | ast.IfExp) else None
    if condition is not None:
        yield condition, ast.UnaryOp(ast.Not(), deepcopy(condition))
    for child in _children(node):
        yield from _changes(child)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_skipped(child):
                yield child


def _is_skipped(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets)
    if isinstance(node, ast.Call):
        return _name(node.func) in _SKIPPED_CALLS
    if isinstance(node, ast.Subscript):  # a type, as in npt.NDArray[np.int64]
        return _name(node.value) in {"NDArray", "Callable", "Literal", "ClassVar", "Sequence"}
    return False


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""


def _replacements(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        yield ast.BinOp(node.left, _OPERATORS[type(node.op)](), node.right)
    elif isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            for other in _COMPARISONS[type(op)]:
                yield ast.Compare(node.left, [*node.ops[:i], other(), *node.ops[i + 1 :]], node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
        yield node.operand
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield ast.Constant(not node.value)
        elif isinstance(node.value, int):
            yield from (ast.Constant(node.value + step) for step in (1, -1))
        elif isinstance(node.value, float):
            yield ast.Constant(2 * node.value if node.value else 1.0)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in _SWAPPED:
        yield ast.Name(_SWAPPED[node.id], ast.Load())
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and node.attr in _SWAPPED:
        yield ast.Attribute(node.value, _SWAPPED[node.attr], ast.Load())
