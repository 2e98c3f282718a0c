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


def attacked_theorems() -> set[str]:
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
    assert stated() - attacked_theorems() == set()
    assert attacked_theorems() - stated() <= {"_statement"}    # the sensitivities of a whole plan


def test_theorems_say_all_they_must() -> None:
    for path in sorted((ROOT / "dpsql").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            text = (ast.get_docstring(node) or "") if isinstance(node, ast.FunctionDef) else ""
            missing = [part for part in ("Proof", "Needs", "Source") if "Theorem:" in text and f"{part}:" not in text]
            assert not missing, f"{path.name}, line {node.lineno}"  # type: ignore[attr-defined]
