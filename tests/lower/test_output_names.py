"""Names of the columns of an answer."""

from __future__ import annotations

import pytest

from dpsql.lower.question import output_name
from dpsql.parse import parse


@pytest.mark.parametrize(("item", "name"), [
    ("age", "age"),
    ("p.age", "age"),
    ("AVG(age) AS mean", "mean"),
    ("COUNT(*)", "count_star()"),
    ("AVG(age)", "avg(age)"),
    ("CAST(AVG(age) AS INTEGER)", "CAST(avg(age) AS INT)"),      # not "age", which it is not
    ("CAST(COUNT(*) AS VARCHAR)", "CAST(count(*) AS TEXT)"),
    ("-SUM(age)", "-sum(age)"),
    ("'x'", "'x'"),
    ("1", "1"),
])
def test_output_name(item: str, name: str) -> None:
    assert output_name(parse(f"SELECT {item} FROM people AS p").expressions[0]) == name
