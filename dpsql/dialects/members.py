"""EXISTS and IN over the values of a row's own list, in the words of lists: `x = ANY (list)`."""

from __future__ import annotations

from functools import reduce

from sqlglot import exp

_CLAUSES = {"expressions", "from_", "where", "kind"}


def asked_of_lists(tree: exp.Query) -> exp.Query:
    """The tree with every test of a list's own values as one without a subquery; what is more than that stays."""
    for node in list(tree.find_all(exp.In, exp.Exists)):
        found = _member(node) if isinstance(node, exp.In) else _exists(node) if isinstance(node, exp.Exists) else None
        if found is not None:
            found.meta.update({key: node.meta[key] for key in ("start", "end") if key in node.meta})
            node.replace(found)
    return tree


def _member(node: exp.In) -> exp.Expr | None:
    """x IN (SELECT UNNEST(list)), x IN (SELECT y FROM UNNEST(list) AS t(y)), x IN UNNEST(list)."""
    if (given := node.args.get("unnest")) is not None:
        whole = given.expressions[0] if len(given.expressions) == 1 else None
    else:
        whole = _selected(node.args["query"].unnest() if node.args.get("query") is not None else None)
    if whole is None or whole.find(exp.Column) is None or whole.find(exp.Query) is not None:
        return None
    return exp.EQ(this=node.this.copy(), expression=exp.Any(this=whole.copy()))


def _selected(select: exp.Expr | None) -> exp.Expr | None:
    """The list whose values a SELECT shows, each of them and nothing else."""
    if not isinstance(select, exp.Select) or len(select.expressions) != 1:
        return None
    item = select.expressions[0].unalias()
    if select.args.get("from_") is None:
        return item.this if type(item) is exp.Explode and not _more(select, {"expressions", "kind"}) else None
    read = _unnested(select)
    shown = read is not None and _is_value(item, *read[1:]) and not _more(select, {"expressions", "from_", "kind"})
    return read[0] if read is not None and shown else None


def _unnested(select: exp.Select) -> tuple[exp.Expr, set[str], str] | None:
    """The list that a SELECT reads as its only table, what its values are called, and the name of the table."""
    source = select.args["from_"].this if select.args.get("from_") is not None else None
    if not isinstance(source, exp.Unnest) or len(source.expressions) != 1 or source.args.get("offset"):
        return None
    whole, alias = source.expressions[0], source.args.get("alias")
    if whole.find(exp.Column) is None or whole.find(exp.Query) is not None or select.args.get("joins"):
        return None
    names = {each.name.lower() for each in alias.args.get("columns") or ()} if alias is not None else set()
    return whole, names or {"unnest"}, alias.name.lower() if alias is not None else ""


def _is_value(node: exp.Expr, names: set[str], table: str) -> bool:
    return isinstance(node, exp.Column) and node.name.lower() in names and node.text("table").lower() in ("", table)


def _exists(node: exp.Exists) -> exp.Expr | None:
    """EXISTS (SELECT ... FROM UNNEST(list) AS t(x) WHERE x = v): never NULL."""
    select = node.this.unnest() if isinstance(node.this, exp.Subquery) else node.this
    read = _unnested(select) if isinstance(select, exp.Select) and not _more(select, _CLAUSES) else None
    if read is None:
        return None
    whole, names, table = read
    where = select.args.get("where")
    tests = []
    for part in where.this.flatten() if where is not None and isinstance(where.this, exp.And) \
            else [where.this] if where is not None else []:
        if (test := _test(part.unnest(), whole, names, table)) is None:
            return None
        tests.append(test)
    asked = sum(isinstance(test, exp.Paren) for test in tests)
    if asked > 1:       # several things are asked of one value
        return None
    if not asked:
        tests.append(exp.GT(this=exp.ArraySize(this=whole.copy()), expression=exp.Literal.number(0)))
    found = reduce(lambda a, b: exp.And(this=a, expression=b), tests)
    return exp.Coalesce(this=exp.paren(found, copy=False), expressions=[exp.false()])


def _test(part: exp.Expr, whole: exp.Expr, names: set[str], table: str) -> exp.Expr | None:
    """A condition of WHERE: in brackets one that asks whether a value is in the list; None where it asks more."""
    if part.find(exp.Query) is not None:
        return None
    if not any(_is_value(column, names, table) for column in part.find_all(exp.Column)):
        return part.copy()
    others: list[exp.Expr] = []
    if isinstance(part, exp.EQ) and _is_value(part.this, names, table) is not _is_value(part.expression, names, table):
        others = [part.expression if _is_value(part.this, names, table) else part.this]
    elif isinstance(part, exp.In) and _is_value(part.this, names, table):
        others = part.expressions
    if not others or any(_is_value(column, names, table) for other in others for column in other.find_all(exp.Column)):
        return None
    tests: list[exp.Expr] = [
        exp.EQ(this=other.copy(), expression=exp.Any(this=whole.copy())) for other in others
    ]
    return exp.paren(reduce(lambda a, b: exp.Or(this=a, expression=b), tests), copy=False)


def _more(select: exp.Select, known: set[str]) -> bool:
    return any(value for key, value in select.args.items() if key not in known)
