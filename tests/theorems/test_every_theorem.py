"""Every function that states a theorem has a test that attacks it."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]


def stated() -> set[str]:
    """The functions of dpsql whose docstring states a theorem."""
    return {
        node.name for path in sorted((ROOT / "dpsql").rglob("*.py")) for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and "Theorem:" in (ast.get_docstring(node) or "")
    }


def tested() -> set[str]:
    """The theorems that tests are named for, as functions or as names bound to one."""
    found: set[str] = set()
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            names = [node.name] if isinstance(node, ast.FunctionDef) else []
            if isinstance(node, ast.Assign):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            found |= {name.removeprefix("test_theorem_") for name in names if name.startswith("test_theorem_")}
    return found


def test_every_theorem_is_attacked() -> None:
    assert stated() - tested() == set()
    assert tested() - stated() <= {"_statement"}    # the sensitivities of a whole plan, which no one function states


def test_theorems_say_all_they_must() -> None:
    for path in sorted((ROOT / "dpsql").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            text = (ast.get_docstring(node) or "") if isinstance(node, ast.FunctionDef) else ""
            if "Theorem:" in text:
                assert all(f"{part}:" in text for part in ("Proof", "Needs", "Source")), f"{path.name}: {node.name}"  # type: ignore[attr-defined]
