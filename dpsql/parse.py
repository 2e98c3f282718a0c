"""parse: text to a sqlglot tree. One SELECT, of limited size and depth, its parameters filled in as typed literals."""

from __future__ import annotations

import copyreg
import datetime
import logging
import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches

import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from dpsql.errors import QueryError
from dpsql.limits import check_params, check_text, check_tokens, check_tree
from dpsql.privacy_clause import Stated, taken
from dpsql.surplus import check_arguments
from dpsql.trial import tried

Params = Sequence[object] | Mapping[str, object] | None

_CALL = re.compile(r"\w+\s*\(\s*(DISTINCT\s+)?$", re.I)    # a function's name, up to its first argument
_NEAR = 100         # characters before its first argument, in which a function's name is looked for
_TAKES_LITERAL = {"DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIME", "DATETIME", "ESCAPE"}      # and no brackets around it
HISTOGRAMS = ("histogram", "histogram_exact")
logging.getLogger("sqlglot").addHandler(logging.NullHandler())   # else it writes texts it does not know to stderr

UNREAD = "the query does not parse"
_CROSSED = {"mysql", "sqlite", "spark", "databricks", "snowflake"}     # JOIN without ON is CROSS JOIN there
_HOLES = (TokenType.PLACEHOLDER, TokenType.QDCOLON)
_QUERIES = {"SELECT", "WITH", "FROM", "TABLE", "(", "PIVOT", "UNPIVOT"}
_GIVE = "pass params=[...] for ? and $1, params={...} for $name; `dpsql query` takes --param"
_TABLES = "session.tables() and session.describe(table) tell what can be asked; in the shell \\d and \\d TABLE"
_ASIDE = dict.fromkeys(("SHOW", "DESCRIBE", "DESC", "SUMMARIZE", "PRAGMA"), _TABLES) | {
    "EXPLAIN": "session.explain(sql) and `dpsql explain` tell what would run and cost; in the shell \\explain",
}
_KEYWORDS = ("FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "JOIN", "UNION", "QUALIFY", "WINDOW",
             "VALUES", "BETWEEN")
_OF_TWO = (exp.RegrSlope, exp.RegrIntercept, exp.RegrR2, exp.RegrCount)     # that sqlglot lets have one argument
_WRITES = {"INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "DROP", "ALTER", "COPY", "TRUNCATE", "REPLACE"}


def parse(sql: str, params: Params = None, dialect: str = "duckdb") -> exp.Query:
    """The tree of one SELECT as sqlglot reads `dialect`, `params` in place of `?`, `$1`, `$name`, `:name`, `@name`.

    Raises QueryError for text that is too large or too deep, does not parse, holds more than one statement, is no
    SELECT, or whose parameters do not fit.
    """
    if not isinstance(sql, str):
        raise QueryError(f"a query is a text, not {type(sql).__name__}")
    if isinstance(params, str) or not isinstance(params, Sequence | Mapping | None):
        raise QueryError(f"params is a list or a mapping, not {type(params).__name__}", hint=_GIVE)
    check_text(sql)
    check_params(params)
    try:
        tokens = sqlglot.tokenize(sql, read=dialect)
        check_tokens(sql, tokens)
        _check_query(sql, tokens)
        stated = Stated()
        if dialect == "bigquery":
            tokens, stated = taken(sql, tokens)
        trees = tried(_trees, _filled(sql, tokens, params), sql, dialect)
        tree = _selected(next(tree for tree in trees if tree is not None))
        check_tree(tree)
        check_arguments(sql, tokens, dialect)
    except RecursionError:
        raise QueryError("the query is nested too deeply", hint="split it with WITH") from None
    except SqlglotError as error:
        raise _syntax(sql, error) from None
    except (AttributeError, LookupError, TypeError, ValueError):    # a function lacks what sqlglot expects of it
        raise QueryError(f"{UNREAD}: a function has other arguments than it takes") from None
    if hole := tree.find(exp.Placeholder, exp.Parameter, exp.SessionParameter):
        raise refusal(f"no value was given for parameter {hole.name}", hole, _GIVE).at(sql)
    _require_whole(sql, tree, dialect)
    for node in [n for n in tree.find_all(exp.Anonymous) if str(n.this).lower() in HISTOGRAMS]:
        node.replace(exp.AnonymousAggFunc(this=str(node.this).lower(), expressions=node.expressions))
    _mark_functions(sql, tree)
    _require_arguments(sql, tree)
    _mark_bounds(sql, tree, stated)
    query = unwrapped(tree)
    if not isinstance(query, exp.Select | exp.SetOperation):
        raise refusal("this is not a query dpsql answers", query, "write one SELECT").at(sql)
    query.meta["stated"] = stated
    return query


def _selected(tree: exp.Expr) -> exp.Expr:
    """The tree with PIVOT and UNPIVOT as statements written as SELECT * FROM ... PIVOT (...)."""
    for node in [found for found in tree.find_all(exp.Pivot) if found.arg_key != "pivots"]:
        source, using, into = node.this, node.args.get("using"), node.args.get("into")
        pivot = exp.Pivot(unpivot=node.args.get("unpivot"), group=node.args.get("group"))
        if node.args.get("unpivot"):
            name, values = (into.this, into.expressions) if into is not None else (exp.column("name"), [])
            pivot.set("expressions", [each.this for each in values] or [exp.to_identifier("value")])
            pivot.set("fields", [exp.In(this=name.this, expressions=node.expressions)])
        else:
            pivot.set("expressions", using or [exp.Count(this=exp.Star(), big_int=True)])
            pivot.set("fields", node.expressions)
        for key, value in node.args.items():
            if value and key not in ("this", "expressions", "unpivot", "using", "group", "into"):
                pivot.set(key, value)
        source.set("pivots", [pivot])
        every = exp.Star()
        start, end = span(source)
        every.meta.update({"start": start, "end": end} if start is not None else {})
        select = exp.Select(expressions=[every], from_=exp.From(this=source))
        if node is tree:
            return select
        node.replace(select)
    return tree


def _trees(tokens: list[Token], sql: str, dialect: str) -> list[exp.Expr | None]:
    return Dialect.get_or_raise(dialect).parser().parse(tokens, sql)


def _reduced(token: Token) -> tuple[type[Token], tuple[object, ...]]:
    """A token on its way to another process."""
    return Token, (token.token_type, token.text, token.line, token.col, token.start, token.end, token.comments)


copyreg.pickle(Token, _reduced)


def _require_whole(sql: str, tree: exp.Expr, dialect: str) -> None:
    """Refuses what the parser lets pass half written: a SELECT of nothing, a JOIN without its condition."""
    if empty := next((select for select in tree.find_all(exp.Select) if not select.expressions), None):
        raise refusal("this SELECT asks for nothing", empty.args.get("from_"), "name what to select").at(sql)
    if any(not fetch.args.get("count") for fetch in tree.find_all(exp.Fetch)):
        raise QueryError("this FETCH names no number of rows", hint="write FETCH FIRST 10 ROWS ONLY")
    if any(not any(group.args.values()) for group in tree.find_all(exp.Group)):
        raise QueryError("this GROUP BY names nothing", hint="name what to group by, or leave GROUP BY out")
    if twice := next((group for group in tree.find_all(exp.Group) if group.args.get("all") is False), None):
        raise refusal("GROUP BY DISTINCT is not read", twice, "write each of the GROUPING SETS once").at(sql)
    if dialect not in _CROSSED and (bare := next(filter(_bare, tree.find_all(exp.Join)), None)):
        raise refusal(
            "this JOIN does not say which rows belong together", bare.this,
            "add ON or USING; CROSS JOIN puts every row beside every other",
        ).at(sql)


def _require_arguments(sql: str, tree: exp.Expr) -> None:
    """Refuses an aggregate that the parser let pass without what it needs, as MAX() and REGR_SLOPE( , x)."""
    for function in tree.find_all(exp.AggFunc):
        needed = {name for name, must in function.arg_types.items() if must} | (
            {"expression"} if isinstance(function, _OF_TWO) else set())
        if any(function.args.get(name) is None for name in needed):
            raise refusal(f"{written(function)} lacks an argument", function, "say of what, as in MAX(x)").at(sql)


def _bare(join: exp.Join) -> bool:
    """Whether JOIN is written, and no condition; of a comma in FROM the parser notes nothing at all."""
    written = len(join.args) > 1 and not isinstance(join.this, exp.Lateral | exp.Unnest)
    kind, condition = join.kind, join.args.get("on") or join.args.get("using")
    return written and condition is None and not join.method and kind in ("", "INNER", "OUTER")


def span(node: exp.Expr) -> tuple[int | None, int | None]:
    """The offsets of the first and last character of the text a node came from, as far as sqlglot kept them."""
    marks = [n.meta for n in node.walk() if "start" in n.meta]
    if not marks:
        return (None, None) if node.parent is None or isinstance(node.parent, exp.Query) else span(node.parent)
    return min(mark["start"] for mark in marks), max(mark["end"] for mark in marks)


def refusal(reason: str, node: exp.Expr | None, hint: str | None = None) -> QueryError:
    """A refusal that points at a node; the text is added by the pipeline."""
    start, end = span(node) if node is not None else (None, None)
    return QueryError(reason, hint=hint, start=start, end=end)


def no_item(place: exp.Expr) -> QueryError:
    """The refusal of a position, in GROUP BY or ORDER BY, where no select item stands."""
    return refusal(f"there is no select item {place.name}", place, "count from 1, or write the expression out")


def written(function: exp.Expr) -> str:
    """The name of a function as the analyst wrote it; sqlglot's name where the text does not tell."""
    return str(function.meta.get("written") or (
        function.sql_name() if isinstance(function, exp.Func) and not isinstance(function, exp.Anonymous)
        else function.name or function.key.upper()
    ))


def _mark_functions(sql: str, tree: exp.Expr) -> None:
    """Notes where each function stands and how it was spelled; sqlglot forgets some places, and all spellings."""
    for node in reversed(list(tree.find_all(exp.Func))):
        if "start" in node.meta:
            name = sql[node.meta["start"] : node.meta["end"] + 1]
        elif isinstance(node, exp.AggFunc) or not node.args:
            inner = min((n.meta["start"] for n in node.walk() if "start" in n.meta), default=None)
            found = re.search(rf"\b{node.sql_name()}\b", sql, re.I) if inner is None else _CALL.search(
                sql, max(0, inner - _NEAR), inner)
            if found is None:
                continue
            node.meta.update(start=found.start(), end=found.start() + len(found[0].split("(")[0].rstrip()) - 1)
            name = found[0].split("(")[0].rstrip()
        else:
            continue
        if name.isidentifier():
            node.meta["written"] = name


def _mark_bounds(sql: str, tree: exp.Expr, stated: Stated) -> None:
    """Gives each aggregate the bounds that its own arguments stated."""
    left = dict(stated.bounds)
    for node in tree.find_all(exp.AggFunc):
        if (bounds := left.pop(node.meta.get("start", -1), None)) is not None:
            node.meta["bounds"] = bounds
    if left:
        place = min(left)
        raise QueryError("bounds of contribution stand in an aggregate", sql=sql, start=place, end=place)


def _check_query(sql: str, tokens: list[Token]) -> None:
    """One statement that starts like a query; others never reach the parser, which would log what it does not know."""
    starts = [
        token for before, token in zip([None, *tokens], tokens, strict=False)
        if token.token_type is not TokenType.SEMICOLON and (before is None or before.token_type is TokenType.SEMICOLON)
    ]
    if not starts:
        raise QueryError("there is no query in this text", hint="write one SELECT")
    word = starts[0].text.upper()
    if word not in _QUERIES:
        what = "changes data; dpsql only answers SELECT" if word in _WRITES else "is not a query dpsql answers"
        raise QueryError(
            f"{word} {what}", hint=_ASIDE.get(word, "write one SELECT"),
            sql=sql, start=starts[0].start, end=starts[0].end,
        )
    if len(starts) > 1:
        raise QueryError(
            f"this text holds {len(starts)} statements; one is answered at a time", hint="send them one by one",
            sql=sql, start=starts[1].start, end=starts[1].end,
        )


def unwrapped(query: exp.Expr) -> exp.Expr:
    """A query out of its brackets. Raises QueryError for a clause behind them, which would be lost."""
    while isinstance(query, exp.Subquery) and isinstance(query.this, exp.Query):
        for name, value in query.args.items():
            if value and name not in ("this", "alias"):
                place = value if isinstance(value, exp.Expr) else query
                raise refusal(
                    "a clause around a query in brackets is not answered", place,
                    "write it inside, or SELECT * FROM (...) and then the clause",
                )
        query = query.this
    return query


def _syntax(sql: str, error: SqlglotError) -> QueryError:
    details = getattr(error, "errors", None) or [{}]
    detail = details[0]
    highlight, line, column = detail.get("highlight"), detail.get("line"), detail.get("col")
    what = (detail.get("description") or "a quote or a comment is not closed").split(" but got <Token")[0].rstrip(".")
    if what.startswith("Required keyword"):             # names sqlglot's own classes
        what = "something is missing here"
    elif what.startswith("The number of provided arguments"):
        what = "this function takes fewer arguments"
    elif what == "Invalid expression / Unexpected token":
        what = "this is not expected here"
    elif what.startswith("Expecting "):
        what = f"{what.removeprefix('Expecting ')} is expected here"
    if not (isinstance(highlight, str) and isinstance(line, int) and isinstance(column, int)):
        start = max(sql.rfind(mark) for mark in ("'", '"', "/*", "$$"))     # what is not closed is mostly the last
        return QueryError(f"{UNREAD}: {what}", sql=sql, start=start if start >= 0 else None)
    begin = sum(len(text) + 1 for text in sql.split("\n")[: line - 1])
    start = max(0, begin + column - max(1, len(highlight)))
    return QueryError(f"{UNREAD}: {what}", hint=_keyword(sql[:start], highlight), sql=sql, start=start,
                      end=start + len(highlight) - 1)


def _keyword(before: str, found: str) -> str | None:
    """The keyword that a word at the place of an error, or the one before it, is spelt much like."""
    for word in (found, *before.split()[-1:]):
        if word.upper() not in _KEYWORDS and (near := get_close_matches(word.upper(), _KEYWORDS, 1, 0.7)):
            return f"did you mean {near[0]} where {word} stands?"
    return None


def _filled(sql: str, tokens: list[Token], params: Params) -> list[Token]:
    """The tokens with every parameter replaced by the tokens of its typed literal, at the parameter's own place.

    Values become tokens, never text, so no value can change the shape of a query.
    """
    filled: list[Token] = []
    used: set[str] = set()
    asked = 0
    rest = iter(range(len(tokens)))
    for i in rest:
        token = tokens[i]
        follower = tokens[i + 1] if i + 1 < len(tokens) else None
        if token.token_type in _HOLES:
            asked += 1
            key = str(asked)
        elif token.text in ("$", ":", "@") and follower is not None and _names(token, follower, params):
            key = follower.text
            next(rest)
        else:
            filled.append(token)
            continue
        used.add(key)
        made = _literal_tokens(_value(sql, token, key, params), token, sql)
        typed = i > 0 and tokens[i - 1].text.upper() in _TAKES_LITERAL and len(made) == 3
        filled += made[1:-1] if typed else made
        if token.token_type is TokenType.QDCOLON:
            filled.append(Token(TokenType.DCOLON, "::", start=token.start, end=token.end))
    given = set(params) if isinstance(params, Mapping) else {str(i + 1) for i in range(len(params or ()))}
    if extra := sorted(given - used):
        raise QueryError(f"parameter {extra[0]} is given but the query does not use it")
    return filled


def _names(token: Token, follower: Token, params: Params) -> bool:
    """Whether `$x` or `:x` is a parameter; a colon is one only when a value of that name was given."""
    adjacent = follower.start == token.end + 1
    return adjacent and (token.text == "$" or (isinstance(params, Mapping) and follower.text in params))


def _value(sql: str, token: Token, key: str, params: Params) -> object:
    if isinstance(params, Mapping):
        if key in params:
            return params[key]
    elif params is not None and key.isdigit() and 1 <= int(key) <= len(params):
        return params[int(key) - 1]
    raise QueryError(
        f"no value was given for parameter {key}", hint=_GIVE,
        sql=sql, start=token.start, end=token.end,
    )


def _literal_tokens(value: object, hole: Token, sql: str) -> list[Token]:
    literal = _literal(value)
    if literal is None:
        raise QueryError(
            f"a parameter of type {type(value).__name__} (or not finite) cannot be used",
            hint="pass None, bool, int, Decimal, finite float, str, date, time, datetime, or some of them in a list",
            sql=sql, start=hole.start, end=hole.end,
        )
    made = sqlglot.tokenize(exp.Paren(this=literal).sql("duckdb"), read="duckdb")
    return [
        Token(t.token_type, t.text, line=hole.line, col=hole.col, start=hole.start, end=hole.end) for t in made
    ]


def _literal(value: object) -> exp.Expr | None:
    match value:
        case None:
            return exp.Null()
        case bool():
            return exp.Boolean(this=value)
        case int():
            number = exp.Literal.number(str(abs(value)))
            return exp.Neg(this=number) if value < 0 else number
        case Decimal() if value.is_finite():
            decimal = exp.Literal.number(f"{abs(value):f}")
            return exp.Neg(this=decimal) if value < 0 else decimal
        case float() if math.isfinite(value):
            return exp.cast(exp.Literal.string(repr(value)), "DOUBLE")
        case str():
            return exp.Literal.string(value)
        case list() | tuple() if value and not any(isinstance(each, list | tuple) for each in value):
            parts = [_literal(each) for each in value]
            return exp.Array(expressions=parts) if None not in parts else None
        case datetime.datetime():
            try:
                moment = value if value.tzinfo is None else value.astimezone(datetime.UTC).replace(tzinfo=None)
            except OverflowError:
                return None
            return exp.cast(exp.Literal.string(moment.isoformat(" ")), "TIMESTAMP")
        case datetime.time() if value.tzinfo is None:
            return exp.cast(exp.Literal.string(value.isoformat()), "TIME")
        case datetime.date() if not isinstance(value, datetime.datetime):
            return exp.cast(exp.Literal.string(value.isoformat()), "DATE")
        case _:
            return None
