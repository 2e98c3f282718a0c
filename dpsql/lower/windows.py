"""Window functions over the rows of one person, and QUALIFY, which filters by them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sqlglot import exp

from dpsql.expression import BIGINT, DOUBLE, INTEGER, Column, Lit, Ref, Scalar, SqlType, columns_of, substituted
from dpsql.lower.assemble import Assembled, assemble
from dpsql.lower.context import Context, check_args
from dpsql.lower.extents import framed
from dpsql.lower.folds import Folds, Range, believed, folded, plain, proved
from dpsql.lower.joins import Block, Group
from dpsql.lower.measures import measured
from dpsql.lower.rows import Rows, build, conjuncts_of, is_star
from dpsql.lower.scope import Visible, expand, renamed, shown_as
from dpsql.lower.units import names_units
from dpsql.parse import refusal, written
from dpsql.relation import Fold, Frame, Over, Place, Places, Project, Quantile, Relation, Sorted, Window, columns_out
from dpsql.scalars.unify import cast

_PLACES: dict[type[exp.Expr], tuple[Place, SqlType | None]] = {
    exp.RowNumber: (Place.ROW_NUMBER, BIGINT), exp.Rank: (Place.RANK, BIGINT),
    exp.DenseRank: (Place.DENSE_RANK, BIGINT), exp.PercentRank: (Place.PERCENT_RANK, DOUBLE),
    exp.CumeDist: (Place.CUME_DIST, DOUBLE),
    exp.Ntile: (Place.NTILE, BIGINT), exp.Lag: (Place.LAG, None), exp.Lead: (Place.LEAD, None),
    exp.FirstValue: (Place.FIRST_VALUE, None), exp.LastValue: (Place.LAST_VALUE, None),
}
MAX_OFFSET = 1_000_000      # places of LAG, LEAD, NTILE and of frames


def has_window(select: exp.Select) -> bool:
    """Whether a block's own expressions hold window functions."""
    return bool(select.args.get("qualify")) or any(_windows(item) for item in select.expressions)


def _windows(node: exp.Expr) -> bool:
    if isinstance(node, exp.Query):
        return False
    return isinstance(node, exp.Window) or any(_windows(child) for child in node.iter_expressions())


@dataclass(frozen=True, slots=True)
class _Spec:
    """What stands in OVER (...), as scalars."""

    partition: tuple[Scalar, ...]
    order: tuple[tuple[Scalar, bool, bool], ...]
    frame: Frame | None


@dataclass(slots=True)
class Windows:
    """The windows of one block, each computed once. `inner` gives the scalar of an expression below them."""

    select: exp.Select
    group: Group
    context: Context
    inner: Callable[[exp.Expr], Scalar]
    range: Range
    found: dict[tuple[Place | Fold | Quantile, tuple[Scalar, ...], _Spec], Column] = field(default_factory=dict)

    def known(self, node: exp.Expr) -> Scalar | None:
        """The column of a window function; None for any other node."""
        if not isinstance(node, exp.Window):
            return None
        if any(True for inner in node.find_all(exp.Window) if inner is not node):
            raise refusal("a window function cannot stand inside another", node)
        check_args(node, {"this", "partition_by", "order", "spec", "over"})
        spec = self._spec(node)
        function = node.this
        if type(function) in _PLACES:
            return self._place(function, spec)
        aggregate = measured(function)
        if aggregate is None or isinstance(function, exp.IgnoreNulls):
            raise refusal(f"{written(function).upper()} is not answered as a window function", function)
        return folded(aggregate, function, self.inner, _Folds(self.context, self.range, windows=self, spec=spec))

    def of(self, function: Place | Fold | Quantile, args: tuple[Scalar, ...], spec: _Spec, type_: SqlType) -> Scalar:
        """The column of one window function."""
        key = (function, args, spec)
        if key not in self.found:
            self.found[key] = self.context.fresh(f"w{len(self.found) + 1}", type_)
        return Ref(self.found[key])

    def _spec(self, node: exp.Window) -> _Spec:
        partition = tuple(self.inner(each) for each in node.args.get("partition_by") or ())
        if not names_units(list(partition), self.group, self.context):
            raise refusal(
                "this window looks at rows of several people", node,
                "PARTITION BY the column that names the person, or aggregate first and use windows on the result",
            )
        ordered = node.args["order"].expressions if node.args.get("order") else []
        order = tuple(
            (self.inner(each.this), bool(each.args.get("desc")), bool(each.args.get("nulls_first"))) for each in ordered
        )
        order, frame = framed(node, order)
        return _Spec(partition, order, frame)

    def _place(self, function: exp.Expr, spec: _Spec) -> Scalar:
        place, type_ = _PLACES[type(function)]
        check_args(function, {"this", "offset", "default"})
        frame = spec.frame or Frame(Places.RANGE, None, 0)
        if place not in (Place.FIRST_VALUE, Place.LAST_VALUE):
            spec = replace(spec, frame=None)        # they look at the partition
        elif frame.excluded is not None or not (frame.bare or frame.places is Places.ROWS):
            raise refusal(
                f"{place.value} with this frame is not answered: it would depend on the order of peers", function,
                "use ROWS BETWEEN ... AND ..., without EXCLUDE",
            )
        edge = {Place.FIRST_VALUE: frame.start, Place.LAST_VALUE: frame.end}.get(place)
        if edge == 0 and frame.places is not Places.ROWS:
            raise refusal(
                f"{place.value} among the peers of a row depends on their order", function,
                "add ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
            )
        args: tuple[Scalar, ...] = ()
        if type_ is not None:
            count = function.args.get("this")
            args = () if count is None else (Lit(max(1, _whole(count)), BIGINT),)
            return self.of(place, args, spec, type_)
        value = plain(self.inner(function.this))
        args = (value,)
        offset, default = function.args.get("offset"), function.args.get("default")
        if offset is not None or default is not None:
            args += (Lit(_whole(offset) if offset is not None else 1, INTEGER),)
        if default is not None:
            found = self.inner(default)
            if not isinstance(found, Lit):
                raise refusal("the default is a literal", default)
            args += (cast(found, value.type),)
        return self.of(place, args, spec, value.type)

    def rows(
        self, assembled: Assembled, shown: list[tuple[str, Scalar]], build: Callable[[exp.Expr], Scalar],
    ) -> Rows:
        """The rows that pass QUALIFY, with the items `shown`; `build` gives the scalar of an expression above them."""
        tested: list[Scalar] = []
        if (qualify := self.select.args.get("qualify")) is not None:
            tested = conjuncts_of(build(qualify.this), qualify.this)
        block, items = self.block(assembled, [*(scalar for _, scalar in shown), *tested], self.select)
        scope = tuple(Visible(None, name, item) for (name, _), item in zip(shown, items, strict=False))
        return Rows(Group((block,), tuple(items[len(shown):])), renamed(scope, "", (), self.select))

    def block(self, assembled: Assembled, items: list[Scalar], place: exp.Expr) -> tuple[Block, list[Scalar]]:
        """The rows with their windows, and `items` over them."""
        owner = assembled.owner
        if owner is None or assembled.loose:
            raise refusal("window functions are not answered over these rows", place)
        below: dict[Scalar, Column] = {Ref(owner): owner}
        made = set(self.found.values())
        wanted = [c for item in items for c in columns_of(item) if c not in made]
        wanted += [c for _, args, _ in self.found for arg in args for c in columns_of(arg)]
        for column in wanted:
            if Ref(column) not in below:
                same = plain(Ref(column)) == Ref(column)
                below[Ref(column)] = column if same else self.context.fresh(column.name, column.type)
        sort = [s for _, _, spec in self.found for s in (*spec.partition, *(each for each, _, _ in spec.order))]
        for i, scalar in enumerate(dict.fromkeys(sort)):
            if scalar not in below:
                same = isinstance(scalar, Ref) and plain(scalar) == scalar
                below[scalar] = scalar.column if isinstance(scalar, Ref) and same else \
                    proved(self.context.fresh(f"o{i + 1}", scalar.type), plain(scalar))
        source = Project(assembled.relation, tuple((column, plain(scalar)) for scalar, column in below.items()))
        table: dict[Scalar, Scalar] = {scalar: Ref(c) for scalar, c in below.items() if isinstance(scalar, Ref)}
        overs = [
            (column, _over(function, tuple(substituted(arg, table) for arg in args), spec, below, owner))
            for (function, args, spec), column in self.found.items()
        ]
        return Block(_stacked(source, overs), owner), [substituted(item, table) for item in items]


def lower_windowed(select: exp.Select, rows: Rows, context: Context) -> Rows:
    """The rows of a block without aggregates whose select items or QUALIFY hold window functions."""
    assembled = assemble(rows.group, context, select)
    aliases = {item.alias.lower(): item.this for item in select.expressions if isinstance(item, exp.Alias)}

    def inner(node: exp.Expr) -> Scalar:
        return build(node, rows.scope, aliases)

    windows = Windows(select, rows.group, context, inner, believed(assembled.relation, rows.group.conjuncts))
    shown: list[tuple[str, Scalar]] = []
    for item in select.expressions:
        if is_star(item):
            shown += [(v.name, v.scalar) for v in expand(item, rows.scope)]
        else:
            node = item.this if isinstance(item, exp.Alias) else item
            shown.append((shown_as(item, rows.scope), build(node, rows.scope, aliases, windows.known)))
    return windows.rows(assembled, shown, lambda node: build(node, rows.scope, aliases, windows.known))


class _Folds(Folds):
    """Folds that are windows."""

    __slots__ = ("spec", "windows")

    def __init__(self, context: Context, range_: Range, *, windows: Windows, spec: _Spec) -> None:
        super().__init__(context, range_)
        self.windows, self.spec = windows, spec

    def of(self, fold: Fold | Quantile, scalar: Scalar | None, type_: SqlType) -> Scalar:
        """The column of a fold over the window's rows."""
        return self.windows.of(fold, () if scalar is None else (scalar,), self.spec, type_)


def _over(
    function: Place | Fold | Quantile, args: tuple[Scalar, ...], spec: _Spec, below: dict[Scalar, Column],
    owner: Column,
) -> Over:
    """The window as it is written, the owner in its partition."""
    partition = tuple(dict.fromkeys((owner, *(below[scalar] for scalar in spec.partition))))
    order = tuple(Sorted(below[scalar], descending, first) for scalar, descending, first in spec.order)
    return Over(function, args, partition, order, spec.frame)


def _stacked(source: Relation, overs: list[tuple[Column, Over]]) -> Relation:
    """The rows with their windows. Where rows would be placed by chance, every column shown completes the order, those
    of windows in another order too: which of two equal rows comes first is settled once."""
    lines: dict[object, list[tuple[Column, Over]]] = {}
    for column, over in overs:
        if over.chosen:
            lines.setdefault((over.partition, over.order), []).append((column, over))
    relation, rest = source, tuple((column, over) for column, over in overs if not over.chosen)
    for i, line in enumerate(lines.values(), 1):
        placed = {*line[0][1].partition, *(each.column for each in line[0][1].order)}
        more = tuple(Sorted(column) for column in columns_out(relation) if column not in placed)
        made = tuple((column, replace(over, order=over.order + more)) for column, over in line)
        relation = Window(relation, made + rest * (i == len(lines)))
    return relation if lines else Window(relation, rest)


def _whole(node: exp.Expr) -> int:
    if not isinstance(node, exp.Literal) or not node.is_int or not 0 <= int(node.name) <= MAX_OFFSET:
        raise refusal(f"this is a whole literal of at most {MAX_OFFSET}", node)
    return int(node.name)
