"""Reads by transaction id: nothing that commits late, in a subtransaction or behind the 32-bit wrap is lost.

Here a real server counts its transactions; how a sink merges what was read is in `test_postgres_sink`.
It may import everything.
"""

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postgres_local import DAY, INSTANT, Seeded, cells, connect, drain, keys_of, notes, private_server, rows, seeded

from matrix_defs.ports import Position, ReadEnd, ReadMode
from resources.endpoints.endpoint import Endpoint
from resources.postgres.source import unseen_since

CYCLE, HORIZON = 2**32, 2**31
EPOCH = 3
XIDS_LEFT = 500
SPEND_XIDS = f"DO $$ BEGIN FOR n IN 1..{XIDS_LEFT} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"


@pytest.fixture
def source(postgres_endpoint: Endpoint) -> Iterator[Seeded]:
    with seeded(postgres_endpoint, (1, "a", "one"), (2, "a", "two")) as held:
        yield held


@pytest.fixture(scope="module")
def sql(postgres_endpoint: Endpoint) -> Iterator[psycopg.Connection]:
    with connect(postgres_endpoint) as connection:
        yield connection


@pytest.fixture(scope="module")
def late_server() -> Iterator[Endpoint]:
    """A server whose transaction ids are about to begin anew at the end of their fourth cycle."""
    reset = (
        "echo 'VACUUM (FREEZE);' | postgres --single -D . postgres\n"
        "truncate -s 262144 pg_xact/0FFF\n"
        f"pg_resetwal -e {EPOCH} -x {CYCLE - XIDS_LEFT} -D ."
    )
    with private_server(reset, autovacuum="off") as endpoint:
        yield endpoint


def read(source: Seeded, position: Position | None = None) -> tuple[list[str | None], ReadEnd]:
    """Notes of the rows read, in the order of their keys, and the end of the read."""
    table, end = drain(source.read(ReadMode.XMIN, position))
    return notes(cells(table)), end


def current_xid(endpoint: Endpoint) -> int:
    with connect(endpoint) as sql:
        (xid,) = sql.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone() or ()
    return int(xid)


def test_a_first_read_yields_every_row_and_every_key(source: Seeded) -> None:
    found, end = read(source)
    assert found == ["one", "two"]
    assert keys_of(end) == [(1, "a"), (2, "a")]
    assert end.position is not None


def test_inserts_and_updates_are_found_by_the_next_read(source: Seeded) -> None:
    _, end = read(source)
    source.insert(3, "three")
    source.sql.execute("UPDATE orders SET note = 'uno' WHERE order_id = 1")
    found, end = read(source, end.position)
    assert {"uno", "three"} <= set(found)
    assert "one" not in found


def test_a_row_written_before_a_read_and_committed_after_it_is_found_by_the_next(source: Seeded) -> None:
    held = source.source.hold(rows((3, "a", "late")))
    source.insert(4, "after the late one began")
    found, end = read(source)
    assert "late" not in found
    assert (3, "a") not in keys_of(end)
    source.insert(5, "five")
    held.commit()
    found, end = read(source, end.position)
    assert {"late", "five"} <= set(found)
    assert (3, "a") in keys_of(end)


def test_a_row_of_a_transaction_that_outlives_several_reads_is_found_in_the_end(source: Seeded) -> None:
    held = source.source.hold(rows((9, "a", "late")))
    _, end = read(source)
    for number in range(3, 7):
        source.insert(number, str(number))
        found, end = read(source, end.position)
        assert str(number) in found
        assert "late" not in found
    held.commit()
    assert "late" in read(source, end.position)[0]


def test_a_row_of_a_subtransaction_is_found_once_the_whole_is_committed(source: Seeded) -> None:
    writer = source.writer()
    writer.execute("BEGIN")
    source.insert(3, "outer", writer)
    writer.execute("SAVEPOINT s")
    source.insert(4, "inner", writer)
    writer.execute("SAVEPOINT deeper")
    source.insert(5, "undone", writer)
    writer.execute("ROLLBACK TO deeper")
    writer.execute("RELEASE s")
    source.insert(6, "meanwhile")
    found, end = read(source)
    assert not {"outer", "inner"} & set(found)
    writer.execute("COMMIT")
    writer.close()
    found, _ = read(source, end.position)
    assert {"outer", "inner"} <= set(found)
    assert "undone" not in found


def test_a_row_that_was_rolled_back_never_arrives(source: Seeded) -> None:
    _, end = read(source)
    source.source.hold(rows((3, "a", "never"))).rollback()
    found, end = read(source, end.position)
    assert "never" not in found
    assert (3, "a") not in keys_of(end)


def test_a_deleted_row_is_missing_from_the_key_list(source: Seeded) -> None:
    _, end = read(source)
    source.sql.execute("DELETE FROM orders WHERE order_id = 1")
    _, end = read(source, end.position)
    assert keys_of(end) == [(2, "a")]


def test_an_emptied_source_has_an_empty_key_list_and_not_none(source: Seeded) -> None:
    _, end = read(source)
    source.sql.execute("DELETE FROM orders")
    found, end = read(source, end.position)
    assert found == []
    assert keys_of(end) == []


def test_rows_and_key_list_show_the_same_instant(source: Seeded) -> None:
    with source.read(ReadMode.XMIN) as batch:
        stream = iter(batch)
        first = next(stream)
        source.insert(3, "in between")
        source.sql.execute("DELETE FROM orders WHERE order_id = 2")
        assert first.num_rows == 2
        assert list(stream) == []
        end = batch.end()
    assert keys_of(end) == [(1, "a"), (2, "a")]
    found, end = read(source, end.position)
    assert "in between" in found
    assert keys_of(end) == [(1, "a"), (3, "a")]


def test_freezing_old_rows_loses_no_new_one(source: Seeded) -> None:
    held = source.source.hold(rows((3, "a", "late")))
    _, end = read(source)
    source.insert(4, "new")
    held.commit()
    source.sql.execute("VACUUM (FREEZE) orders")
    found, end = read(source, end.position)
    assert {"late", "new"} <= set(found)
    source.insert(5, "newer")
    assert "newer" in read(source, end.position)[0]


def test_a_bound_that_this_server_has_not_reached_reads_everything(source: Seeded) -> None:
    found, end = read(source, Position({"xmin": 7 * CYCLE}))
    assert found == ["one", "two"]
    assert end.position is not None
    assert end.position.value["xmin"] < CYCLE


# ---------------------------------------------------------------------- epochs


def test_reads_go_on_where_transaction_ids_begin_anew(late_server: Endpoint) -> None:
    with seeded(late_server, (1, "a", "one")) as source:
        found, end = read(source)
        assert found == ["one"]
        wrap = (EPOCH + 1) * CYCLE
        assert end.position is not None
        assert wrap - XIDS_LEFT <= end.position.value["xmin"] < wrap
        assert read(source, end.position)[0] == []
        held = source.source.hold(rows((2, "a", "begun before")))
        source.sql.execute(SPEND_XIDS)
        assert current_xid(late_server) > wrap
        source.insert(3, "after")
        found, end = read(source, end.position)
        assert found == ["after"]
        held.commit()
        assert end.position is not None
        assert end.position.value["xmin"] < wrap
        found, end = read(source, end.position)
        assert found == ["begun before", "after"]
        assert end.position is not None
        assert end.position.value["xmin"] > wrap
        assert read(source, end.position)[0] == []
        source.insert(4, "last")
        assert read(source, end.position)[0] == ["last"]


def test_a_bound_too_old_to_compare_with_reads_everything(late_server: Endpoint) -> None:
    with seeded(late_server, (1, "a", "one")) as source:
        now = current_xid(late_server)
        for age in (HORIZON + 100, CYCLE - 1, CYCLE, CYCLE + 1, 3 * CYCLE):
            assert read(source, Position({"xmin": now - age}))[0] == ["one"], age


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_predicate_holds_for_every_row_written_since_the_bound(
    sql: psycopg.Connection, data: st.DataObject
) -> None:
    """Against full transaction ids, of which the server's rows show the low 32 bits."""
    following = data.draw(st.integers(HORIZON + 10, 5 * CYCLE), "following")
    first = following - HORIZON
    oldest = data.draw(st.integers(first, following), "oldest")
    bound = data.draw(st.integers(max(3, oldest - HORIZON), oldest), "bound")
    near = [xid for edge in (first, bound, oldest, following) for xid in range(edge - 2, edge + 3)]
    written = st.sampled_from([xid for xid in near if first <= xid < following]) | st.integers(first, following - 1)
    xids = data.draw(st.lists(written, max_size=20), "xids")
    where = unseen_since(Position({"xmin": bound}), oldest, following)
    assert bool(where) == (following - bound <= HORIZON)
    table = "SELECT xid, mod(xid, 4294967296)::text::xid AS xmin FROM unnest(%s::bigint[]) AS xid"
    found = {row[0] for row in sql.execute(f"SELECT xid FROM ({table}) AS t{where}", (xids,))}
    assert found == {xid for xid in xids if xid >= bound or not where}


def test_instants_and_days_play_no_part(source: Seeded) -> None:
    _, end = read(source)
    values = (3, "b", DAY.replace(year=1999), INSTANT.replace(year=1999), "old cursor")
    source.sql.execute("INSERT INTO orders VALUES (%s, %s, %s, %s, %s)", values)
    assert "old cursor" in read(source, end.position)[0]
