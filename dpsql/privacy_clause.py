"""GoogleSQL's privacy clause, taken out of the tokens: what a query states of its epsilon, its caps and its bounds.

    SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS (epsilon = 1, delta = 1e-6, max_groups_contributed = 2)
      ward, SUM(cost, contribution_bounds_per_group => (0, 500)) FROM visits GROUP BY ward

and the older ANON_SUM(cost CLAMPED BETWEEN 0 AND 500). What is left is plain SQL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from dpsql.catalog import Catalog
from dpsql.errors import QueryError

_WORDS = ("DIFFERENTIAL_PRIVACY", "ANONYMIZATION")
_ARGUMENTS = {"contribution_bounds_per_group": True, "contribution_bounds_per_row": False}
_ANON = {"ANON_COUNT": "COUNT", "ANON_SUM": "SUM", "ANON_AVG": "AVG"}
_ALIASES = {"kappa": "max_groups_contributed"}
_NUMBERS = {"epsilon", "delta", "max_groups_contributed", "min_privacy_units_per_group"}
_UNIT = "privacy_unit_column"
_FITS = {"epsilon": "above 0", "delta": "at least 0 and below 1"}
_MAX_LENGTH = 40      # characters of a number
_LITERAL = re.compile(r"(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one unit may add: to a group, or by a row."""

    low: Fraction
    high: Fraction
    per_group: bool


@dataclass(frozen=True, slots=True)
class Stated:
    """What a query states itself. `bounds` go by the place of the aggregate's name in the text.

    `unit` is the token of the column that it says tells people apart.
    """

    epsilon: Fraction | None = None
    delta: Fraction | None = None
    max_groups: int | None = None
    min_units: int | None = None
    bounds: Mapping[int, Bounds] = field(default_factory=dict)
    unit: Token | None = None


def taken(sql: str, tokens: Sequence[Token]) -> tuple[list[Token], Stated]:
    """The tokens without the clause and its arguments, and what they state. QueryError for a wrong one."""
    options: dict[str, Fraction] | None = None
    unit: Token | None = None
    bounds: dict[int, Bounds] = {}
    kept: list[Token] = []
    calls: list[Token | None] = []          # the name before each open bracket
    place = 0
    while place < len(tokens):
        token = tokens[place]
        if _opens(tokens, place):
            if options is not None:
                raise _wrong(sql, token, "the privacy clause stands once in a query")
            kept.append(token)
            options, unit, place = _options(sql, tokens, place + 3)
            continue
        if token.token_type is TokenType.COMMA and (found := _argument(sql, tokens, place)) is not None:
            if not calls or calls[-1] is None:
                raise _wrong(sql, token, "bounds of contribution stand in an aggregate")
            bounds[calls[-1].start], place = found
            continue
        if token.text.upper() == "CLAMPED" and calls and calls[-1] is not None:
            bounds[calls[-1].start], place = _clamped(sql, tokens, place)
            continue
        if token.token_type is TokenType.L_PAREN:
            calls.append(kept[-1] if kept and kept[-1].token_type is TokenType.VAR else None)
        elif token.token_type is TokenType.R_PAREN and calls:
            calls.pop()
        elif token.text.upper() in _ANON and token.token_type is TokenType.VAR:
            token = _renamed(token, _ANON[token.text.upper()])
        kept.append(token)
        place += 1
    found_options = options or {}
    groups, units = (found_options.get(name) for name in ("max_groups_contributed", "min_privacy_units_per_group"))
    return kept, Stated(
        found_options.get("epsilon"), found_options.get("delta"), None if groups is None else int(groups),
        None if units is None else int(units), bounds, unit,
    )


def _opens(tokens: Sequence[Token], place: int) -> bool:
    select, follow, word = (tokens[i].text.upper() if i < len(tokens) else "" for i in range(place, place + 3))
    return select == "SELECT" and follow == "WITH" and word in _WORDS


def _options(sql: str, tokens: Sequence[Token], place: int) -> tuple[dict[str, Fraction], Token | None, int]:
    """OPTIONS (name = value, ...), if it is there: the numbers, the column of the unit, and the place behind it."""
    options: dict[str, Fraction] = {}
    unit: Token | None = None
    if place >= len(tokens) or tokens[place].text.upper() != "OPTIONS":
        return options, unit, place
    place += 2
    while place + 2 < len(tokens) and tokens[place].token_type is not TokenType.R_PAREN:
        name, sign, value = tokens[place : place + 3]
        word = _ALIASES.get(name.text.lower(), name.text.lower())
        if word not in _NUMBERS | {_UNIT}:
            raise _wrong(sql, name, f"the option {name.text} is not read", "use " + ", ".join(sorted(_NUMBERS)))
        if sign.token_type is not TokenType.EQ:
            raise _wrong(sql, sign, "an option is written name = value")
        if word == _UNIT:
            unit, place = _last_name(tokens, place + 2)
            continue
        number, place = _number(sql, tokens, place + 2)
        if word in options:
            raise _wrong(sql, name, f"{word} is given twice")
        if number < 0 or (number == 0 and word != "delta") or (number >= 1 and word == "delta") or (
                number % 1 and word not in ("epsilon", "delta")):
            raise _wrong(sql, value, f"{word} is " + _FITS.get(word, "a whole number from 1 up"))
        options[word] = number
        place += tokens[place].token_type is TokenType.COMMA if place < len(tokens) else 0
    return options, unit, place + 1


def _last_name(tokens: Sequence[Token], place: int) -> tuple[Token, int]:
    """The last name of `t.c`, and the place behind it and behind a comma."""
    while place + 2 < len(tokens) and tokens[place + 1].token_type is TokenType.DOT:
        place += 2
    follows = place + 1 < len(tokens) and tokens[place + 1].token_type is TokenType.COMMA
    return tokens[place], place + 1 + follows


def require_unit(stated: Stated, tree: exp.Expr, catalog: Catalog) -> None:
    """The policy says whose a row is: a query may say so too. QueryError when it names another column."""
    if stated.unit is None:
        return
    known = {str(catalog.carries(table)).lower() for table in catalog.policy.tables}
    known |= {alias.alias.lower() for alias in tree.find_all(exp.Alias) if alias.this.name.lower() in known}
    if stated.unit.text.lower() not in known:
        raise QueryError(
            f"{stated.unit.text} is not what tells apart those whom the policy protects, {catalog.policy.unit}",
            hint="leave privacy_unit_column out: the policy says whose a row is",
            start=stated.unit.start, end=stated.unit.end,
        )


def _argument(sql: str, tokens: Sequence[Token], place: int) -> tuple[Bounds, int] | None:
    """`, contribution_bounds_per_group => (low, high)` and the place behind it."""
    if place + 2 >= len(tokens) or tokens[place + 1].text.lower() not in _ARGUMENTS:
        return None
    name = tokens[place + 1]
    if tokens[place + 2].token_type is not TokenType.FARROW:
        raise _wrong(sql, name, f"{name.text} is written {name.text} => (low, high)")
    low, then = _number(sql, tokens, place + 4)
    high, then = _number(sql, tokens, then + 1)
    return _bounds(sql, name, low, high, _ARGUMENTS[name.text.lower()]), then + 1


def _clamped(sql: str, tokens: Sequence[Token], place: int) -> tuple[Bounds, int]:
    """CLAMPED BETWEEN low AND high."""
    low, then = _number(sql, tokens, place + 2)
    high, then = _number(sql, tokens, then + 1)
    return _bounds(sql, tokens[place], low, high, True), then


def _bounds(sql: str, token: Token, low: Fraction, high: Fraction, per_group: bool) -> Bounds:
    if low > high:
        raise _wrong(sql, token, "the lower bound comes first")
    return Bounds(low, high, per_group)


def _number(sql: str, tokens: Sequence[Token], place: int) -> tuple[Fraction, int]:
    """A literal number, its sign included."""
    sign = 1
    if place < len(tokens) and tokens[place].token_type is TokenType.DASH:
        sign, place = -1, place + 1
    token = tokens[min(place, len(tokens) - 1)]
    plain = token.token_type is TokenType.NUMBER and _LITERAL.fullmatch(token.text) is not None
    if place >= len(tokens) or not plain or len(token.text) > _MAX_LENGTH:
        raise _wrong(sql, token, "a literal number is expected here")
    mantissa, _, exponent = token.text.lower().partition("e")
    if exponent and abs(int(exponent)) > _MAX_LENGTH:
        raise _wrong(sql, token, "this number is too large or too small")
    return sign * Fraction(mantissa) * Fraction(10) ** int(exponent or 0), place + 1


def _renamed(token: Token, name: str) -> Token:
    return Token(TokenType.VAR, name, line=token.line, col=token.col, start=token.start, end=token.end)


def _wrong(sql: str, token: Token, reason: str, hint: str | None = None) -> QueryError:
    return QueryError(reason, hint=hint, sql=sql, start=token.start, end=token.end)
