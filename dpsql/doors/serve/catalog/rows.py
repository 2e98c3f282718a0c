"""The rows of pg_catalog: what is the same everywhere, and the tables of the policy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from dpsql.doors.serve.catalog.objects import OWNER, OWNER_NAME, SYSTEM, Key, Objects, Reference, Relation
from dpsql.doors.serve.catalog.pg_types import PgType, by_name, types
from dpsql.doors.serve.catalog.procs import proc_oid, procs
from dpsql.doors.serve.catalog.shapes import Shape, shapes

Row = dict[str, object]
Rows = dict[str, list[Row]]

INFORMATION = ("information_schema", 13207)
CLASS = 1259
HEAP, BTREE = 2, 403
# oid of the default operator class of btree, by type
OPERATORS = {
    16: 10003, 17: 10006, 18: 10007, 19: 10028, 20: 3124, 21: 1979, 23: 1978, 25: 3126, 26: 1981, 700: 10012, 701: 3123,
    1042: 10004, 1082: 3122, 1083: 10038, 1114: 3128, 1184: 3127, 1186: 10022, 1700: 3125, 2950: 10065,
}
_FAMILIES = {
    10003: 424, 10006: 428, 10007: 429, 10028: 1994, 3124: 1976, 1979: 1976, 1978: 1976, 3126: 1994, 1981: 1989,
    10012: 1970, 3123: 1970, 10004: 426, 3122: 434, 10038: 1996, 3128: 434, 3127: 434, 10022: 1982, 3125: 1988,
    10065: 2968,
}
_EQUALS = {
    16: 91, 17: 1955, 18: 92, 19: 93, 20: 410, 21: 94, 23: 96, 25: 98, 26: 607, 700: 620, 701: 670, 1042: 1054,
    1082: 1093, 1083: 1108, 1114: 2060, 1184: 1320, 1186: 1330, 1700: 1752, 2950: 2972,
}
_METHODS = (("heap", 2, "t"), ("btree", 403, "i"), ("hash", 405, "i"), ("gist", 783, "i"), ("gin", 2742, "i"),
            ("spgist", 4000, "i"), ("brin", 3580, "i"))
_COLLATIONS = ((100, "default", "d", None, -1), (950, "C", "c", "C", -1), (951, "POSIX", "c", "POSIX", -1),
               (12340, "ucs_basic", "c", "C", 6))
_RANGES = ((3904, 23, 4451, 1978), (3906, 1700, 4532, 3125), (3908, 1114, 4533, 3128), (3910, 1184, 4534, 3127),
           (3912, 1082, 4535, 3122), (3926, 20, 4536, 3124))
ACCESS = [f"{OWNER_NAME}=arwdDxt/{OWNER_NAME}", f"=r/{OWNER_NAME}"]


def rows(found: Objects) -> Rows:
    """The rows by table; a column that a row leaves out has its type's blank."""
    made: Rows = defaultdict(list)
    for table, row in (*_fixed(), *_types(), *_system(), *_tables(found)):
        made[table].append(row)
    return made


Placed = Iterator[tuple[str, Row]]


def _fixed() -> Placed:
    for name, oid in (SYSTEM, ("pg_toast", 99), INFORMATION):
        yield "pg_namespace", {"oid": oid, "nspname": name, "nspowner": OWNER}
    for name, oid, kind in _METHODS:
        yield "pg_am", {"oid": oid, "amname": name, "amhandler": 0, "amtype": kind}
    for oid, name, provider, locale, encoding in _COLLATIONS:
        yield "pg_collation", {
            "oid": oid, "collname": name, "collnamespace": 11, "collowner": OWNER, "collprovider": provider,
            "collisdeterministic": True, "collencoding": encoding, "collcollate": locale, "collctype": locale,
        }
    for oid, name in ((12, "internal"), (13, "c"), (14, "sql")):
        yield "pg_language", {"oid": oid, "lanname": name, "lanowner": OWNER, "lanpltrusted": name == "sql"}
    for oid, name in ((1663, "pg_default"), (1664, "pg_global")):
        yield "pg_tablespace", {"oid": oid, "spcname": name, "spcowner": OWNER}
    for type_, oid in OPERATORS.items():
        yield "pg_opclass", {
            "oid": oid, "opcmethod": BTREE, "opcname": f"{types()[type_].name}_ops", "opcnamespace": 11,
            "opcowner": OWNER, "opcfamily": _FAMILIES[oid], "opcintype": type_, "opcdefault": True,
        }
    for range_, of, many, operators in _RANGES:
        yield "pg_range", {"rngtypid": range_, "rngsubtype": of, "rngmultitypid": many, "rngsubopc": operators}
    for proc in procs():
        yield "pg_proc", {
            "oid": proc.oid, "proname": proc.name, "pronamespace": 11, "proowner": OWNER, "prolang": 12, "procost": 1.0,
            "prokind": proc.kind, "proretset": proc.many, "prorettype": proc.gives, "proargtypes": list(proc.takes),
            "pronargs": len(proc.takes), "provolatile": "s", "proparallel": "s", "prosrc": proc.name,
        }


def _types() -> Placed:
    for each in types().values():
        yield "pg_type", {
            "oid": each.oid, "typname": each.name, "typnamespace": INFORMATION[1] if _of_information(each) else 11,
            "typlen": each.length, "typbyval": each.by_value, "typtype": each.kind, "typcategory": each.category,
            "typispreferred": each.preferred, "typelem": each.element, "typarray": each.array,
            "typdelim": each.delimiter, "typalign": each.align, "typstorage": each.storage, "typbasetype": each.base,
            "typcollation": each.collation, "typsubscript": proc_oid(each.subscript),
            **_functions(each.function("in"), each.function("out"), each.function("recv"), each.function("send")),
            "typmodin": proc_oid(each.modifier + "in") if each.modifier else 0,
            "typmodout": proc_oid(each.modifier + "out") if each.modifier else 0,
            "typowner": OWNER, "typisdefined": True, "typtypmod": -1,
        }


def _of_information(type_: PgType) -> bool:
    return bool(type_.base or (type_.name.startswith("_") and types()[type_.element].base))


def _functions(*names: str) -> Row:
    return dict(zip(("typinput", "typoutput", "typreceive", "typsend"), map(proc_oid, names), strict=True))


def _system() -> Placed:
    for shape in shapes().values():
        yield "pg_class", _class(shape.oid, shape.name, _namespace(shape), shape.kind, len(shape.columns))
        for number, (name, type_) in enumerate(shape.columns, 1):
            yield "pg_attribute", _attribute(shape.oid, name, number, by_name()[type_], -1, name in shape.required)


def _namespace(shape: Shape) -> int:
    return INFORMATION[1] if shape.schema == INFORMATION[0] else 11


def _class(oid: int, name: str, namespace: int, kind: str, width: int) -> Row:
    return {
        "oid": oid, "relname": name, "relnamespace": namespace, "relowner": OWNER, "relkind": kind, "relnatts": width,
        "relpages": int(kind == "i"),
        "relam": {"r": HEAP, "i": BTREE}.get(kind, 0), "relfilenode": 0 if kind == "v" else oid,
        "reltuples": 0.0 if kind == "i" else -1.0,
        "relpersistence": "p", "relispopulated": True, "relreplident": "n" if kind != "r" or oid < 16384 else "d",
    }


def _attribute(relation: int, name: str, number: int, type_: int, modifier: int, required: bool) -> Row:
    known = types()[type_]
    return {
        "attrelid": relation, "attname": name, "atttypid": type_, "attstattarget": -1, "attlen": known.length,
        "attnum": number, "attndims": int(known.category == "A"), "attcacheoff": -1, "atttypmod": modifier,
        "attbyval": known.by_value, "attalign": known.align, "attstorage": known.storage, "attnotnull": required,
        "attislocal": True, "attcollation": known.collation,
    }


def _tables(found: Objects) -> Placed:
    for name, oid in found.schemas:
        yield "pg_namespace", {"oid": oid, "nspname": name, "nspowner": OWNER}
    pointed = {reference.table.oid for _, reference in found.references}
    pointing = {relation.oid for relation, _ in found.references}
    for relation in found.relations:
        shared = {"relhasindex": bool(relation.keys), "relhastriggers": relation.oid in pointed | pointing,
                  "reltype": relation.row, "relacl": ACCESS}
        yield "pg_class", _class(relation.oid, relation.name, relation.schema[1], "r", len(relation.columns)) | shared
        yield from _row_types(relation)
        for column in relation.columns:
            yield "pg_attribute", _attribute(
                relation.oid, column.name, column.number, column.type, column.modifier, column.required)
            if column.comment:
                yield "pg_description", _description(relation.oid, column.number, column.comment)
        yield "pg_description", _description(relation.oid, 0, relation.comment)
        for key in relation.keys:
            yield from _key(relation, key)
    for relation, reference in found.references:
        yield "pg_constraint", _foreign(relation, reference)


def _description(oid: int, number: int, text: str) -> Row:
    return {"objoid": oid, "classoid": CLASS, "objsubid": number, "description": text}


def _row_types(relation: Relation) -> Placed:
    shared: Row = {
        "typnamespace": relation.schema[1], "typowner": OWNER, "typlen": -1, "typispreferred": False,
        "typisdefined": True, "typdelim": ",", "typalign": "d", "typstorage": "x", "typtypmod": -1,
    }
    yield "pg_type", shared | {
        "oid": relation.row, "typname": relation.name, "typtype": "c", "typcategory": "C", "typrelid": relation.oid,
        "typarray": relation.rows, **_functions("record_in", "record_out", "record_recv", "record_send"),
    }
    yield "pg_type", shared | {
        "oid": relation.rows, "typname": f"_{relation.name}"[:63], "typtype": "b", "typcategory": "A",
        "typelem": relation.row, "typsubscript": proc_oid("array_subscript_handler"),
        **_functions("array_in", "array_out", "array_recv", "array_send"),
    }


def _key(relation: Relation, key: Key) -> Placed:
    columns = [relation.columns[number - 1] for number in key.columns]
    width = len(columns)
    yield "pg_class", _class(key.index, key.name, relation.schema[1], "i", width)
    for number, column in enumerate(columns, 1):
        yield "pg_attribute", _attribute(key.index, column.name, number, column.type, column.modifier, False)
    yield "pg_index", {
        "indexrelid": key.index, "indrelid": relation.oid, "indnatts": width, "indnkeyatts": width, "indisunique": True,
        "indisprimary": key.primary, "indimmediate": True, "indisvalid": True, "indisready": True, "indislive": True,
        "indkey": list(key.columns), "indcollation": [types()[column.type].collation for column in columns],
        "indclass": [OPERATORS.get(column.type, 0) for column in columns], "indoption": [0] * width,
    }
    yield "pg_constraint", _constraint(relation, key.oid, key.name, "p" if key.primary else "u") | {
        "conindid": key.index, "conkey": list(key.columns), "confupdtype": " ", "confdeltype": " ",
        "confmatchtype": " ", "connoinherit": True,
    }


def _constraint(relation: Relation, oid: int, name: str, kind: str) -> Row:
    return {"oid": oid, "conname": name, "connamespace": relation.schema[1], "contype": kind, "convalidated": True,
            "conrelid": relation.oid, "conislocal": True}


def _foreign(relation: Relation, reference: Reference) -> Row:
    equals = [_EQUALS.get(relation.columns[reference.column - 1].type, 0)]
    return _constraint(relation, reference.oid, reference.name, "f") | {
        "conindid": reference.index, "confrelid": reference.table.oid, "conkey": [reference.column],
        "confkey": [reference.target], "confupdtype": "a", "confdeltype": "a", "confmatchtype": "s",
        "connoinherit": True, "conpfeqop": equals, "conppeqop": equals, "conffeqop": equals,
    }
