"""Promises about reading rows from the real service: what is tried again, what is told, and that nobody else is asked.

A server of the Storage Read API fails as it is told; a clock moves only where somebody sleeps. It may import the
recorder, the reader, `matrix_defs` and `resources`.
"""

import json
from collections.abc import Iterator

import grpc
import pyarrow as pa
import pytest
from bigquery_local import local_bigquery, target
from bigquery_reader import Reader, reading
from bigquery_real import Clock, reached
from bigquery_recorder import PROJECT, Recorder

from matrix_defs.errors import LoadError, SystemUnavailableError
from matrix_defs.systems import System
from resources.bigquery import requirements
from resources.bigquery.client import connect, connect_reader
from resources.bigquery.session import Session
from resources.bigquery.sink import BigQuerySink
from resources.endpoints.endpoint import Endpoint

KEYS = target().only_key()
ROWS = [
    pa.record_batch({"id": [number], "load_id": ["a"], "loaded_at": pa.array([0], pa.timestamp("us", "UTC"))})
    for number in range(3)
]
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
MAY_NOT = "the user does not have 'bigquery.readsessions.create' permission for 'projects/acme-test'"
RIGHTS = "grant the account BigQuery Job User, Data Owner and Read Session User"
OUTAGE = "the service has an outage; run the case again later"
CALLS, SECONDS = 20, 15
"""What is soon: at most so many calls, and so many seconds on the clock."""


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    with reading() as reader:
        reader.rows = ROWS
        monkeypatch.setenv("MATRIX_BIGQUERY_GRPC", reader.address)
        yield reader


@pytest.fixture
def sink(recorder: Recorder, reader: Reader) -> Iterator[BigQuerySink]:
    sink = BigQuerySink(reached())
    yield sink
    sink._session.close()


def keys(sink: BigQuerySink) -> list[int]:
    return list(sink.read(KEYS)["id"].to_pylist())


def failed(sink: BigQuerySink) -> str:
    """Why the rows could not be read."""
    with pytest.raises(LoadError) as caught:
        sink.read(KEYS)
    message = str(caught.value)
    assert message.startswith("BigQuery, reading the target back: ")
    assert "\n" not in message
    return message


# ---------------------------------------------------------------------- rows


@pytest.mark.parametrize("method", ["CreateReadSession", "ReadRows"])
def test_a_service_that_is_ill_for_a_moment_costs_no_row(sink: BigQuerySink, reader: Reader, method: str) -> None:
    reader.fail(method, UNAVAILABLE, times=1)
    assert keys(sink) == [0, 1, 2]


def test_a_stream_that_breaks_off_goes_on_behind_the_last_row_once_the_service_is_well(
    sink: BigQuerySink, reader: Reader
) -> None:
    reader.fail("ReadRows", UNAVAILABLE, times=2, behind=2)
    assert keys(sink) == [0, 1, 2]
    assert reader.offsets == [0, 2, 2]


@pytest.mark.parametrize(("method", "behind"), [("CreateReadSession", 0), ("ReadRows", 0), ("ReadRows", 2)])
def test_a_service_that_stays_ill_fails_the_reading_within_seconds(
    sink: BigQuerySink, reader: Reader, clock: Clock, method: str, behind: int
) -> None:
    reader.fail(method, UNAVAILABLE, "Try again later", behind=behind)
    assert failed(sink).endswith(f": Try again later (backendError): {OUTAGE}")
    assert len(reader.tables) + len(reader.offsets) < CALLS
    assert clock.seconds < SECONDS


@pytest.mark.parametrize(
    ("status", "reason", "advice"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, "accessDenied", RIGHTS),
        (grpc.StatusCode.NOT_FOUND, "notFound", "check MATRIX_BIGQUERY_PROJECT and MATRIX_BIGQUERY_LOCATION"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "quotaExceeded", "wait, or ask for a higher quota"),
        (grpc.StatusCode.INTERNAL, "internalError", OUTAGE),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "timeout", "load fewer rows at a time"),
    ],
)
def test_a_refusal_has_the_reason_and_the_advice_that_it_has_elsewhere(
    sink: BigQuerySink, reader: Reader, status: grpc.StatusCode, reason: str, advice: str
) -> None:
    reader.fail("CreateReadSession", status, MAY_NOT)
    assert f": {MAY_NOT} ({reason}): {advice}" in failed(sink)


# ---------------------------------------------------------------------- what the account must be allowed


def test_what_is_looked_at_is_jobs_datasets_and_rows_and_what_was_made_for_it_is_dropped(
    recorder: Recorder, reader: Reader
) -> None:
    reader.rows = ()
    assert requirements.check(reached()) == {"run_jobs": "", "create_dataset": "", "read_rows": ""}
    [made] = [json.loads(asked.body)["datasetReference"] for asked in recorder.asked if asked.kind == "POST /datasets"]
    assert reader.tables == [f"projects/{PROJECT}/datasets/{made['datasetId']}/tables/t"]
    last = recorder.asked[-1]
    assert (last.method, last.path) == ("DELETE", f"/datasets/{made['datasetId']}")


def test_an_account_that_may_not_read_rows_is_told_so_and_the_dataset_is_dropped(
    recorder: Recorder, reader: Reader
) -> None:
    reader.fail("CreateReadSession", grpc.StatusCode.PERMISSION_DENIED, MAY_NOT)
    told = requirements.check(reached())
    assert told == {"run_jobs": "", "create_dataset": "", "read_rows": f"{MAY_NOT} (accessDenied): {RIGHTS}"}
    assert recorder.asked[-1].kind == "DELETE /datasets/*"


def test_without_a_dataset_nothing_is_told_of_reading(recorder: Recorder, reader: Reader) -> None:
    recorder.refuse("POST /datasets", 403, "accessDenied", "Access Denied")
    told = requirements.check(reached())
    assert told == {"run_jobs": "", "create_dataset": f"Access Denied (accessDenied): {RIGHTS}"}
    assert reader.tables == []


# ---------------------------------------------------------------------- an emulator


def test_an_emulator_offers_all_that_is_looked_at() -> None:
    with local_bigquery() as endpoint:
        assert set(requirements.check(endpoint).values()) == {""}
        session = Session(endpoint)
        assert [dataset.dataset_id for dataset in session.client.list_datasets()] == []
        session.close()


def test_an_emulator_that_does_not_say_where_rows_are_read_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    base_url = "http://127.0.0.1:9"
    monkeypatch.setenv("MATRIX_BIGQUERY_PROJECT", "p")
    monkeypatch.setenv("MATRIX_BIGQUERY_BASE_URL", base_url)
    with pytest.raises(SystemUnavailableError) as caught:
        reached()
    assert str(caught.value) == (
        f"bigquery: the emulator at {base_url} needs an address to read rows from: set MATRIX_BIGQUERY_GRPC to the"
        " host:port of its Storage Read interface"
    )


def test_rows_of_an_emulator_are_never_read_from_google() -> None:
    options = {"project": "p", "base_url": "http://127.0.0.1:9"}
    endpoint = Endpoint(System.BIGQUERY, "external", "an emulator", "", options=options)
    with pytest.raises(SystemUnavailableError, match="set MATRIX_BIGQUERY_GRPC"):
        connect_reader(endpoint, connect(endpoint))
