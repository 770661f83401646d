-- The catalog views that clients ask for, over PostgreSQL's catalog: sys.*, in lower case.
-- Columns that no client here asks for are left out; asking for one of them is error 207.

CREATE TABLE tsql.kinds (
    name text PRIMARY KEY, id int NOT NULL, bytes int NOT NULL, digits int NOT NULL, decimals int NOT NULL, family text NOT NULL);
INSERT INTO tsql.kinds VALUES
    ('bit', 104, 1, 1, 0, 'bit'), ('tinyint', 48, 1, 3, 0, 'number'), ('smallint', 52, 2, 5, 0, 'number'),
    ('int', 56, 4, 10, 0, 'number'), ('bigint', 127, 8, 19, 0, 'number'), ('decimal', 106, 17, 38, 38, 'number'),
    ('numeric', 108, 17, 38, 38, 'number'), ('money', 60, 8, 19, 4, 'number'), ('real', 59, 4, 24, 0, 'float'),
    ('float', 62, 8, 53, 0, 'float'), ('date', 40, 3, 10, 0, 'time'), ('time', 41, 5, 16, 7, 'time'),
    ('datetime', 61, 8, 23, 3, 'time'), ('smalldatetime', 58, 4, 16, 0, 'time'), ('datetime2', 42, 8, 27, 7, 'time'),
    ('datetimeoffset', 43, 10, 34, 7, 'time'), ('uniqueidentifier', 36, 16, 0, 0, 'guid'), ('char', 175, 8000, 0, 0, 'string'),
    ('varchar', 167, 8000, 0, 0, 'string'), ('nchar', 239, 8000, 0, 0, 'wide'), ('nvarchar', 231, 8000, 0, 0, 'wide'),
    ('binary', 173, 8000, 0, 0, 'binary'), ('varbinary', 165, 8000, 0, 0, 'binary'), ('xml', 241, -1, 0, 0, 'xml');

CREATE FUNCTION tsql.type_text(type oid, modifier int) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN typnamespace = 'tsql'::regnamespace THEN typname::text
           ELSE CASE typname WHEN 'int2' THEN 'smallint' WHEN 'int4' THEN 'int' WHEN 'int8' THEN 'bigint' WHEN 'oid' THEN 'int'
                WHEN 'float4' THEN 'real' WHEN 'float8' THEN 'float' WHEN 'uuid' THEN 'uniqueidentifier' WHEN 'bool' THEN 'bit'
                WHEN 'date' THEN 'date' WHEN 'bytea' THEN 'varbinary(max)' WHEN 'time' THEN 'time(6)' WHEN 'timestamp' THEN 'datetime2(6)'
                WHEN 'timestamptz' THEN 'datetimeoffset(6)'
                WHEN 'numeric' THEN CASE WHEN modifier < 4 THEN 'decimal(38,0)'
                     ELSE format('decimal(%s,%s)', ((modifier - 4) >> 16) & 65535, (modifier - 4) & 2047) END
                ELSE CASE WHEN modifier > 4 THEN format('nvarchar(%s)', modifier - 4) ELSE 'nvarchar(max)' END END END
    FROM pg_type WHERE oid = type $$;

-- A computed column is kept where defaults are, and has none.
CREATE VIEW tsql.defaults AS
    SELECT d.oid, d.adrelid, d.adnum, d.adbin FROM pg_attrdef AS d
    JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum AND a.attgenerated = '';

CREATE VIEW tsql.attributes AS
    SELECT a.attrelid, a.attnum, a.attname, a.attnotnull, a.attidentity, a.attgenerated, a.atthasdef, c.relnamespace, c.relname, c.relkind, k.*,
           t.text AS written, split_part(t.text, '(', 1) AS kind, substring(t.text FROM '\((\d+)') AS first_argument, substring(t.text FROM ',(\d+)\)') AS second_argument
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'v')
    JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'tsql')
        AND (n.nspname NOT LIKE 'pg\_%' OR n.oid = pg_my_temp_schema())
    CROSS JOIN LATERAL (SELECT tsql.type_text(a.atttypid, a.atttypmod) AS text) AS t
    JOIN tsql.kinds AS k ON k.name = split_part(t.text, '(', 1)
    WHERE a.attnum > 0 AND NOT a.attisdropped;

CREATE VIEW tsql.relations AS
    SELECT c.oid, c.relname, c.relkind, c.relnamespace, n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'v') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'tsql', 'sys', 'INFORMATION_SCHEMA')
    AND n.nspname NOT LIKE 'pg\_%';

CREATE FUNCTION tsql.name(value text) RETURNS tsql."nvarchar(128)" LANGUAGE sql IMMUTABLE AS $$ SELECT value::bpchar::tsql."nvarchar(128)" $$;
CREATE FUNCTION tsql.yes(value boolean) RETURNS tsql.bit LANGUAGE sql IMMUTABLE AS $$ SELECT (CASE WHEN value THEN 1 ELSE 0 END)::smallint::tsql.bit $$;

-- What the catalog tells of a type as T-SQL writes it.
CREATE FUNCTION tsql.measures(written text) RETURNS TABLE (id smallint, max_length smallint, "precision" smallint, scale smallint, collation_name tsql."nvarchar(128)") LANGUAGE sql STABLE AS $$
    SELECT id::smallint,
           (CASE WHEN family IN ('string', 'binary') THEN coalesce(first_argument::int, -1) WHEN family = 'wide' THEN coalesce(2 * first_argument::int, -1)
                WHEN name = 'decimal' THEN CASE WHEN first_argument::int <= 9 THEN 5 WHEN first_argument::int <= 19 THEN 9 WHEN first_argument::int <= 28 THEN 13 ELSE 17 END
                WHEN name IN ('time', 'datetime2', 'datetimeoffset') THEN bytes - CASE WHEN first_argument::int <= 2 THEN 2 WHEN first_argument::int <= 4 THEN 1 ELSE 0 END
                ELSE bytes END)::smallint,
           (CASE WHEN name = 'decimal' THEN first_argument::int WHEN name IN ('time', 'datetime2', 'datetimeoffset') THEN digits - 7 + first_argument::int
                - CASE first_argument WHEN '0' THEN 1 ELSE 0 END ELSE digits END)::smallint,
           (CASE WHEN name = 'decimal' THEN second_argument::int WHEN name IN ('time', 'datetime2', 'datetimeoffset') THEN first_argument::int ELSE decimals END)::smallint,
           tsql.name(CASE WHEN family IN ('string', 'wide') THEN 'Latin1_General_100_BIN2_UTF8' END)
    FROM tsql.kinds CROSS JOIN LATERAL (SELECT substring(written FROM '\((\d+)') AS first_argument, substring(written FROM ',(\d+)\)') AS second_argument) AS arguments
    WHERE name = split_part(written, '(', 1) $$;

CREATE VIEW sys.schemas AS
    SELECT tsql.name(nspname) AS name, oid::int AS schema_id, 1 AS principal_id FROM pg_namespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'tsql') AND nspname NOT LIKE 'pg\_%';

CREATE VIEW sys.objects AS
    SELECT tsql.name(relname) AS name, oid::int AS object_id, NULL::int AS principal_id, relnamespace::int AS schema_id, 0 AS parent_object_id,
           (CASE relkind WHEN 'r' THEN 'U ' ELSE 'V ' END)::tsql."char(2)" AS type,
           tsql.name(CASE relkind WHEN 'r' THEN 'USER_TABLE' ELSE 'VIEW' END) AS type_desc,
           timestamp '2000-01-01' AS create_date, timestamp '2000-01-01' AS modify_date, tsql.yes(false) AS is_ms_shipped
    FROM tsql.relations
    UNION ALL
    SELECT tsql.name(tsql.shown(conname)), oid::int, NULL, connamespace::int, conrelid::int,
           (CASE contype WHEN 'p' THEN 'PK' WHEN 'u' THEN 'UQ' WHEN 'c' THEN 'C ' ELSE 'F ' END)::tsql."char(2)",
           tsql.name(CASE contype WHEN 'p' THEN 'PRIMARY_KEY_CONSTRAINT' WHEN 'u' THEN 'UNIQUE_CONSTRAINT' WHEN 'c' THEN 'CHECK_CONSTRAINT' ELSE 'FOREIGN_KEY_CONSTRAINT' END),
           timestamp '2000-01-01', timestamp '2000-01-01', tsql.yes(false)
    FROM pg_constraint WHERE contype IN ('p', 'u', 'c', 'f') AND conrelid IN (SELECT oid FROM tsql.relations)
    UNION ALL
    SELECT tsql.name(col_description(adrelid, adnum)), d.oid::int, NULL, relnamespace::int, adrelid::int, 'D '::tsql."char(2)", tsql.name('DEFAULT_CONSTRAINT'),
           timestamp '2000-01-01', timestamp '2000-01-01', tsql.yes(false)
    FROM tsql.defaults AS d JOIN tsql.relations AS r ON r.oid = adrelid;
CREATE VIEW sys.all_objects AS SELECT * FROM sys.objects;

CREATE VIEW sys.tables AS
    SELECT o.*, 0::smallint AS temporal_type, tsql.yes(false) AS is_memory_optimized, tsql.yes(false) AS is_external, tsql.yes(false) AS is_filetable,
           tsql.yes(false) AS is_node, tsql.yes(false) AS is_edge, NULL::int AS history_table_id, NULL::int AS lob_data_space_id,
           tsql.yes(false) AS is_replicated
    FROM sys.objects AS o WHERE type = 'U';
CREATE VIEW sys.views AS SELECT o.*, tsql.yes(false) AS with_check_option FROM sys.objects AS o WHERE type = 'V';
CREATE VIEW sys.all_views AS SELECT * FROM sys.views;

CREATE VIEW sys.types AS
    SELECT tsql.name(name) AS name, id::smallint AS system_type_id, id AS user_type_id, 4 AS schema_id, bytes::smallint AS max_length,
           digits::smallint AS precision, decimals::smallint AS scale, tsql.name(CASE WHEN family IN ('string', 'wide') THEN 'Latin1_General_100_BIN2_UTF8' END) AS collation_name,
           tsql.yes(true) AS is_nullable, tsql.yes(false) AS is_user_defined, tsql.yes(false) AS is_assembly_type, tsql.yes(false) AS is_table_type
    FROM tsql.kinds
    UNION ALL
    SELECT tsql.name('sysname'), 231::smallint, 256, 4, 256::smallint, 0::smallint, 0::smallint, tsql.name('Latin1_General_100_BIN2_UTF8'),
           tsql.yes(false), tsql.yes(false), tsql.yes(false), tsql.yes(false);

CREATE VIEW sys.all_columns AS
    SELECT attrelid::int AS object_id, tsql.name(attname) AS name, attnum::int AS column_id, m.id AS system_type_id, m.id::int AS user_type_id,
           m.max_length, m.precision, m.scale, m.collation_name,
           tsql.yes(NOT attnotnull) AS is_nullable, tsql.yes(attidentity <> '') AS is_identity, tsql.yes(attgenerated <> '') AS is_computed, tsql.yes(false) AS is_rowguidcol,
           coalesce((SELECT d.oid::int FROM tsql.defaults AS d WHERE adrelid = attrelid AND adnum = attnum), 0) AS default_object_id,
           tsql.yes(false) AS is_hidden, 0::smallint AS generated_always_type, tsql.yes(false) AS is_sparse, tsql.yes(false) AS is_column_set,
           NULL::int AS encryption_type, 0 AS xml_collection_id
    FROM tsql.attributes CROSS JOIN LATERAL tsql.measures(written) AS m;
CREATE VIEW sys.columns AS
    SELECT * FROM sys.all_columns WHERE object_id IN (SELECT oid::int FROM tsql.relations)
    OR object_id IN (SELECT oid::int FROM pg_class WHERE relnamespace = pg_my_temp_schema());
CREATE VIEW sys.computed_columns AS SELECT object_id, name, column_id, NULL::tsql."nvarchar(max)" AS definition, tsql.yes(true) AS is_persisted FROM sys.columns WHERE is_computed = 1;
CREATE VIEW sys.identity_columns AS
    SELECT c.*, s.seqstart AS seed_value, s.seqincrement AS increment_value, pg_sequence_last_value(s.seqrelid) AS last_value
    FROM sys.columns AS c JOIN pg_depend AS d ON d.refobjid = c.object_id::oid AND d.refobjsubid = c.column_id AND d.deptype = 'i' AND d.refclassid = 'pg_class'::regclass
    JOIN pg_sequence AS s ON s.seqrelid = d.objid WHERE c.is_identity = 1;

CREATE VIEW tsql.indexes AS
    SELECT i.indrelid, i.indexrelid, tsql.shown(c.relname) AS name, i.indisunique, i.indisprimary, con.contype, con.oid AS constraint_id,
           coalesce(obj_description(i.indexrelid, 'pg_class'), 'nonclustered') AS note, i.indkey, i.indoption, i.indnkeyatts, nullif(pg_get_expr(i.indpred, i.indrelid), 'false') AS filter,
           row_number() OVER (PARTITION BY i.indrelid ORDER BY obj_description(i.indexrelid, 'pg_class') LIKE 'clustered%' DESC NULLS LAST, i.indexrelid) AS place,
           bool_or(obj_description(i.indexrelid, 'pg_class') LIKE 'clustered%') OVER (PARTITION BY i.indrelid) AS has_clustered
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid LEFT JOIN pg_constraint AS con ON con.conindid = i.indexrelid AND con.contype IN ('p', 'u')
    WHERE i.indrelid IN (SELECT oid FROM tsql.relations);
CREATE VIEW sys.indexes AS
    SELECT indrelid::int AS object_id, tsql.name(name) AS name, (place + CASE WHEN coalesce(has_clustered, false) THEN 0 ELSE 1 END)::int AS index_id,
           (CASE note WHEN 'clustered' THEN 1 WHEN 'nonclustered' THEN 2 ELSE 5 END)::smallint AS type, tsql.name(upper(note)) AS type_desc,
           tsql.yes(indisunique) AS is_unique, tsql.yes(indisprimary) AS is_primary_key, tsql.yes(coalesce(contype = 'u', false)) AS is_unique_constraint,
           tsql.yes(false) AS is_disabled, tsql.yes(false) AS is_hypothetical, tsql.yes(filter IS NOT NULL) AS has_filter, filter::bpchar AS filter_definition, 1 AS data_space_id,
           tsql.yes(false) AS ignore_dup_key, 0::smallint AS fill_factor
    FROM tsql.indexes
    UNION ALL
    SELECT oid::int, NULL, 0, 0::smallint, tsql.name('HEAP'), tsql.yes(false), tsql.yes(false), tsql.yes(false), tsql.yes(false), tsql.yes(false), tsql.yes(false), NULL, 1, tsql.yes(false), 0::smallint
    FROM tsql.relations WHERE relkind = 'r' AND oid NOT IN (SELECT indrelid FROM tsql.indexes WHERE has_clustered);
CREATE VIEW sys.index_columns AS
    SELECT indrelid::int AS object_id, (place + CASE WHEN coalesce(has_clustered, false) THEN 0 ELSE 1 END)::int AS index_id, k.place_in_key::int AS index_column_id,
           k.number::int AS column_id, (CASE WHEN k.place_in_key <= indnkeyatts THEN k.place_in_key ELSE 0 END)::smallint AS key_ordinal, 0::smallint AS partition_ordinal,
           tsql.yes(CASE WHEN k.place_in_key <= indnkeyatts THEN (indoption[k.place_in_key - 1] & 1) = 1 ELSE false END) AS is_descending_key, tsql.yes(k.place_in_key > indnkeyatts) AS is_included_column
    FROM tsql.indexes CROSS JOIN LATERAL unnest(indkey::int2[]) WITH ORDINALITY AS k(number, place_in_key) WHERE note <> 'clustered columnstore'
    UNION ALL
    SELECT indrelid::int, place::int, row_number() OVER (PARTITION BY indrelid ORDER BY attnum)::int, attnum::int, 0::smallint, 0::smallint, tsql.yes(false), tsql.yes(true)
    FROM tsql.indexes JOIN tsql.attributes ON attrelid = indrelid WHERE note = 'clustered columnstore';

CREATE VIEW sys.key_constraints AS
    SELECT o.*, i.index_id AS unique_index_id, tsql.yes(false) AS is_system_named FROM sys.objects AS o
    JOIN tsql.indexes AS x ON x.constraint_id = o.object_id::oid JOIN sys.indexes AS i ON i.object_id = o.parent_object_id AND i.name = x.name WHERE o.type IN ('PK', 'UQ');
CREATE VIEW sys.check_constraints AS
    SELECT o.*, pg_get_constraintdef(o.object_id::oid)::bpchar AS definition, 0 AS parent_column_id, tsql.yes(false) AS is_disabled, tsql.yes(false) AS is_system_named
    FROM sys.objects AS o WHERE o.type = 'C';
CREATE VIEW sys.default_constraints AS
    SELECT o.*, d.adnum::int AS parent_column_id, ('(' || pg_get_expr(d.adbin, d.adrelid) || ')')::bpchar AS definition, tsql.yes(false) AS is_system_named
    FROM sys.objects AS o JOIN tsql.defaults AS d ON d.oid = o.object_id::oid WHERE o.type = 'D';
CREATE VIEW sys.foreign_keys AS
    SELECT o.*, c.confrelid::int AS referenced_object_id, tsql.yes(false) AS is_disabled, tsql.yes(NOT c.convalidated) AS is_not_trusted,
           (CASE c.confdeltype WHEN 'c' THEN 1 WHEN 'n' THEN 2 WHEN 'd' THEN 3 ELSE 0 END)::smallint AS delete_referential_action,
           tsql.name(CASE c.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET_NULL' WHEN 'd' THEN 'SET_DEFAULT' ELSE 'NO_ACTION' END) AS delete_referential_action_desc,
           (CASE c.confupdtype WHEN 'c' THEN 1 WHEN 'n' THEN 2 WHEN 'd' THEN 3 ELSE 0 END)::smallint AS update_referential_action,
           tsql.name(CASE c.confupdtype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET_NULL' WHEN 'd' THEN 'SET_DEFAULT' ELSE 'NO_ACTION' END) AS update_referential_action_desc,
           (SELECT i.index_id FROM sys.indexes AS i JOIN tsql.indexes AS x ON x.indrelid = i.object_id::oid AND x.name = i.name WHERE x.indexrelid = c.conindid) AS key_index_id
    FROM sys.objects AS o JOIN pg_constraint AS c ON c.oid = o.object_id::oid WHERE o.type = 'F';
CREATE VIEW sys.foreign_key_columns AS
    SELECT c.oid::int AS constraint_object_id, k.place::int AS constraint_column_id, c.conrelid::int AS parent_object_id, k.own::int AS parent_column_id,
           c.confrelid::int AS referenced_object_id, k.other::int AS referenced_column_id
    FROM pg_constraint AS c CROSS JOIN LATERAL unnest(c.conkey, c.confkey) WITH ORDINALITY AS k(own, other, place) WHERE c.contype = 'f';

CREATE FUNCTION tsql.row_count(relation oid) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE found bigint;
BEGIN
    EXECUTE 'SELECT count(*) FROM ' || relation::regclass INTO found;
    RETURN found;
END $$;
CREATE VIEW sys.partitions AS
    SELECT i.object_id::bigint * 1000 + i.index_id AS partition_id, i.object_id, i.index_id, 1 AS partition_number, i.object_id::bigint * 1000 + i.index_id AS hobt_id,
           tsql.row_count(i.object_id::oid) AS rows, (CASE i.type WHEN 5 THEN 3 ELSE 0 END)::smallint AS data_compression, tsql.name(CASE i.type WHEN 5 THEN 'COLUMNSTORE' ELSE 'NONE' END) AS data_compression_desc
    FROM sys.indexes AS i;

CREATE VIEW sys.databases AS
    SELECT tsql.name(substr(datname, length(s.value) + 1)) AS name, id AS database_id,
           timestamp '2000-01-01' AS create_date, 160::smallint AS compatibility_level, tsql.name('Latin1_General_100_BIN2_UTF8') AS collation_name, 0::smallint AS state,
           tsql.name('ONLINE') AS state_desc, tsql.yes(false) AS is_read_only, tsql.yes(true) AS is_read_committed_snapshot_on,
           (SELECT CASE WHEN datname = current_database() AND EXISTS (SELECT FROM tsql.settings WHERE name = 'ALLOW_SNAPSHOT_ISOLATION' AND value = 'ON') THEN 1 ELSE 0 END)::smallint AS snapshot_isolation_state,
           tsql.yes(false) AS is_cdc_enabled, 0::smallint AS user_access
    FROM (SELECT value FROM tsql.settings WHERE name = 'prefix') AS s CROSS JOIN LATERAL (
        SELECT datname, oid::int AS id FROM pg_database WHERE starts_with(datname, s.value) AND datname <> s.value || 'master'
        UNION ALL SELECT s.value || 'master', 1  -- which is made for its first client
    ) AS d;
CREATE FUNCTION tsql.db_id(name bpchar) RETURNS smallint LANGUAGE sql STABLE AS $$
    SELECT (database_id % 32768)::smallint FROM sys.databases WHERE sys.databases.name = coalesce($1, tsql.database()::bpchar) $$;
CREATE FUNCTION tsql.db_name(id int) RETURNS bpchar LANGUAGE sql STABLE AS $$
    SELECT name FROM sys.databases WHERE database_id % 32768 = id $$;

CREATE VIEW sys.change_tracking_tables AS
    SELECT relation::int AS object_id, tsql.yes(false) AS is_track_columns_updated_on, tsql.change_tracking_min_valid_version(relation::int) AS min_valid_version,
           since AS begin_version, NULL::bigint AS cleanup_version
    FROM tsql.ct_tables WHERE relation IN (SELECT oid FROM tsql.relations);
CREATE VIEW sys.change_tracking_databases AS
    SELECT tsql.db_id(NULL)::int AS database_id, tsql.yes((SELECT value FROM tsql.settings WHERE name = 'CHANGE_CLEANUP') = 'true') AS is_auto_cleanup_on,
           split_part((SELECT value FROM tsql.settings WHERE name = 'CHANGE_RETENTION'), ' ', 1)::int AS retention_period,
           tsql.name(upper(split_part((SELECT value FROM tsql.settings WHERE name = 'CHANGE_RETENTION'), ' ', 2))) AS retention_period_units_desc
    WHERE tsql.change_tracking_current_version() IS NOT NULL;

CREATE VIEW sys.dm_exec_sessions AS
    SELECT (pid % 32768)::smallint AS session_id, tsql.name('sa') AS login_name, tsql.name('') AS host_name, tsql.name('') AS program_name,
           (CASE current_setting('transaction_isolation') WHEN 'repeatable read' THEN 5 WHEN 'serializable' THEN 4 ELSE 2 END)::smallint AS transaction_isolation_level,
           tsql.yes(true) AS is_user_process
    FROM pg_stat_activity WHERE datname = current_database() AND pid IS NOT NULL;
CREATE VIEW sys.system_views AS
    SELECT tsql.name(relname) AS name, oid::int AS object_id, relnamespace::int AS schema_id FROM pg_class WHERE relkind = 'v' AND relnamespace IN ('sys'::regnamespace, '"INFORMATION_SCHEMA"'::regnamespace);
CREATE VIEW sys.sequences AS SELECT o.*, 0::bigint AS start_value, 1::bigint AS increment FROM sys.objects AS o WHERE false;
CREATE VIEW sys.synonyms AS SELECT o.*, tsql.name('') AS base_object_name FROM sys.objects AS o WHERE false;
CREATE VIEW sys.procedures AS SELECT o.* FROM sys.objects AS o WHERE false;
CREATE VIEW sys.triggers AS SELECT o.* FROM sys.objects AS o WHERE false;
CREATE VIEW sys.sql_modules AS SELECT oid::int AS object_id, tsql.view_text(oid) AS definition FROM tsql.relations WHERE relkind = 'v';
-- What views read; constraints, whose expressions SQL Server lists too, are left out.
CREATE VIEW sys.sql_expression_dependencies AS
    SELECT oid::int AS referencing_id, 0 AS referencing_minor_id, 1::smallint AS referencing_class, tsql.name('OBJECT_OR_COLUMN') AS referencing_class_desc,
           tsql.yes(false) AS is_schema_bound_reference, 1::smallint AS referenced_class, tsql.name('OBJECT_OR_COLUMN') AS referenced_class_desc,
           tsql.name(NULL) AS referenced_server_name, tsql.name(reads.database) AS referenced_database_name, tsql.name(reads.schema) AS referenced_schema_name,
           tsql.name(reads.name) AS referenced_entity_name, tsql.relation(reads.schema, reads.name)::int AS referenced_id, 0 AS referenced_minor_id,
           tsql.yes(false) AS is_caller_dependent, tsql.yes(false) AS is_ambiguous
    FROM tsql.relations CROSS JOIN LATERAL tsql.view_reads(oid) AS reads WHERE relkind = 'v';
CREATE VIEW sys.database_principals AS SELECT tsql.name('dbo') AS name, 1 AS principal_id, 'S'::tsql."char(1)" AS type, tsql.name('SQL_USER') AS type_desc, tsql.name('dbo') AS default_schema_name;
