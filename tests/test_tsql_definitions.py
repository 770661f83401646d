"""What definitions of T-SQL do to tables, indexes, schemas and views; what reads a view is in `test_tsql_views`."""

from decimal import Decimal

from tsql_local import Client, everything


def test_alter_table_adds_changes_and_drops(tsql: Client, t: str) -> None:
    tsql.run(f"ALTER TABLE {t} ADD x INT NULL DEFAULT 5, y NVARCHAR(5) NOT NULL CONSTRAINT df_y DEFAULT (N'y')")
    tsql.run(f"INSERT INTO {t} (id) VALUES (4)")
    assert tsql.rows(f"SELECT id, x, y FROM {t} WHERE id >= 3 ORDER BY id") == [(3, None, "y"), (4, 5, "y")]
    tsql.run(f"ALTER TABLE {t} ALTER COLUMN code NVARCHAR(20) NULL")
    assert tsql.types(f"SELECT code FROM {t}") == ["nvarchar(20)"]
    assert "df_y" in tsql.refuses(5074, f"ALTER TABLE {t} DROP COLUMN y")
    tsql.run(f"ALTER TABLE {t} DROP CONSTRAINT df_y; ALTER TABLE {t} DROP COLUMN y, n")
    tsql.refuses(207, f"SELECT y FROM {t}")
    tsql.run(f"ALTER TABLE {t} DROP COLUMN IF EXISTS y")


def test_a_default_is_converted_as_an_inserted_value_is(tsql: Client, schema: str) -> None:
    t = f"{schema}.b"
    tsql.run(f"CREATE TABLE {t} (k INT DEFAULT '5', b BIT DEFAULT 'true', m MONEY DEFAULT '$5', d DECIMAL(9, 2))")
    tsql.run(
        f"ALTER TABLE {t} ADD CONSTRAINT zero DEFAULT '0.5' FOR d; ALTER TABLE {t} ADD c BIT NOT NULL DEFAULT 'FALSE'"
    )
    tsql.run(f"INSERT {t} DEFAULT VALUES")
    assert tsql.rows(f"SELECT * FROM {t}") == [(5, True, 5, Decimal("0.5"), False)]


def test_a_moment_of_iso_form_is_a_constant_as_a_default(tsql: Client, schema: str) -> None:
    moment = "'2026-01-02T03:04:05.123'"
    tsql.run(f"CREATE TABLE {schema}.d (d DATE DEFAULT '2026-01-02', m DATETIME2(3) DEFAULT {moment})")
    kept = f"SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = '{schema}.d'::regclass ORDER BY adnum"
    assert [said for (said,) in tsql.session.connection.execute(kept.encode()).fetchall()] == [
        "'2026-01-02'::date",
        "'2026-01-02 03:04:05.123'::timestamp(3) without time zone",
    ]


def test_alter_column_checks_the_rows(tsql: Client, t: str) -> None:
    tsql.run(f"UPDATE {t} SET code = N'abcdef' WHERE id = 1")
    tsql.refuses(8152, f"ALTER TABLE {t} ALTER COLUMN code NVARCHAR(3)")
    tsql.refuses(515, f"ALTER TABLE {t} ALTER COLUMN n INT NOT NULL")


def test_constraints_are_enforced_and_named(tsql: Client, t: str, schema: str) -> None:
    tsql.run(
        f"ALTER TABLE {t} ADD CONSTRAINT ck_n CHECK (n >= 0); ALTER TABLE {t} ADD CONSTRAINT uq_code UNIQUE (code); "
        f"CREATE TABLE {schema}.child (id INT CONSTRAINT fk_t REFERENCES {t} (id) ON DELETE CASCADE)"
    )
    assert '"ck_n"' in tsql.refuses(547, f"UPDATE {t} SET n = -1")
    assert "'uq_code'" in tsql.refuses(2627, f"UPDATE {t} SET code = N'a'")
    assert '"fk_t"' in tsql.refuses(547, f"INSERT INTO {schema}.child VALUES (99)")
    tsql.run(f"INSERT INTO {schema}.child VALUES (1); DELETE FROM {t} WHERE id = 1")
    assert everything(tsql, f"{schema}.child") == []
    tsql.refuses(3728, f"ALTER TABLE {t} DROP CONSTRAINT nope")


def test_a_unique_constraint_takes_null_for_a_value(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.u (a INT UNIQUE); INSERT INTO {schema}.u VALUES (NULL)")
    tsql.refuses(2627, f"INSERT INTO {schema}.u VALUES (NULL)")


def test_indexes_are_named_within_their_table(tsql: Client, t: str, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.u (a INT, b INT)")
    tsql.run(
        f"CREATE UNIQUE INDEX ix ON {t} (n) WHERE n IS NOT NULL; CREATE CLUSTERED INDEX ix ON {schema}.u "
        "(a) INCLUDE (b)"
    )
    assert "'ix'" in tsql.refuses(2601, f"UPDATE {t} SET n = 10 WHERE id = 2")
    tsql.refuses(1913, f"CREATE INDEX ix ON {t} (code)")
    tsql.refuses(1902, f"CREATE CLUSTERED INDEX other ON {schema}.u (b)")
    tsql.run(f"DROP INDEX ix ON {t}; DROP INDEX IF EXISTS ix ON {t}")
    tsql.refuses(3701, f"DROP INDEX ix ON {t}")


def test_a_columnstore_holds_the_table_and_shows_every_column(tsql: Client, t: str, schema: str) -> None:
    tsql.run(f"SELECT * INTO {schema}.c FROM {t}; CREATE CLUSTERED COLUMNSTORE INDEX cci ON {schema}.c")
    tsql.run(f"INSERT INTO {schema}.c VALUES (1, NULL, 3)")
    assert len(everything(tsql, f"{schema}.c")) == 4
    found = f"WHERE object_id = OBJECT_ID('{schema}.c')"
    assert tsql.rows(f"SELECT index_id, name, type, type_desc, filter_definition FROM sys.indexes {found}") == [
        (1, "cci", 5, "CLUSTERED COLUMNSTORE", None)
    ]
    columns = f"SELECT column_id, key_ordinal, is_included_column FROM sys.index_columns {found} ORDER BY 1"
    assert tsql.rows(columns) == [(1, 0, True), (2, 0, True), (3, 0, True)]
    tsql.refuses(1902, f"CREATE CLUSTERED INDEX other ON {schema}.c (id)")
    tsql.refuses(102, f"CREATE NONCLUSTERED COLUMNSTORE INDEX other ON {schema}.c (id)")
    tsql.run(f"ALTER TABLE {schema}.c DROP COLUMN n; DROP INDEX cci ON {schema}.c")
    assert tsql.rows(f"SELECT type_desc FROM sys.indexes {found}") == [("HEAP",)]
    tsql.run(f"CREATE TABLE {schema}.x (a XML)")
    tsql.refuses(35343, f"CREATE CLUSTERED COLUMNSTORE INDEX cci ON {schema}.x")


def test_a_max_type_is_no_key(tsql: Client, schema: str) -> None:
    tsql.refuses(1919, f"CREATE TABLE {schema}.m (k NVARCHAR(MAX) NOT NULL PRIMARY KEY)")


def test_a_primary_key_needs_columns_that_are_not_null(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.p (a INT)")
    tsql.refuses(8111, f"ALTER TABLE {schema}.p ADD CONSTRAINT pk PRIMARY KEY (a)")


def test_names_longer_than_postgresql_keeps_are_refused(tsql: Client, schema: str) -> None:
    tsql.refuses(103, f"CREATE TABLE {schema}.{'x' * 64} (a INT)")


def test_rename_of_a_table_a_column_and_an_index(tsql: Client, t: str, schema: str) -> None:
    tsql.run(f"CREATE INDEX ix ON {t} (n); EXEC sp_rename '{t}.ix', 'ix2', 'INDEX'")
    tsql.run(f"EXEC sp_rename N'{t}', N'moved'; EXEC sp_rename '{schema}.moved.n', 'number', 'COLUMN'")
    assert tsql.rows(f"SELECT number FROM {schema}.moved WHERE id = 1") == [(10,)]
    assert tsql.rows("SELECT name FROM sys.indexes WHERE name = 'ix2'") == [("ix2",)]
    tsql.refuses(208, f"SELECT * FROM {t}")
    tsql.refuses(15225, f"EXEC sp_rename '{schema}.nope', 'x'")
    tsql.run(f"CREATE TABLE {t} (id INT PRIMARY KEY)")
    tsql.refuses(15335, f"EXEC sp_rename '{t}', 'moved'")


def test_a_swap_by_rename_is_one_transaction(tsql: Client, t: str, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.new (id INT NOT NULL PRIMARY KEY); INSERT INTO {schema}.new VALUES (77)")
    swap = f"BEGIN TRAN; EXEC sp_rename '{t}', 'old'; EXEC sp_rename '{schema}.new', 't'; {{}}"
    tsql.run(swap.format("ROLLBACK"))
    assert len(everything(tsql, t)) == 3
    tsql.run(swap.format("COMMIT"))
    assert everything(tsql, t) == [(77,)]


def test_schemas_are_made_moved_between_and_dropped_empty(tsql: Client, t: str, schema: str) -> None:
    other = f"{schema}_other"
    tsql.run(f"IF SCHEMA_ID('{other}') IS NULL EXEC('CREATE SCHEMA {other}')")
    tsql.run(f"ALTER SCHEMA {other} TRANSFER {t}")
    assert len(everything(tsql, f"{other}.t")) == 3
    tsql.refuses(3729, f"DROP SCHEMA {other}")
    tsql.run(f"DROP TABLE {other}.t; DROP SCHEMA {other}")
    tsql.refuses(2760, f"CREATE TABLE {other}.t (a INT)")
    tsql.refuses(2714, f"CREATE SCHEMA {schema}")


def test_views_are_queried_replaced_and_dropped(tsql: Client, t: str, schema: str) -> None:
    tsql.run(f"CREATE VIEW {schema}.v AS SELECT id, code FROM {t} WHERE id > 1")
    assert len(everything(tsql, f"{schema}.v")) == 2
    tsql.run(f"CREATE OR ALTER VIEW {schema}.v AS SELECT id, code FROM {t}")
    assert tsql.types(f"SELECT * FROM {schema}.v") == ["int", "nvarchar(10)"]
    tsql.run(f"DROP VIEW {schema}.v")
