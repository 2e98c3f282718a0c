"""The views: information_schema over the policy's tables, and those of pg_catalog that join its tables for people.

Who asks, in which database and with which settings, is read from variables of the statement.
"""

from __future__ import annotations

# Every view is what its shape says; a column left out here is NULL.
VIEWS: dict[tuple[str, str], str] = {
    ("pg_catalog", "pg_authid"): """
SELECT {owner_id} AS oid, '{owner}' AS rolname, true AS rolsuper, true AS rolinherit, true AS rolcreaterole,
    true AS rolcreatedb, false AS rolcanlogin, true AS rolreplication, true AS rolbypassrls, -1 AS rolconnlimit
UNION ALL SELECT {user_id}, pg.user_(), false, true, false, false, true, false, false, -1
WHERE pg.user_() <> '{owner}'""",
    ("pg_catalog", "pg_roles"): """
SELECT oid AS oid, rolname AS rolname, rolsuper AS rolsuper, rolinherit AS rolinherit, rolcreaterole AS rolcreaterole,
    rolcreatedb AS rolcreatedb, rolcanlogin AS rolcanlogin, rolreplication AS rolreplication,
    rolconnlimit AS rolconnlimit, '********' AS rolpassword, rolbypassrls AS rolbypassrls FROM pg.pg_authid""",
    ("pg_catalog", "pg_user"): """
SELECT rolname AS usename, oid AS usesysid, rolcreatedb AS usecreatedb, rolsuper AS usesuper, rolreplication AS userepl,
    rolbypassrls AS usebypassrls, '********' AS passwd FROM pg.pg_authid WHERE rolcanlogin""",
    ("pg_catalog", "pg_database"): """
SELECT 16382 AS oid, pg.database_() AS datname, {owner_id} AS datdba, 6 AS encoding, 'c' AS datlocprovider,
    false AS datistemplate, true AS datallowconn, -1 AS datconnlimit, 1663 AS dattablespace, 'C' AS datcollate,
    'C' AS datctype""",
    ("pg_catalog", "pg_settings"): """
SELECT s.k AS name, s.v AS setting, 'Client' AS category, '' AS short_desc,
    CASE WHEN s.v IN ('on', 'off') THEN 'bool' WHEN s.v ~ '^-?[0-9]+$' THEN 'integer' ELSE 'string' END AS vartype,
    'user' AS context, 'default' AS source, s.v AS boot_val, s.v AS reset_val, false AS pending_restart
FROM (SELECT UNNEST(map_keys(pg.settings_())) AS k, UNNEST(map_values(pg.settings_())) AS v) s""",
    ("pg_catalog", "pg_tables"): """
SELECT n.nspname AS schemaname, c.relname AS tablename, '{owner}' AS tableowner, c.relhasindex AS hasindexes,
    false AS hasrules, c.relhastriggers AS hastriggers, false AS rowsecurity
FROM pg.pg_class c JOIN pg.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r'""",
    ("pg_catalog", "pg_views"): """
SELECT n.nspname AS schemaname, c.relname AS viewname, '{owner}' AS viewowner
FROM pg.pg_class c JOIN pg.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'v'""",
    ("pg_catalog", "pg_indexes"): """
SELECT n.nspname AS schemaname, c.relname AS tablename, i.relname AS indexname, pg.pg_get_indexdef(i.oid) AS indexdef
FROM pg.pg_index x JOIN pg.pg_class c ON c.oid = x.indrelid
JOIN pg.pg_class i ON i.oid = x.indexrelid JOIN pg.pg_namespace n ON n.oid = c.relnamespace""",
    ("information_schema", "information_schema_catalog_name"): "SELECT pg.database_() AS catalog_name",
    ("information_schema", "schemata"): """
SELECT pg.database_() AS catalog_name, nspname AS schema_name, '{owner}' AS schema_owner
FROM pg.pg_namespace WHERE nspname <> 'pg_toast'""",
    ("information_schema", "enabled_roles"): "SELECT pg.user_() AS role_name",
    ("information_schema", "applicable_roles"): "SELECT NULL AS grantee WHERE false",
    ("information_schema", "character_sets"): """
SELECT 'UTF8' AS character_set_name, 'UCS' AS character_repertoire, 'UTF8' AS form_of_use,
    pg.database_() AS default_collate_catalog, 'pg_catalog' AS default_collate_schema,
    'C' AS default_collate_name""",
    ("information_schema", "collations"): """
SELECT pg.database_() AS collation_catalog, 'pg_catalog' AS collation_schema, collname AS collation_name,
    'NO PAD' AS pad_attribute FROM pg.pg_collation""",
    ("information_schema", "tables"): """
SELECT pg.database_() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name,
    CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'BASE TABLE' END AS table_type, 'NO' AS is_insertable_into,
    'NO' AS is_typed
FROM pg.pg_class c JOIN pg.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v')""",
    ("information_schema", "views"): """
SELECT pg.database_() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name,
    'NONE' AS check_option, 'NO' AS is_updatable, 'NO' AS is_insertable_into, 'NO' AS is_trigger_updatable,
    'NO' AS is_trigger_deletable, 'NO' AS is_trigger_insertable_into
FROM pg.pg_class c JOIN pg.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'v'""",
    ("information_schema", "columns"): """
SELECT pg.database_() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name,
    a.attname AS column_name, a.attnum AS ordinal_position,
    CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END AS is_nullable,
    CASE WHEN t.typcategory = 'A' THEN 'ARRAY' ELSE pg.format_type(b.oid, NULL) END AS data_type,
    CASE WHEN b.typname IN ('text', 'varchar', 'bpchar') THEN 1073741824 END AS character_octet_length,
    CASE b.typname WHEN 'int2' THEN 16 WHEN 'int4' THEN 32 WHEN 'int8' THEN 64 WHEN 'float4' THEN 24
        WHEN 'float8' THEN 53
        WHEN 'numeric' THEN CASE WHEN a.atttypmod > 0 THEN (a.atttypmod - 4) >> 16 END END AS numeric_precision,
    CASE WHEN b.typname IN ('int2', 'int4', 'int8', 'float4', 'float8') THEN 2
        WHEN b.typname = 'numeric' THEN 10 END AS numeric_precision_radix,
    CASE WHEN b.typname IN ('int2', 'int4', 'int8') THEN 0
        WHEN b.typname = 'numeric' AND a.atttypmod > 0 THEN (a.atttypmod - 4) & 65535 END AS numeric_scale,
    CASE WHEN b.typname = 'date' THEN 0 WHEN b.typcategory IN ('D', 'T') THEN 6 END AS datetime_precision,
    pg.database_() AS udt_catalog, un.nspname AS udt_schema, b.typname AS udt_name,
    CASE WHEN t.typtype = 'd' THEN pg.database_() END AS domain_catalog,
    CASE WHEN t.typtype = 'd' THEN 'information_schema' END AS domain_schema,
    CASE WHEN t.typtype = 'd' THEN t.typname END AS domain_name,
    CAST(a.attnum AS VARCHAR) AS dtd_identifier, 'NO' AS is_self_referencing, 'NO' AS is_identity,
    'NO' AS identity_cycle, 'NEVER' AS is_generated, 'NO' AS is_updatable
FROM pg.pg_attribute a JOIN pg.pg_class c ON c.oid = a.attrelid
JOIN pg.pg_namespace n ON n.oid = c.relnamespace JOIN pg.pg_type t ON t.oid = a.atttypid
JOIN pg.pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
JOIN pg.pg_namespace un ON un.oid = b.typnamespace WHERE c.relkind IN ('r', 'v')""",
    ("information_schema", "table_constraints"): """
SELECT pg.database_() AS constraint_catalog, n.nspname AS constraint_schema, k.conname AS constraint_name,
    pg.database_() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name,
    CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' ELSE 'FOREIGN KEY' END AS constraint_type,
    'NO' AS is_deferrable, 'NO' AS initially_deferred, 'YES' AS enforced,
    CASE k.contype WHEN 'u' THEN 'YES' END AS nulls_distinct
FROM pg.pg_constraint k JOIN pg.pg_class c ON c.oid = k.conrelid
JOIN pg.pg_namespace n ON n.oid = c.relnamespace""",
    ("information_schema", "key_column_usage"): """
SELECT pg.database_() AS constraint_catalog, n.nspname AS constraint_schema, k.conname AS constraint_name,
    pg.database_() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name,
    a.attname AS column_name, k.place AS ordinal_position,
    CASE k.contype WHEN 'f' THEN 1 END AS position_in_unique_constraint
FROM (SELECT *, UNNEST(conkey) AS number, UNNEST(range(1, len(conkey) + 1)) AS place FROM pg.pg_constraint) k
JOIN pg.pg_class c ON c.oid = k.conrelid JOIN pg.pg_namespace n ON n.oid = c.relnamespace
JOIN pg.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number""",
    ("information_schema", "constraint_column_usage"): """
SELECT pg.database_() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name,
    a.attname AS column_name, pg.database_() AS constraint_catalog, kn.nspname AS constraint_schema,
    k.conname AS constraint_name
FROM (SELECT *, CASE contype WHEN 'f' THEN confrelid ELSE conrelid END AS about,
    UNNEST(CASE contype WHEN 'f' THEN confkey ELSE conkey END) AS number FROM pg.pg_constraint) k
JOIN pg.pg_class c ON c.oid = k.about JOIN pg.pg_namespace n ON n.oid = c.relnamespace
JOIN pg.pg_namespace kn ON kn.oid = k.connamespace
JOIN pg.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number""",
    ("information_schema", "constraint_table_usage"): """
SELECT pg.database_() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name,
    pg.database_() AS constraint_catalog, kn.nspname AS constraint_schema, k.conname AS constraint_name
FROM pg.pg_constraint k
JOIN pg.pg_class c ON c.oid = CASE k.contype WHEN 'f' THEN k.confrelid ELSE k.conrelid END
JOIN pg.pg_namespace n ON n.oid = c.relnamespace JOIN pg.pg_namespace kn ON kn.oid = k.connamespace""",
    ("information_schema", "referential_constraints"): """
SELECT pg.database_() AS constraint_catalog, n.nspname AS constraint_schema, k.conname AS constraint_name,
    pg.database_() AS unique_constraint_catalog, un.nspname AS unique_constraint_schema,
    u.conname AS unique_constraint_name, 'NONE' AS match_option, 'NO ACTION' AS update_rule, 'NO ACTION' AS delete_rule
FROM pg.pg_constraint k JOIN pg.pg_namespace n ON n.oid = k.connamespace
LEFT JOIN pg.pg_constraint u ON u.conindid = k.conindid AND u.contype <> 'f'
LEFT JOIN pg.pg_namespace un ON un.oid = u.connamespace WHERE k.contype = 'f'""",
    ("information_schema", "table_privileges"): """
SELECT '{owner}' AS grantor, 'PUBLIC' AS grantee, pg.database_() AS table_catalog, n.nspname AS table_schema,
    c.relname AS table_name, 'SELECT' AS privilege_type, 'NO' AS is_grantable, 'YES' AS with_hierarchy
FROM pg.pg_class c JOIN pg.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v')""",
    ("information_schema", "column_privileges"): """
SELECT '{owner}' AS grantor, 'PUBLIC' AS grantee, pg.database_() AS table_catalog, n.nspname AS table_schema,
    c.relname AS table_name, a.attname AS column_name, 'SELECT' AS privilege_type, 'NO' AS is_grantable
FROM pg.pg_class c JOIN pg.pg_namespace n ON n.oid = c.relnamespace
JOIN pg.pg_attribute a ON a.attrelid = c.oid WHERE c.relkind IN ('r', 'v')""",
}
