"""The local REST service: changes in their order, readers on many threads, namespaces that do not touch each other.

How its switches are survived is tested with the client. It may import everything.
"""

import threading
from collections.abc import Iterator
from itertools import count

import httpx
import pyarrow as pa
import pytest

from matrix_defs.ports import Change, Op
from resources.endpoints import rest_service
from resources.endpoints.rest_service import RunningService
from resources.rest.paginators import Cursor
from resources.rest.source import RestSource
from tests.rest_local import ORDERS, HastyClient, keys_of, orders, read

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


def test_changes_of_one_key_take_effect_in_their_order(source: RestSource) -> None:
    source.apply(
        [
            Change(Op.INSERT, orders(50, 51)),
            Change(Op.UPDATE, orders(50, 3, note="second")),
            Change(Op.DELETE, keys_of(51)),
            Change(Op.DELETE, keys_of(4)),
            Change(Op.INSERT, orders(4, note="back")),
            Change(Op.UPDATE, orders(99, note="never there")),
            Change(Op.DELETE, keys_of(5)),
            Change(Op.UPDATE, orders(5, note="gone")),
        ]
    )
    rows = {row["order_id"]: row["note"] for row in read(source).to_pylist()}
    left = [number for number in range(20) if number != 5]
    assert rows == dict.fromkeys(left, "first") | {50: "second", 3: "second", 4: "back"}


def test_keys_that_collide_when_concatenated_stay_apart(source: RestSource) -> None:
    twins = orders(1, 12).set_column(1, ORDERS.schema.field("item_code"), pa.array(["23", "3"]))
    source.seed(twins)
    source.apply([Change(Op.DELETE, twins.slice(0, 1).select(list(ORDERS.key)))])
    assert read(source).equals(twins.slice(1))


def test_readers_on_other_threads_see_all_of_a_change_or_nothing(
    service: RunningService, source: RestSource, namespace: str
) -> None:
    notes: list[set[str]] = []
    everything = orders(*range(20))

    def watch() -> None:
        with HastyClient(service.base_url, paginator=Cursor(size=20)) as client:
            reader = RestSource(client, ORDERS, namespace)
            notes.extend(set(read(reader)["note"].to_pylist()) for _ in range(20))

    readers = [threading.Thread(target=watch) for _ in range(3)]
    for reader in readers:
        reader.start()
    for turn in range(20):
        changed = everything.set_column(4, ORDERS.schema.field("note"), pa.array([f"turn {turn}"] * 20))
        source.apply([Change(Op.UPDATE, changed.slice(0, 10)), Change(Op.UPDATE, changed.slice(10))])
    for reader in readers:
        reader.join()
    assert len(notes) == 60
    assert all(len(seen) == 1 for seen in notes)


def test_a_namespace_may_hold_any_character(service: RunningService) -> None:
    with HastyClient(service.base_url) as client:
        odd = RestSource(client, ORDERS, "ä b?c#d%e")
        odd.seed(orders(1))
        assert read(odd).num_rows == 1


def test_namespaces_seeded_with_the_same_rows_change_apart(service: RunningService, source: RestSource) -> None:
    with HastyClient(service.base_url) as client:
        twin = RestSource(client, ORDERS, "twin")
        twin.seed(orders(*range(20)))
        twin.apply([Change(Op.DELETE, keys_of(*range(20)))])
        assert read(twin).num_rows == 0
        assert read(source).num_rows == 20
        twin.seed(orders(*range(20)))
        assert read(twin).equals(orders(*range(20)))


def test_rows_seeded_as_another_table_are_that_table(service: RunningService, namespace: str) -> None:
    keyed = ORDERS.keyed_by(("order_id",))
    with HastyClient(service.base_url) as client:
        RestSource(client, ORDERS, namespace).seed(orders(1, 2))
        source = RestSource(client, keyed, namespace)
        source.seed(orders(1, 2))
        source.apply([Change(Op.DELETE, orders(2).select(["order_id"]))])
        assert read(source).equals(orders(1).cast(keyed.schema))


def test_two_services_run_side_by_side_and_a_stopped_one_is_gone() -> None:
    first, second = rest_service.start(), rest_service.start()
    first.stop()
    first.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(first.base_url)
    assert httpx.delete(f"{second.base_url}/admin/x").status_code == 204
    second.stop()


@pytest.mark.parametrize("body", [b'{"no_such_switch":1}', b"{"])
def test_a_switch_that_does_not_exist_is_refused(service: RunningService, namespace: str, body: bytes) -> None:
    assert httpx.put(f"{service.base_url}/admin/{namespace}", content=body).status_code == 400


@pytest.mark.parametrize("query", ["fields=nope", "page=x", "cursor=x", "business_date_from=soon", "limit=1e9"])
def test_a_query_that_makes_no_sense_is_refused(
    service: RunningService, source: RestSource, namespace: str, query: str
) -> None:
    assert httpx.get(f"{service.base_url}/v1/{namespace}/orders?{query}").status_code == 400


def test_the_local_service_is_reached_past_a_proxy_of_the_environment(
    service: RunningService, source: RestSource, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with HastyClient(service.base_url, attempts=1, timeout=1) as client:
        assert read(RestSource(client, ORDERS, namespace)).num_rows == 20
