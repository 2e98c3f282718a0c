"""finish: SQL over released and public tables alone, with the intervals of what it computes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from dpsql.engines.scratch import Scratch, Table
from dpsql.plan import Plan
from dpsql.release import ReleasedTable
from dpsql.render import checked

Ends = tuple[object, object] | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The rows of the answer, with their intervals beside them and which columns are noisy."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    intervals: tuple[tuple[Ends, ...], ...]
    noisy: tuple[bool, ...]


def tables(plan: Plan) -> tuple[Table, ...]:
    """The released tables of a plan, as the finish's database declares them before there are rows."""
    return tuple(Table(statement.question.ask.name, statement.released) for statement in plan.statements)


def finish(plan: Plan, released: Sequence[ReleasedTable], scratch: Scratch) -> Finished:
    """Runs the finish over the released tables.

    An output that is a released measure keeps that measure's interval. One computed row by row from several gets the
    root of the summed squares of what each can move it by, alone, within its own interval: exact for one measure,
    within a few points of 95 % for sums and ratios of independent ones. Others (windows, aggregates of released
    values) have none. Raises ExecutionError when the engine fails.
    """
    shape = _shape(plan.program.finish)
    tree = plan.program.finish if shape is None else _with_ends(plan.program.finish, shape)
    loaded = [(Table(table.name, table.columns), table.rows) for table in released]
    names, quoted, rows = scratch.run(plan.finish if shape is None else checked(tree), loaded, plan.program.public)
    types = [type_.strip('"') for type_ in quoted]      # DuckDB writes the type of a bare NULL in quotes
    if shape is None:
        noisy = bool(plan.statements)
        return Finished(
            tuple(names), tuple(types), tuple(tuple(row) for row in rows),
            tuple((None,) * len(names) for _ in rows), (noisy,) * len(names),
        )
    width = len(shape)
    return Finished(
        tuple(names[:width]), tuple(types[:width]), tuple(tuple(row[:width]) for row in rows),
        tuple(_ends(row, shape) for row in rows), tuple(bool(measures) for measures in shape),
    )


def _shape(tree: exp.Expr) -> list[list[str]] | None:
    """The measures each output reads, when every output row comes from one released row; else None."""
    if not isinstance(tree, exp.Select) or any(tree.args.get(name) for name in ("joins", "group", "distinct", "with_")):
        return None
    source = tree.args.get("from_")
    if source is None or not source.this.name.startswith("released_") or source.this.args.get("db"):
        return None
    if any(item.find(exp.Window, exp.Query, exp.AggFunc) for item in tree.expressions):
        return None
    return [list(dict.fromkeys(_measures(item))) for item in tree.expressions]


def _measures(item: exp.Expr) -> Iterable[str]:
    for column in item.find_all(exp.Column):
        if column.table.startswith("released_") and column.name.startswith("a"):
            yield column.name


def _with_ends(tree: exp.Expr, shape: list[list[str]]) -> exp.Expr:
    """The finish with hidden outputs: each noisy output again, with one measure at an end of its interval."""
    tree = tree.copy()
    extra: list[exp.Expr] = []
    for item, measures in zip(tree.expressions, shape, strict=True):
        inner = item.this if isinstance(item, exp.Alias) else item
        for measure in measures:
            for end in ("low", "high"):
                moved = _moved(inner, measure, end)
                shown = moved if isinstance(moved, exp.Column) else exp.Try(this=moved)
                extra.append(exp.alias_(shown, f"end_{len(extra) + 1}", quoted=True))
    tree.set("expressions", [*tree.expressions, *extra])
    return tree


def _moved(inner: exp.Expr, measure: str, end: str) -> exp.Expr:
    moved = inner.copy()
    root = exp.Paren(this=moved)
    for column in list(root.find_all(exp.Column)):
        if column.table.startswith("released_") and column.name == measure:
            column.replace(exp.column(
                exp.to_identifier(f"{measure}_{end}", True), table=exp.to_identifier(column.table, True)
            ))
    found = root.this
    assert isinstance(found, exp.Expr)
    return found


def _ends(row: Sequence[object], shape: list[list[str]]) -> tuple[Ends, ...]:
    place = len(shape)
    found: list[Ends] = []
    for value, measures in zip(row, shape, strict=False):
        ends = row[place : place + 2 * len(measures)]
        place += 2 * len(measures)
        if not measures:
            found.append(None)
        elif len(measures) == 1:
            found.append(_ordered(ends[0], ends[1]))
        else:
            found.append(_combined(value, [(ends[i], ends[i + 1]) for i in range(0, len(ends), 2)]))
    return tuple(found)


def _ordered(a: object, b: object) -> Ends:
    if a is None or b is None:
        return None
    return (a, b) if a <= b else (b, a)  # type: ignore[operator]


def _combined(value: object, ends: list[tuple[object, object]]) -> Ends:
    """Independent errors add like the sides of a right angle, upwards and downwards apart."""
    try:
        centre = float(value)  # type: ignore[arg-type]
        pairs = [(float(a), float(b)) for a, b in ends]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    down = sum(max(0.0, centre - min(pair)) ** 2 for pair in pairs) ** 0.5
    up = sum(max(0.0, max(pair) - centre) ** 2 for pair in pairs) ** 0.5
    return (centre - down, centre + up)
