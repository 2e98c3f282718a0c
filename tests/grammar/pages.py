"""Reads and writes the grammar pages: prose, and cases made of a `###` title and fenced blocks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "grammar_fixtures"
ASKED = ("sql query", "json params", "json ask", "sql plain")                # a person writes these
PRINTED = ("text refused", "text bounds", "sql rewritten", "sql finish")     # dpsql prints these
_FENCE = re.compile(r"^```(\w+ \w+)\n(.*?)^```$\n?", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#{1,3}) (.+)$\n?", re.MULTILINE)


class PageError(Exception):
    """A page that does not keep the format."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a page: its blocks by their info string, without the last newline.

    `refused` says that it stands on a page `refused` or under a heading `## Refused`, and so must be.
    """

    page: Path
    title: str
    blocks: Mapping[str, str]
    refused: bool

    @property
    def id(self) -> str:
        """`area/construct::title`."""
        return f"{self.page.relative_to(FOLDER).with_suffix('')}::{self.title}"

    @property
    def printed(self) -> dict[str, str]:
        """The blocks that dpsql prints, in order."""
        return {name: self.blocks[name] for name in PRINTED if name in self.blocks}


def cases(folder: Path = FOLDER) -> list[Case]:
    """The cases of every page. PageError for a case without a query, a block twice, or an unknown block."""
    return [case for page in sorted(folder.glob("*/*.md")) for case in read(page)]


def read(page: Path) -> list[Case]:
    """The cases of one page."""
    found = [
        Case(page, title, _blocks(body, f"{page}: {title}"), area == "Refused" or page.stem == "refused")
        for area, title, body in _sections(page.read_text())
    ]
    titles = [case.title for case in found]
    if not found or len(set(titles)) < len(titles):
        raise PageError(f"{page}: a page has cases, and their titles differ")
    return found


def rewrite(case: Case, printed: Mapping[str, str]) -> None:
    """Puts what dpsql printed into the page, below what a person wrote in that case."""
    text = case.page.read_text()
    body = next(body for _, title, body in _sections(text) if title == case.title)
    kept = _FENCE.sub(lambda block: block[0] if block[1] in ASKED else "", body)
    place = max(block.end() for block in _FENCE.finditer(kept))
    blocks = "".join(f"```{name}\n{content}\n```\n" for name, content in printed.items())
    case.page.write_text(text.replace(
        f"### {case.title}\n{body}", f"### {case.title}\n{kept[:place]}{blocks}{kept[place:]}"
    ))


def _sections(text: str) -> list[tuple[str, str, str]]:
    """Heading above, title and body of every case; a body ends at the next heading outside a block."""
    fences = [block.span() for block in _FENCE.finditer(text)]
    heads = [m for m in _HEADING.finditer(text) if not any(start < m.start() < end for start, end in fences)]
    ends = [head.start() for head in heads[1:]] + [len(text)]
    found = []
    area = ""
    for head, end in zip(heads, ends, strict=True):
        if head[1] == "###":
            found.append((area, head[2], text[head.end():end]))
        else:
            area = head[2]
    return found


def _blocks(body: str, place: str) -> dict[str, str]:
    blocks: dict[str, str] = {}
    for name, content in _FENCE.findall(body):
        if name not in ASKED + PRINTED or name in blocks:
            raise PageError(f"{place}: the block `{name}` is unknown or stands there twice")
        blocks[name] = content.removesuffix("\n")
    if "sql query" not in blocks or body.count("```") != 2 * len(blocks):
        raise PageError(f"{place}: a case is one `sql query` and what it prints, each in a fence of its own")
    return blocks
