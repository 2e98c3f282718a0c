"""Where MySQL and SQL Server would take texts that differ in case for equal, and the tables here do not."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from dpsql.catalog import Catalog
from dpsql.expression import VARCHAR

_NO_CASE = {"mysql", "tsql"}            # their usual collations; LIKE is read so (`rules.ANY_CASE`)
_COMPARED = (exp.EQ, exp.NEQ, exp.NullSafeEQ)

Texts = dict[str, frozenset[str]]       # the columns that are texts, and the values that are declared of them


def collated(tree: exp.Query, catalog: Catalog, dialect: str) -> tuple[str, ...]:
    """A warning where a query compares or groups texts whose case may matter. What values are declared is known."""
    if dialect.lower() not in _NO_CASE:
        return ()
    texts = _texts(tree, catalog)
    for column, others in (*_comparisons(tree, dialect.lower()), *((each, []) for each in _grouped(tree))):
        values = texts.get(column.name.lower())
        if values is not None and not _known(values, others):
            return (f"{column.name} is compared letter by letter, as the tables store it, though {dialect.lower()} "
                    f"usually ignores case: LOWER({column.name}) ignores it here",)
    return ()


def _texts(tree: exp.Query, catalog: Catalog) -> Texts:
    """By name, also under another name that a query gives: enough for a warning."""
    found: Texts = {}
    for table in catalog.names():
        for column in catalog.table(table).columns:
            if column.type == VARCHAR:
                values = catalog.column(table, column.name).values or ()
                found[column.name.lower()] = frozenset(str(value) for value in values)
    for alias in tree.find_all(exp.Alias):
        if isinstance(alias.this, exp.Column) and alias.this.name.lower() in found:
            found.setdefault(alias.alias.lower(), found[alias.this.name.lower()])
    return found


def _known(values: frozenset[str], others: list[exp.Expr]) -> bool:
    """Whether case decides nothing: the texts have none, or all are declared values, no two of which differ in it."""
    apart = len({value.lower() for value in values}) == len(values) > 0
    if not others:
        return apart
    literals = [other.this for other in others if isinstance(other, exp.Literal)]
    return len(literals) == len(others) and all(
        text.lower() == text.upper() or (apart and text in values) for text in literals
    )


def _comparisons(tree: exp.Query, dialect: str) -> Iterator[tuple[exp.Column, list[exp.Expr]]]:
    searches = (exp.StrPosition, exp.Replace) if dialect == "tsql" else (exp.StrPosition,)
    for node in tree.find_all(*_COMPARED, exp.In, exp.Case, *searches):
        if isinstance(node, exp.Case):
            sides = [node.this, *(branch.this for branch in node.args["ifs"])] if node.this is not None else []
        elif isinstance(node, exp.In):
            sides = [node.this, *node.expressions]
        elif isinstance(node, exp.StrPosition):
            sides = [node.this, node.args["substr"]]
        else:
            sides = [node.this, node.expression]
        bare = [side.unnest() for side in sides]
        for column in bare:
            if isinstance(column, exp.Column):
                yield column, [other for other in bare if other is not column]
                break


def _grouped(tree: exp.Query) -> Iterator[exp.Column]:
    """The columns of GROUP BY, of DISTINCT, and of COUNT(DISTINCT)."""
    for select in tree.find_all(exp.Select):
        group, distinct = select.args.get("group"), select.args.get("distinct")
        nodes = [*(group.expressions if group is not None else ()), *(select.expressions if distinct else ())]
        for node in nodes:
            place = node if not isinstance(node, exp.Literal) else select.expressions[int(node.name) - 1] \
                if node.is_int and 0 < int(node.name) <= len(select.expressions) else node
            bare = place.this if isinstance(place, exp.Alias) else place
            if isinstance(bare, exp.Column):
                yield bare
    for counted in tree.find_all(exp.Distinct):
        yield from (each for each in counted.expressions if isinstance(each, exp.Column))
