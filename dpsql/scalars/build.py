"""The analyst's expression, copied node by node into our own scalars. What no rule here knows is refused."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import cache, reduce

from sqlglot import exp

from dpsql.expression import BOOLEAN, INTEGER, NULL, VARCHAR, Kind, Lit, Scalar
from dpsql.scalars import dialectal, lists, spelling, time_forms, zones
from dpsql.scalars.clamps import declared
from dpsql.scalars.dialectal import apply
from dpsql.scalars.errors import ScalarError
from dpsql.scalars.literals import number
from dpsql.scalars.noted import unread
from dpsql.scalars.numeric import MAX_SHIFT
from dpsql.scalars.rows import ROWS, Row, call
from dpsql.scalars.time_forms import repeated

Resolve = Callable[[exp.Column], Scalar]
Rule = Callable[[exp.Expr, Callable[[exp.Expr], Scalar]], Scalar]


def build(node: exp.Expr, resolve: Resolve, known: Callable[[exp.Expr], Scalar | None] | None = None) -> Scalar:
    """The scalar that `node` means, every cast explicit; `resolve` gives the scalar of a column.

    `known` is asked first of every node: it gives the scalar that stands for one (an aggregate, a key), or None.

    Numeric columns with a declared range are clamped to it wherever their value enters a computation. ScalarError
    (with the offending node) for anything not admitted: aggregates, windows, subqueries, unknown functions, types.
    """

    def visit(inner: exp.Expr) -> Scalar:
        try:
            found = known(inner) if known is not None else None
            return found if found is not None else _visit(inner, visit, resolve)
        except ScalarError as error:
            if error.node is None:
                error.node = inner
            raise

    return visit(node)


def _visit(node: exp.Expr, visit: Callable[[exp.Expr], Scalar], resolve: Resolve) -> Scalar:
    if isinstance(node, exp.Column):
        return resolve(node)
    if (passed_over := unread(node)) is not None:
        raise ScalarError(passed_over[0], node, passed_over[1])
    rule = NAMED.get(node.name.lower()) if isinstance(node, exp.Anonymous) else RULES.get(type(node).__name__)
    if rule is not None:
        return rule(node, visit)
    row, args = arguments(node)
    return apply(row, [visit(arg) for arg in args])


def arguments(node: exp.Expr) -> tuple[Row, list[exp.Expr]]:
    """The row that a node of the tree means, and its arguments in the row's order. ScalarError when none does."""
    if isinstance(node, exp.Anonymous):
        row = _by_name().get(str(node.this).lower())
        if row is None:
            raise _unknown(node)
        if len(node.expressions) != row.arity:
            many = "1 argument" if row.arity == 1 else f"{row.arity} arguments"
            raise ScalarError(f"{spelling.name(node)} takes {many}", node)
        return row, list(node.expressions)
    for row, keys in _by_node().get(type(node).__name__, ()):
        found = _taken(node, keys)
        if found is not None:
            return row, found
    raise _unknown(node)


def _taken(node: exp.Expr, keys: tuple[str, ...]) -> list[exp.Expr] | None:
    """The arguments under `keys` ("key?" may be absent); None when the node lacks one or holds anything else."""
    names = [key.rstrip("?") for key in keys]
    if {key for key, value in node.args.items() if value not in (None, [], False)} - set(names) - _NOTES:
        return None
    found: list[exp.Expr] = []
    for key, name in zip(keys, names, strict=True):
        value = node.args.get(name)
        if isinstance(value, list):
            found.extend(value)
        elif isinstance(value, exp.Expr):
            found.append(value)
        elif not key.endswith("?"):
            return None
    return found


_NOTES = {                                                 # the parser's own remarks
    "ignore_nulls", "safe", "typed", "date_part_boundary", "coalesce", "single_replace", "null_if_pos_overflow",
}


@cache
def _by_node() -> dict[str, tuple[tuple[Row, tuple[str, ...]], ...]]:
    table: dict[str, tuple[tuple[Row, tuple[str, ...]], ...]] = {}
    for row in ROWS.values():
        for spec in row.nodes:
            kind, *keys = spec.split()
            table[kind] = (*table.get(kind, ()), (row, tuple(keys)))
    return table


@cache
def _by_name() -> dict[str, Row]:
    return {name: row for row in ROWS.values() for name in row.names}


_FOLDS = ("count", "sum", "avg", "min", "max", "median", "quantile_cont", "quantile_disc", "stddev", "variance", "corr")


def _unknown(node: exp.Expr) -> ScalarError:
    reason = spelling.reason(node)
    if reason is not None:
        return reason
    name = spelling.name(node)
    called = name.removesuffix("()").lower()
    if called in _called():
        return ScalarError(f"{name} takes other arguments", node, spelt_like(called))
    hint = spelt_like(called) or "grammar_fixtures/expressions shows what is"
    return ScalarError(f"{name} is not admitted", node, hint)


@cache
def _called() -> frozenset[str]:
    """What functions are called."""
    rows = (row.name for row in ROWS.values() if not row.guard and row.nodes and len(row.name) > 2)
    return frozenset({*_by_name(), *_FOLDS, *rows})


def spelt_like(called: str) -> str | None:
    """The hint about a function of that name, or of a name that is spelt much like it."""
    if called.lower() in _called():
        return "grammar_fixtures/expressions shows which arguments it takes"
    near = difflib.get_close_matches(called.lower(), sorted(_called()), n=1, cutoff=0.8)
    return f"did you mean {near[0]}?" if near else None


# Nodes that are no plain row ----------------------------------------------------------------------------------------


def _literal(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    return _constant(node.this) if node.args.get("is_string") else number(node.this)


def _text(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    text = str(node.this)
    if isinstance(node, exp.ByteString) and not text.isascii():   # the engine reads \xC3\xA9 as one letter
        raise ScalarError("an E'...' text holds ASCII only", hint="write other letters in '...'")
    return _constant(text)


def _constant(text: str) -> Lit:
    if "\0" in text or (not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)):
        raise ScalarError("a text holds no zero character and no half of a surrogate pair")
    return Lit(text, VARCHAR)


def _negative(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    inner = node.this.unnest()
    if isinstance(inner, exp.Literal) and not inner.is_string:
        return number(inner.this, negative=True)
    value = visit(node.this)
    return repeated(value, Lit(-1, INTEGER)) or apply(ROWS["neg"], [value])


def _like(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    name = "ilike" if isinstance(node, exp.ILike) else "like"
    found = call(name, visit(node.this), visit(node.expression))
    return call("not", found) if node.args.get("negate") else found


def _escape(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    inner = node.this
    if not isinstance(inner, (exp.Like, exp.ILike)):
        raise ScalarError("ESCAPE follows LIKE or ILIKE only")
    name = "ilike" if isinstance(inner, exp.ILike) else "like"
    found = call(f"{name}_escape", visit(inner.this), visit(inner.expression), visit(node.expression))
    return call("not", found) if inner.args.get("negate") else found


def _is(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    test, found = node.expression, None
    if isinstance(test, exp.Null):
        found = call("is_null", visit(node.this))
    if isinstance(test, exp.Boolean):
        found = call("is_true" if test.this else "is_false", visit(node.this))
    if found is not None:
        return call("not", found) if node.args.get("negate") else found
    raise ScalarError("IS takes NULL, TRUE or FALSE", hint="write IS NOT DISTINCT FROM")


def _not(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    inner = node.this
    if isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null) and not inner.args.get("negate"):
        return call("is_not_null", visit(inner.this))
    return call("not", visit(inner))


def _in(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    if {key for key, value in node.args.items() if value} - {"this", "expressions"}:
        raise ScalarError("IN takes a list of values here", hint="list the values, or join the table")
    if not node.expressions:
        raise ScalarError("IN takes at least one value")
    if isinstance(node.this, exp.Tuple):
        return reduce(lambda a, b: call("or", a, b),
                      (_same_rows(node.this, option, visit) for option in node.expressions))
    return call("in", visit(node.this), *(visit(option) for option in node.expressions))


def _same_rows(left: exp.Expr, right: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    """Rows are compared as the engine compares them: NULL equals NULL inside them."""
    a, b = _fields(left), _fields(right)
    if a is None or b is None or len(a) != len(b):
        raise ScalarError("a row is compared with a row of as many values", right)
    return reduce(lambda x, y: call("and", x, y),
                  (call("is_not_distinct", visit(x), visit(y)) for x, y in zip(a, b, strict=True)))


def _any_of(node: exp.Expr) -> list[exp.Expr] | None:
    """The values of `x = ANY ([...])` and `x <> ALL ([...])`."""
    right = node.expression.unnest()
    whole = isinstance(right, exp.Anonymous) and str(right.this).upper() == "ALL" and len(right.expressions) == 1
    listed = right.expressions[0] if whole else right.this.unnest() if isinstance(right, exp.Any | exp.All) else None
    holds = isinstance(right, exp.Any) is isinstance(node, exp.EQ)
    return list(listed.expressions) if isinstance(listed, exp.Array) and listed.expressions and holds else None


def _fields(node: exp.Expr) -> list[exp.Expr] | None:
    node = node.unnest()
    if isinstance(node, exp.Tuple) or (isinstance(node, exp.Anonymous) and str(node.this).lower() == "row"):
        return list(node.expressions)
    return None


def _equal(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    different = isinstance(node, exp.NEQ)
    if (listed := _any_of(node)) is not None:
        found = call("in", visit(node.this), *(visit(each) for each in listed))
        return call("not", found) if different else found
    if isinstance(node.expression, exp.Any) and not different and not isinstance(node.expression.this, exp.Query):
        return lists.any_of(visit(node.this), visit(node.expression.this))
    if _fields(node.this) is not None or _fields(node.expression) is not None:
        same = _same_rows(node.this, node.expression, visit)
        return call("not", same) if different else same
    return call("<>" if different else "=", visit(node.this), visit(node.expression))


def _connected(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    """A chain of AND (or OR) is one call: long chains are not deep."""
    parts: list[exp.Expr] = []
    left: exp.Expr = node
    while type(left) is type(node):
        parts.append(left.expression)
        left = left.this
    return call("and" if isinstance(node, exp.And) else "or", *(visit(part) for part in (left, *reversed(parts))))


def _case(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    branches = [node] if isinstance(node, exp.If) else node.args["ifs"]
    args: list[Scalar] = []
    for branch in branches:
        args += [visit(branch.this), declared(visit(branch.args["true"]))]
    other = node.args.get("false" if isinstance(node, exp.If) else "default")
    args.append(Lit(None, NULL) if other is None else declared(visit(other)))
    subject = None if isinstance(node, exp.If) else node.this
    return call("case", *args) if subject is None else call("switch", visit(subject), *args)


def _boolean(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    return Lit(bool(node.this), BOOLEAN)


def _null(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    return Lit(None, NULL)


def _inside(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    return visit(node.this)


def _between(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    value, low, high = (visit(node.args[key]) for key in ("this", "low", "high"))
    if node.args.get("symmetric"):
        return call("or", call("between", value, low, high), call("between", value, high, low))
    return call("between", value, low, high)


def _trim(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position")), "trim")
    return call(name, *(visit(arg) for arg in (node.this, node.expression) if arg is not None))


def _log(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    """The parser reads log10(x) and log2(x) as LOG(10, x) and LOG(2, x)."""
    base = node.this
    if node.expression is None:
        return apply(ROWS["log10"], [visit(base)])
    if isinstance(base, exp.Literal) and base.this == "10":
        return apply(ROWS["log10"], [visit(node.expression)])
    return apply(ROWS["log"], [visit(base), visit(node.expression)])


def _matches(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    """A flag is written into the pattern."""
    flag = node.args.get("flag")
    pattern = visit(node.expression)
    anycase = isinstance(node, exp.RegexpILike) or (isinstance(flag, exp.Literal) and flag.this == "i")
    if flag is not None and not anycase:
        raise ScalarError("regexp_matches takes the option 'i' only", flag)
    if anycase and isinstance(pattern, Lit):
        pattern = Lit(f"(?i:{pattern.value})", VARCHAR)
    return call("regexp_matches", visit(node.this), pattern)


def _padded(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    fill = node.args.get("fill_pattern")
    rest = (node.this, node.expression) if fill is None else (node.this, node.expression, fill)
    return call("lpad" if node.args.get("is_left") else "rpad", *(visit(arg) for arg in rest))


def _letter(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    if len(node.expressions) != 1:
        raise ScalarError("chr takes one number")
    code = visit(node.expressions[0])
    if not isinstance(code, Lit):
        return call("chr", code)
    if type(code.value) is not int or not 0 < code.value <= 0x10FFFF:
        raise ScalarError("chr takes the number of a letter")
    return _constant(chr(code.value))


def _product(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    left, right = visit(node.this), visit(node.expression)
    return repeated(left, right) or apply(ROWS["*"], [left, right])


def _shifted_left(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    """x << n is x 2^n, which our product widens where the engine would overflow."""
    left, places = visit(node.this), visit(node.expression)
    if not isinstance(places, Lit) or type(places.value) is not int or not 0 <= places.value < MAX_SHIFT \
            or left.type.kind is not Kind.INTEGER:
        raise ScalarError(f"<< takes an integer and a literal below {MAX_SHIFT}")
    return apply(ROWS["*"], [left, number(str(1 << places.value))])


def _letters(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    """text[3] and text[2:4], by literal places; the parser counts a single one from zero."""
    (place,) = node.expressions if len(node.expressions) == 1 else (None,)
    ends = [place.this, place.expression] if isinstance(place, exp.Slice) else [place]
    numbers = [visit(end) for end in ends if end is not None]
    found = [number_.value for number_ in numbers if isinstance(number_, Lit) and type(number_.value) is int]
    value = visit(node.this)
    if value.type.kind is Kind.LIST:
        return lists.element(value, place, found)
    several = isinstance(place, exp.Slice)
    stepped = place is None or place.args.get("step") is not None
    if value.type != VARCHAR or len(found) != len(ends) or stepped or (several and min(found) < 1):
        raise ScalarError("[...] takes a literal place, or two, of a text", node, "write substring(x, 2, 3)")
    first = found[0] if several else found[0] + 1
    count = max(0, found[1] - first + 1) if several else 1 if first else 0
    return call("substring", value, Lit(first, INTEGER), Lit(count, INTEGER))


def _tried(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    """Everything is total here, so TRY is what stands in it."""
    return visit(node.this)


NAMED: dict[str, Rule] = {**time_forms.NAMED}
RULES: dict[str, Rule] = {
    "And": _connected, "AtTimeZone": zones.at_zone, "Between": _between, "BitwiseLeftShift": _shifted_left,
    "Boolean": _boolean, "Bracket": _letters, "ByteString": _text,
    "Case": _case, "Chr": _letter, "EQ": _equal, "Escape": _escape, "If": _case, "ILike": _like, "In": _in, "Is": _is,
    "Like": _like, "Literal": _literal, "Log": _log, "Mul": _product, "Neg": _negative, "NEQ": _equal, "Not": _not,
    "Null": _null, "Or": _connected, "Pad": _padded, "Paren": _inside, "RawString": _text, "RegexpILike": _matches,
    "RegexpLike": _matches, "Trim": _trim, "Try": _tried, **dialectal.RULES, **lists.RULES, **time_forms.RULES,
}
