"""The operators that make mutants: a guard is dropped, skipped, weakened, or taken at its word."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

import dpsql

Patch = pytest.MonkeyPatch
Mutate = Callable[[Patch], None]
ROOT = Path(dpsql.__file__).parent


POLICY = ("policy_file", "policy_column", "policy_node", "engines.keys")     # that read what the owner declares


@dataclass(frozen=True)
class Site:
    """One place that stops what is not proved: `raise InternalError(message)`, in a function of a module; or in the
    modules of `POLICY` what is wrong with a policy."""

    module: str
    function: str
    message: str
    nth: int            # among those of the function with this message

    @property
    def name(self) -> str:
        more = f" ({self.nth + 1})" if self.nth else ""
        return f"{self.module}.{self.function}: {self.message}{more}"


def sites() -> Iterator[Site]:
    """Every proof that dpsql demands of itself, read from its source."""
    return (site for site in _sites(_proves) if site.module not in POLICY)


def policy_sites() -> Iterator[Site]:
    """Every place that refuses a policy."""
    return (site for site in _sites(_raises) if site.module in POLICY)


def _sites(stops: Callable[[ast.AST], bool]) -> Iterator[Site]:
    for path in sorted(ROOT.rglob("*.py")):
        relative = path.relative_to(ROOT).with_suffix("")
        if relative.parts[0] == "doors":
            continue                # they know no facts
        module = ".".join(part for part in relative.parts if part != "__init__")
        for function in _functions(ast.parse(path.read_text())):
            messages = [_message(node) for node in ast.walk(function) if stops(node)]
            for place, message in enumerate(messages):
                yield Site(module, function.name, message, messages[:place].count(message))


def dropped(site: Site) -> Mutate:
    """The function goes on where it would have stopped."""

    def mutate(patch: Patch) -> None:
        module = import_module(f"dpsql.{site.module}" if site.module else "dpsql")
        found = _found(module, site.function)
        tree = ast.parse(Path(inspect.getsourcefile(module) or "").read_text())
        (function,) = [each for each in _functions(tree) if each.name == site.function]
        raises = [node for node in ast.walk(function) if _raises(node) and _message(node) == site.message]
        _Without(raises[site.nth]).visit(tree)
        code = compile(ast.fix_missing_locations(tree), str(ROOT / "mutant.py"), "exec")
        (body,) = [each for each in _codes(code) if each.co_name == site.function
                   and each.co_freevars == found.__code__.co_freevars]
        patch.setattr(found, "__code__", body)

    return mutate


def skipped(path: str, kept: int | str = 0) -> Mutate:
    """What `module:name` would have done to an argument is not done: it is returned as it came."""
    return replaced(path, lambda original: lambda *args, **named: named[kept] if isinstance(kept, str) else args[kept])


def answered(path: str, value: object) -> Mutate:
    """`module:name` says the same of everything."""
    return replaced(path, lambda original: lambda *args, **named: value)


def scaled(path: str, by: Fraction) -> Mutate:
    """What `module:name` returns is multiplied: numbers, and those in lists."""
    return replaced(path, lambda original: lambda *args, **named: _times(original(*args, **named), by))


def asked(path: str, by: Fraction, place: int = 0) -> Mutate:
    """`module:name` is called with one of its numbers multiplied."""

    def of(original: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **named: original(
            *(_times(arg, by) if i == place else arg for i, arg in enumerate(args)), **named)

    return replaced(path, of)


def both(*mutates: Mutate) -> Mutate:
    """Several at once: a guard dropped, and the proof that would have missed it."""

    def mutate(patch: Patch) -> None:
        for each in mutates:
            each(patch)

    return mutate


def replaced(path: str, by: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Mutate:
    """`module:name` becomes what `by` makes of it."""
    module, name = path.split(":")

    def mutate(patch: Patch) -> None:
        target: Any = import_module(f"dpsql.{module}")
        *within, last = name.split(".")
        for part in within:
            target = getattr(target, part)
        patch.setattr(target, last, by(getattr(target, last)))

    return mutate


def _times(value: Any, by: Fraction) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_times(each, by) for each in value)
    return int(value * by) if isinstance(value, int) else value * by


def _functions(tree: ast.AST) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and any(map(_raises, ast.walk(node)))]


def _raises(node: ast.AST) -> bool:
    return isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)


def _proves(node: ast.AST) -> bool:
    return _raises(node) and ast.unparse(node).startswith("raise InternalError(")


def _message(node: ast.AST) -> str:
    assert isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
    said = node.exc.args[0] if node.exc.args else node.exc
    if isinstance(said, ast.JoinedStr):
        return " ".join(str(part.value).strip() for part in said.values if isinstance(part, ast.Constant))
    return str(said.value) if isinstance(said, ast.Constant) else ast.unparse(said)


class _Without(ast.NodeTransformer):
    def __init__(self, gone: ast.AST) -> None:
        self.gone = gone

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return ast.copy_location(ast.Pass(), node) if node is self.gone else node


def _found(module: Any, name: str) -> FunctionType:
    for owner in (module, *(each for each in vars(module).values() if inspect.isclass(each))):
        found = vars(owner).get(name)
        if isinstance(found, FunctionType) and sys.modules[found.__module__] is module:
            return found
    raise AssertionError(f"{module.__name__} has no function {name}")


def _codes(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            yield from _codes(each)
