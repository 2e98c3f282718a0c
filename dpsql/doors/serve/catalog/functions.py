"""The functions of PostgreSQL that are answered, each a macro of the catalog's own database: what it takes and gives.

A macro's parameters are called by letters; tables in it are x_, lest a column that is passed be taken
for one of theirs. `oid` and its kin are BIGINT there, names and texts VARCHAR.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

# What functions make is cut there: || of || of || would fill the memory. In bodies that are nested, an argument stands
# once, for a macro copies it.
LONGEST_TEXT = 50_000   # characters
LONGEST_SERIES = 2_000  # items

# Not callable by clients: what the others, the views and the translation are made of.
_INNER = """
user_() = CAST(getvariable('user') AS VARCHAR)
database_() = CAST(getvariable('database') AS VARCHAR)
settings_() = CAST(getvariable('settings') AS MAP(VARCHAR, VARCHAR))
short_(a) = left(a, {text})
cat_(a, b) = pg.short_(CAST(a AS VARCHAR) || CAST(b AS VARCHAR))
cat_list_(a, b) = list_concat(a, b)[1:{series}]
series_(a, b) = generate_series(a,
    CASE WHEN b - a > {series} THEN error('A series has at most {series} items') ELSE b END)
name_(k, a) = (SELECT first(x_.shown) FROM pg.named_ AS x_ WHERE x_.kind = k AND x_.oid = a)
oid_(k, a) = (SELECT first(x_.oid) FROM pg.spelled_ AS x_ WHERE x_.kind = k AND x_.spelling IN (a, CASE WHEN
    contains(a, '"') THEN a ELSE lower(a) END))
show_(k, a) = CASE WHEN a = 0 THEN '-' ELSE COALESCE(pg.name_(k, a), CAST(a AS VARCHAR)) END
quoted_(a) = CASE WHEN regexp_full_match(a, '[a-z_][a-z0-9_$]*') AND NOT list_contains({reserved}, a) THEN a ELSE '"'
    || replace(a, '"', '""') || '"' END
column_(t, n) = (SELECT first(pg.quoted_(x_.attname)) FROM pg.pg_attribute AS x_ WHERE x_.attrelid = t AND x_.attnum =
    n)
defined_(k, o) = (SELECT first(x_.words) FROM pg.defined_ AS x_ WHERE x_.kind = k AND x_.oid = o)
upper_(a, n) = CASE WHEN n = 1 THEN NULLIF(len(a), 0) END
upper0_(a, n) = CASE WHEN n = 1 THEN NULLIF(len(a), 0) - 1 END
lower_(a, n) = CASE WHEN n = 1 AND len(a) > 0 THEN 1 END
lower0_(a, n) = CASE WHEN n = 1 AND len(a) > 0 THEN 0 END
subscripts_(a, n) = CASE WHEN n = 1 THEN generate_series(1, len(a)) END
subscripts0_(a, n) = CASE WHEN n = 1 THEN generate_series(0, len(a) - 1) END
expanded_(a) = list_transform(a, lambda e, i: struct_pack(x := e, n := i))
may_(p, w) = regexp_matches(upper(p), '(^|[ ,])' || w || '($|[ ,])')
replace_(a, b, c) = pg.short_(replace(a, b, c))
json_(a) = pg.short_(CAST(a AS VARCHAR))
"""
# name(parameters) type = body, which goes on in lines that begin with blanks; a function of several forms has several.
_CALLED = """
version() text = getvariable('version')
current_database() name = pg.database_()
current_schema() name = 'public'
current_schemas(a) _name = CASE WHEN a THEN ['pg_catalog', 'public'] ELSE ['public'] END
pg_backend_pid() int4 = getvariable('process')
current_setting(a) text = COALESCE(map_extract_value(pg.settings_(), lower(a)), error('there is no such setting'))
current_setting(a, m) text = map_extract_value(pg.settings_(), lower(a))
set_config(a, v, l) text = CASE WHEN starts_with(lower(a), 'dpsql.') THEN error('write SET ' || a || ' = ...') ELSE v
    END
pg_get_userbyid(a) name = COALESCE((SELECT first(x_.rolname) FROM pg.pg_authid AS x_ WHERE x_.oid = a),
    'unknown (OID=' || a || ')')
format_type(a, m) text = CASE WHEN a IS NULL THEN NULL WHEN a = 0 THEN '-' WHEN a IN (1043, 1042) AND m > 4 THEN
    pg.name_('type', a) || '(' || (m - 4) || ')' WHEN a = 1700 AND m > 4 THEN 'numeric(' || ((m - 4) >> 16) || ',' ||
    ((m - 4) & 65535) || ')' WHEN a = 1042 AND m = -1 THEN 'bpchar' ELSE COALESCE(pg.name_('type', a), '???') END
to_regclass(a) regclass = pg.oid_('class', CAST(a AS VARCHAR))
to_regtype(a) regtype = pg.oid_('type', CAST(a AS VARCHAR))
to_regnamespace(a) regnamespace = pg.oid_('namespace', CAST(a AS VARCHAR))
to_regrole(a) regrole = (SELECT first(x_.oid) FROM pg.pg_authid AS x_ WHERE x_.rolname = a)
to_regproc(a) regproc = pg.oid_('proc', CAST(a AS VARCHAR))
obj_description(o, c) text = (SELECT first(x_.description) FROM pg.pg_description AS x_ WHERE x_.objoid = o AND
    x_.objsubid = 0 AND x_.classoid = pg.oid_('class', c))
obj_description(o) text = (SELECT first(x_.description) FROM pg.pg_description AS x_ WHERE x_.objoid = o AND
    x_.objsubid = 0)
col_description(o, n) text = (SELECT first(x_.description) FROM pg.pg_description AS x_ WHERE x_.objoid = o AND
    x_.objsubid = n AND n > 0)
shobj_description(o, c) text = CAST(NULL AS VARCHAR)
pg_table_is_visible(o) bool = (SELECT first(x_.relnamespace IN (11, 2200)) FROM pg.pg_class AS x_ WHERE x_.oid = o)
pg_type_is_visible(o) bool = (SELECT first(x_.typnamespace IN (11, 2200)) FROM pg.pg_type AS x_ WHERE x_.oid = o)
pg_function_is_visible(o) bool = (SELECT first(true) FROM pg.pg_proc AS x_ WHERE x_.oid = o)
pg_get_expr(a, o) text = CAST(NULL AS VARCHAR)
pg_get_expr(a, o, p) text = CAST(NULL AS VARCHAR)
pg_get_constraintdef(o) text = pg.defined_('constraint', o)
pg_get_constraintdef(o, p) text = pg.defined_('constraint', o)
pg_get_indexdef(o) text = pg.defined_('index', o)
pg_get_indexdef(o, n, p) text = CASE n WHEN 0 THEN pg.defined_('index here', o) ELSE pg.column_(o, n) END
pg_index_column_has_property(o, n, p) bool = p IN ('asc', 'nulls_last', 'orderable', 'returnable')
pg_get_viewdef(o) text = CAST(NULL AS VARCHAR)
pg_get_viewdef(o, p) text = CAST(NULL AS VARCHAR)
pg_get_ruledef(o) text = CAST(NULL AS VARCHAR)
pg_get_ruledef(o, p) text = CAST(NULL AS VARCHAR)
pg_get_triggerdef(o) text = CAST(NULL AS VARCHAR)
pg_get_triggerdef(o, p) text = CAST(NULL AS VARCHAR)
pg_get_functiondef(o) text = CAST(NULL AS VARCHAR)
pg_get_function_result(o) text = (SELECT first(pg.format_type(x_.prorettype, NULL)) FROM pg.pg_proc AS x_ WHERE x_.oid
    = o)
pg_get_function_arguments(o) text = pg.defined_('arguments', o)
pg_get_function_identity_arguments(o) text = pg.pg_get_function_arguments(o)
pg_get_function_sqlbody(o) text = CAST(NULL AS VARCHAR)
pg_get_partkeydef(o) text = CAST(NULL AS VARCHAR)
pg_get_statisticsobjdef_columns(o) text = CAST(NULL AS VARCHAR)
pg_get_serial_sequence(t, c) text = CAST(NULL AS VARCHAR)
pg_relation_is_publishable(o) bool = false
pg_relation_is_updatable(o, p) int4 = 0
pg_column_is_updatable(o, n, p) bool = false
pg_table_size(o) int8 = CAST(NULL AS BIGINT)
pg_relation_size(o) int8 = CAST(NULL AS BIGINT)
pg_relation_size(o, f) int8 = CAST(NULL AS BIGINT)
pg_total_relation_size(o) int8 = CAST(NULL AS BIGINT)
pg_indexes_size(o) int8 = CAST(NULL AS BIGINT)
pg_database_size(o) int8 = CAST(NULL AS BIGINT)
pg_tablespace_size(o) int8 = CAST(NULL AS BIGINT)
pg_size_pretty(a) text = CAST(a AS VARCHAR) || ' bytes'
pg_tablespace_location(o) text = ''
pg_relation_filenode(o) oid = o
pg_relation_filepath(o) text = CAST(NULL AS VARCHAR)
pg_stat_get_numscans(o) int8 = CAST(0 AS BIGINT)
pg_encoding_to_char(a) name = CASE a WHEN 6 THEN 'UTF8' WHEN 0 THEN 'SQL_ASCII' ELSE '' END
pg_char_to_encoding(a) int4 = CASE upper(replace(a, '-', '')) WHEN 'UTF8' THEN 6 WHEN 'SQL_ASCII' THEN 0 ELSE -1 END
getdatabaseencoding() name = 'UTF8'
pg_client_encoding() name = 'UTF8'
pg_is_in_recovery() bool = false
pg_is_wal_replay_paused() bool = false
pg_my_temp_schema() oid = CAST(0 AS BIGINT)
pg_is_other_temp_schema(o) bool = false
pg_postmaster_start_time() timestamptz = CAST(getvariable('started') AS TIMESTAMP)
pg_conf_load_time() timestamptz = CAST(getvariable('started') AS TIMESTAMP)
pg_advisory_unlock_all() void = ''
pg_export_snapshot() text = CAST(NULL AS VARCHAR)
txid_current() int8 = CAST(1 AS BIGINT)
txid_current_if_assigned() int8 = CAST(NULL AS BIGINT)
pg_current_xact_id_if_assigned() int8 = CAST(NULL AS BIGINT)
txid_snapshot_xmin(a) int8 = CAST(1 AS BIGINT)
pg_snapshot_xmin(a) int8 = CAST(1 AS BIGINT)
txid_current_snapshot() text = '1:1:'
pg_current_snapshot() text = '1:1:'
pg_last_wal_replay_lsn() text = CAST(NULL AS VARCHAR)
pg_current_wal_lsn() text = CAST(NULL AS VARCHAR)
inet_server_addr() text = CAST(NULL AS VARCHAR)
inet_server_port() int4 = CAST(NULL AS INTEGER)
inet_client_addr() text = CAST(NULL AS VARCHAR)
inet_client_port() int4 = CAST(NULL AS INTEGER)
age(a) int4 = 1
mxid_age(a) int4 = 1
quote_ident(a) text = pg.quoted_(a)
quote_literal(a) text = chr(39) || pg.replace_(CAST(a AS VARCHAR), chr(39), chr(39) || chr(39)) || chr(39)
array_to_string(a, s) text = pg.short_(array_to_string(CAST(a AS VARCHAR[]), s))
array_to_string(a, s, n) text = pg.short_(array_to_string(list_transform(CAST(a AS VARCHAR[]), lambda e: COALESCE(e,
    n)), s))
cardinality(a) int4 = len(a)
array_length(a, n) int4 = pg.upper_(a, n)
array_ndims(a) int4 = CASE WHEN len(a) > 0 THEN 1 END
has_table_privilege(t, p) bool = pg.may_(p, 'SELECT')
has_table_privilege(u, t, p) bool = pg.may_(p, 'SELECT')
has_any_column_privilege(t, p) bool = pg.may_(p, 'SELECT')
has_any_column_privilege(u, t, p) bool = pg.may_(p, 'SELECT')
has_column_privilege(t, c, p) bool = pg.may_(p, 'SELECT')
has_column_privilege(u, t, c, p) bool = pg.may_(p, 'SELECT')
has_schema_privilege(t, p) bool = pg.may_(p, 'USAGE')
has_schema_privilege(u, t, p) bool = pg.may_(p, 'USAGE')
has_database_privilege(t, p) bool = pg.may_(p, 'CONNECT')
has_database_privilege(u, t, p) bool = pg.may_(p, 'CONNECT')
has_function_privilege(t, p) bool = pg.may_(p, 'EXECUTE')
has_function_privilege(u, t, p) bool = pg.may_(p, 'EXECUTE')
has_type_privilege(t, p) bool = pg.may_(p, 'USAGE')
has_type_privilege(u, t, p) bool = pg.may_(p, 'USAGE')
has_language_privilege(t, p) bool = pg.may_(p, 'USAGE')
has_language_privilege(u, t, p) bool = pg.may_(p, 'USAGE')
has_sequence_privilege(t, p) bool = pg.may_(p, 'SELECT')
has_sequence_privilege(u, t, p) bool = pg.may_(p, 'SELECT')
has_tablespace_privilege(t, p) bool = false
has_tablespace_privilege(u, t, p) bool = false
has_server_privilege(t, p) bool = false
has_server_privilege(u, t, p) bool = false
has_foreign_data_wrapper_privilege(t, p) bool = false
has_foreign_data_wrapper_privilege(u, t, p) bool = false
pg_has_role(r, p) bool = CAST(r AS VARCHAR) IN (pg.user_(), '{user_id}')
pg_has_role(u, r, p) bool = CAST(r AS VARCHAR) IN (CAST(u AS VARCHAR), pg.user_(), '{user_id}')
row_security_active(t) bool = false
"""
_VISIBLE = ("collation", "opclass", "opfamily", "operator", "conversion", "ts_config", "ts_dict", "ts_parser",
            "ts_template", "statistics_obj")


@dataclass(frozen=True, slots=True)
class Function:
    """A function that clients may call: the names of its parameters, the type of what it gives, its body."""

    name: str
    takes: tuple[str, ...]
    gives: str
    body: str


@cache
def functions() -> dict[str, tuple[Function, ...]]:
    """Every function by name."""
    found: dict[str, tuple[Function, ...]] = {}
    lines = [*_lines(_CALLED), *(f"pg_{kind}_is_visible(o) bool = true" for kind in _VISIBLE)]
    for line in lines:
        head, _, body = line.partition(" = ")
        call, _, gives = head.rpartition(" ")
        name, _, taken = call.rstrip(")").partition("(")
        made = Function(name, tuple(filter(None, taken.split(", "))), gives, body)
        found[name] = (*found.get(name, ()), made)
    return found


def inner(**places: object) -> list[str]:
    """The statements that make what is not callable by clients."""
    return [
        f"CREATE MACRO pg.{head} AS {_filled(body, places)}"
        for head, _, body in (line.partition(" = ") for line in _lines(_INNER))
    ]


def macros(**places: object) -> list[str]:
    """The statements that make the functions, over tables, `inner` ones and the view of roles."""
    return [
        f"CREATE MACRO pg.{name}"
        + ", ".join(f"({', '.join(one.takes)}) AS {_filled(one.body, places)}" for one in each)
        for name, each in functions().items()
    ]


def _lines(text: str) -> list[str]:
    """Its lines; one that begins with blanks goes on."""
    return text.strip().replace("\n    ", " ").split("\n")


def _filled(body: str, places: dict[str, object]) -> str:
    for name, value in (*places.items(), ("text", LONGEST_TEXT), ("series", LONGEST_SERIES)):
        body = body.replace("{" + name + "}", str(value))
    return body
