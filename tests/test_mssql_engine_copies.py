"""Rows of PostgreSQL's binary form, from and to a real PostgreSQL: the same as by way of text and Arrow.

It may import the engine, the wire's encoders, and the values of `test_mssql_engine_rows`.
"""

from collections.abc import Sequence

import pyarrow as pa
import pytest
from test_mssql_engine_rows import VALUES
from tsql_local import Client, columns

from resources.endpoints.mssql_emulator import copy_in, copy_out, places, postgres_statements
from resources.endpoints.mssql_emulator.compile_ahead import compile_ahead
from resources.endpoints.mssql_emulator.copy_in import copied_rows
from resources.endpoints.mssql_emulator.copy_out import rows_of
from resources.endpoints.mssql_emulator.engine import CopiedRows, Kind, ResultColumn, ResultSet, SqlError, SqlType
from resources.endpoints.mssql_emulator.rows import encode_rows
from resources.endpoints.mssql_emulator.types import type_info

NAMES = ["id", *(f"c{place}" for place in range(len(VALUES)))]


@pytest.fixture
def wide(tsql: Client, schema: str) -> tuple[Client, str, list[ResultColumn], pa.RecordBatch]:
    """A table of a column of every type, and rows with all hard values of each."""
    defined = ", ".join(f"{name} {type_} NULL" for name, type_ in zip(NAMES[1:], VALUES, strict=True))
    tsql.run(f"CREATE TABLE {schema}.t (id INT NOT NULL, {defined})")
    asked = columns(tsql, f"[{schema}].t", NAMES)
    count = 1 + max(len(values) for values in VALUES.values())
    cells = [[(values + [None] * count)[place] for place in range(count)] for values in VALUES.values()]
    arrays = [pa.array(values, column.type.arrow) for values, column in zip(cells, asked[1:], strict=True)]
    batch = pa.record_batch([pa.array(range(count), pa.int32()), *arrays], names=NAMES)
    return tsql, f"{schema}.t", asked, batch


def result(tsql: Client, query: str) -> tuple[Sequence[ResultColumn], bytes, set[type]]:
    """The columns of a query, its rows as ROW tokens, and what they came as."""
    for found in tsql.session.execute(query):
        if isinstance(found, ResultSet):
            sent, kinds = [], set()
            for batch in found.batches:
                kinds.add(type(batch))
                copied = isinstance(batch, CopiedRows)
                sent += [rows_of(batch.data, found.columns)] if copied else encode_rows(batch, found.columns)
            return found.columns, b"".join(sent), kinds
    raise AssertionError(query)


def sent_as_copy(batch: pa.RecordBatch, asked: Sequence[ResultColumn]) -> CopiedRows:
    sent = b"".join(encode_rows(batch, asked))
    copied, end = copied_rows(sent, [type_info(column.type) for column in asked])
    assert (copied.num_rows, end) == (batch.num_rows, len(sent))
    return copied


def test_every_type_is_loaded_in_binary_as_by_text(wide: tuple) -> None:
    tsql, table, asked, batch = wide
    assert tsql.session.bulk_insert(table, asked, [sent_as_copy(batch, asked)]) == batch.num_rows
    query = f"SELECT {', '.join(NAMES)} FROM {table} ORDER BY id"
    _, sent, _ = result(tsql, query)
    tsql.run(f"TRUNCATE TABLE {table}")
    tsql.session.bulk_insert(table, asked, [batch])
    assert result(tsql, query)[1] == sent


def test_every_type_is_read_in_binary_as_by_text(wide: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    tsql, table, asked, batch = wide
    tsql.session.bulk_insert(table, asked, [batch])
    query = f"SELECT {', '.join(NAMES)} FROM {table} ORDER BY id"
    told, sent, kinds = result(tsql, query)
    assert kinds == {CopiedRows}
    monkeypatch.setattr(postgres_statements, "_WIDE", 10_000)
    by_text = result(tsql, query)
    assert by_text == (told, sent, {pa.RecordBatch})
    assert sent == b"".join(encode_rows(batch, asked))


def test_odd_rows_among_others_are_loaded_with_them_and_the_load_is_one(wide: tuple) -> None:
    tsql, table, asked, batch = wide
    rows = [sent_as_copy(batch[:1], asked), batch[1:2], sent_as_copy(batch[2:4], asked)]
    assert tsql.session.bulk_insert(table, asked, rows) == 4
    assert tsql.value(f"SELECT COUNT(*) FROM {table}") == 4
    wrong = batch[4:5].set_column(0, "id", pa.nulls(1, pa.int32()))
    with pytest.raises(SqlError) as caught:
        tsql.session.bulk_insert(table, asked, [sent_as_copy(batch[4:5], asked), wrong])
    assert caught.value.number == 515
    assert tsql.value(f"SELECT COUNT(*) FROM {table}") == 4


@pytest.mark.parametrize(("type_", "value", "number"), [("NVARCHAR(3)", "abcd", 2628), ("NVARCHAR(MAX)", "a\0b", None)])
def test_what_a_column_cannot_hold_is_refused_in_binary_as_by_text(
    tsql: Client, schema: str, type_: str, value: str, number: int | None
) -> None:
    tsql.run(f"CREATE TABLE {schema}.t (v {type_} NOT NULL)")
    asked = columns(tsql, f"{schema}.t", ["v"])
    batch = pa.record_batch([pa.array([value])], names=["v"])
    errors = []
    for rows in (batch, sent_as_copy(batch, [ResultColumn("v", SqlType(Kind.NVARCHAR))])):
        with pytest.raises(SqlError) as caught:
            tsql.session.bulk_insert(f"{schema}.t", asked, [rows])
        errors.append((caught.value.number, str(caught.value)))
    assert errors[0] == errors[1]
    assert number in (None, errors[0][0])
    assert tsql.value(f"SELECT COUNT(*) FROM {schema}.t") == 0


def test_a_query_of_no_rows_is_read_in_binary(wide: tuple) -> None:
    tsql, table, _, _ = wide
    assert result(tsql, f"SELECT {', '.join(NAMES)} FROM {table}")[1:] == (b"", set())


def test_rows_are_counted_however_they_come(wide: tuple) -> None:
    tsql, table, asked, batch = wide
    tsql.session.bulk_insert(table, asked, [batch])
    result(tsql, f"SELECT {', '.join(NAMES)} FROM {table}")
    assert tsql.value("SELECT @@ROWCOUNT") == batch.num_rows


def test_rows_wait_for_no_compiler_once_it_has_run_ahead(wide: tuple) -> None:
    tsql, table, asked, batch = wide
    for module in (copy_in, copy_out, places):
        module._compiled.cache_clear()
    compile_ahead()
    sent = b"".join(encode_rows(batch, asked))
    infos = [type_info(column.type) for column in asked]
    places.find_rows(sent, infos)
    tsql.session.bulk_insert(table, asked, [copy_in.copied_rows(sent, infos)[0]])
    assert result(tsql, f"SELECT {', '.join(NAMES)} FROM {table}")[2] == {CopiedRows}
    assert [len(module._compiled().signatures) for module in (copy_in, copy_out, places)] == [1, 1, 1]


def test_a_bulk_load_refuses_xml_that_is_not_well_formed(tsql: Client, schema: str) -> None:
    tsql.run(f"CREATE TABLE {schema}.x (x XML)")
    asked = tsql.session.columns(f"{schema}.x", ["x"])
    with pytest.raises(SqlError) as caught:
        tsql.session.bulk_insert(f"{schema}.x", asked, [pa.record_batch({"x": ["<a/>", "<a"]})])
    assert caught.value.number == 9400
    assert tsql.rows(f"SELECT x FROM {schema}.x") == []
