"""Random rows that stay owned, over the tables of the small worlds: joins, blocks per unit, windows, set operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.fuzz.scalar_words import Columns, Shown, Words

TABLES = {
    "units": "u int, grp text, x num, n int, home int, day date",
    "orders": "o int, u int, kind text, v int, d num, p int, ref int",
    "items": "i int, o int, p int, q int, w num, ok bool",
    "pub": "p int, cat text, size int",
}
OWNED = ("units", "orders", "items")
PER_UNIT = (
    "COUNT(*) int", "SUM({int}) int", "MAX({text}) text", "MIN({int}) int", "COUNT(DISTINCT {int}) int",
    "AVG({num}) num",
    "MEDIAN({int}) num", "BOOL_OR({bool}) bool", "STDDEV_POP({num}) num", "MAX({date}) date",
    "COUNT(*) FILTER (WHERE {bool}) int", "QUANTILE_DISC({int}, 0.5) int", "SUM({num}) num", "CORR({num}, {num}) num",
)
OVER = (
    "RANK() OVER ({by}) int", "SUM({int}) OVER ({by}) int", "COUNT(*) OVER ({whole}) int",
    "MAX({text}) OVER ({whole}) text", "ROW_NUMBER() OVER ({by}) int", "LAG({int}) OVER ({by}) int",
    "FIRST_VALUE({int}) OVER ({by}) int", "NTILE(2) OVER ({by}) int",
    "AVG({num}) OVER ({by} ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) num",
    "SUM({int}) OVER ({by} GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE TIES) int",
    "COUNT(*) OVER ({whole} ORDER BY {int} RANGE BETWEEN 2 PRECEDING AND CURRENT ROW EXCLUDE GROUP) int",
    "MAX({date}) OVER ({whole} ORDER BY {date} DESC RANGE BETWEEN INTERVAL 9 DAY PRECEDING AND CURRENT ROW) date",
)


@dataclass(frozen=True, slots=True)
class Source:
    """What stands in FROM, the columns it shows, and those that name the person and the order."""

    sql: str
    columns: tuple[Shown, ...]
    unit: str | None = None
    order: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """A query, its columns as (name, type), and the names of those that name the person and the order."""

    sql: str
    columns: tuple[tuple[str, str], ...]
    unit: str | None = None
    order: str | None = None


@dataclass
class OwnedWords(Words):
    """`left` blocks may still be written; `shared` are the WITH queries so far, by what their rows are."""

    left: int = 7
    aliases: int = 0
    shared: list[tuple[str, str, Block]] = field(default_factory=list)

    def alias(self) -> str:
        self.aliases += 1
        return f"t{self.aliases}"

    def filled(self, form: str, columns: Columns, depth: int = 1) -> tuple[str, str]:
        """A form such as `SUM({int}) int`: its text, and its type."""
        text, _, kind = form.rpartition(" ")
        for hole in ("int", "num", "text", "bool", "date"):
            while f"{{{hole}}}" in text:
                text = text.replace(f"{{{hole}}}", self.scalar(hole, columns, depth), 1)
        return text, kind

    def shown(self, alias: str, name: str, kind: str) -> Shown:
        """A column; one that tells people apart is no number where answers are compared: nobody is alone in a group."""
        tells = self.plain and name in ("u", "o", "i", "ref")
        return Shown(f"{alias}.{name}" if alias else name, name, "id" if tells else kind)

    # sources

    def base(self, name: str) -> Source:
        alias = self.alias()
        listed = [column.split() for column in TABLES[name].split(", ")]
        columns = tuple(self.shown(alias, column, kind) for column, kind in listed)
        places = {column.name: column.text for column in columns}
        return Source(f"{name} AS {alias}", columns, places.get("u") if name != "pub" else None, places.get("o"))

    def derived(self, block: Block, what: str) -> Source:
        """A block in FROM, written there or in WITH; sometimes an older one of the same sort instead."""
        older = [(name, known) for name, kind, known in self.shared if kind == what]
        alias = self.alias()
        if older and self.chance(35):
            name, block = self.pick(older)
            sql = f"{name} AS {alias}"
        elif self.chance(25):
            name = f"w{len(self.shared) + 1}"
            self.shared.append((name, what, block))
            sql = f"{name} AS {alias}"
        else:
            sql = f"({block.sql}) AS {alias}"
        columns = tuple(self.shown(alias, name, kind) for name, kind in block.columns)
        unit, order = (None if name is None else f"{alias}.{name}" for name in (block.unit, block.order))
        return Source(sql, columns, unit, order)

    def public(self) -> Source:
        """Rows about nobody."""
        form = self.below(4)
        if form == 0:
            alias = self.alias()
            rows = ", ".join(f"({self.literal('text')}, {self.literal('int')})" for _ in range(1 + self.below(3)))
            columns = (Shown(f"{alias}.k", "k", "text"), Shown(f"{alias}.m", "m", "int"))
            return Source(f"(VALUES {rows}) AS {alias}(k, m)", columns)
        if form == 1 and self.left > 0:
            self.left -= 1
            inner = self.base("pub")
            sql = f"SELECT cat AS k, COUNT(*) AS m FROM {inner.sql}{self.where(inner.columns)} GROUP BY cat"
            return self.derived(Block(sql, (("k", "text"), ("m", "int"))), "public")
        return self.base("pub")

    def owned(self, depth: int) -> Source:
        """Rows about people."""
        forms = [self._table, self._table, self._table]
        if depth > 0 and self.left > 0:
            forms += [self._joined, self._joined, self._rows, self._rows]
            forms += [self._beside_public, self._lateral, self._list]
        return self.pick(forms)(depth)

    def _table(self, depth: int) -> Source:
        return self.base(self.pick(OWNED))

    def _rows(self, depth: int) -> Source:
        return self.derived(self.rows(depth - 1), "owned")

    def _joined(self, depth: int) -> Source:
        """Two sources about people, of the same person unless it is a mistake."""
        if self.chance(15):
            return self._using()
        a, b = self.owned(depth - 1), self.owned(0 if self.chance(70) else depth - 1)
        shown = (*a.columns, *b.columns)
        if self.clumsy and self.below(self.clumsy) == 0:
            on = self.condition(shown)
        elif a.unit and b.unit:
            on = f"{a.unit} = {b.unit}"
        elif a.order and b.order:
            on = f"{a.order} = {b.order}"
        else:
            return a
        if self.chance(25):
            on += f" AND {self.scalar('bool', shown, 1)}"
        if self.chance(12):
            return Source(f"{a.sql} {self.pick(('SEMI', 'ANTI'))} JOIN {b.sql} ON {on}", a.columns, a.unit, a.order)
        if self.chance(20):
            how = self.pick(("LEFT", "RIGHT", "FULL"))
            return Source(f"{a.sql} {how} JOIN {b.sql} ON {on}", shown, b.unit or a.unit, b.order or a.order)
        return Source(f"{a.sql} JOIN {b.sql} ON {on}", shown, a.unit or b.unit, a.order or b.order)

    def _using(self) -> Source:
        """Two tables with columns in common, of which one is shown."""
        a, b = self.base("orders"), self.base(self.pick(("units", "items")))
        name = "u" if b.unit else "o"
        how = f"{self.pick(('', 'LEFT', 'RIGHT', 'FULL'))} JOIN {b.sql} USING ({name})"
        both = {column.name for column in a.columns} & {column.name for column in b.columns}
        columns = [column for column in (*a.columns, *b.columns) if column.name not in both]
        return Source(f"{a.sql} {how}", (*columns, self.shown("", name, "int")), *(
            (name, a.order) if name == "u" else (a.unit, name)
        ))

    def _beside_public(self, depth: int) -> Source:
        a, b = self.owned(depth - 1), self.public()
        shown = (*a.columns, *b.columns)
        on = self.scalar("bool", shown, 1)
        if self.chance(75):
            kind = self.pick(("int", "text"))
            also = f" OR {on}" if self.chance(15) else ""
            on = f"{self.column(kind, a.columns)} = {self.column(kind, b.columns)}{also}"
        how = self.pick(("JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"))
        sql = f"{a.sql}, {b.sql}" if self.chance(8) else f"{a.sql} {how} {b.sql} ON {on}"
        if self.chance(10):
            sql = f"{b.sql} LEFT JOIN {a.sql} ON {on}"
        return Source(sql, shown, a.unit, a.order)

    def _lateral(self, depth: int) -> Source:
        a, alias = self.owned(depth - 1), self.alias()
        if self.chance(15):
            rows = ", ".join(f"({self.scalar('int', a.columns, 1)}, {self.scalar('text', a.columns, 1)})" for _ in "ab")
            shown = (Shown(f"{alias}.m", "m", "int"), Shown(f"{alias}.k", "k", "text"))
            return Source(f"{a.sql}, LATERAL (VALUES {rows}) AS {alias}(m, k)", (*a.columns, *shown), a.unit, a.order)
        if a.unit is not None and self.chance(35):
            inner = self.base(self.pick(("units", "orders")))
            on = f"{inner.unit} = {a.unit}"
            on += f" AND {self.scalar('bool', (*inner.columns, *a.columns), 1)}" if self.chance(50) else ""
            sql = f"SELECT COUNT(*) AS m, MAX({self.column('text', inner.columns)}) AS k FROM {inner.sql} WHERE {on}"
            if self.chance(50) and not self.plain:
                order = self.scalar("int", inner.columns, 1)
                sql = (f"SELECT {self.column('int', inner.columns)} AS m, {self.column('text', inner.columns)} AS k "
                       f"FROM {inner.sql} WHERE {on} ORDER BY {order} LIMIT {1 + self.below(2)}")
        elif a.unit is not None and self.chance(50):
            inner = self.base(self.pick(("units", "orders")))
            sql = (f"SELECT {self.scalar('int', inner.columns, 1)} AS m, {self.column('text', inner.columns)} AS k "
                   f"FROM {inner.sql} WHERE {inner.unit} = {a.unit}")
        else:
            sql = f"SELECT {self.scalar('int', a.columns)} AS m, {self.scalar('text', a.columns)} AS k"
        shown = (Shown(f"{alias}.m", "m", "int"), Shown(f"{alias}.k", "k", "text"))
        joined = f"LEFT JOIN LATERAL ({sql}) AS {alias} ON TRUE" if self.chance(30) else f", LATERAL ({sql}) AS {alias}"
        return Source(f"{a.sql} {joined}", (*a.columns, *shown), a.unit, a.order)

    def _list(self, depth: int) -> Source:
        a, alias = self.owned(depth - 1), self.alias()
        value, kind = f"string_split({self.scalar('text', a.columns, 1)}, 'z')", "text"
        if self.chance(40):
            a = self.base("items")
            value, kind = a.sql.split()[-1] + ".tags", "int"
        shown = (*a.columns, Shown(f"{alias}.m", "m", kind))
        return Source(f"{a.sql}, UNNEST({value}) AS {alias}(m)", shown, a.unit, a.order)

    # blocks that stay owned

    def rows(self, depth: int) -> Block:
        self.left -= 1
        often, seldom = (self._plain, self._per_unit), (self._distinct, self._window, self._set)
        return self.pick((*often, *often, *seldom))(depth)

    def _plain(self, depth: int) -> Block:
        source = self.owned(depth)
        return self._selected(source, "SELECT", self.where(source.columns))

    def _distinct(self, depth: int) -> Block:
        source = self.owned(depth)
        return self._selected(source, "SELECT DISTINCT", self.where(source.columns))

    def _selected(self, source: Source, verb: str, tail: str, *more: tuple[str, str]) -> Block:
        items = [(source.unit, "u", "int")] if source.unit and self.chance(90) else []
        items += [(source.order, "o", "int")] if source.order and self.chance(60) else []
        for kind in self.some(("int", "int", "num", "text", "bool", "date"), 1, 3):
            items.append((self.scalar(kind, source.columns), f"c{len(items)}", kind))
        items += [(text, f"c{len(items) + i}", kind) for i, (text, kind) in enumerate(more)]
        return self._block(items, f"{verb} {{}} FROM {source.sql}{tail}")

    def _block(self, items: Sequence[tuple[str | None, str, str]], form: str) -> Block:
        names = [name for _, name, _ in items]
        listed = ", ".join(f"{text} AS {name}" for text, name, _ in items)
        return Block(form.replace("{}", listed, 1), tuple((name, kind) for _, name, kind in items),
                     "u" if "u" in names else None, "o" if "o" in names else None)

    def _per_unit(self, depth: int) -> Block:
        source = self.owned(depth)
        person = source.unit if source.unit and (self.chance(70) or not source.order) else source.order
        items: list[tuple[str | None, str, str]] = []
        if person is not None:
            items.append((person, "u" if person == source.unit else "o", "int"))
        if person is None or self.chance(40):
            kind = self.pick(("text", "int", "bool"))
            items.append((self.scalar(kind, source.columns, 1), "c0", kind))
        keys = ", ".join(str(text) for text, _, _ in items)
        for form in self.some(PER_UNIT[:5] if self.plain else PER_UNIT, 1, 3):
            text, kind = self.filled(form, source.columns)
            items.append((text, f"c{len(items)}", kind))
        having = f" HAVING {self.pick(('COUNT(*) > 1', 'MAX(' + self.column('int', source.columns) + ') > 0'))}"
        if person is not None and self.chance(30):
            inner = self.base("items" if person == source.order else "orders")
            mine = inner.order if person == source.order else inner.unit
            having = f" HAVING COUNT(*) > (SELECT COUNT(*) FROM {inner.sql} WHERE {mine} = {person})"
        tail = f" GROUP BY {'ALL' if self.chance(10) else keys}" + (having if self.chance(20) else "")
        return self._block(items, f"SELECT {{}} FROM {source.sql}{self.where(source.columns)}{tail}")

    def _window(self, depth: int) -> Block:
        source = self.owned(depth)
        whole = f"PARTITION BY {source.unit or source.order or self.column('int', source.columns)}"
        order = ", ".join(self.scalar(kind, source.columns, 1) for kind in self.some(("int", "num", "text"), 1, 2))
        by, menu = f"{whole} ORDER BY {order}", OVER[:4] if self.plain else OVER
        windows = [form.replace("{by}", by).replace("{whole}", whole) for form in self.some(menu, 1, 2)]
        more = [self.filled(form, source.columns) for form in windows]
        qualify = f" QUALIFY ROW_NUMBER() OVER ({by} DESC) = 1" if self.chance(30) and not self.plain else ""
        return self._selected(source, "SELECT", self.where(source.columns) + qualify, *more)

    def _set(self, depth: int) -> Block:
        kinds = self.some(("int", "text", "num", "bool"), 1, 2)
        how = self.pick(("UNION ALL", "UNION ALL", "UNION", "INTERSECT", "EXCEPT", "EXCEPT ALL", "INTERSECT ALL"))
        sides, named = [], True
        for _ in range(2):
            source = self.owned(depth)
            named = named and source.unit is not None
            person = [] if source.unit is None else [(source.unit, "u", "int")]
            items = [*person, *((self.scalar(k, source.columns, 1), f"c{i}", k) for i, k in enumerate(kinds))]
            sides.append(self._block(items, f"SELECT {{}} FROM {source.sql}{self.where(source.columns)}"))
        return Block(f"{sides[0].sql} {how} {sides[1].sql}", sides[0].columns, "u" if named else None)

    # conditions

    def where(self, columns: Columns) -> str:
        if not self.chance(45):
            return ""
        return " WHERE " + " AND ".join(self.condition(columns) for _ in range(1 + self.below(2)))

    def condition(self, columns: Columns) -> str:
        return self.scalar("bool", columns)
