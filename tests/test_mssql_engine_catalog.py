"""The catalog views, and SQLAlchemy's mssql dialect, which nobody here wrote, making and reflecting a table by them."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mssql
from sqlalchemy_local import engine_of
from tsql_local import Client

from resources.endpoints.mssql_emulator.postgres_engine import PostgresEngine


@pytest.fixture
def t(tsql: Client, schema: str) -> str:
    tsql.run(
        f"CREATE TABLE {schema}.t (id INT IDENTITY NOT NULL CONSTRAINT pk PRIMARY KEY, code NVARCHAR(10) NOT NULL, "
        "v VARCHAR(MAX), d DECIMAL(18, 4) CONSTRAINT df DEFAULT 0, at DATETIME2(3), b VARBINARY(8), f BIT)"
    )
    tsql.run(
        f"CREATE UNIQUE INDEX ix ON {schema}.t (code DESC) INCLUDE (d); INSERT INTO {schema}.t (code) VALUES (N'a')"
    )
    return f"{schema}.t"


def test_columns_as_sys_columns_tells_them(tsql: Client, t: str) -> None:
    found = tsql.rows(
        "SELECT c.name, t.name, c.max_length, c.precision, c.scale, c.is_nullable, c.is_identity FROM sys.columns AS c "
        f"JOIN sys.types AS t ON t.user_type_id = c.user_type_id WHERE c.object_id = OBJECT_ID(N'{t}') "
        "ORDER BY c.column_id"
    )
    assert found == [
        ("id", "int", 4, 10, 0, False, True),
        ("code", "nvarchar", 20, 0, 0, False, False),
        ("v", "varchar", -1, 0, 0, True, False),
        ("d", "decimal", 9, 18, 4, True, False),
        ("at", "datetime2", 7, 23, 3, True, False),
        ("b", "varbinary", 8, 0, 0, True, False),
        ("f", "bit", 1, 1, 0, True, False),
    ]


def test_columns_as_the_information_schema_tells_them_in_any_case(tsql: Client, t: str, schema: str) -> None:
    query = (
        "SELECT column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, is_nullable, "
        f"ordinal_position FROM information_schema.columns WHERE table_schema = '{schema}' AND "
        "Table_Name = 't' ORDER BY 7"
    )
    assert tsql.rows(query)[:4] == [
        ("id", "int", None, 10, 0, "NO", 1),
        ("code", "nvarchar", 10, None, None, "NO", 2),
        ("v", "varchar", -1, None, None, "YES", 3),
        ("d", "decimal", None, 18, 4, "YES", 4),
    ]
    tsql.refuses(207, "SELECT nope FROM INFORMATION_SCHEMA.COLUMNS")
    tsql.refuses(208, "SELECT * FROM sys.dm_os_wait_stats")


def test_indexes_constraints_defaults_and_rows(tsql: Client, t: str) -> None:
    assert tsql.rows(
        f"SELECT name, type_desc, is_unique, is_primary_key FROM sys.indexes WHERE object_id = OBJECT_ID('{t}') "
        "ORDER BY index_id"
    ) == [("pk", "CLUSTERED", True, True), ("ix", "NONCLUSTERED", True, False)]
    assert tsql.rows(
        "SELECT c.name, i.key_ordinal, i.is_descending_key, i.is_included_column FROM sys.index_columns AS i "
        "JOIN sys.columns AS c ON c.object_id = i.object_id AND c.column_id = i.column_id "
        f"WHERE i.object_id = OBJECT_ID('{t}') AND i.index_id = 2 ORDER BY i.index_column_id"
    ) == [
        ("code", 1, True, False),
        ("d", 0, False, True),
    ]
    assert tsql.rows(
        f"SELECT name, definition FROM sys.default_constraints WHERE parent_object_id = OBJECT_ID('{t}')"
    ) == [("df", "(0)")]
    assert (
        tsql.value(f"SELECT SUM(rows) FROM sys.partitions WHERE object_id = OBJECT_ID('{t}') AND index_id IN (0, 1)")
        == 1
    )


def test_a_computed_column_is_told_as_one_and_has_no_default(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.c (i INT DEFAULT 3, q AS (i + 1) PERSISTED)")
    of_table = f"object_id = OBJECT_ID('{schema}.c')"
    columns = tsql.rows(f"SELECT name, is_computed, IIF(default_object_id = 0, 0, 1) FROM sys.columns WHERE {of_table}")
    assert columns == [("i", False, 1), ("q", True, 0)]
    assert tsql.rows(f"SELECT name, is_persisted FROM sys.computed_columns WHERE {of_table}") == [("q", True)]
    assert tsql.value(f"SELECT COLUMNPROPERTY(OBJECT_ID('{schema}.c'), 'q', 'IsComputed')") == 1
    assert tsql.value(f"SELECT COUNT(*) FROM sys.default_constraints WHERE parent_{of_table}") == 1
    asked = (
        f"SELECT COLUMN_DEFAULT FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = '{schema}' AND COLUMN_NAME = 'q'"
    )
    assert tsql.value(asked) is None


def test_objects_are_found_by_name_and_kind(tsql: Client, t: str, schema: str) -> None:
    assert tsql.value(f"SELECT OBJECT_NAME(OBJECT_ID(N'[{schema}].[t]', N'U'))") == "t"
    assert tsql.value(f"SELECT OBJECT_SCHEMA_NAME(OBJECT_ID(N'matrix.{t}'))") == schema
    assert tsql.value(f"SELECT OBJECT_ID(N'{t}', N'V')") is None
    assert tsql.value(f"SELECT OBJECT_ID(N'elsewhere.{t}')") is None
    assert tsql.value(f"SELECT COLUMNPROPERTY(OBJECT_ID('{t}'), 'id', 'IsIdentity')") == 1
    assert tsql.value(f"SELECT COL_LENGTH('{t}', 'code')") == 20
    assert tsql.value(f"SELECT SCHEMA_NAME(schema_id) FROM sys.tables WHERE object_id = OBJECT_ID('{t}')") == schema
    assert "HostName" in tsql.refuses(102, "SELECT SERVERPROPERTY('HostName')")


def test_what_a_bulk_copy_asks_first(tsql: Client, t: str) -> None:
    tsql.run(
        "select @@trancount; DECLARE @Column_Names NVARCHAR(MAX) = NULL; "
        f"IF EXISTS (SELECT TOP 1 * FROM sys.all_columns WHERE [object_id] = OBJECT_ID('{t}') AND [name] "
        "= 'graph_type') "
        "BEGIN SELECT 1 END ELSE BEGIN "
        "SELECT @Column_Names = COALESCE(@Column_Names + ', ', '') + QUOTENAME([name]) FROM sys.all_columns "
        f"WHERE [object_id] = OBJECT_ID('{t}') ORDER BY [column_id] ASC; END "
        "SELECT @Column_Names = COALESCE(@Column_Names, '*'); SET FMTONLY ON EXEC(N'SELECT ' + "
        f"@Column_Names + N' FROM {t}') "
        f"SET FMTONLY OFF exec ..sp_tablecollations_100 N'.{t}'"
    )
    trancount, shape, collations = tsql.results
    assert trancount[1] == [(0,)]
    assert ([column.name for column in shape[0]], shape[1]) == (["id", "code", "v", "d", "at", "b", "f"], [])
    assert [row[1] for row in collations[1]] == ["id", "code", "v", "d", "at", "b", "f"]


@pytest.fixture
def alchemy(mssql_engine: PostgresEngine) -> Iterator[sa.Engine]:
    engine = engine_of(mssql_engine)
    yield engine
    engine.dispose()


def test_sqlalchemy_makes_reflects_and_uses_a_table(alchemy: sa.Engine, schema: str) -> None:
    metadata = sa.MetaData(schema=schema)
    parent = sa.Table("parent", metadata, sa.Column("id", sa.Integer, primary_key=True))
    made = sa.Table(
        "made",
        metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(start=5), primary_key=True),
        sa.Column("parent_id", sa.ForeignKey(parent.c.id, name="fk_parent", ondelete="CASCADE")),
        sa.Column("name", sa.Unicode(20), nullable=False, server_default="x"),
        sa.Column("amount", sa.Numeric(18, 4)),
        sa.Column("flag", sa.Boolean),
        sa.Column("day", sa.Date),
        sa.Column("at", mssql.DATETIME2(precision=6)),
        sa.Column("blob", sa.LargeBinary),
        sa.Column("u", mssql.UNIQUEIDENTIFIER),
        sa.UniqueConstraint("name", name="uq_name"),
        sa.Index("ix_amount", "amount"),
    )
    metadata.create_all(alchemy)
    metadata.create_all(alchemy)  # what is there is found

    inspector = sa.inspect(alchemy)
    assert set(inspector.get_table_names(schema=schema)) == {"made", "parent"}
    found = {column["name"]: column for column in inspector.get_columns("made", schema=schema)}
    assert list(found) == [column.name for column in made.columns]
    assert (type(found["name"]["type"]), found["name"]["type"].length) == (sa.NVARCHAR, 20)
    assert (found["amount"]["type"].precision, found["amount"]["type"].scale) == (18, 4)
    assert (found["id"]["autoincrement"], found["name"]["nullable"]) == (True, False)
    assert inspector.get_pk_constraint("made", schema=schema)["constrained_columns"] == ["id"]
    assert [(key["name"], key["referred_table"]) for key in inspector.get_foreign_keys("made", schema=schema)] == [
        ("fk_parent", "parent")
    ]
    assert {index["name"] for index in inspector.get_indexes("made", schema=schema)} >= {"ix_amount"}

    with alchemy.begin() as connection:
        connection.execute(parent.insert().values(id=1))
        added = connection.execute(made.insert().values(parent_id=1, name="ü", amount=Decimal("1.25"), flag=True))
        assert added.inserted_primary_key == (5,)
        connection.execute(made.insert(), [{"name": "b", "day": date(2026, 1, 2)}, {"name": "c", "day": None}])
        connection.execute(
            made.update().where(made.c.name == "b").values(at=datetime(2026, 1, 1, 1, 1, 1, 5), blob=b"\0\xff")
        )
    with alchemy.connect() as connection:
        rows = connection.execute(
            sa.select(made.c.id, made.c.name, made.c.amount, made.c.flag).order_by(made.c.id).limit(2)
        ).all()
        assert rows == [(5, "ü", Decimal("1.2500"), True), (6, "b", None, None)]
        page = sa.select(made.c.name).order_by(made.c.id).offset(1).limit(1)
        assert connection.execute(page).scalars().all() == ["b"]
        assert connection.execute(sa.select(made.c.blob, made.c.at).where(made.c.id == 6)).all() == [
            (b"\0\xff", datetime(2026, 1, 1, 1, 1, 1, 5))
        ]

    again = sa.Table("made", sa.MetaData(), schema=schema, autoload_with=alchemy)
    assert [column.name for column in again.columns] == [column.name for column in made.columns]
    metadata.drop_all(alchemy)
    assert sa.inspect(alchemy).get_table_names(schema=schema) == []


def test_extended_properties_are_added_updated_and_dropped_and_end_with_their_object(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (id INT, name INT)")
    table = f"@level0type = N'SCHEMA', @level0name = N'{schema}', @level1type = N'TABLE', @level1name = N't'"
    column = f"{table}, @level2type = N'COLUMN', @level2name = N'name'"
    for where in (table, column):
        tsql.run(f"EXEC sys.sp_addextendedproperty @name = N'MS_Description', @value = N'it''s 100 %', {where}")
    tsql.run(
        "EXEC sp_updateextendedproperty N'MS_Description', N'a name', "
        f"'schema', '{schema}', 'table', 't', 'column', 'name'"
    )
    found = (
        "SELECT class, class_desc, minor_id, name, value FROM sys.extended_properties "
        f"WHERE major_id = OBJECT_ID('{schema}.t') ORDER BY minor_id"
    )
    on_table = (1, "OBJECT_OR_COLUMN", 0, "MS_Description", "it's 100 %")
    assert tsql.rows(found) == [on_table, (1, "OBJECT_OR_COLUMN", 2, "MS_Description", "a name")]
    tsql.refuses(15233, f"EXEC sp_addextendedproperty 'MS_Description', 'x', {table}")
    tsql.run(f"ALTER TABLE {schema}.t DROP COLUMN name")
    assert tsql.rows(found) == [on_table]
    tsql.refuses(15135, f"EXEC sp_dropextendedproperty @name = 'MS_Description', {column}")
    tsql.run(f"EXEC sp_dropextendedproperty @name = 'MS_Description', {table}")
    assert tsql.rows(found) == []
    tsql.refuses(15217, f"EXEC sp_dropextendedproperty @name = 'MS_Description', {table}")
    tsql.refuses(102, f"EXEC sp_addextendedproperty 'a', 'b', 'SCHEMA', '{schema}', 'PROCEDURE', 'p'")


def test_readpast_is_taken_on_catalog_views_which_nobody_locks_and_refused_on_tables(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (id INT)")
    assert tsql.rows(f"SELECT name FROM sys.tables WITH (READPAST) WHERE object_id = OBJECT_ID('{schema}.t')") == [
        ("t",)
    ]
    tsql.refuses(102, f"SELECT id FROM {schema}.t WITH (READPAST)")


def test_extended_properties_are_listed_for_one_object_or_for_all_of_a_kind(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (a INT, b INT)")
    add = f"EXEC sp_addextendedproperty 'note', @v, 'schema', '{schema}', 'table', 't'"
    tsql.run(f"DECLARE @v NVARCHAR(9) = N'of t'; {add}, NULL, NULL")
    for column in "ab":
        tsql.run(f"DECLARE @v NVARCHAR(9) = N'of {column}'; {add}, 'column', '{column}'")
    listed = "SELECT objtype, objname, name, value FROM fn_listextendedproperty({}) AS p ORDER BY objname"
    place = f"'schema', '{schema}', 'table', 't'"
    assert tsql.rows(listed.format(f"'note', {place}, NULL, NULL")) == [("TABLE", "t", "note", "of t")]
    of_columns = [("COLUMN", "a", "note", "of a"), ("COLUMN", "b", "note", "of b")]
    assert tsql.rows(listed.format(f"default, {place}, 'column', default")) == of_columns
    assert tsql.rows(listed.format(f"NULL, {place}, 'column', 'b'")) == of_columns[1:]
    assert tsql.rows(listed.format(", ".join(["default"] * 7))) == []
    tsql.refuses(102, listed.format(f"NULL, {place}, 'trigger', NULL"))
