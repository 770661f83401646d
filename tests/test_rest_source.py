"""REST as a source of the matrix: every read mode against the local service, and the resource that hands it out.

Each test has a namespace of its own in one shared service. It may import everything.
"""

import inspect
from collections.abc import Iterator
from datetime import date
from itertools import count
from typing import Any

import httpx
import orjson
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matrix_defs.errors import ReadError, SystemUnavailableError
from matrix_defs.ports import Change, Op, Partitions, Position, ReadEnd, ReadMode, ReadRequest, Source, Window
from resources.endpoints import rest_service
from resources.endpoints.rest_service import RunningService
from resources.json_rows import to_json
from resources.rest.paginators import Cursor
from resources.rest.source import RestSource
from tests.rest_local import ORDERS, START, HastyClient, behave, by_key, keys_of, orders, read

NUMBERS = count()


@pytest.fixture(scope="module")
def service() -> Iterator[RunningService]:
    running = rest_service.start()
    yield running
    running.stop()


@pytest.fixture
def namespace() -> str:
    return f"n{next(NUMBERS)}"


@pytest.fixture
def source(service: RunningService, namespace: str) -> Iterator[RestSource]:
    with HastyClient(service.base_url) as client:
        made = RestSource(client, ORDERS, namespace)
        made.seed(orders(*range(20)))
        yield made
        made.drop()


def incremental(source: Source, position: Position | None, *, keys: bool = False) -> tuple[pa.Table, ReadEnd]:
    mode = ReadMode.INCREMENTAL_AND_DELETES if keys else ReadMode.INCREMENTAL
    with source.read(ReadRequest(mode, position)) as batch:
        rows = pa.Table.from_batches(list(batch), batch.schema)
        return rows, batch.end()


def numbers(rows: pa.Table) -> list[int]:
    return sorted(rows["order_id"].to_pylist())


def test_a_snapshot_is_the_rows_that_were_seeded_and_keeps_no_position(source: RestSource) -> None:
    with source.read(ReadRequest(ReadMode.SNAPSHOT)) as batch:
        assert pa.Table.from_batches(list(batch)).equals(orders(*range(20)))
        assert batch.end() == ReadEnd(None, None)


def test_seeding_again_replaces_what_was_there(source: RestSource) -> None:
    source.seed(orders(7))
    assert read(source).equals(orders(7))


def test_an_incremental_read_delivers_each_change_once_ties_at_the_boundary_included(source: RestSource) -> None:
    rows, end = incremental(source, None)
    assert numbers(rows) == list(range(20))
    source.apply([Change(Op.INSERT, orders(30, minute=19)), Change(Op.UPDATE, orders(2, note="second", minute=25))])
    rows, end = incremental(source, end.position)
    assert numbers(rows) == [2, 30]
    rows, again = incremental(source, end.position)
    assert rows.num_rows == 0
    assert again.position == end.position


def test_an_emptied_source_leaves_the_position_where_it_was(source: RestSource) -> None:
    _, end = incremental(source, None)
    source.apply([Change(Op.DELETE, keys_of(*range(20)))])
    rows, emptied = incremental(source, end.position, keys=True)
    assert rows.num_rows == 0
    assert emptied.position == end.position
    assert emptied.keys is not None
    assert emptied.keys.num_rows == 0


def test_only_a_read_that_asks_for_deletes_lists_the_keys(source: RestSource) -> None:
    assert incremental(source, None)[1].keys is None
    _, end = incremental(source, None, keys=True)
    assert end.keys is not None
    assert end.keys.equals(keys_of(*range(20)))


def test_the_key_list_is_taken_after_the_rows_so_a_key_inserted_in_between_is_in_it(source: RestSource) -> None:
    with source.read(ReadRequest(ReadMode.INCREMENTAL_AND_DELETES)) as batch:
        chunks = iter(batch)
        for _ in range(3):
            next(chunks)
        source.apply([Change(Op.INSERT, orders(50))])
        assert list(chunks) == []
        keys = batch.end().keys
    assert keys is not None
    assert 50 in keys["order_id"].to_pylist()


def test_a_row_that_changes_while_pages_are_read_is_not_lost_behind_the_position(
    service: RunningService, source: RestSource, namespace: str
) -> None:
    behave(service, namespace, declare_total=False)
    seen: list[str] = []
    with source.read(ReadRequest(ReadMode.INCREMENTAL)) as batch:
        for index, chunk in enumerate(batch):
            if index == 0:
                source.apply([Change(Op.INSERT, orders(60)), Change(Op.UPDATE, orders(1, note="second", minute=40))])
            seen += [row["note"] for row in chunk.to_pylist() if row["order_id"] == 1]
    assert seen == ["first", "second"]


def test_a_window_is_half_open_and_partitions_are_the_days_named(source: RestSource) -> None:
    window = Window(date(2024, 3, 2), date(2024, 3, 4))
    assert {n % 5 for n in numbers(read(source, ReadMode.WINDOW, scope=window))} == {1, 2}
    days = Partitions((date(2024, 3, 1), date(2024, 3, 5), date(2024, 4, 1)))
    assert {n % 5 for n in numbers(read(source, ReadMode.PARTITIONS, scope=days))} == {0, 4}
    assert read(source, ReadMode.PARTITIONS, scope=Partitions(())).num_rows == 0


def test_a_service_that_ignores_a_filter_fails_the_read(
    service: RunningService, source: RestSource, namespace: str
) -> None:
    renamed = RestSource(HastyClient(service.base_url, since_param="modified_since"), ORDERS, namespace)
    late = Position({"cursor": START.replace(year=2030).isoformat(), "delivered": []})
    with pytest.raises(ReadError, match="rows came whose updated_at was not asked for"):
        incremental(renamed, late)


@pytest.mark.parametrize(
    ("mode", "scope"),
    [
        (ReadMode.WINDOW, Window(date(2024, 3, 1), date(2024, 3, 2))),
        (ReadMode.WINDOW, Window(date(2024, 3, 3), date(2024, 3, 4))),
        (ReadMode.PARTITIONS, Partitions((date(2024, 3, 1), date(2024, 3, 3)))),
    ],
)
def test_a_service_that_takes_a_scope_one_day_too_wide_fails_the_read(mode: ReadMode, scope: Any) -> None:
    body = orjson.dumps({"data": [orjson.loads(text) for text in to_json(orders(1), ORDERS.columns).to_pylist()]})
    wire = httpx.MockTransport(lambda _: httpx.Response(200, content=body))
    with HastyClient("http://api", transport=wire, paginator=Cursor()) as client:
        source = RestSource(client, ORDERS, "ns")
        assert read(source, ReadMode.PARTITIONS, scope=Partitions((date(2024, 3, 2),))).num_rows == 1
        with pytest.raises(ReadError, match="rows came whose business_date was not asked for"):
            read(source, mode, scope=scope)


@pytest.mark.parametrize("mode", [ReadMode.XMIN, ReadMode.CHANGES, ReadMode.WINDOW, ReadMode.PARTITIONS])
def test_a_mode_that_the_service_has_no_means_for_is_refused(source: RestSource, mode: ReadMode) -> None:
    with pytest.raises(ReadError, match=f"a read by {mode} with scope None is not possible"):
        source.read(ReadRequest(mode))


def test_held_rows_are_seen_from_their_commit_on_and_never_after_a_rollback(source: RestSource) -> None:
    kept, forgotten = source.hold(orders(70)), source.hold(orders(71))
    assert read(source).num_rows == 20
    kept.commit()
    kept.rollback()
    forgotten.rollback()
    forgotten.rollback()
    forgotten.commit()
    assert numbers(read(source)) == [*range(20), 70]


def test_dropping_twice_is_safe_and_leaves_other_namespaces_alone(service: RunningService, source: RestSource) -> None:
    with HastyClient(service.base_url) as client:
        other = RestSource(client, ORDERS, "another")
        other.seed(orders(1))
        source.drop()
        source.drop()
        assert read(other).num_rows == 1
        with pytest.raises(ReadError, match="status 404"):
            read(source)


def test_a_lost_page_fails_the_read_before_the_batch_ends(
    service: RunningService, source: RestSource, namespace: str
) -> None:
    behave(service, namespace, lose_page=True)
    with source.read(ReadRequest(ReadMode.SNAPSHOT)) as batch:
        with pytest.raises(ReadError, match="declares 20 records, 13 came"):
            list(batch)
        with pytest.raises(ReadError, match="the end of a batch"):
            batch.end()


def test_a_service_without_an_admin_side_cannot_be_seeded(service: RunningService) -> None:
    with (
        HastyClient(f"{service.base_url}/elsewhere") as client,
        pytest.raises(SystemUnavailableError, match="PUT /admin/ns/orders: status 404"),
    ):
        RestSource(client, ORDERS, "ns").seed(orders(1))


def test_pages_are_fetched_as_the_batch_is_read(service: RunningService, source: RestSource, namespace: str) -> None:
    batch = source.read(ReadRequest(ReadMode.SNAPSHOT))
    chunks = iter(batch)
    assert next(chunks).num_rows == 7
    behave(service, namespace, server_errors=5)
    with pytest.raises(ReadError, match="status 500"):
        next(chunks)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rounds=st.lists(
        st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.booleans()), max_size=6, unique_by=lambda c: c[0]),
        max_size=4,
    )
)
def test_merging_incremental_reads_by_key_gives_the_source_whatever_happens_at_or_after_the_boundary(
    source: RestSource, rounds: list[list[tuple[int, int, bool]]]
) -> None:
    source.seed(orders(*range(5), minute=0))
    alive, minute, position = set(range(5)), 0, None
    merged: dict[int, dict[str, object]] = {}
    for changes in [[], *rounds]:
        for step, (number, later, delete) in enumerate(changes):
            if delete:
                source.apply([Change(Op.DELETE, keys_of(number))])
                alive.discard(number)
                continue
            minute += later
            row = orders(number, note=f"{id(changes)} {step}", minute=minute)
            source.apply([Change(Op.UPDATE if number in alive else Op.INSERT, row)])
            alive.add(number)
        rows, end = incremental(source, position, keys=True)
        position = end.position
        merged |= {row["order_id"]: row for row in rows.to_pylist()}
        assert end.keys is not None
        present = set(end.keys["order_id"].to_pylist())
        merged = {number: row for number, row in merged.items() if number in present}
    assert [merged[n] for n in sorted(merged)] == by_key(read(source)).to_pylist()


def test_the_source_has_every_method_of_the_port() -> None:
    for name, method in inspect.getmembers(Source, inspect.isfunction):
        if not name.startswith("_"):
            assert (
                inspect.signature(getattr(RestSource, name)).parameters.keys()
                == inspect.signature(method).parameters.keys()
            )
