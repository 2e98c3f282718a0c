"""The catalog's own database: every system table with its rows, every view, every function. Made once a session."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dpsql.dictionary import TableInfo
from dpsql.doors.serve.catalog.functions import inner, macros
from dpsql.doors.serve.catalog.information import VIEWS
from dpsql.doors.serve.catalog.objects import OWNER, OWNER_NAME, RESERVED, USER_ID, Objects, Relation, objects, quoted
from dpsql.doors.serve.catalog.pg_types import NAMED, by_name, kept, types
from dpsql.doors.serve.catalog.procs import procs
from dpsql.doors.serve.catalog.rows import INFORMATION, rows
from dpsql.doors.serve.catalog.shapes import Shape, shapes
from dpsql.engines.memory_catalog import MemoryCatalog

PLACES = {"pg_catalog": "pg", "information_schema": "info"}     # schemas of PostgreSQL: those of the database
_BLANK = {"BOOLEAN": False, "SMALLINT": 0, "INTEGER": 0, "BIGINT": 0, "FLOAT": 0.0, "DOUBLE": 0.0}
_PRESENT = ("name", "char")     # types of text whose blank is '' and not NULL

Named = dict[str, dict[int, str]]
Spelled = dict[str, dict[str, int]]
Made = tuple[str, str, Sequence[tuple[str, str]], Sequence[Sequence[object]]]


@dataclass(frozen=True, slots=True)
class Built:
    """The database; by kind (class, type, proc, namespace), what an oid is called and which oid a name means."""

    database: MemoryCatalog
    named: Named
    spelled: Spelled


def build(tables: Sequence[TableInfo]) -> Built:
    """The catalog of these tables of a policy."""
    found = objects(tables)
    named, spelled = _named(found), _spelled(found)
    made = rows(found)
    stored: list[Made] = []
    views: list[str] = []
    for key, shape in shapes().items():
        if key in VIEWS:
            views.append(_view(shape))
        else:
            columns = [(name, kept(by_name()[type_])) for name, type_ in shape.columns]
            given = made.get(shape.name, []) if shape.schema == "pg_catalog" else []
            unknown = {name for row in given for name in row} - {name for name, _ in columns}
            assert not unknown, f"{shape.name} has no columns {unknown}"
            stored.append((PLACES[shape.schema], shape.name, columns, [_row(shape, row) for row in given]))
    views.sort(key=lambda view: "pg.pg_authid AS" not in view)
    stored.append(("pg", "named_", [("kind", "VARCHAR"), ("oid", "BIGINT"), ("shown", "VARCHAR")],
                   [(kind, oid, name) for kind, each in named.items() for oid, name in each.items()]))
    stored.append(("pg", "spelled_", [("kind", "VARCHAR"), ("spelling", "VARCHAR"), ("oid", "BIGINT")],
                   [(kind, name, oid) for kind, each in spelled.items() for name, oid in each.items()]))
    stored.append(("pg", "reserved_", [("word", "VARCHAR")], [(word,) for word in sorted(RESERVED)]))
    stored.append(("pg", "defined_", [("kind", "VARCHAR"), ("oid", "BIGINT"), ("words", "VARCHAR")],
                   [*_defined(found)]))
    script = (*inner(reserved=sorted(RESERVED)), views[0], *macros(user_id=USER_ID), *views[1:])
    return Built(MemoryCatalog(stored, script), named, spelled)


def _defined(found: Objects) -> Iterator[tuple[str, int, str]]:
    """How keys, indexes and functions are written: kind, oid, words."""
    for relation in found.relations:
        full = f"{quoted(relation.schema[0])}.{quoted(relation.name)}"
        for key in relation.keys:
            columns = _listed(relation, key.columns)
            yield "constraint", key.oid, f"{'PRIMARY KEY' if key.primary else 'UNIQUE'} ({columns})"
            for kind, place in (("index", full), ("index here", relation.shown)):
                yield kind, key.index, f"CREATE UNIQUE INDEX {quoted(key.name)} ON {place} USING btree ({columns})"
    for relation, reference in found.references:
        here, there = _listed(relation, (reference.column,)), _listed(reference.table, (reference.target,))
        yield "constraint", reference.oid, f"FOREIGN KEY ({here}) REFERENCES {reference.table.shown}({there})"
    for proc in procs():
        yield "arguments", proc.oid, ", ".join(types()[oid].words for oid in proc.takes if oid in types())


def _listed(relation: Relation, numbers: tuple[int, ...]) -> str:
    return ", ".join(quoted(relation.columns[number - 1].name) for number in numbers)


def _row(shape: Shape, row: dict[str, object]) -> list[object]:
    return [row.get(name, _blank(type_)) for name, type_ in shape.columns]


def _blank(type_: str) -> object:
    return "" if type_ in _PRESENT else _BLANK.get(kept(by_name()[type_]))


def _view(shape: Shape) -> str:
    body = VIEWS[shape.schema, shape.name]
    for name, value in (("owner_id", OWNER), ("user_id", USER_ID), ("owner", OWNER_NAME)):
        body = body.replace("{" + name + "}", str(value))
    given = ", ".join(
        f"CAST({_given(name, body)} AS {kept(by_name()[type_])}) AS {name}" for name, type_ in shape.columns)
    return f"CREATE VIEW {PLACES[shape.schema]}.{shape.name} AS SELECT {given} FROM ({body}) v"


def _given(name: str, body: str) -> str:
    return f"v.{name}" if re.search(rf"\bAS {name}\b", body) else "NULL"


def _named(found: Objects) -> Named:
    """What each oid is printed as by the types that name things."""
    named: Named = {kind: {} for kind in sorted(set(NAMED.values()))}
    for shape in shapes().values():
        prefix = "" if shape.schema == "pg_catalog" else f"{shape.schema}."
        named["class"][shape.oid] = prefix + quoted(shape.name)
    named["type"] = {each.oid: each.words for each in types().values()}
    named["proc"] = {each.oid: each.name for each in procs()}
    named["namespace"] = {11: "pg_catalog", INFORMATION[1]: INFORMATION[0], 99: "pg_toast"}
    named["role"] = {OWNER: OWNER_NAME}
    for name, oid in found.schemas:
        named["namespace"][oid] = quoted(name)
    for relation in found.relations:
        prefix = relation.shown.removesuffix(quoted(relation.name))
        named["class"][relation.oid] = relation.shown
        named["class"] |= {key.index: prefix + quoted(key.name) for key in relation.keys}
        named["type"] |= {relation.row: relation.shown, relation.rows: relation.shown + "[]"}
    return named


def _spelled(found: Objects) -> Spelled:
    """The names under which each object is found: as printed, and with its schema. The first of a name keeps it."""
    spelled: Spelled = {kind: {} for kind in ("class", "type", "proc", "namespace")}

    def spell(kind: str, schema: str, name: str, oid: int) -> None:
        for form in dict.fromkeys((name, f'"{name}"' if '"' not in name else name)):     # quoted or not
            if schema in ("pg_catalog", "public"):
                spelled[kind].setdefault(form, oid)
            spelled[kind].setdefault(f"{schema}.{form}", oid)
            spelled[kind].setdefault(f'"{schema}".{form}', oid)

    for shape in shapes().values():
        spell("class", shape.schema, quoted(shape.name), shape.oid)
    for name, oid in by_name().items():
        spell("type", "information_schema" if types()[oid].base else "pg_catalog", name, oid)
    for proc in procs():
        spell("proc", "pg_catalog", proc.name, proc.oid)
    for relation in found.relations:
        schema, name = quoted(relation.schema[0]), quoted(relation.name)
        spell("class", schema, name, relation.oid)
        spell("type", schema, name, relation.row)
        for key in relation.keys:
            spell("class", schema, quoted(key.name), key.index)
    for name, oid in (("pg_catalog", 11), INFORMATION, *((quoted(name), oid) for name, oid in found.schemas)):
        spelled["namespace"].setdefault(name, oid)
    return spelled
