"""The floors of the design's style: sizes, names, and where randomness may come from."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "dpsql").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FILE_LINES, FUNCTION_LINES = 400, 40


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring: proofs may be long, code may not."""
    body = node.body
    doc = body[0] if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) else None
    skipped = (doc.end_lineno or doc.lineno) - doc.lineno + 1 if doc else 0
    return (node.end_lineno or node.lineno) - node.lineno + 1 - skipped


@pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) < FILE_LINES


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_are_short_and_modules_say_what_they_are(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "a module starts with what it is"
    long = [f"{node.name}: {_code_lines(node)}" for node in _functions(path) if _code_lines(node) > FUNCTION_LINES]
    assert not long


def test_no_module_is_a_drawer() -> None:
    drawers = re.compile(r"(^|_)(utils?|helpers?|common|managers?|misc)$")
    assert not [path.name for path in MODULES if drawers.search(path.stem)]


def test_noise_comes_from_the_operating_system_alone() -> None:
    seedable = re.compile(r"numpy\.random|np\.random|import random|from random|RANDOM\(\)")
    assert not [path for path in MODULES if seedable.search(path.read_text()) and path.name != "hospital.py"]
    asked = re.compile(r"\burandom\b|\bsecrets\b")
    allowed = {"entropy.py"}
    found = {
        path.name for path in MODULES
        if asked.search(path.read_text()) and path.parts[-2] not in ("budget",)
    }
    assert found <= allowed | {"__init__.py"}


def test_every_theorem_is_written_out() -> None:
    """A docstring with a Theorem also has its Proof, Needs and Source."""
    for path in MODULES:
        for node in _functions(path):
            doc = ast.get_docstring(node) or ""
            if "Theorem:" in doc:
                missing = [part for part in ("Proof:", "Needs:", "Source:") if part not in doc]
                assert not missing, f"{path.name}: {node.name} lacks {missing}"


def test_the_top_level_holds_nothing_else() -> None:
    wanted = {"pyproject.toml", "README.md", "dpsql", "tests", "grammar_fixtures", "examples", "LICENSE"}
    made = {"build", "dist", "dpsql.egg-info"}
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert found - made == wanted
