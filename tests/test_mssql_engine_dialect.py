"""Everything that MssqlDialect says runs on the local SQL Server endpoint, and does what the step promises."""

from collections.abc import Iterator

import pytest
from dialect_steps import INSTANT, TABLE, plan_of
from tsql_local import Client, client

from matrix_defs.ports import KeyList, Load, LoadTarget, Position, Step
from resources.endpoints.mssql_emulator.postgres_engine import PostgresEngine
from resources.mssql.dialect import MssqlDialect
from resources.sql_plan import Plan, Statement, Tally

MSSQL = MssqlDialect(partition_switch=False)
DAYS = ("2026-03-01", "2026-03-02")


def run(tsql: Client, statements: list[Statement]) -> dict[Tally, int]:
    """Run statements as a sink does, and return what was counted."""
    counted: dict[Tally, int] = {}
    for statement in statements:
        tsql.run(statement.text)
        if statement.tally is not None:
            found = tsql.results[0][1][0][0] if statement.selects else tsql.counts[-1]
            counted[statement.tally] = counted.get(statement.tally, 0) + found
    return counted


class Loaded:
    """A target in a schema `s` of its own database, and staging for one step."""

    def __init__(self, tsql: Client, step: Step) -> None:
        self.tsql = tsql
        self.plan = plan_of(step)
        self.target = self.plan.target
        for statements in (
            MSSQL.drop_namespace("s"),
            MSSQL.create_namespace("s"),
            MSSQL.create_target(self.target),
            MSSQL.create_state(self.target),
            MSSQL.staging(self.plan),
        ):
            run(tsql, statements)

    def hold(self, *rows: tuple[int, str, str], **more: str) -> None:
        """Put rows (id, code, day) into the target."""
        extra = "".join(f", [{name}]" for name in more)
        values = "".join(f", {value}" for value in more.values())
        for id_, code, day in rows:
            self.tsql.run(
                f"INSERT INTO [s].[t] ([id], [code], [day], [at], [load_id], [loaded_at]{extra}) VALUES "
                f"({id_}, N'{code}', '{day}', '2026-03-01T00:00:00+00:00', N'old', '2026-03-01T00:00:00+00:00'{values})"
            )

    def stage(self, *rows: tuple[int, str, str], op: str = "upsert", **more: str) -> None:
        """Put rows into staging, numbered in their order."""
        if self.plan.with_changes:
            more = {"_op": f"N'{op}'", **more}
        for id_, code, day in rows:
            columns = {
                "id": str(id_),
                "code": f"N'{code}'",
                "day": f"'{day}'",
                "at": "'2026-03-01T00:00:00+00:00'",
                **more,
            }
            if self.plan.with_changes:
                columns["_seq"] = str(self.tsql.value("SELECT COUNT(*) FROM [s].[t__staged]"))
            names = ", ".join(f"[{name}]" for name in columns)
            self.tsql.run(f"INSERT INTO [s].[t__staged] ({names}) VALUES ({', '.join(columns.values())})")

    def keys(self, *rows: tuple[int, str]) -> None:
        """Say which keys the source holds."""
        for id_, code in rows:
            self.tsql.run(f"INSERT INTO [s].[t__keys] VALUES ({id_}, N'{code}')")

    def load(self, position: Position | None = None) -> dict[Tally, int]:
        """Run the load's transaction."""
        return run(self.tsql, MSSQL.finishing(self.plan, position))

    def rows(self, columns: str = "[id], [code]") -> list[tuple]:
        return self.tsql.rows(f"SELECT {columns} FROM [s].[t] ORDER BY [id], [code]")


@pytest.fixture
def tsql_there(mssql_engine: PostgresEngine, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A login to a database of its own."""
    database = f"dialect_{abs(hash(request.node.name))}"
    mssql_engine.create_database(database)
    found = client(mssql_engine, database)
    try:
        yield found
    finally:
        found.session.close()


@pytest.mark.parametrize("step", Step)
def test_every_statement_of_a_step_runs(tsql_there: Client, step: Step) -> None:
    loaded = Loaded(tsql_there, step)
    loaded.load(Position({"reads": 2}))
    run(tsql_there, MSSQL.drop_staging(loaded.target))
    assert tsql_there.rows(MSSQL.read_position(loaded.target).text) == [('{"reads":2}',)]
    run(tsql_there, MSSQL.drop_namespace("s"))
    assert tsql_there.value("SELECT SCHEMA_ID('s')") is None


def test_trailing_blanks_tell_keys_apart_where_the_dialect_says_so(tsql_there: Client) -> None:
    loaded = Loaded(tsql_there, Step.DELETE_STAGED_KEYS)
    loaded.hold((1, "a", DAYS[0]), (1, "a ", DAYS[0]))
    loaded.stage((1, "a", DAYS[0]))
    assert loaded.load()[Tally.REPLACED] == 1
    assert loaded.rows() == [(1, "a ")]


def test_dedupe_keeps_the_last_change_and_delete_removes(tsql_there: Client) -> None:
    loaded = Loaded(tsql_there, Step.DELETE_STAGED_KEYS)
    loaded.hold((1, "a", DAYS[0]), (2, "b", DAYS[0]), (3, "c", DAYS[0]))
    loaded.stage((1, "a", DAYS[0]))
    loaded.stage((1, "a", DAYS[0]), op="delete")
    loaded.stage((2, "b", DAYS[0]))
    counted = loaded.load()
    assert (counted[Tally.DELETED], counted[Tally.REPLACED]) == (1, 1)
    assert loaded.rows() == [(3, "c")]
    assert tsql_there.value("SELECT COUNT(*) FROM [s].[t__staged]") == 2


def test_swap_in_counts_and_replaces_everything(tsql_there: Client) -> None:
    loaded = Loaded(tsql_there, Step.SWAP_IN)
    loaded.hold((1, "a", DAYS[0]), (2, "b", DAYS[0]))
    loaded.stage((2, "b", DAYS[0]), (3, "c", DAYS[0]))
    assert loaded.load() == {Tally.DELETED: 1, Tally.REPLACED: 1, Tally.INSERTED: 2}
    assert loaded.rows("[id], [load_id]") == [(2, "load-1"), (3, "load-1")]


def test_absent_keys_go(tsql_there: Client) -> None:
    loaded = Loaded(tsql_there, Step.DELETE_ABSENT_KEYS)
    loaded.hold((1, "a", DAYS[0]), (2, "b", DAYS[0]))
    loaded.keys((1, "a"), (2, "b "))
    assert loaded.load()[Tally.DELETED] == 1
    assert loaded.rows() == [(1, "a")]


@pytest.mark.parametrize("step", [Step.DELETE_WINDOW, Step.REPLACE_PARTITIONS])
def test_a_window_or_partition_is_emptied_and_no_other(tsql_there: Client, step: Step) -> None:
    loaded = Loaded(tsql_there, step)
    loaded.hold((1, "a", DAYS[0]), (2, "b", DAYS[1]))
    loaded.load()
    assert loaded.rows() == [(2, "b")]


def test_versions_close_when_they_change_or_vanish_and_open_again(tsql_there: Client) -> None:
    loaded = Loaded(tsql_there, Step.CLOSE_CHANGED)
    version = {"valid_from": "'2026-02-01T00:00:00+00:00'", "row_hash": "11"}
    loaded.hold((1, "a", DAYS[0]), (2, "b", DAYS[0]), **version)
    loaded.stage((1, "a", DAYS[0]), row_hash="22")
    loaded.stage((2, "b", DAYS[0]), row_hash="11")
    assert loaded.load()[Tally.REPLACED] == 1
    assert loaded.rows("[id], [valid_to]") == [(1, INSTANT), (2, None)]
    plan = Plan(loaded.target, Load("load-1", INSTANT, None, KeyList.LISTED), (Step.DEDUPE_STAGED, Step.OPEN_VERSIONS))
    assert run(tsql_there, MSSQL.finishing(plan, None))[Tally.INSERTED] == 1
    assert sorted(loaded.rows("[id], [row_hash], [valid_to]"), key=str) == [
        (1, 11, INSTANT),
        (1, 22, None),
        (2, 11, None),
    ]


def test_a_load_that_fails_leaves_target_and_position_as_they_were(tsql_there: Client) -> None:
    loaded = Loaded(tsql_there, Step.SWAP_IN)
    loaded.hold((1, "a", DAYS[0]))
    broken = [*MSSQL.finishing(loaded.plan, Position({"reads": 9}))]
    broken.insert(-1, Statement("SELECT 1 / 0"))
    with pytest.raises(Exception, match="Divide by zero"):
        run(tsql_there, broken)
    assert loaded.rows() == [(1, "a")]
    assert tsql_there.rows(MSSQL.read_position(LoadTarget("s", TABLE)).text) == []
