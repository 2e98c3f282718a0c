"""ends: a finish whose outputs have the ends of their intervals beside them, where rows pass through one by one.

A released measure has the ends of its interval as columns. An output computed from a row gets hidden columns: itself
again with one measure at an end, for each measure it reads. Derived tables, CTEs, joins and UNION ALL pass them on;
aggregates, DISTINCT and other set operations do not, for there an output row is made of several.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count

from sqlglot import exp

from dpsql.lower.sources import has_aggregate

Names = tuple[str, str]             # of the columns that hold the ends
Ends = dict[int, Names]             # by measure: each appearance of one counts apart, for rows differ
Read = dict[tuple[str, str], tuple[str, Ends]]      # by table and name as written: the source, and what it knows

MOST = 2000                         # hidden columns and CTEs written out: a chain of CTEs may double at each link
WRITTEN = 20_000                    # nodes of all hidden columns: printing and binding them takes half a second

_BLOCK = ("group", "having", "distinct", "laterals", "pivots", "kind")
_RELEASED = "released_"
_SCALAR = "dpsql_scalar_"


@dataclass(frozen=True, slots=True)
class Output:
    """An output of a block: its name, and its ends (empty: exact; None: noisy, and not known how much)."""

    name: str
    ends: Ends | None


@dataclass(frozen=True, slots=True)
class Block:
    """A query with hidden columns behind its outputs."""

    query: exp.Query
    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class _Source:
    """What stands in FROM: its outputs; None for a public table, whose columns are exact. `measures` of a released
    table by name."""

    name: str
    outputs: tuple[Output, ...] | None
    measures: dict[str, int] | None = None
    table: str = ""


@dataclass(slots=True)
class _Scope:
    """Where names are looked up: the CTEs in sight; a supply of numbers; the released cells behind each measure; how
    much of hidden columns was written, in nodes."""

    ctes: Mapping[str, exp.CTE]
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    cells: dict[int, frozenset[tuple[str, str]]] = field(default_factory=dict)
    written: list[int] = field(default_factory=list)

    def within(self, select: exp.Query) -> _Scope:
        listed = select.args.get("with_")
        found = {cte.alias.lower(): cte for cte in listed.expressions} if listed is not None else {}
        return _Scope({**self.ctes, **found}, self.numbers, self.cells, self.written)

    def affords(self, item: exp.Expr, times: int) -> bool:
        """Whether an item may be written out so many times more: of many measures, many times a long one."""
        nodes = times * sum(1 for _ in item.walk())
        if sum(self.written) + nodes > WRITTEN:
            return False
        self.written.append(nodes)
        return True


def ends(tree: exp.Expr) -> Block | None:
    """The finish with the ends of its outputs. None where rows do not pass through one by one. Pure."""
    return _block(tree.copy(), _Scope({}))


def _block(query: exp.Expr, scope: _Scope) -> Block | None:
    match query:
        case exp.Subquery() if not query.alias and not _set(query, "order", "limit", "offset"):
            return _block(query.this, scope)
        case exp.Union() if query.args.get("distinct") is False and not _set(query, "by_name"):
            return _union(query, scope.within(query))
        case exp.Select() if not _set(query, *_BLOCK) and not any(map(has_aggregate, query.expressions)):
            return _select(query, scope.within(query))
        case _:
            return None


def _set(node: exp.Expr, *names: str) -> bool:
    return any(node.args.get(name) for name in names)


def _select(select: exp.Select, scope: _Scope) -> Block | None:
    listed = select.args.get("with_")
    if listed is not None and listed.args.get("recursive"):
        return None
    sources: list[_Source] = []
    first = select.args.get("from_")
    for clause in (*([first] if first is not None else []), *(select.args.get("joins") or ())):
        if clause.args.get("kind") in ("SEMI", "ANTI"):
            continue
        source = None if clause.args.get("method") else _source(clause.this, scope, sources)
        if source is None:
            return None
        sources.append(source)
    items = [each for item in select.expressions for each in _items(item, sources, select)]
    if any(_star(item) for item in items):
        return None
    aliases = {item.alias.lower() for item in items if isinstance(item, exp.Alias)}
    outputs: list[Output] = []
    extra: list[exp.Expr] = []
    for item in items:
        bare, found, values = _scalars(item, scope)
        read = _read(bare, [*sources, *found], aliases, scope)
        moves = None if read is None else _together(bare, read, scope)
        names: Ends | None = None if moves is None or not scope.affords(item, 2 * len(moves)) else {}
        if names is not None and moves and read:
            for measure, moving in moves.items():
                names[measure] = (f"dpsql_end_{next(scope.numbers)}", f"dpsql_end_{next(scope.numbers)}")
                extra += [_filled(_moved(bare, moving, side, read, name), values)
                          for side, name in enumerate(names[measure])]
        outputs.append(Output(item.alias_or_name, names))
    select.set("expressions", [*items, *extra])
    return Block(select, tuple(outputs))


def _scalars(item: exp.Expr, scope: _Scope) -> tuple[exp.Expr, list[_Source], dict[str, exp.Expr]]:
    """An item with a column in place of each scalar subquery whose ends are known; these columns as sources, and by
    name what stands for them: the subquery itself, or one of the same rows that shows an end."""
    bare, sources = item.copy(), list[_Source]()
    values: dict[str, exp.Expr] = {}
    for node in [node for node in bare.find_all(exp.Subquery) if _scalar(node)]:
        block = _block(node.this.copy(), scope)
        if block is None or len(block.outputs) != 1 or _set(block.query, "order", "limit", "offset", "with_"):
            continue
        output, name = block.outputs[0], f"{_SCALAR}{next(scope.numbers)}"
        shown = {each.alias: each for each in block.query.expressions if isinstance(each, exp.Alias)}
        if any(end not in shown for pair in (output.ends or {}).values() for end in pair):
            continue
        values[name] = node.copy()
        for end in (end for pair in (output.ends or {}).values() for end in pair):
            query = block.query.copy()
            query.set("expressions", [shown[end].copy()])
            values[end] = exp.Subquery(this=query)
        sources.append(_Source(name, (Output(name, output.ends),)))
        node.replace(exp.column(exp.to_identifier(name, True), table=exp.to_identifier(name, True)))
    return bare, sources, values


def _scalar(node: exp.Subquery) -> bool:
    """Whether a subquery stands for one value, in no other subquery."""
    listed = isinstance(node.parent, exp.In | exp.From | exp.Join | exp.Exists | exp.Any | exp.All)
    return not listed and isinstance(node.this, exp.Select) and node.find_ancestor(exp.Query) is None


def _filled(item: exp.Expr, values: dict[str, exp.Expr]) -> exp.Expr:
    """An item with subqueries in place of the columns that stood for them."""
    for column in list(item.find_all(exp.Column)):
        if column.table.startswith(_SCALAR) and (value := values.get(column.name)) is not None:
            column.replace(value.copy())
    return item


def _star(item: exp.Expr) -> bool:
    return isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star))


def _items(item: exp.Expr, sources: list[_Source], select: exp.Select) -> list[exp.Expr]:
    """A bare * as the columns it means, where all are known: hidden ones must not be among them."""
    plain = isinstance(item, exp.Star) and not any(item.args.values())
    known = not any(clause.args.get("using") for clause in select.args.get("joins") or ())
    if not plain or not known or any(source.outputs is None for source in sources):
        return [item]
    return [
        exp.column(exp.to_identifier(output.name, True), table=exp.to_identifier(source.name, True))
        for source in sources for output in source.outputs or ()
    ]


def _source(node: exp.Expr, scope: _Scope, before: list[_Source]) -> _Source | None:
    """A source, rewritten in place; None for one that is noisy in a way not known."""
    if isinstance(node, exp.Table) and not node.args.get("db"):
        if node.name.startswith(_RELEASED):
            return _Source(node.alias_or_name, None, {}, node.name)
        if (cte := scope.ctes.get(node.name.lower())) is not None and next(scope.numbers) < MOST:
            alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(node.name, True))
            given = cte.args["alias"].columns if not alias.columns else alias.columns
            inner = exp.Subquery(this=cte.this.copy(), alias=exp.TableAlias(this=alias.this.copy(), columns=[
                each.copy() for each in given
            ]))
            node.replace(inner)
            return _source(inner, scope, before)
    if isinstance(node, exp.Subquery):
        if not node.alias:
            named = exp.to_identifier(f"source_{next(scope.numbers)}", True)
            node.set("alias", exp.TableAlias(this=named))
        block = _block(node.this, scope)
        if block is not None:
            node.set("this", block.query)
            renamed = dict(enumerate(node.alias_column_names))
            outputs = (replace(each, name=renamed.get(i, each.name)) for i, each in enumerate(block.outputs))
            return _Source(node.alias, tuple(outputs))
    if any(_noisy(table, scope) for table in node.find_all(exp.Table)) or _looks_out(node, before):
        return None
    return _Source(node.alias_or_name, None)


def _looks_out(node: exp.Expr, before: list[_Source]) -> bool:
    """Whether a source may read the sources before it, as LATERAL does, and UNNEST."""
    own = {each.alias_or_name.lower() for each in node.find_all(exp.Table, exp.Subquery, exp.Values)}
    noisy = {output.name.lower() for source in before for output in source.outputs or ()}
    released = any(source.measures is not None for source in before)
    return any(
        column.table.lower() not in own if column.table else released or column.name.lower() in noisy
        for column in node.find_all(exp.Column)
    )


def _noisy(table: exp.Table, scope: _Scope) -> bool:
    return not table.args.get("db") and (table.name.startswith(_RELEASED) or table.name.lower() in scope.ctes)


def _read(item: exp.Expr, sources: list[_Source], aliases: set[str], scope: _Scope) -> Read | None:
    """The noisy columns an item reads; None where how they move it is not known."""
    found: Read = {}
    for column in item.find_all(exp.Column):
        known = _known(column, sources, aliases, scope)
        if known is None:
            return None
        if known[1]:
            found[_key(column)] = known
    measures = {measure for _, known in found.values() for measure in known}
    if sum(len(scope.cells[m]) for m in measures) > len(frozenset().union(*(scope.cells[m] for m in measures))):
        return None                                # one released column twice, perhaps of one row: not independent
    if found and item.find(exp.Window, exp.Query):
        return None
    return None if any(_noisy(table, scope) for table in item.find_all(exp.Table)) else found


def _key(column: exp.Column) -> tuple[str, str]:
    return column.table.lower(), column.name.lower()


def _known(
    column: exp.Column, sources: list[_Source], aliases: set[str], scope: _Scope,
) -> tuple[str, Ends] | None:
    """The source of a column and its ends there; None where they are not known."""
    table, name = _key(column)
    found = [
        (source.name, known) for source in sources if table in ("", source.name.lower())
        for known in _ends_in(source, name, scope)
    ]
    if len(found) == 1:
        source_name, ends_there = found[0]
        return None if ends_there is None else (source_name, ends_there)
    if found:
        return None if any(known != {} for _, known in found) else ("", {})     # the column of a USING
    public = any(source.outputs is None and source.measures is None and table in ("", source.name.lower())
                 for source in sources)
    return ("", {}) if public and (table or name not in aliases) else None


def _ends_in(source: _Source, name: str, scope: _Scope) -> list[Ends | None]:
    """What a source knows of a column: nothing where it has none of the name."""
    if source.measures is None:
        return [output.ends for output in source.outputs or () if output.name.lower() == name]
    if not name.startswith("a"):
        return [{}]
    measure = source.measures.setdefault(name, next(scope.numbers))
    scope.cells[measure] = frozenset({(source.table, name)})
    return [{measure: (f"{name}_low", f"{name}_high")}]


def _together(item: exp.Expr, read: Read, scope: _Scope) -> dict[int, tuple[int, ...]]:
    """The measures that an item is moved by, each alone; the parts of a list or a map together, for each moves its own
    place: from then on they are one."""
    found = tuple(dict.fromkeys(measure for _, known in read.values() for measure in known))
    inner = (item.this if isinstance(item, exp.Alias) else item).unnest()
    if len(found) > 1 and isinstance(inner, exp.Array | exp.Map):
        whole = next(scope.numbers)
        scope.cells[whole] = frozenset().union(*(scope.cells[measure] for measure in found))
        return {whole: found}
    return {measure: (measure,) for measure in found}


def _moved(item: exp.Expr, moving: tuple[int, ...], side: int, read: Read, name: str) -> exp.Expr:
    """An item with measures at an end; NULL where they have none."""
    root = exp.Paren(this=(item.this if isinstance(item, exp.Alias) else item).copy())
    ends_read: dict[exp.Expr, None] = {}
    for column in list(root.find_all(exp.Column)):
        source, known = read.get(_key(column), ("", {}))
        for measure in known.keys() & set(moving):
            end = exp.column(exp.to_identifier(known[measure][side], True), table=exp.to_identifier(source, True))
            column.replace(end)
            ends_read[end.copy()] = None
    moved = root.this
    if not isinstance(moved, exp.Column):
        there = exp.and_(*(exp.Not(this=exp.Is(this=end, expression=exp.Null())) for end in ends_read))
        # around a subquery no TRY may stand; where it fails, `finish` goes without intervals
        scalar = any(column.table.startswith(_SCALAR) for column in moved.find_all(exp.Column))
        moved = exp.Case(ifs=[exp.If(this=there, true=moved if scalar else exp.Try(this=moved))])
    return exp.alias_(moved, name, quoted=True)


def _union(union: exp.Union, scope: _Scope) -> Block | None:
    """Rows of either side: the measures of both are paired, and what a side has not got does not move."""
    blocks = [_block(union.args[side], scope) for side in ("this", "expression")]
    left, right = blocks
    if left is None or right is None or len(left.outputs) != len(right.outputs):
        return None
    if any(len({output.name.lower() for output in block.outputs}) < len(block.outputs) for block in (left, right)):
        return None
    measures = [
        list(dict.fromkeys(m for output in block.outputs for m in output.ends or ())) for block in (left, right)
    ]
    outputs: list[Output] = []
    hidden: list[tuple[int, int, int]] = []        # output, pair, side
    pairs = [next(scope.numbers) for _ in range(max(map(len, measures)))]
    for i, both in enumerate(zip(left.outputs, right.outputs, strict=True)):
        if any(output.ends is None for output in both):
            outputs.append(Output(both[0].name, None))
            continue
        ends_: Ends = {}
        for k, pair in enumerate(pairs):
            if any(k < len(of) and of[k] in (output.ends or {}) for of, output in zip(measures, both, strict=True)):
                ends_[pair] = (f"dpsql_end_{next(scope.numbers)}", f"dpsql_end_{next(scope.numbers)}")
                hidden += [(i, k, 0), (i, k, 1)]
                scope.cells[pair] = frozenset().union(*(scope.cells[of[k]] for of in measures if k < len(of)))
        outputs.append(Output(both[0].name, ends_))
    names = [name for output in outputs for pair_names in (output.ends or {}).values() for name in pair_names]
    for side, block, of in zip(("this", "expression"), (left, right), measures, strict=True):
        union.set(side, _side(block, of, hidden, names, next(scope.numbers)))
    return Block(union, tuple(outputs))


def _side(block: Block, measures: list[int], hidden: list[tuple[int, int, int]], names: list[str], number: int) -> (
    exp.Select
):
    """One side of a union: its outputs, then for each hidden column its own end, or the output itself."""
    alias = exp.to_identifier(f"side_{number}", True)

    def column(name: str) -> exp.Column:
        return exp.column(exp.to_identifier(name, True), table=alias.copy())

    shown: list[exp.Expr] = [exp.alias_(column(output.name), output.name, quoted=True) for output in block.outputs]
    for (i, k, end), name in zip(hidden, names, strict=True):
        known = block.outputs[i].ends or {}
        own = known.get(measures[k]) if k < len(measures) else None
        shown.append(exp.alias_(column(own[end] if own else block.outputs[i].name), name, quoted=True))
    source = exp.Subquery(this=block.query.copy(), alias=exp.TableAlias(this=alias))
    return exp.Select(expressions=shown, from_=exp.From(this=source))
