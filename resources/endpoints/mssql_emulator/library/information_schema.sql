-- The views of INFORMATION_SCHEMA, whose names are in capitals.

CREATE VIEW "INFORMATION_SCHEMA"."SCHEMATA" AS
    SELECT tsql.name(tsql.database()) AS "CATALOG_NAME", name AS "SCHEMA_NAME", tsql.name('dbo') AS "SCHEMA_OWNER", tsql.name(NULL) AS "DEFAULT_CHARACTER_SET_NAME" FROM sys.schemas;
CREATE VIEW "INFORMATION_SCHEMA"."TABLES" AS
    SELECT tsql.name(tsql.database()) AS "TABLE_CATALOG", tsql.name(nspname) AS "TABLE_SCHEMA", tsql.name(relname) AS "TABLE_NAME",
           (CASE relkind WHEN 'r' THEN 'BASE TABLE' ELSE 'VIEW' END)::tsql."varchar(10)" AS "TABLE_TYPE" FROM tsql.relations;
CREATE VIEW "INFORMATION_SCHEMA"."VIEWS" AS
    SELECT tsql.name(tsql.database()) AS "TABLE_CATALOG", tsql.name(nspname) AS "TABLE_SCHEMA", tsql.name(relname) AS "TABLE_NAME",
           CASE WHEN length(tsql.view_text(oid)) <= 4000 THEN tsql.view_text(oid) END AS "VIEW_DEFINITION", 'NONE'::tsql."varchar(7)" AS "CHECK_OPTION", 'NO'::tsql."varchar(2)" AS "IS_UPDATABLE" FROM tsql.relations WHERE relkind = 'v';
CREATE VIEW "INFORMATION_SCHEMA"."COLUMNS" AS
    SELECT tsql.name(tsql.database()) AS "TABLE_CATALOG", tsql.name(nspname) AS "TABLE_SCHEMA", tsql.name(a.relname) AS "TABLE_NAME", tsql.name(attname) AS "COLUMN_NAME",
           (SELECT count(*) FROM pg_attribute AS b WHERE b.attrelid = a.attrelid AND b.attnum BETWEEN 1 AND a.attnum AND NOT b.attisdropped)::int AS "ORDINAL_POSITION",
           (SELECT '(' || pg_get_expr(adbin, adrelid) || ')' FROM tsql.defaults WHERE adrelid = attrelid AND adnum = attnum)::bpchar AS "COLUMN_DEFAULT",
           (CASE WHEN attnotnull THEN 'NO' ELSE 'YES' END)::tsql."varchar(3)" AS "IS_NULLABLE", tsql.name(kind) AS "DATA_TYPE",
           CASE WHEN family IN ('string', 'wide', 'binary') THEN coalesce(first_argument::int, -1) WHEN family = 'xml' THEN -1 END AS "CHARACTER_MAXIMUM_LENGTH",
           CASE WHEN family IN ('string', 'binary') THEN coalesce(first_argument::int, -1) WHEN family = 'wide' THEN coalesce(2 * first_argument::int, -1) WHEN family = 'xml' THEN -1 END AS "CHARACTER_OCTET_LENGTH",
           (CASE WHEN kind = 'decimal' THEN first_argument::int WHEN family IN ('number', 'float') THEN digits END)::smallint AS "NUMERIC_PRECISION",
           (CASE WHEN family = 'number' THEN 10 WHEN family = 'float' THEN 2 END)::smallint AS "NUMERIC_PRECISION_RADIX",
           CASE WHEN kind = 'decimal' THEN second_argument::int WHEN family = 'number' THEN decimals END AS "NUMERIC_SCALE",
           (CASE WHEN kind IN ('time', 'datetime2', 'datetimeoffset') THEN first_argument::int WHEN family = 'time' THEN decimals END)::smallint AS "DATETIME_PRECISION",
           tsql.name(CASE family WHEN 'string' THEN 'UTF-8' WHEN 'wide' THEN 'UNICODE' END) AS "CHARACTER_SET_NAME",
           tsql.name(CASE WHEN family IN ('string', 'wide') THEN 'Latin1_General_100_BIN2_UTF8' END) AS "COLLATION_NAME"
    FROM tsql.attributes AS a JOIN tsql.relations AS r ON r.oid = a.attrelid;
CREATE VIEW "INFORMATION_SCHEMA"."TABLE_CONSTRAINTS" AS
    SELECT tsql.name(tsql.database()) AS "CONSTRAINT_CATALOG", tsql.name(nspname) AS "CONSTRAINT_SCHEMA", tsql.name(tsql.shown(conname)) AS "CONSTRAINT_NAME",
           tsql.name(tsql.database()) AS "TABLE_CATALOG", tsql.name(nspname) AS "TABLE_SCHEMA", tsql.name(relname) AS "TABLE_NAME",
           (CASE contype WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' WHEN 'c' THEN 'CHECK' ELSE 'FOREIGN KEY' END)::tsql."varchar(11)" AS "CONSTRAINT_TYPE",
           'NO'::tsql."varchar(2)" AS "IS_DEFERRABLE", 'NO'::tsql."varchar(2)" AS "INITIALLY_DEFERRED"
    FROM pg_constraint AS c JOIN tsql.relations AS r ON r.oid = c.conrelid WHERE contype IN ('p', 'u', 'c', 'f');
CREATE VIEW "INFORMATION_SCHEMA"."KEY_COLUMN_USAGE" AS
    SELECT tsql.name(tsql.database()) AS "CONSTRAINT_CATALOG", tsql.name(nspname) AS "CONSTRAINT_SCHEMA", tsql.name(tsql.shown(conname)) AS "CONSTRAINT_NAME",
           tsql.name(tsql.database()) AS "TABLE_CATALOG", tsql.name(nspname) AS "TABLE_SCHEMA", tsql.name(relname) AS "TABLE_NAME", tsql.name(attname) AS "COLUMN_NAME", k.place::int AS "ORDINAL_POSITION"
    FROM pg_constraint AS c JOIN tsql.relations AS r ON r.oid = c.conrelid CROSS JOIN LATERAL unnest(conkey) WITH ORDINALITY AS k(number, place)
    JOIN pg_attribute ON attrelid = conrelid AND attnum = number WHERE contype IN ('p', 'u', 'f');
CREATE VIEW "INFORMATION_SCHEMA"."CONSTRAINT_COLUMN_USAGE" AS
    SELECT tsql.name(tsql.database()) AS "TABLE_CATALOG", tsql.name(nspname) AS "TABLE_SCHEMA", tsql.name(relname) AS "TABLE_NAME", tsql.name(attname) AS "COLUMN_NAME",
           tsql.name(tsql.database()) AS "CONSTRAINT_CATALOG", tsql.name(nspname) AS "CONSTRAINT_SCHEMA", tsql.name(tsql.shown(conname)) AS "CONSTRAINT_NAME"
    FROM pg_constraint AS c JOIN tsql.relations AS r ON r.oid = c.conrelid CROSS JOIN LATERAL unnest(conkey) AS k(number)
    JOIN pg_attribute ON attrelid = conrelid AND attnum = number WHERE contype IN ('p', 'u', 'c', 'f');
CREATE VIEW "INFORMATION_SCHEMA"."REFERENTIAL_CONSTRAINTS" AS
    SELECT tsql.name(tsql.database()) AS "CONSTRAINT_CATALOG", tsql.name(r.nspname) AS "CONSTRAINT_SCHEMA", tsql.name(tsql.shown(c.conname)) AS "CONSTRAINT_NAME",
           tsql.name(tsql.database()) AS "UNIQUE_CONSTRAINT_CATALOG", tsql.name(q.nspname) AS "UNIQUE_CONSTRAINT_SCHEMA",
           tsql.name((SELECT tsql.shown(u.conname) FROM pg_constraint AS u WHERE u.conindid = c.conindid AND u.contype IN ('p', 'u'))) AS "UNIQUE_CONSTRAINT_NAME",
           'SIMPLE'::tsql."varchar(7)" AS "MATCH_OPTION",
           (CASE c.confupdtype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT' ELSE 'NO ACTION' END)::tsql."varchar(11)" AS "UPDATE_RULE",
           (CASE c.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT' ELSE 'NO ACTION' END)::tsql."varchar(11)" AS "DELETE_RULE"
    FROM pg_constraint AS c JOIN tsql.relations AS r ON r.oid = c.conrelid JOIN tsql.relations AS q ON q.oid = c.confrelid WHERE c.contype = 'f';
CREATE VIEW "INFORMATION_SCHEMA"."CHECK_CONSTRAINTS" AS
    SELECT tsql.name(tsql.database()) AS "CONSTRAINT_CATALOG", tsql.name(nspname) AS "CONSTRAINT_SCHEMA", tsql.name(tsql.shown(conname)) AS "CONSTRAINT_NAME", pg_get_constraintdef(c.oid)::bpchar AS "CHECK_CLAUSE"
    FROM pg_constraint AS c JOIN tsql.relations AS r ON r.oid = c.conrelid WHERE contype = 'c';
-- The one user owns all that there is, which grants him nothing.
CREATE VIEW "INFORMATION_SCHEMA"."TABLE_PRIVILEGES" AS
    SELECT tsql.name('') AS "GRANTOR", tsql.name('') AS "GRANTEE", "TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", ''::tsql."varchar(10)" AS "PRIVILEGE_TYPE", ''::tsql."varchar(3)" AS "IS_GRANTABLE"
    FROM "INFORMATION_SCHEMA"."TABLES" WHERE false;
