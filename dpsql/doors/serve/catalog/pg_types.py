"""The types of PostgreSQL: their oids, what pg_type says of them, and which DuckDB type holds their values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

# oid name length by-value kind category preferred alignment storage array functions, then what is not the default.
# Facts of the interface, written by a query of our own over a PostgreSQL 15's catalog.
_TYPES = """
16 bool 1 t b B t c p 1000 bool
17 bytea -1 f b U f i x 1001 bytea
18 char 1 t b Z f c p 1002 char
19 name 64 f b S f c p 1003 name elem=18 collation=950 subscript=raw_array_subscript_handler
20 int8 8 t b N f d p 1016 int8
21 int2 2 t b N f s p 1005 int2
22 int2vector -1 f b A f i p 1006 int2vector elem=21 subscript=array_subscript_handler
23 int4 4 t b N f i p 1007 int4
24 regproc 4 t b N f i p 1008 regproc
25 text -1 f b S t i x 1009 text collation=100
26 oid 4 t b N t i p 1028 oid
27 tid 6 f b U f s p 1010 tid
28 xid 4 t b U f i p 1011 xid
29 cid 4 t b U f i p 1012 cid
30 oidvector -1 f b A f i p 1013 oidvector elem=26 subscript=array_subscript_handler
114 json -1 f b U f i x 199 json_
142 xml -1 f b U f i x 143 xml_
194 pg_node_tree -1 f b Z f i x 0 pg_node_tree_ collation=100
600 point 16 f b G f d p 1017 point_ elem=701 subscript=raw_array_subscript_handler
601 lseg 32 f b G f d p 1018 lseg_ elem=600 subscript=raw_array_subscript_handler
602 path -1 f b G f d x 1019 path_
603 box 32 f b G f d p 1020 box_ elem=600 delimiter=; subscript=raw_array_subscript_handler
604 polygon -1 f b G f d x 1027 poly_
628 line 24 f b G f d p 629 line_ elem=701 subscript=raw_array_subscript_handler
650 cidr -1 f b I f i m 651 cidr_
700 float4 4 t b N f i p 1021 float4
701 float8 8 t b N t d p 1022 float8
705 unknown -2 f p X f c p 0 unknown
718 circle 24 f b G f d p 719 circle_
774 macaddr8 8 f b U f i p 775 macaddr8_
790 money 8 t b N f d p 791 cash_
829 macaddr 6 f b U f i p 1040 macaddr_
869 inet -1 f b I t i m 1041 inet_
1033 aclitem 12 f b U f i p 1034 aclitem!
1042 bpchar -1 f b S f i x 1014 bpchar collation=100 modifier=bpchartypmod
1043 varchar -1 f b S f i x 1015 varchar collation=100 modifier=varchartypmod
1082 date 4 t b D f i p 1182 date_
1083 time 8 t b D f d p 1183 time_ modifier=timetypmod
1114 timestamp 8 t b D f d p 1115 timestamp_ modifier=timestamptypmod
1184 timestamptz 8 t b D t d p 1185 timestamptz_ modifier=timestamptztypmod
1186 interval 16 f b T t d p 1187 interval_ modifier=intervaltypmod
1266 timetz 12 f b D f d p 1270 timetz_ modifier=timetztypmod
1560 bit -1 f b V f i x 1561 bit_ modifier=bittypmod
1562 varbit -1 f b V t i x 1563 varbit_ modifier=varbittypmod
1700 numeric -1 f b N f i m 1231 numeric_ modifier=numerictypmod
1790 refcursor -1 f b U f i x 2201 text
2202 regprocedure 4 t b N f i p 2207 regprocedure
2203 regoper 4 t b N f i p 2208 regoper
2204 regoperator 4 t b N f i p 2209 regoperator
2205 regclass 4 t b N f i p 2210 regclass
2206 regtype 4 t b N f i p 2211 regtype
2249 record -1 f p P f d x 2287 record_
2275 cstring -2 f p P f c p 1263 cstring_
2276 any 4 t p P f i p 0 any_!
2277 anyarray -1 f p P f d x 0 anyarray_
2278 void 4 t p P f i p 0 void_
2279 trigger 4 t p P f i p 0 trigger_!
2281 internal 8 t p P f d p 0 internal_!
2283 anyelement 4 t p P f i p 0 anyelement_!
2776 anynonarray 4 t p P f i p 0 anynonarray_!
2950 uuid 16 f b U f c p 2951 uuid_
3220 pg_lsn 8 t b U f d p 3221 pg_lsn_
3361 pg_ndistinct -1 f b Z f i x 0 pg_ndistinct_ collation=100
3402 pg_dependencies -1 f b Z f i x 0 pg_dependencies_ collation=100
3500 anyenum 4 t p P f i p 0 anyenum_!
3614 tsvector -1 f b U f i x 3643 tsvector
3615 tsquery -1 f b U f i p 3645 tsquery
3734 regconfig 4 t b N f i p 3735 regconfig
3769 regdictionary 4 t b N f i p 3770 regdictionary
3802 jsonb -1 f b U f i x 3807 jsonb_ subscript=jsonb_subscript_handler
3831 anyrange -1 f p P f d x 0 anyrange_!
3838 event_trigger 4 t p P f i p 0 event_trigger_!
3904 int4range -1 f r R f i x 3905 range_
3906 numrange -1 f r R f i x 3907 range_
3908 tsrange -1 f r R f d x 3909 range_
3910 tstzrange -1 f r R f d x 3911 range_
3912 daterange -1 f r R f i x 3913 range_
3926 int8range -1 f r R f d x 3927 range_
4072 jsonpath -1 f b U f i x 4073 jsonpath_
4089 regnamespace 4 t b N f i p 4090 regnamespace
4096 regrole 4 t b N f i p 4097 regrole
4191 regcollation 4 t b N f i p 4192 regcollation
4451 int4multirange -1 f m R f i x 6150 multirange_
4532 nummultirange -1 f m R f i x 6151 multirange_
4533 tsmultirange -1 f m R f d x 6152 multirange_
4534 tstzmultirange -1 f m R f d x 6153 multirange_
4535 datemultirange -1 f m R f i x 6155 multirange_
4536 int8multirange -1 f m R f d x 6157 multirange_
4537 anymultirange -1 f p P f d x 0 anymultirange_!
4538 anycompatiblemultirange -1 f p P f d x 0 anycompatiblemultirange_!
5017 pg_mcv_list -1 f b Z f i x 0 pg_mcv_list_ collation=100
5038 pg_snapshot -1 f b U f d x 5039 pg_snapshot_
5069 xid8 8 t b U f d p 271 xid8
5077 anycompatible 4 t p P f i p 0 anycompatible_!
5078 anycompatiblearray -1 f p P f d x 0 anycompatiblearray_
5079 anycompatiblenonarray 4 t p P f i p 0 anycompatiblenonarray_!
5080 anycompatiblerange -1 f p P f d x 0 anycompatiblerange_!
13221 cardinal_number 4 t d N f i p 13220 domain_ base=23
13224 character_data -1 f d S f i x 13223 domain_ collation=950 base=1043
13226 sql_identifier 64 f d S f c p 13225 domain_ collation=950 base=19
13232 time_stamp 8 t d D f d p 13231 domain_ base=1184
13234 yes_or_no -1 f d S f i x 13233 domain_ collation=950 base=1043
"""

# As format_type writes them, where that is not the type's own name.
_WORDS = {
    "bool": "boolean", "char": '"char"', "int8": "bigint", "int2": "smallint", "int4": "integer", "float4": "real",
    "float8": "double precision", "bpchar": "character", "varchar": "character varying",
    "time": "time without time zone", "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone", "timetz": "time with time zone", "varbit": "bit varying",
    "numeric": "numeric", "any": '"any"',
}
# The DuckDB types in which the catalog keeps and computes with values; what is not here is kept as text.
_KEPT = {
    "bool": "BOOLEAN", "int2": "SMALLINT", "int4": "INTEGER", "int8": "BIGINT", "oid": "BIGINT", "xid": "BIGINT",
    "cid": "BIGINT", "float4": "FLOAT", "float8": "DOUBLE", "numeric": "DOUBLE", "date": "DATE", "time": "TIME",
    "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMP", "interval": "INTERVAL",
    "cardinal_number": "INTEGER", "time_stamp": "TIMESTAMP", "anyarray": "VARCHAR",
}
UNKNOWN, BOOL, CHAR, NAME, INT8, INT2, INT4, TEXT, OID = 705, 16, 18, 19, 20, 21, 23, 25, 26
REGPROC, JSON, FLOAT8, NUMERIC, REGCLASS, REGTYPE, REGNAMESPACE, REGROLE = 24, 114, 701, 1700, 2205, 2206, 4089, 4096
INT2VECTOR, OIDVECTOR, DATE, TIMESTAMP, TIMESTAMPTZ, INTERVAL = 22, 30, 1082, 1114, 1184, 1186
NAMED = {           # types whose values are oids and print as names: what they name
    REGPROC: "proc", 2202: "proc", REGCLASS: "class", REGTYPE: "type", REGNAMESPACE: "namespace", REGROLE: "role",
}


@dataclass(frozen=True, slots=True)
class PgType:
    """One row of pg_type."""

    oid: int
    name: str
    length: int
    by_value: bool
    kind: str
    category: str
    preferred: bool
    align: str
    storage: str
    array: int
    functions: str              # what the names of the functions that read and print it begin with
    element: int = 0
    collation: int = 0
    modifier: str = ""
    base: int = 0
    delimiter: str = ","
    subscript: str = "-"

    def function(self, what: str) -> str:
        """The function that reads (`in`), prints (`out`), receives (`recv`) or sends (`send`) it; "-" for none."""
        if self.functions.endswith("!"):
            return "-" if what in ("recv", "send") else self.functions[:-1] + what
        if self.functions == "domain_" and what in ("out", "send"):
            return types()[self.base].function(what)
        return self.functions + what

    @property
    def kept(self) -> str:
        """The DuckDB type of its values."""
        if self.name.startswith("reg") and self.oid in NAMED:
            return "BIGINT"
        if self.category == "A" and self.element:
            return f"{types()[self.element].kept}[]"
        return _KEPT.get(self.name, "VARCHAR")

    @property
    def words(self) -> str:
        """What format_type writes without a modifier."""
        if self.category == "A" and self.name.startswith("_"):
            return types()[self.element].words + "[]"
        if self.base:
            return f"information_schema.{self.name}"
        return _WORDS.get(self.name, self.name)


@cache
def types() -> dict[int, PgType]:
    """Every type by oid, arrays included."""
    found: dict[int, PgType] = {}
    for line in _TYPES.split("\n"):
        if not line:
            continue
        oid, name, length, by_value, kind, category, preferred, align, storage, array, functions, *more = line.split()
        extra = dict(each.split("=") for each in more)
        made = PgType(
            int(oid), name, int(length), by_value == "t", kind, category, preferred == "t", align, storage, int(array),
            functions, int(extra.get("elem", 0)), int(extra.get("collation", 0)), extra.get("modifier", ""),
            int(extra.get("base", 0)), extra.get("delimiter", ","), extra.get("subscript", "-"),
        )
        found[made.oid] = made
        if made.array:
            kind, category = ("p", "P") if name == "record" else ("b", "A")
            found[made.array] = PgType(
                made.array, "_" + name, -1, False, kind, category, False, "d" if align == "d" else "i", "x", 0,
                "array_", made.oid, made.collation, made.modifier, 0, made.delimiter, "array_subscript_handler",
            )
    return found


@cache
def by_name() -> dict[str, int]:
    """The oid of every type under its names: its own, and the words of format_type."""
    return {name: each.oid for each in types().values() for name in (each.words, each.name)} | {
        "int": INT4, "decimal": NUMERIC, "char varying": 1043, "float": FLOAT8, "string": TEXT,
    }


def array_of(oid: int) -> int:
    """The array type of a type; that of text for a type without one."""
    known = types().get(oid)
    return known.array if known is not None and known.array else 1009


def element_of(oid: int) -> int:
    """The type of an array's items; 0 when it is no array."""
    known = types().get(oid)
    return known.element if known is not None and known.category == "A" else 0


def kept(oid: int) -> str:
    """The DuckDB type of values of a type."""
    known = types().get(oid)
    return "VARCHAR" if known is None else known.kept


def taken(oid: int) -> int:
    """The type that a parameter is told to be where one of this type stands: what drivers send, and what is read."""
    known = types().get(oid)
    if known is None or oid in NAMED:
        return TEXT
    if element_of(oid):
        return array_of(taken(known.element))
    base = known.base or oid
    if base in _READ or kept(base) not in ("VARCHAR", "BIGINT"):
        return base
    return TEXT if kept(base) == "VARCHAR" else OID


_READ = (CHAR, NAME, TEXT, 1042, 1043, INT8, OID)
_TIMES = (DATE, TIMESTAMP, TIMESTAMPTZ)
_NUMBERS = (INT2, INT4, INT8, NUMERIC, 700, FLOAT8)


def common(oids: list[int]) -> int:
    """The type of a CASE or UNION whose branches have these types; 0 stands for one that is not known."""
    known = [oid for oid in oids if oid != UNKNOWN]
    if not known:
        return TEXT
    if 0 in known or any(oid not in types() for oid in known):
        return 0 if len(set(known)) > 1 else known[0]
    if set(known) <= set(_NUMBERS):
        return _NUMBERS[max(_NUMBERS.index(oid) for oid in known)]
    if set(known) <= set(_TIMES):
        return _TIMES[max(_TIMES.index(oid) for oid in known)]
    return known[0]

