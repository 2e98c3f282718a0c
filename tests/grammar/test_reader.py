"""The reader of the grammar pages: what it finds, what it rejects, and that a rewrite touches printed blocks alone."""

from __future__ import annotations

from pathlib import Path

import pages
import pytest
from pages import Case, PageError, read, rewrite

PAGE = """# A page

Prose with `### no title` inside.

### First
About the first.
```sql query
SELECT 1 -- ### no title either
```
```text refused
old
```

About the second, and about ``` fences.

## Refused

### Second
```sql query
SELECT 2
```
""".replace(" ``` fences", " fences")


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pages, "FOLDER", tmp_path)
    path = tmp_path / "area" / "page.md"
    path.parent.mkdir()
    path.write_text(PAGE)
    return path


def test_cases(page: Path) -> None:
    first, second = read(page)
    assert (first.id, first.refused, first.printed) == ("area/page::First", False, {"text refused": "old"})
    assert first.blocks["sql query"] == "SELECT 1 -- ### no title either"
    assert (second.id, second.refused, second.printed) == ("area/page::Second", True, {})


def test_rewrite_keeps_what_a_person_wrote(page: Path) -> None:
    first, second = read(page)
    rewrite(first, {"text bounds": "b", "sql finish": "### f"})
    rewrite(second, {"text refused": "no\n^^"})
    assert page.read_text() == PAGE.replace(
        "```text refused\nold\n```\n", "```text bounds\nb\n```\n```sql finish\n### f\n```\n"
    ) + "```text refused\nno\n^^\n```\n"
    again = read(page)
    assert [case.printed for case in again] == [{"text bounds": "b", "sql finish": "### f"}, {"text refused": "no\n^^"}]
    before = page.read_text()
    for case in again:
        rewrite(case, case.printed)
    assert page.read_text() == before


@pytest.mark.parametrize("text", [
    "# No case\n",
    "### No query\n```text refused\nx\n```\n",
    "### Unknown\n```sql query\nx\n```\n```sql queri\nx\n```\n",
    "### Twice\n```sql query\nx\n```\n```sql query\nx\n```\n",
    "### Untold\n```sql query\nx\n```\n```\nx\n```\n",
    "### Open\n```sql query\nx\n",
    "### Same\n```sql query\nx\n```\n### Same\n```sql query\nx\n```\n",
])
def test_pages_that_do_not_keep_the_format(page: Path, text: str) -> None:
    page.write_text(text)
    with pytest.raises(PageError):
        read(page)


def test_every_page_is_read() -> None:
    found: list[Case] = pages.cases()
    assert {case.page for case in found} == set(pages.FOLDER.glob("*/*.md"))
    assert len({case.id for case in found}) == len(found)


@pytest.mark.parametrize("page", sorted(pages.FOLDER.glob("*/*.md")), ids=lambda page: page.parent.name + page.stem)
def test_a_page_teaches_what_is_answered_and_what_is_not(page: Path) -> None:
    """At least eight cases, a third of them answered and some refused; a page `refused` holds refusals alone."""
    found = read(page)
    refused = sum(case.refused for case in found)
    assert len(found) >= 8
    assert page.stem == "refused" or (refused and 3 * (len(found) - refused) >= len(found))
