"""Promises of SQL Server's change data capture that can be seen without it: what is asked, and what is refused.

No endpoint at hand runs a capture job, so a script of answers stands in for the server; that the stream is right there
is not shown here.
"""

from typing import Any, cast

import pytest
import sqlglot

from matrix_defs.errors import ReadError, SystemUnavailableError
from matrix_defs.ports import Batch, Position
from matrix_defs.table import Column, LogicalType, TableSpec
from resources.endpoints.endpoint import Endpoint
from resources.mssql import driver

try:
    driver.load_all()
except SystemUnavailableError as missing:
    pytest.skip(str(missing), allow_module_level=True)

from matrix_defs.systems import System
from resources.mssql import cdc
from resources.mssql.cdc import LogCapture
from resources.mssql.source import CHANGE_STREAMS

TABLE = TableSpec(
    "orders",
    (Column("id", LogicalType.INT64, nullable=False), Column("note", LogicalType.TEXT)),
    key=("id",),
    cursor="id",
    partition="id",
)


class Script:
    """A session that answers by what a text begins with, and keeps what it was asked."""

    endpoint = Endpoint(System.MSSQL, "external", "SQL Server", "16", database="warehouse")

    def __init__(self, **answers: Any) -> None:
        self.answers = {"OBJECT_ID": None, "CONVERT": "0x0A", "fn_cdc_get_min_lsn": 1, **answers}
        self.asked: list[str] = []

    def value(self, text: str) -> Any:
        self.asked.append(text)
        return next(answer for sign, answer in self.answers.items() if sign in text)

    def execute(self, text: str) -> int:
        self.asked.append(text)
        return 0

    def rows(self, query: str, columns: Any) -> Any:
        self.asked.append(query)
        yield from ()


def stream(script: Script) -> LogCapture:
    return LogCapture(cast(Any, script), "m_x", TABLE)


def read_out(batch: Batch) -> Position | None:
    assert list(batch) == []
    return batch.end().position


def test_it_is_chosen_by_its_mode() -> None:
    assert CHANGE_STREAMS["cdc"] is LogCapture


def test_table_and_marks_are_captured_once() -> None:
    script = Script()
    stream(script)._begin()
    enabled = [text for text in script.asked if "sp_cdc_enable_table" in text]
    assert [text.split("@captured_column_list = ")[1] for text in enabled] == ["N'[mark]'", "N'[id], [note]'"]
    again = Script(OBJECT_ID=7)
    stream(again)._begin()
    assert not [text for text in again.asked if "sp_cdc_enable_table" in text]


def test_changes_are_those_behind_the_position_up_to_a_mark_of_the_reads_own() -> None:
    script = Script()
    assert read_out(stream(script).read(Position({"lsn": "0x01"}))) == Position({"lsn": "0x0A"})
    query = script.asked[-1]
    assert "cdc.[fn_cdc_get_all_changes_m_x__t](sys.fn_cdc_increment_lsn(0x01), 0x0A, N'all')" in query
    assert sqlglot.parse_one(query, read="tsql").named_selects == ["id", "note", "_op", "_seq"]
    marked = [number for number, text in enumerate(script.asked) if text.startswith("INSERT INTO [m_x].[marks]")]
    assert marked == [0]


def test_a_capture_job_that_copies_nothing_is_told_and_not_waited_for_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cdc, "CAPTURE_SECONDS", 0)
    with pytest.raises(ReadError, match=r"SQL Server Agent runs .* EXEC sys\.sp_cdc_start_job$"):
        stream(Script(CONVERT=None)).read(Position({"lsn": "0x01"}))


def test_changes_that_were_cleaned_up_are_a_gap_that_is_told() -> None:
    with pytest.raises(ReadError, match="drop the target with its position and load anew"):
        stream(Script(fn_cdc_get_min_lsn=0)).read(Position({"lsn": "0x01"}))


def test_a_position_of_change_tracking_is_refused() -> None:
    with pytest.raises(ReadError, match="set MATRIX_MSSQL_CDC_MODE"):
        stream(Script()).read(Position({"version": 1}))
