"""Change tracking: net changes, versions in the order of commits, and positions that retention overtakes."""

import threading
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from tsql_local import Client, client

from resources.endpoints.mssql_emulator.engine import SqlError
from resources.endpoints.mssql_emulator.postgres_engine import PostgresEngine

CHANGES = (
    "SELECT ct.SYS_CHANGE_OPERATION, ct.id, ct.code FROM CHANGETABLE(CHANGES dbo.t, {since}) AS ct "
    "ORDER BY ct.id, ct.code"
)
VERSION = "SELECT CHANGE_TRACKING_CURRENT_VERSION()"
MIN_VALID = "SELECT CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID(N'dbo.t'))"


@pytest.fixture
def tracked(mssql_engine: PostgresEngine, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A database of its own with a tracked table of two rows."""
    database = f"ct_{abs(hash(request.node.name))}"
    mssql_engine.create_database(database)
    found = client(mssql_engine, database)
    found.run(
        "CREATE TABLE t (id INT NOT NULL, code NVARCHAR(5) NOT NULL, n INT, CONSTRAINT pk PRIMARY KEY (id, code))"
    )
    found.run("INSERT INTO t VALUES (1, N'a', 1), (2, N'b', 2)")
    found.run(f"ALTER DATABASE {database} SET CHANGE_TRACKING = ON (CHANGE_RETENTION = 2 DAYS, AUTO_CLEANUP = ON)")
    found.run("ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON")
    found.run("ALTER TABLE dbo.t ENABLE CHANGE_TRACKING WITH (TRACK_COLUMNS_UPDATED = OFF)")
    try:
        yield found
    finally:
        found.session.close()


def other(tracked: Client, engine: PostgresEngine) -> Client:
    return client(engine, tracked.session.database)


def changes(tracked: Client, since: Any) -> list[tuple[str, int, str]]:
    return tracked.rows(CHANGES.format(since=since))


def test_rows_from_before_are_no_changes(tracked: Client) -> None:
    assert tracked.value(VERSION) == 0
    assert changes(tracked, 0) == []
    assert tracked.value(MIN_VALID) == 0


def test_changes_are_net_since_the_version_asked_for(tracked: Client) -> None:
    tracked.run("INSERT INTO t VALUES (3, N'c', 1)")
    tracked.run("UPDATE t SET n = 9 WHERE id IN (1, 3)")
    tracked.run("DELETE FROM t WHERE id = 2")
    assert tracked.value(VERSION) == 3
    assert changes(tracked, 0) == [("U", 1, "a"), ("D", 2, "b"), ("I", 3, "c")]
    assert changes(tracked, 1) == [("U", 1, "a"), ("D", 2, "b"), ("U", 3, "c")]
    assert changes(tracked, 3) == []
    assert changes(tracked, "NULL") == changes(tracked, 0)
    assert tracked.rows(
        "SELECT SYS_CHANGE_VERSION, SYS_CHANGE_CREATION_VERSION FROM CHANGETABLE(CHANGES t, 0) AS c ORDER BY id"
    ) == [
        (2, None),
        (3, None),
        (2, 1),
    ]


def test_a_key_deleted_and_inserted_again_is_an_insert_and_one_inserted_and_deleted_a_delete(tracked: Client) -> None:
    tracked.run("DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, N'a', 5)")
    tracked.run("INSERT INTO t VALUES (4, N'd', 1); DELETE FROM t WHERE id = 4")
    assert changes(tracked, 0) == [("I", 1, "a"), ("D", 4, "d")]


def test_a_key_that_changes_is_a_delete_and_an_insert(tracked: Client) -> None:
    tracked.run("UPDATE t SET code = N'z' WHERE id = 1")
    assert changes(tracked, 0) == [("D", 1, "a"), ("I", 1, "z")]


def test_every_way_to_write_is_tracked(tracked: Client) -> None:
    tracked.run(
        "MERGE t AS x USING (VALUES (1, N'a'), (7, N'm')) AS s (id, code) ON x.id = s.id AND x.code = s.code "
        "WHEN MATCHED THEN UPDATE SET n = 0 WHEN NOT MATCHED THEN INSERT (id, code) VALUES (s.id, s.code) "
        "WHEN NOT MATCHED BY SOURCE THEN DELETE;"
    )
    batch = pa.record_batch([pa.array([8], pa.int32()), pa.array(["bulk"])], names=["id", "code"])
    tracked.session.bulk_insert("t", tracked.session.columns("t", ["id", "code"]), [batch])
    assert changes(tracked, 0) == [("U", 1, "a"), ("D", 2, "b"), ("I", 7, "m"), ("I", 8, "bulk")]


def test_statements_that_change_nothing_make_no_version(tracked: Client) -> None:
    tracked.run("UPDATE t SET n = 1 WHERE id = 99; DELETE FROM t WHERE id = 99")
    assert tracked.value(VERSION) == 0


def test_what_is_rolled_back_is_no_change(tracked: Client) -> None:
    tracked.run("BEGIN TRAN; DELETE FROM t; ROLLBACK")
    assert (tracked.value(VERSION), changes(tracked, 0)) == (0, [])
    tracked.run("BEGIN TRAN; SAVE TRAN a; DELETE FROM t; ROLLBACK TRAN a; UPDATE t SET n = 0 WHERE id = 1; COMMIT")
    assert changes(tracked, 0) == [("U", 1, "a")]


def test_a_transaction_is_one_version(tracked: Client) -> None:
    tracked.run("BEGIN TRAN; UPDATE t SET n = 0 WHERE id = 1; DELETE FROM t WHERE id = 2; COMMIT")
    assert tracked.value(VERSION) == 1


def test_versions_follow_commits_and_not_writes(tracked: Client, mssql_engine: PostgresEngine) -> None:
    slow, reader = other(tracked, mssql_engine), other(tracked, mssql_engine)
    try:
        slow.run("BEGIN TRAN; INSERT INTO t VALUES (10, N's', 0)")
        tracked.run("INSERT INTO t VALUES (20, N'f', 0)")
        position = reader.value(VERSION)
        assert changes(reader, 0) == [("I", 20, "f")]
        slow.run("COMMIT")
        assert changes(reader, position) == [("I", 10, "s")]
    finally:
        slow.session.close()
        reader.session.close()


def test_a_reader_that_follows_busy_writers_misses_nothing(tracked: Client, mssql_engine: PostgresEngine) -> None:
    """The law of change tracking: position and changes of one snapshot, again and again, give every row once."""
    writers, rows = 4, 25
    failed: list[BaseException] = []

    def write(number: int) -> None:
        session = other(tracked, mssql_engine)
        try:
            for row in range(rows):
                key = 1000 * (number + 1) + row
                session.run(
                    f"BEGIN TRAN; INSERT INTO t VALUES ({key}, N'w', 0); UPDATE t SET n = 1 WHERE id = {key}; COMMIT"
                )
        except BaseException as error:
            failed.append(error)
        finally:
            session.session.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    seen: list[int] = []
    position = 0
    tracked.run("SET TRANSACTION ISOLATION LEVEL SNAPSHOT")
    while True:
        running = any(thread.is_alive() for thread in threads)
        tracked.run(f"BEGIN TRAN; {VERSION}; {CHANGES.format(since=position)}; COMMIT")
        [[(found,)], new] = [result for _, result in tracked.results]
        seen += [key for _, key, _ in new]
        position = found
        if not running:
            break
    for thread in threads:
        thread.join()
    assert failed == []
    assert sorted(seen) == sorted(1000 * (number + 1) + row for number in range(writers) for row in range(rows))
    assert position == writers * rows


def test_writers_under_snapshot_isolation_do_not_collide_in_the_counter(
    tracked: Client, mssql_engine: PostgresEngine
) -> None:
    second = other(tracked, mssql_engine)
    try:
        for session, key in ((tracked, 30), (second, 40)):
            session.run(f"SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN; INSERT INTO t VALUES ({key}, N'x', 0)")
        second.run("COMMIT")
        tracked.run("COMMIT")
        assert changes(tracked, 1) == [("I", 30, "x")]
    finally:
        second.session.close()


def test_a_position_that_retention_has_overtaken_shows(tracked: Client, mssql_engine: PostgresEngine) -> None:
    tracked.run("UPDATE t SET n = 0 WHERE id = 1")
    tracked.session.connection.execute("UPDATE tsql.ct_commits SET committed_at = committed_at - interval '3 days'")
    tracked.run("UPDATE t SET n = 0 WHERE id = 2")
    assert tracked.value(MIN_VALID) == 1
    assert changes(tracked, 0) == [("U", 2, "b")]


def test_truncate_moves_the_least_valid_version(tracked: Client) -> None:
    tracked.run("UPDATE t SET n = 0 WHERE id = 1")
    tracked.run("TRUNCATE TABLE t")
    assert tracked.value(MIN_VALID) == tracked.value(VERSION) == 2


def test_a_renamed_table_stays_tracked(tracked: Client) -> None:
    tracked.run("EXEC sp_rename 'dbo.t', 'moved'; DELETE FROM moved WHERE id = 1")
    assert tracked.rows("SELECT SYS_CHANGE_OPERATION, id FROM CHANGETABLE(CHANGES moved, 0) AS c") == [("D", 1)]


def test_tracking_is_switched_off_and_on_again(tracked: Client) -> None:
    tracked.run("UPDATE t SET n = 0 WHERE id = 1")
    assert tracked.value("SELECT COUNT(*) FROM sys.change_tracking_tables WHERE object_id = OBJECT_ID('t')") == 1
    tracked.refuses(4996, "ALTER TABLE t ENABLE CHANGE_TRACKING")
    tracked.refuses(22115, "ALTER DATABASE CURRENT SET CHANGE_TRACKING = OFF")
    tracked.run("ALTER TABLE t DISABLE CHANGE_TRACKING")
    tracked.refuses(4998, "ALTER TABLE t DISABLE CHANGE_TRACKING")
    tracked.refuses(22105, CHANGES.format(since=0))
    assert tracked.value(MIN_VALID) is None
    tracked.run("DELETE FROM t; ALTER TABLE t ENABLE CHANGE_TRACKING")
    assert (tracked.value(MIN_VALID), changes(tracked, 0)) == (1, [])
    tracked.run("ALTER TABLE t DISABLE CHANGE_TRACKING; ALTER DATABASE CURRENT SET CHANGE_TRACKING = OFF")
    assert tracked.value(VERSION) is None


def test_only_a_table_with_a_primary_key_in_a_tracked_database_is_tracked(
    tracked: Client, tsql: Client, schema: str
) -> None:
    tracked.run("CREATE TABLE heap (n INT)")
    tracked.refuses(4997, "ALTER TABLE heap ENABLE CHANGE_TRACKING")
    tsql.run(f"CREATE TABLE {schema}.t (n INT PRIMARY KEY)")
    tsql.refuses(5089, f"ALTER TABLE {schema}.t ENABLE CHANGE_TRACKING")


def test_a_position_comes_from_a_variable(tracked: Client) -> None:
    tracked.run("DELETE FROM t WHERE id = 1")
    query = "DECLARE @v BIGINT = CHANGE_TRACKING_CURRENT_VERSION() - 1; " + CHANGES.format(since="@v")
    assert tracked.rows(query) == [("D", 1, "a")]
    with pytest.raises(SqlError):
        tracked.run(CHANGES.format(since="@nope"))
