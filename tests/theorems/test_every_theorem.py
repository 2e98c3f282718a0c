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


# Every function here says how far one unit reaches, unless it stands below: those speak of beliefs, which choose clips.
BOUNDS = ("facts/equalities", "facts/keys", "facts/order", "facts/ownership", "facts/ranges", "facts/stability",
          "sensitivity")
BELIEFS = {"folded_interval", "window_interval", "narrowed", "stated"}
FORMS = {"equal_pairs", "same", "classes", "bare_column"}      # of equalities, read by the bounds


def test_no_bound_hides() -> None:
    """What bounds a unit states a theorem, and so does whatever makes an event, the price of a mechanism."""
    named, prices = set(), set()
    for path in sorted((ROOT / "dpsql").rglob("*.py")):
        place = str(path.relative_to(ROOT / "dpsql").with_suffix(""))
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef) or "Theorem:" in (ast.get_docstring(node) or ""):
                continue
            if place in BOUNDS and not node.name.startswith("_"):
                named.add(node.name)
            if place != "budget/record" and node.returns is not None and ast.unparse(node.returns) == "Event":
                prices.add(f"{place}.{node.name}")      # a record only repeats what was charged
    assert named == BELIEFS | FORMS
    assert prices == set()


def test_theorems_say_all_they_must() -> None:
    for path in sorted((ROOT / "dpsql").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            text = (ast.get_docstring(node) or "") if isinstance(node, ast.FunctionDef) else ""
            missing = [part for part in ("Proof", "Needs", "Source") if "Theorem:" in text and f"{part}:" not in text]
            assert not missing, f"{path.name}, line {node.lineno}"  # type: ignore[attr-defined]
