"""Promises of the ways to write to SQL Server that need no server: which one is taken, and what each is given.

It may import `resources` and `matrix_defs`.
"""

import stat
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
import pytest

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.systems import System
from resources.endpoints.endpoint import Endpoint
from resources.mssql import driver

try:
    driver.load_all()
except SystemUnavailableError as missing:
    pytest.skip(str(missing), allow_module_level=True)

from resources.mssql import writers
from resources.mssql.parameters import parameter, placeholder
from resources.mssql.session import Session
from resources.mssql.writers import Bcp, WriteError, bcp_arguments, choose

SECRET = "canary-p4ssw0rd"
HERE = Endpoint(System.MSSQL, "external", "SQL Server", "16", "h", 1433, "u", SECRET, "d", options={"encrypt": "no"})
UUID = bytes.fromhex("00112233445566778899aabbccddeeff")
UUID_TEXT = "00112233-4455-6677-8899-aabbccddeeff"


def batch(**columns: pa.Array) -> pa.RecordBatch:
    return pa.record_batch(list(columns.values()), list(columns))


class TestChoice:
    """Which writer is taken."""

    def test_the_fastest_that_is_here_is_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert choose("fastest").name == "bulkcopy"
        monkeypatch.setattr(writers.BulkCopy, "missing", lambda self: "gone")
        monkeypatch.setattr(writers.Bcp, "missing", lambda self: "")
        assert choose("fastest").name == "bcp"
        monkeypatch.setattr(writers.Bcp, "missing", lambda self: "gone")
        assert choose("fastest").name == "fast_executemany"

    def test_a_writer_that_was_asked_for_is_taken_though_a_faster_one_is_here(self) -> None:
        assert choose("fast_executemany").name == "fast_executemany"

    def test_only_asking_for_a_missing_bcp_is_refused_and_says_how_to_get_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", "")
        with pytest.raises(SystemUnavailableError, match="MATRIX_MSSQL_WRITER=bcp: bcp is not on PATH; install mssql-"):
            Session(Endpoint(System.MSSQL, "external", "SQL Server", "16", options={"writer": "bcp"}))
        assert Session(HERE).writer.name == "bulkcopy"


class TestParameters:
    """What INSERT is given."""

    @pytest.mark.parametrize(
        ("kind", "value", "cast_to", "bound"),
        [
            (pa.binary(16), UUID, "UNIQUEIDENTIFIER", UUID_TEXT),
            (
                pa.timestamp("us", "UTC"),
                datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
                "DATETIMEOFFSET(6)",
                "2026-01-02 03:04:05.000006 +00:00",
            ),
            (pa.timestamp("us"), datetime(1, 1, 1), "DATETIME2(6)", "0001-01-01 00:00:00.000000"),
            (pa.time64("us"), time(23, 59, 59, 999999), "TIME(6)", "23:59:59.999999"),
            (pa.date32(), date(9999, 12, 31), "DATE", "9999-12-31"),
            (pa.decimal128(38, 9), Decimal("1E-9"), "", Decimal("1E-9")),
            (pa.string(), "a ", "", "a "),
            (pa.binary(), b"\x00\xff", "", b"\x00\xff"),
            (pa.float64(), -0.0, "", -0.0),
            (pa.bool_(), True, "", True),
        ],
        ids=str,
    )
    def test_a_value_is_bound_so_that_nothing_of_it_is_lost(
        self, kind: pa.DataType, value: Any, cast_to: str, bound: Any
    ) -> None:
        assert placeholder(kind) == (f"CAST(? AS {cast_to})" if cast_to else "?")
        assert parameter(kind).values(pa.array([value, None], kind)).to_pylist() == [bound, None]

    def test_a_type_that_no_column_has_is_refused(self) -> None:
        with pytest.raises(ValueError, match="no parameter for Arrow type list"):
            parameter(pa.list_(pa.int8()))


class TestCount:
    """How many rows were written."""

    def test_a_writer_that_claims_more_than_arrived_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        session = Session(HERE)
        monkeypatch.setattr(session, "value", lambda text: 0)
        session.writer = cast(Any, SimpleNamespace(name="liar", write=lambda connections, relation, rows: list(rows)))
        rows = batch(id=pa.array([1, 2]))
        from matrix_defs.table import Column, LogicalType

        with pytest.raises(WriteError, match=r"liar sent 2 row\(s\) to \[s\]\.\[t\], the server holds 0"):
            session.write("[s].[t]", [Column("id", LogicalType.INT64)], [rows])


class _Sql:
    """A connection that keeps what it was told to run."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def execute(self, text: str) -> None:
        self.ran.append(text)


class TestBcp:
    """What bcp is given, by a stand-in for the program."""

    ROWS = batch(
        k=pa.array([1, 2], pa.int64()),
        t=pa.array(["a\t\n'é👍 ", None]),
        e=pa.array(["", None]),
        b=pa.array([b"\x00\xff", None], pa.binary()),
        u=pa.array([UUID, None], pa.binary(16)),
        d=pa.array([Decimal("-99999999999999999999999999999.999999999"), None], pa.decimal128(38, 9)),
        f=pa.array([-0.0, None]),
        i=pa.array([datetime(2026, 1, 2, 3, 4, 5, 6, UTC), None], pa.timestamp("us", "UTC")),
    )

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A folder on PATH with a program `bcp` that keeps its arguments and files there."""
        pytest.importorskip("arrow_bcp")
        program = tmp_path / "bcp"
        program.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/arguments\ncp "$3" {tmp_path}/rows; cp "$5" {tmp_path}/form\n'
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        return tmp_path

    def write(self, sql: _Sql) -> None:
        reader = pa.RecordBatchReader.from_batches(self.ROWS.schema, [self.ROWS])
        Bcp().write(cast(Any, SimpleNamespace(sql=sql, endpoint=HERE)), "[s].[t]", reader)

    def test_its_file_holds_the_rows_and_it_loads_them_through_a_view_of_their_columns(self, folder: Path) -> None:
        from arrow_bcp import bcp_data, bcp_format

        sql = _Sql()
        self.write(sql)
        columns = ", ".join(f"[{name}]" for name in self.ROWS.schema.names)
        assert sql.ran == [f"CREATE VIEW [s].[t__rows] AS SELECT {columns} FROM [s].[t]", "DROP VIEW [s].[t__rows]"]
        arguments = (folder / "arguments").read_text().splitlines()
        assert arguments[:2] == ["[s].[t__rows]", "in"]
        form = [
            column._replace(column_name=name)
            for column, name in zip(
                bcp_format.load((folder / "form").read_bytes()), self.ROWS.schema.names, strict=True
            )
        ]
        [read] = bcp_data.load(form, folder / "rows", 10)
        instants = self.ROWS.column("i").cast(pa.int64())
        wanted = self.ROWS.set_column(4, "u", pa.array([UUID_TEXT, None])).set_column(7, "i", instants)
        # Its reader names the zone "+0:0", which Python knows no zone by.
        assert read.set_column(7, "i", read.column("i").cast(pa.int64())).to_pydict() == wanted.to_pydict()

    def test_the_first_row_that_it_cannot_write_ends_it(self) -> None:
        arguments = bcp_arguments(HERE)
        assert arguments[arguments.index("-m") + 1] == "1"
        assert "-Yo" in arguments

    def test_what_it_says_is_one_line_without_the_password_and_the_view_is_gone(self, folder: Path) -> None:
        (folder / "bcp").write_text(f"#!/bin/sh\necho 'Error = {SECRET}'\necho 'line 2' >&2\nexit 1\n")
        sql = _Sql()
        with pytest.raises(WriteError) as told:
            self.write(sql)
        assert str(told.value) == "Error = *** line 2"
        assert sql.ran[-1].startswith("DROP VIEW")
