"""Tables for notebooks: escaped, aligned, red where little is known."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from dpsql.html_table import html_table


def _parsed(page: str) -> ElementTree.Element:
    return ElementTree.fromstring(f"<div>{page}</div>")


@given(st.text(), st.text(), st.text())
def test_no_text_leaves_its_place(name: str, value: str, note: str) -> None:
    page = html_table([name], ["VARCHAR"], [(value,)], [[None]], [note.replace("\x00", "").replace("\r", "")])
    tags = {element.tag for element in _parsed("".join(c for c in page if c.isprintable() or c == "\n")).iter()}
    assert tags == {"div", "table", "thead", "tbody", "tr", "th", "td", "small"}


def test_script_is_text() -> None:
    attack = "<script>alert(1)</script>\"' onload=x"
    page = html_table([attack], [attack], [(attack,)], [[None]], [attack])
    assert "<script" not in page and page.count("&lt;script&gt;") == 4 and '"\' onload' not in page


def test_errors_stand_beside_values_and_large_ones_are_red() -> None:
    rows = [("a", 100, 4.0), ("b", 100, None), ("c", 0, float("nan"))]
    pairs = [[None, (90, 110), (2.9, 5.1)], [None, (70, 130), None], [None, (-1, 1), (0.0, 1.0)]]
    table = _parsed(html_table(["k", "n", "x"], ["VARCHAR", "BIGINT", "DOUBLE"], rows, pairs))
    errors = [(small.text, "style" in small.attrib) for small in table.iterfind(".//td/small")]
    assert errors == [("± 10", False), ("± 1.1", True), ("± 30", True), ("± 1", True), ("[0, 1]", True)]
    sides = [cell.attrib["style"].partition(":")[2] for cell in table.iterfind(".//tr/td")][:3]
    assert sides == ["left", "right", "right"]


def test_long_and_empty_tables_say_so() -> None:
    rows = [(i,) for i in range(10)]
    page = html_table(["x"], ["INTEGER"], rows, [[None]] * 10, ["the bill"], limit=3)
    assert page.count("<td") == 3 and "... 7 more of 10 rows" in page and "<div>the bill</div>" in page
    assert "(no rows)" in html_table(["x"], ["INTEGER"], [], [])
