"""Promises of the rows that a local server keeps: sent once, never mixed up, and left on nobody else's server."""

from dataclasses import replace

import pytest

from matrix_defs.orders import orders_table
from matrix_defs.systems import System
from resources.endpoints.endpoint import Endpoint
from resources.mssql.kept_rows import MOST, KeptRows

TABLE = orders_table(0)
ROWS = TABLE.schema.empty_table()
LOCAL = Endpoint(System.POSTGRES, "embedded", "PostgreSQL", "18", port=5999, password="one")


@pytest.fixture
def written() -> list[str]:
    return []


def test_rows_are_written_once_and_found_again(written):
    kept = KeptRows()
    names = {kept.name(LOCAL, TABLE, ROWS, written.append) for _ in range(3)}
    assert names == set(written)
    assert len(written) == 1


@pytest.mark.parametrize("kind", ["external", "compose"])
def test_a_server_that_outlives_this_process_keeps_nothing(written, kind):
    assert KeptRows().name(replace(LOCAL, kind=kind), TABLE, ROWS, written.append) is None
    assert not written


def test_other_rows_another_table_and_another_server_are_written_anew(written):
    kept, restarted = KeptRows(), replace(LOCAL, password="two")
    equal = TABLE.schema.empty_table()
    places = [(LOCAL, TABLE, ROWS), (LOCAL, TABLE, equal), (LOCAL, orders_table(1), ROWS), (restarted, TABLE, ROWS)]
    assert [kept.name(*place, written.append) for place in places] == written
    assert len(set(written)) == len(places)


def test_rows_whose_writing_failed_are_written_again_and_not_taken_for_kept(written):
    kept = KeptRows()

    def fail(name):
        raise ConnectionError(name)

    with pytest.raises(ConnectionError):
        kept.name(LOCAL, TABLE, ROWS, fail)
    assert [kept.name(LOCAL, TABLE, ROWS, written.append)] == written


def test_a_server_keeps_no_more_than_so_many_tables(written):
    kept = KeptRows()
    many = [TABLE.schema.empty_table() for _ in range(MOST + 1)]
    names = [kept.name(LOCAL, TABLE, rows, written.append) for rows in many]
    assert len(set(names[:-1])) == MOST
    assert names[-1] is None
    assert kept.name(LOCAL, TABLE, many[0], written.append) == names[0]
