"""One value of the policy file and where it stands, so that every error names file, key path and mend."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from dpsql.errors import OpenError, PolicyError

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_AT_LINE = re.compile(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", re.DOTALL)
_FARTHEST = 400  # decimal exponent: beyond any double, near enough to be made a fraction of

NUMBERS = ("a whole number", "a number")


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the file, with the file's name and the keys that lead to it."""

    file: str
    path: tuple[str, ...]
    value: object

    def error(self, message: str) -> PolicyError:
        """The error that speaks of this place."""
        where = ".".join(part if _BARE.fullmatch(part) else f'"{part}"' for part in self.path)
        return PolicyError(f"{self.file}: {where}: {message}" if where else f"{self.file}: {message}")

    def at(self, key: str, value: object) -> Node:
        """The value under `key`."""
        return Node(self.file, (*self.path, key), value)

    def table(self, known: Iterable[str] | None = None) -> dict[str, Node]:
        """What stands in this TOML table; `known` are the keys it may have (None: any)."""
        if not isinstance(self.value, dict):
            raise self.error(f"must be a table of settings, not {kind(self.value)}")
        found = {key: self.at(key, value) for key, value in self.value.items()}
        if known is not None:
            for key, node in found.items():
                if key not in known:
                    raise node.error(f"is not a setting here; {suggest(key, known)}")
        return found

    def items(self) -> list[Node]:
        """What stands in this array."""
        if not isinstance(self.value, list):
            raise self.error(f"must be a list in brackets, not {kind(self.value)}")
        return [self.at(str(index), value) for index, value in enumerate(self.value, 1)]

    def text(self) -> str:
        """A string that is not empty."""
        if not isinstance(self.value, str):
            raise self.error(f"must be a text in quotes, not {kind(self.value)}")
        if not self.value.strip():
            raise self.error("must not be empty")
        return self.value

    def flag(self) -> bool:
        """true or false."""
        if not isinstance(self.value, bool):
            raise self.error(f"must be true or false, not {kind(self.value)}")
        return self.value

    def whole(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            found = str(self.value) if isinstance(self.value, Decimal) else kind(self.value)
            raise self.error(f"must be a whole number, not {found}")
        if not low <= self.value <= high:
            raise self.error(f"must be from {low} to {high}")
        return self.value

    def number(self) -> Fraction:
        """A finite number, exactly as written."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, Decimal)):
            raise self.error(f"must be a number, not {kind(self.value)}")
        value = Decimal(self.value)
        if not value.is_finite():
            raise self.error(f"must be a finite number, not {self.value}")
        if value and abs(value.adjusted()) > _FARTHEST:
            raise self.error("is beyond every number that a database holds")
        return Fraction(self.value)


def read(path: Path) -> Node:
    """The whole file. OpenError when there is none, PolicyError when it is no TOML."""
    try:
        content = path.read_bytes().decode()
    except OSError as error:
        raise OpenError(f"no policy at {path} ({error.strerror}): `dpsql init DATABASE` writes one") from None
    except UnicodeDecodeError:
        raise PolicyError(f"{path.name}: is no text in UTF-8, and a policy is a TOML file") from None
    try:
        return Node(path.name, (), tomllib.loads(content, parse_float=Decimal))
    except tomllib.TOMLDecodeError as error:
        where = _AT_LINE.fullmatch(str(error))
        line = (where[2] if where else None) or str(content.count("\n") + 1)
        raise PolicyError(f"{path.name}: line {line}: {where[1] if where else error}; the file must be TOML") from None
    except (ValueError, ArithmeticError, RecursionError):
        raise PolicyError(f"{path.name}: holds a number or a nesting too large to read") from None


def suggest(name: str, known: Iterable[str]) -> str:
    """The name most like `name`, or all there are."""
    names = sorted(known)
    folded = {each.lower(): each for each in reversed(names)}
    if close := difflib.get_close_matches(name.lower(), list(folded), n=1):
        return f"did you mean {folded[close[0]]}?"
    return f"there are: {', '.join(names)}" if names else "there are none"


def kind(value: object) -> str:
    """What a TOML value is, in words."""
    match value:
        case bool():
            return "true or false"
        case int():
            return NUMBERS[0]
        case Decimal():
            return NUMBERS[1]
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "a table of settings"
        case _:
            return "a date or time"
