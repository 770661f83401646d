"""The generic REST client against the local service: paging, auth, retries, and every way in which services misbehave.

Each test has a namespace of its own in one shared service. It may import everything.
"""

import gc
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import count
from typing import Any

import httpx
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matrix_defs.errors import ReadError, SystemUnavailableError, UsageError
from resources.endpoints import rest_service
from resources.endpoints.rest_service import RunningService
from resources.rest.auth import Auth
from resources.rest.client import RestClient, RestSettings
from resources.rest.paginators import PageNumber
from resources.rest.source import RestSource
from tests.rest_local import ORDERS, PAGINATORS, HastyClient, behave, by_key, orders

ROWS = orders(*range(40))
PATH = "/v1/{}/orders"
NUMBERS = count()


@pytest.fixture(scope="module")
def service() -> Iterator[RunningService]:
    running = rest_service.start()
    yield running
    running.stop()


@pytest.fixture
def namespace(service: RunningService) -> Iterator[str]:
    name = f"n{next(NUMBERS)}"
    with HastyClient(service.base_url) as admin:
        source = RestSource(admin, ORDERS, name)
        source.seed(ROWS)
        yield name
        source.drop()


def fetch(made: RestClient, namespace: str, **options: Any) -> pa.Table:
    batches = made.rows(PATH.format(namespace), ORDERS.columns, ORDERS.key, **options)
    return pa.Table.from_batches(list(batches), ORDERS.schema)


@pytest.mark.parametrize("paging", PAGINATORS)
@pytest.mark.parametrize("declared", [True, False], ids=["next declared", "next not declared"])
@pytest.mark.parametrize("size", [1, 8, 40, 41])
def test_every_paginator_yields_every_row_once(
    service: RunningService, namespace: str, paging: str, declared: bool, size: int
) -> None:
    behave(service, namespace, declare_next=declared)
    with HastyClient(service.base_url, paginator=PAGINATORS[paging](size=size)) as made:
        assert fetch(made, namespace).equals(ROWS)


@pytest.mark.parametrize("paging", PAGINATORS)
def test_pages_smaller_than_asked_lose_nothing(service: RunningService, namespace: str, paging: str) -> None:
    behave(service, namespace, largest_page=3, declare_next=False, declare_total=False)
    with HastyClient(service.base_url, paginator=PAGINATORS[paging](size=10)) as made:
        assert fetch(made, namespace).equals(ROWS)


@pytest.mark.parametrize("paging", PAGINATORS)
def test_a_repeated_page_is_left_out(service: RunningService, namespace: str, paging: str) -> None:
    behave(service, namespace, repeat_page=True)
    with HastyClient(service.base_url, paginator=PAGINATORS[paging](size=10)) as made:
        assert fetch(made, namespace).equals(ROWS)


@pytest.mark.parametrize("paging", PAGINATORS)
def test_a_lost_page_is_an_error_where_a_total_is_declared(
    service: RunningService, namespace: str, paging: str
) -> None:
    behave(service, namespace, lose_page=True)
    with (
        HastyClient(service.base_url, paginator=PAGINATORS[paging](size=10)) as made,
        pytest.raises(ReadError, match="declares 40 records, 30 came"),
    ):
        fetch(made, namespace)


def test_a_lost_page_goes_unnoticed_where_no_total_is_declared(service: RunningService, namespace: str) -> None:
    behave(service, namespace, lose_page=True, declare_total=False)
    with HastyClient(service.base_url, paginator=PageNumber(size=10)) as made:
        assert fetch(made, namespace).num_rows == 30


def test_an_empty_table_is_read_as_no_rows(service: RunningService, namespace: str) -> None:
    with HastyClient(service.base_url) as made:
        RestSource(made, ORDERS, namespace).seed(ORDERS.schema.empty_table())
        assert fetch(made, namespace).num_rows == 0


@pytest.mark.parametrize("paging", PAGINATORS)
def test_the_same_page_for_ever_is_an_error_and_no_hang(service: RunningService, namespace: str, paging: str) -> None:
    behave(service, namespace, endless_page=True)
    with (
        HastyClient(service.base_url, paginator=PAGINATORS[paging](size=10)) as made,
        pytest.raises(ReadError, match=r"3 pages in a row brought no new record .* pagination settings"),
    ):
        fetch(made, namespace)


@pytest.mark.parametrize("fault", ["too_many_requests", "server_errors", "truncated"])
def test_a_passing_fault_is_retried_and_the_rows_are_right(service: RunningService, namespace: str, fault: str) -> None:
    behave(service, namespace, **{fault: 4})
    with HastyClient(service.base_url) as made:
        assert fetch(made, namespace).equals(ROWS)
        assert len(made.pauses) == 4


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("too_many_requests", "status 429"),
        ("server_errors", "status 500"),
        ("truncated", "the body is no complete JSON document"),
    ],
)
def test_a_lasting_fault_ends_in_an_error_that_says_what_where_and_how_often(
    service: RunningService, namespace: str, fault: str, reason: str
) -> None:
    behave(service, namespace, **{fault: 5})
    with HastyClient(service.base_url) as made, pytest.raises(ReadError) as refused:
        fetch(made, namespace)
    assert str(refused.value).startswith("GET /v1/")
    assert reason in str(refused.value)
    assert str(refused.value).endswith("gave up after 5 attempts")


def test_a_slow_page_is_given_up_after_the_timeout_and_asked_for_again(service: RunningService, namespace: str) -> None:
    behave(service, namespace, slow_pages=1)
    with HastyClient(service.base_url, timeout=0.2) as made:
        assert fetch(made, namespace).equals(ROWS)
    behave(service, namespace, slow_pages=2)
    with HastyClient(service.base_url, timeout=0.2, attempts=2) as made, pytest.raises(ReadError, match="ReadTimeout"):
        fetch(made, namespace)


def test_a_service_that_is_not_there_is_an_error_after_all_attempts() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        made = HastyClient(f"http://127.0.0.1:{deaf.getsockname()[1]}", attempts=3)
        with pytest.raises(ReadError, match=r"GET /v1/x/orders: no answer \(ConnectError.* after 3 attempts"):
            fetch(made, "x")
        assert len(made.pauses) == 2


@pytest.mark.parametrize(
    ("header", "pause"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("86400", 60.0),
        (format_datetime(datetime(2000, 1, 1, tzinfo=UTC), usegmt=True), 0.0),
        (format_datetime(datetime(2999, 1, 1, tzinfo=UTC), usegmt=True), 60.0),
    ],
)
def test_retry_after_is_honoured_as_seconds_and_as_date_up_to_the_cap(
    service: RunningService, namespace: str, header: str, pause: float
) -> None:
    behave(service, namespace, too_many_requests=2, retry_after=header)
    with HastyClient(service.base_url, longest_wait=60.0) as made:
        assert fetch(made, namespace).equals(ROWS)
        assert made.pauses == [pause, pause]


@pytest.mark.parametrize("header", [None, "soon"])
def test_without_a_usable_retry_after_the_pauses_grow_up_to_the_cap(
    service: RunningService, namespace: str, header: str | None
) -> None:
    behave(service, namespace, too_many_requests=7, retry_after=header)
    with HastyClient(service.base_url, attempts=8, longest_wait=9.0) as made:
        fetch(made, namespace)
        assert made.pauses == sorted(made.pauses)
        assert 0.5 <= made.pauses[0] < made.pauses[2]
        assert made.pauses[-1] == 9.0


SECRET = "s3cret-canary"
AUTHS = {
    "bearer": (Auth.bearer(SECRET), Auth.bearer("wrong-canary")),
    "api_key": (Auth.api_key("X-API-Key", SECRET), Auth.api_key("X-API-Key", "wrong-canary")),
    "basic": (Auth.basic("user", SECRET), Auth.basic("user", "wrong-canary")),
}


@pytest.mark.parametrize("kind", AUTHS)
def test_right_credentials_read_and_wrong_or_no_ones_are_refused_at_once_without_being_shown(kind: str) -> None:
    right, wrong = AUTHS[kind]
    guarded = rest_service.start(right)
    try:
        with HastyClient(guarded.base_url, auth=right) as made:
            RestSource(made, ORDERS, "ns").seed(ROWS)
            assert fetch(made, "ns").equals(ROWS)
        for auth in (wrong, Auth()):
            with HastyClient(guarded.base_url, auth=auth) as made:
                with pytest.raises(
                    ReadError, match=r"status 401: the credentials were refused; check the auth"
                ) as read:
                    fetch(made, "ns")
                with pytest.raises(SystemUnavailableError, match="status 401") as written:
                    RestSource(made, ORDERS, "ns").seed(ROWS)
                assert made.pauses == []
            assert "canary" not in repr((read.value, written.value, auth, made.settings))
    finally:
        guarded.stop()


@pytest.mark.parametrize("token", ["line-end-canary\n", "", "two\r\nlines-canary", "ümlaut-canary"])
def test_a_token_that_no_header_can_carry_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(UsageError, match="auth bearer: the credential is empty or holds what no header") as refused:
        Auth.bearer(token)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["", "api.example.com", "ftp://host", "http://user:canary@host", "https://host/x?token=canary", "http://"]
)
def test_a_base_url_that_cannot_be_one_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(UsageError, match="base_url") as refused:
        RestClient(RestSettings(url))
    assert "canary" not in str(refused.value)


def test_any_other_refusal_is_an_error_at_once(service: RunningService, namespace: str) -> None:
    with HastyClient(service.base_url) as made:
        with pytest.raises(ReadError, match="status 404: nothing is there; check base URL and path"):
            fetch(made, "no-such-namespace")
        with pytest.raises(ReadError, match="status 400: the service refused the request; check its parameters"):
            fetch(made, namespace, since="yesterday")
        assert made.pauses == []


def test_a_query_never_shows_in_an_error(service: RunningService, namespace: str) -> None:
    behave(service, namespace, server_errors=5)
    with HastyClient(service.base_url) as made, pytest.raises(ReadError) as refused:
        fetch(made, namespace, params={"signature": "canary"})
    assert "canary" not in str(refused.value)


def test_no_answer_outlives_its_use_until_the_collector_comes(service: RunningService, namespace: str) -> None:
    gc.collect()
    gc.disable()
    try:
        with HastyClient(service.base_url) as made:
            assert fetch(made, namespace).num_rows == ROWS.num_rows
            RestSource(made, ORDERS, namespace).seed(ROWS)
            assert [
                kept for kept in gc.get_objects() if issubclass(type(kept), httpx.Response)
            ] == []  # a dead proxy has no class
    finally:
        gc.enable()


def test_only_the_fields_wanted_travel_where_the_service_can_select(service: RunningService, namespace: str) -> None:
    for fields_param in ("fields", None):
        with HastyClient(service.base_url, fields_param=fields_param) as made:
            keys = made.rows(PATH.format(namespace), ORDERS.key_columns, ORDERS.key, select=True)
            assert pa.Table.from_batches(list(keys)).equals(ROWS.select(list(ORDERS.key)))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    paging=st.sampled_from(list(PAGINATORS)),
    size=st.integers(1, 50),
    largest=st.none() | st.integers(4, 20),
    faults=st.fixed_dictionaries(
        {name: st.integers(0, 1) for name in ("too_many_requests", "server_errors", "truncated")}
    ),
    switches=st.fixed_dictionaries({name: st.booleans() for name in ("repeat_page", "declare_total", "declare_next")}),
)
def test_no_row_is_lost_or_doubled_by_any_mix_of_page_sizes_and_passing_faults(
    service: RunningService,
    namespace: str,
    paging: str,
    size: int,
    largest: int | None,
    faults: dict[str, int],
    switches: dict[str, bool],
) -> None:
    behave(service, namespace, largest_page=largest, **faults, **switches)
    with HastyClient(service.base_url, paginator=PAGINATORS[paging](size=size)) as made:
        assert by_key(fetch(made, namespace)).equals(by_key(ROWS))
