"""Random queries of the whole language: questions, what is computed of their answers, and subqueries of every sort."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.fuzz.owned_words import Block, OwnedWords, Source
from tests.fuzz.scalar_words import Columns, numbers

BOUNDED = {"int": "LEAST(GREATEST({int}, 0), 9)", "num": "LEAST(GREATEST({num}, -1), 2.5)"}
AGGREGATES = (
    "COUNT(*) int", "COUNT(*) int", "COUNT({text}) int", "SUM({i}) num", "SUM({n}) num", "AVG({i}) num", "AVG({n}) num",
    "COUNT(DISTINCT {unit}) int", "COUNT(DISTINCT {int}) int", "COUNT(DISTINCT {text}) int", "VAR_SAMP({i}) num",
    "STDDEV_POP({n}) num", "VAR_POP({n}) num", "STDDEV({i}) num", "COVAR_POP({i}, {n}) num", "CORR({n}, {i}) num",
    "REGR_SLOPE({n}, {i}) num", "REGR_R2({i}, {n}) num", "REGR_INTERCEPT({n}, {n}) num", "COVAR_SAMP({i}, {i}) num",
    "MEDIAN({i}) num", "QUANTILE_CONT({n}, 0.25) num", "QUANTILE_DISC({i}, 0.9) int", "MIN({i}) int", "MAX({n}) num",
    "PERCENTILE_CONT(0.75) WITHIN GROUP (ORDER BY {i}) num", "MAX({text}) text", "COUNT({num}) int",
    "PERCENTILE_DISC(0.1) WITHIN GROUP (ORDER BY {n} DESC) num", "SUM(CAST({bool} AS INT)) int",
    "HISTOGRAM({i}, [1, 2])[1] int", "QUANTILE_DISC({i}, [0.3, 0.6])[2] int",
    "APPROX_COUNT_DISTINCT({text}) int", "APPROX_QUANTILE({i}, 0.5) int", "COUNT_IF({bool}) int", "SUM({bool}) int",
    "MIN({date}) date", "SUM(DISTINCT {i}) num", "REGR_COUNT({i}, {n}) int", "REGR_AVGX({i}, {n}) num",
    "COUNT(DISTINCT {date}) int", "SUM({i} * {i}) num", "AVG({i} - {i}) num",
)
EXACT = ("COUNT(*) int", "COUNT(*) int", "COUNT({int}) int", "COUNT({text}) int", "COUNT(DISTINCT {unit}) int",
         "COALESCE(SUM({i}), 0) int", "COALESCE(COUNT_IF({bool}), 0) int", "COUNT(*) FILTER (WHERE {bool}) int")
AFTER = {
    "int": ("{} + 1", "-{}", "ABS({})", "GREATEST({}, 0)", "NULLIF({}, 0)", "CASE WHEN {} > 1 THEN 1 END"),
    "num": ("ROUND({}, 1)", "{} / 2", "CAST({} AS INTEGER)", "SQRT({})", "COALESCE({}, 0)", "{} * {}"),
    "text": ("UPPER({})",), "bool": ("NOT {}",), "date": ("year({})",),
}
SHOWN = ("ROW_NUMBER() OVER (ORDER BY {int}) int", "SUM({int}) OVER () num", "RANK() OVER (ORDER BY {num} DESC) int",
         "LAG({int}) OVER (ORDER BY {text}) int", "(SELECT MAX(size) FROM pub) int", "{num} num", "{text} text",
         "(SELECT COUNT(*) FROM orders WHERE {bool}) int", "NTILE(2) OVER (ORDER BY {num}) int",
         "AVG({num}) OVER (PARTITION BY {text}) num")
AGAIN = ("COUNT(*) int", "SUM({int}) num", "AVG({num}) num", "MAX({int}) int", "MIN({text}) text", "MEDIAN({int}) num",
         "COUNT(DISTINCT {text}) int", "STDDEV({num}) num", "BOOL_OR({bool}) bool", "QUANTILE_CONT({num}, 0.5) num",
         "COUNT(*) FILTER (WHERE {bool}) int", "CORR({num}, {int}) num")


@dataclass
class QueryWords(OwnedWords):
    """Draws whole queries."""

    def query(self) -> str:
        """The text of one query; its WITH names are those that were shared."""
        block = self.released(2)
        sql = block.sql
        if self.chance(25) and not self.plain:
            sql = f"SELECT * FROM ({sql}) AS last ORDER BY {1 + self.below(len(block.columns))} LIMIT {self.below(4)}"
        shared = ", ".join(f"{name} AS ({known.sql})" for name, _, known in self.shared)
        return f"WITH {shared} {sql}" if shared else sql

    def released(self, depth: int) -> Block:
        """A query whose rows may be shown."""
        forms = [self.question, self.question]
        if depth > 0 and self.left > 1:
            forms += [self.question, self._after, self._after, self._united, self._groups]
            forms += [] if self.plain else [self._public_only, self._for_each]
        return self.pick(forms)(depth)

    # questions

    def question(self, depth: int) -> Block:
        """A block that aggregates people."""
        self.left -= 1
        source = self.owned(depth)
        where = self.where(source.columns)
        kinds = self.some(("text", "int", "text", "bool", "date"), 0, 2)
        keys = [(self.scalar(kind, source.columns, 1 if self.chance(40) else 0), f"k{i}", kind)
                for i, kind in enumerate(kinds)]
        menu = EXACT if self.plain else AGGREGATES
        items = [*keys, *((*self._aggregate(form, source), f"a{i}") for i, form in enumerate(self.some(menu, 1, 3)))]
        items = [*keys, *((text, name, kind) for text, kind, name in items[len(keys):])]
        listed = ", ".join(f"{text} AS {name}" for text, name, _ in items)
        text = f"SELECT {listed} FROM {source.sql}{where}{self._grouped([key for key, _, _ in keys], source)}"
        return Block(text, tuple((name, kind) for _, name, kind in items))

    def _aggregate(self, form: str, source: Source) -> tuple[str, str]:
        for hole, kind in (("{i}", "int"), ("{n}", "num")):
            while hole in form:
                form = form.replace(hole, BOUNDED[kind] if self.chance(60) or self.plain else f"{{{kind}}}", 1)
        text, kind = self.filled(form.replace("{unit}", source.unit or "{int}"), source.columns)
        if self.plain:
            return text, kind
        if self.chance(15):
            text += f" FILTER (WHERE {self.scalar('bool', source.columns, 1)})"
        if self.chance(20):
            text = self.pick(AFTER[kind]).replace("{}", text)
        if self.chance(6) and self.left > 0:
            self.left -= 1
            text += f" + (SELECT COUNT(*) FROM {self.base(self.pick(('units', 'orders', 'pub'))).sql})"
        return text, kind

    def _grouped(self, keys: list[str], source: Source) -> str:
        """GROUP BY and what follows it."""
        if not keys:
            return ""
        places = ", ".join(str(i + 1) for i in range(len(keys)))
        forms = (", ".join(keys), places, ", ".join(f"k{i}" for i in range(len(keys))))
        text = self.pick(forms)
        if self.chance(20):
            text = self.pick(("ALL", f"ROLLUP ({text})", f"CUBE ({text})", f"GROUPING SETS (({text}), ())"))
        text = f" GROUP BY {text}"
        if self.plain:
            return f"{text} HAVING COUNT(*) > 0"        # dpsql lists empty public groups too
        if self.chance(20):
            tests = ("COUNT(*) > 1", "AVG({int}) > (SELECT AVG(size) FROM pub)", "k0 IS NOT NULL", "SUM({int}) < 9")
            text += f" HAVING {self.filled(self.pick(tests) + ' bool', source.columns, 0)[0]}"
        if self.chance(10):
            text += self.pick((" QUALIFY ROW_NUMBER() OVER (ORDER BY COUNT(*) DESC) <= 2", " QUALIFY RANK() OVER w < 3 "
                               "WINDOW w AS (ORDER BY COUNT(*))", f" QUALIFY SUM(COUNT(*)) OVER () > {self.below(9)}"))
        return text + (f" ORDER BY {self.pick(places.split(', '))}" if self.chance(15) else "")

    # over what is released

    def _groups(self, depth: int) -> Block:
        self.left -= 1
        source = self.owned(depth - 1)
        kind = self.pick(("text", "int", "bool"))
        key = self.scalar(kind, source.columns, 1)
        tail = f"{source.sql}{self.where(source.columns)}"
        return self.pick((
            Block(f"SELECT DISTINCT {key} AS k0 FROM {tail}", (("k0", kind),)),
            Block(f"SELECT {key} AS k0 FROM {tail} GROUP BY 1", (("k0", kind),)),
        )) if not self.plain else self.question(depth)

    def _united(self, depth: int) -> Block:
        """Two released blocks with columns of one shape."""
        self.left -= 1
        sides = []
        for _ in range(2):
            source = self.owned(depth - 1)
            key, (count, _) = self.scalar("text", source.columns, 1), self.filled(self.pick(EXACT), source.columns) \
                if not self.plain else ("COUNT(*)", "int")
            count = count.replace("{unit}", source.unit or "1").replace("{i}", "1")
            having = " HAVING COUNT(*) > 0" if self.plain else ""
            tail = f"{self.where(source.columns)} GROUP BY 1{having}"
            sides.append(f"SELECT {key} AS k0, {count} AS a0 FROM {source.sql}{tail}")
        if self.chance(20):
            sides[1] = "SELECT cat, size FROM pub"
        how = self.pick(("UNION ALL", "UNION", "INTERSECT", "EXCEPT"))
        return Block(f"{sides[0]} {how} {sides[1]}", (("k0", "text"), ("a0", "int")))

    def _after(self, depth: int) -> Block:
        """A SELECT over released rows, joined with others perhaps."""
        self.left -= 1
        source = self.derived(self.released(depth - 1), "released")
        if self.chance(35) and self.left > 0:
            other = self.public() if self.chance(50) else self.derived(self.released(depth - 1), "released")
            shown, kind = (*source.columns, *other.columns), self.pick(("text", "int"))
            on = f"{self.column(kind, source.columns)} = {self.column(kind, other.columns)}"
            source = Source(f"{source.sql} {self.pick(('', 'LEFT', 'FULL'))} JOIN {other.sql} ON {on}", shown)
        keys = [(self.scalar(kind, source.columns, 1), f"k{i}", kind)
                for i, kind in enumerate(self.some(("text", "int", "num", "bool"), 1, 2))]
        where = self.where(source.columns)
        grouped = self.chance(40) and not self.plain
        menu = AGAIN if grouped else SHOWN
        more = [] if self.plain else [(*self.filled(form, source.columns), f"a{i}")
                                      for i, form in enumerate(self.some(menu, 0, 2))]
        items = [*keys, *((text, name, kind) for text, kind, name in more)]
        tail = " GROUP BY " + ", ".join(str(i + 1) for i in range(len(keys))) if grouped else ""
        listed = ", ".join(f"{text} AS {name}" for text, name, _ in items)
        return Block(f"SELECT {listed} FROM {source.sql}{where}{tail}", tuple((name, kind) for _, name, kind in items))

    def _for_each(self, depth: int) -> Block:
        """What people are asked for each row of a public table."""
        self.left -= 1
        outer, inner = self.base("pub"), self.base(self.pick(("orders", "items", "units")))
        kind = self.pick(("int", "text"))
        key = self.column(kind, outer.columns)
        asked = self._aggregate(self.pick(EXACT if self.plain else AGGREGATES), inner)[0]
        where = f"{self.column(kind, inner.columns)} = {key}"
        if self.chance(50):
            text = f"{key} AS k0, (SELECT {asked} FROM {inner.sql} WHERE {where}) AS a0 FROM {outer.sql}"
        else:
            text = f"{key} AS k0, {asked} AS a0 FROM {outer.sql} LEFT JOIN {inner.sql} ON {where} GROUP BY {key}"
        return Block(f"SELECT {text}", (("k0", kind), ("a0", "num")))

    def _public_only(self, depth: int) -> Block:
        source = self.public()
        text = self.scalar("text", source.columns)
        return Block(f"SELECT {text} AS k0, COUNT(*) AS a0 FROM {source.sql}{self.where(source.columns)} GROUP BY 1",
                     (("k0", "text"), ("a0", "int")))

    # subqueries

    def condition(self, columns: Columns) -> str:
        """A condition over rows, which may ask other rows."""
        if self.left <= 0 or not self.chance(30) or not columns:
            return self.scalar("bool", columns)
        self.left -= 1
        text = self.pick((self._compared, self._each, self._exists, self._in, self._in_released, self._any))(columns)
        if self.chance(12):
            text = f"({text} OR {self.scalar('bool', columns, 1)})"
        return f"NOT ({text})" if self.chance(12) else text

    def _compared(self, columns: Columns) -> str:
        inner = self.owned(1 if self.chance(30) else 0)
        asked = self._aggregate(self.pick(EXACT if self.plain else AGGREGATES[:26]), inner)[0]
        where = self.where(inner.columns)
        sign = self.pick(("<", ">", "=", "<>"))
        return f"{self.column('int', columns)} {sign} (SELECT {asked} FROM {inner.sql}{where})"

    def _each(self, columns: Columns) -> str:
        """A correlated aggregate: by the person, or by a value."""
        inner, kind = self.base(self.pick(("orders", "items", "units", "pub"))), self.pick(("int", "text"))
        on = f"{self.column(kind, inner.columns)} = {self.column(kind, columns)}"
        person = [column.text for column in columns if column.name == "u"]
        if person and inner.unit and self.chance(60):
            on = f"{inner.unit} = {self.pick(person)}"
        menu = ("MAX({int}) int", "COUNT(*) int", "COUNT(*) int" if self.plain else "AVG({int}) num")
        asked = self.filled(self.pick(menu), inner.columns, 0)[0]
        return f"{self.column('int', columns)} >= (SELECT {asked} FROM {inner.sql} WHERE {on})"

    def _exists(self, columns: Columns) -> str:
        inner = self.base(self.pick(("orders", "items", "units", "pub")))
        name = "o" if inner.order and (self.chance(40) or not inner.unit) else "u"
        outer = [column.text for column in columns if column.name == name]
        mine = inner.order if name == "o" else inner.unit
        on = f"{mine} = {self.pick(outer)}" if outer and mine else self.scalar("bool", (*columns, *inner.columns), 1)
        more = f" AND {self.scalar('bool', (*columns, *inner.columns), 1)}" if self.chance(50) else ""
        if self.left > 0 and self.chance(30):
            self.left -= 1      # two levels out
            deep = self.base(self.pick(("orders", "items")))
            links = [f"{a} = {b}" for a, b in ((deep.order, inner.order), (deep.unit, inner.unit)) if a and b]
            also = self.scalar("bool", (*columns, *deep.columns), 1)
            if links:
                more += f" AND {self.pick(('', 'NOT '))}EXISTS (SELECT 1 FROM {deep.sql} WHERE {links[0]} AND {also})"
        tail = f" HAVING COUNT(*) {self.pick(('> 1', '= 0', '<> 1'))}" if self.chance(15) else ""
        return f"{self.pick(('', 'NOT '))}EXISTS (SELECT 1 FROM {inner.sql} WHERE {on}{more}{tail})"

    def _in(self, columns: Columns) -> str:
        inner = self.owned(1) if self.chance(70) else self.public()
        name = self.pick(("u", "o"))
        mine = inner.unit if name == "u" else inner.order
        outer = [column.text for column in columns if column.name == name and mine] or [self.column("int", columns)]
        listed = f"SELECT {mine or self.column('int', inner.columns)} FROM {inner.sql}{self.where(inner.columns)}"
        return f"{self.pick(outer)} {self.pick(('', '', 'NOT '))}IN ({listed})"

    def _in_released(self, columns: Columns) -> str:
        inner, kind = self.owned(0), self.pick(("int", "text"))
        key = self.column(kind, inner.columns)
        tail = f"FROM {inner.sql} GROUP BY {key} HAVING COUNT(*) > {self.below(3)}"
        return f"{self.column(kind, columns)} {self.pick(('', 'NOT '))}IN (SELECT {key} {tail})"

    def _any(self, columns: Columns) -> str:
        inner = self.public()
        value, sign = self.column("int", inner.columns), self.pick(("> ANY", "<= ALL", "= ANY"))
        return f"{self.column('int', columns)} {sign} (SELECT {value} FROM {inner.sql})"


@dataclass(frozen=True, slots=True)
class Written:
    """A query and the values of its parameters."""

    sql: str
    params: dict[str, object]


@st.composite
def queries(draw: st.DrawFn, plain: bool = False, clumsy: int = 40) -> Written:
    """A random query; dpsql may refuse it, with a QueryError. `plain`: one that plain SQL answers alike."""
    words = QueryWords(draw(numbers()), clumsy=0 if plain else clumsy, plain=plain)
    sql = words.query()
    used = set(re.findall(r"\$(p\d+)", sql))
    return Written(sql, {name: value for name, value in words.parameters.items() if name in used})
