"""`import dpsql`: the names it promises, and that it costs nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import dpsql

SOURCE = ast.parse(Path(dpsql.__file__).read_text(encoding="utf-8"))


def test_all_names_exist() -> None:
    for name in dpsql.__all__:
        assert getattr(dpsql, name) is not None
    assert set(dpsql.__all__) <= set(dir(dpsql))


def test_the_lists_agree() -> None:
    checked = next(node for node in SOURCE.body if isinstance(node, ast.If))
    typed = {alias.name for node in checked.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert set(dpsql.__all__) == typed == set(dpsql._HOME_OF)
    assert len(dpsql.__all__) == len(set(dpsql.__all__))


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(dpsql, "quary")


def test_import_loads_nothing_heavy() -> None:
    code = "import sys, dpsql; print([m for m in ('duckdb', 'numpy', 'sqlglot', 'sqlite3') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_version_is_the_packages() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == dpsql.__version__
