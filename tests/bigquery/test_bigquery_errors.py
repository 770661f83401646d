"""Promises about what goes wrong with the real service: one line that says what to do, soon, and without a secret.

A recording server refuses; how long a client goes on is counted in requests, on a clock that only sleeping moves.
It may import the recorder, `matrix_defs` and `resources`.
"""

from pathlib import Path

import pytest
from bigquery_local import APPEND, BY_DAY, DAY, NAMESPACE, batch, load, target
from bigquery_real import Clock, reached
from bigquery_recorder import PROJECT, TOKEN, Asked, Recorder

from matrix_defs.errors import LoadError, SystemUnavailableError
from matrix_defs.ports import Position
from resources.bigquery.sink import BigQuerySink
from resources.endpoints.ports import free_port

RIGHTS = "grant the account BigQuery Job User, Data Owner and Read Session User"
PLACE = "check MATRIX_BIGQUERY_PROJECT and MATRIX_BIGQUERY_LOCATION"
OUTAGE = "the service has an outage; run the case again later"
REFUSALS = {
    "accessDenied": (403, f"Access Denied: Dataset {PROJECT}:{NAMESPACE}: Permission denied", RIGHTS),
    "notFound": (404, f"Not found: Dataset {PROJECT}:{NAMESPACE} was not found in location EU", PLACE),
    "quotaExceeded": (403, "Quota exceeded: Your project exceeded quota", "wait, or ask for a higher quota"),
    "rateLimitExceeded": (403, "Exceeded rate limits: too many table updates", "run fewer cases at a time"),
    "billingNotEnabled": (403, "Billing has not been enabled for this project", "enable billing for the project"),
    "bytesBilledLimitExceeded": (
        400,
        "Query exceeded limit for bytes billed: 1000000. 10485760 or higher required.",
        "raise MATRIX_BIGQUERY_MAXIMUM_BYTES_BILLED",
    ),
}
PASSING = ("rateLimitExceeded", "backendError", "internalError")
ENDINGS = {
    "invalid": "change what the service names; if that is no setting of yours, report it",
    "jobBackendError": OUTAGE,
    "jobInternalError": OUTAGE,
    "jobRateLimitExceeded": "run fewer cases at a time",
    "resourcesExceeded": "load fewer rows at a time",
    "stopped": "somebody cancelled the job, or it ran out of time: raise MATRIX_BIGQUERY_STATEMENT_SECONDS",
    "tableUnavailable": OUTAGE,
    "timeout": "load fewer rows at a time",
}
"""What only a job ends by, and what to do about it."""

JOBS = {
    "CREATE TABLE": "query",
    "PARQUET": "load",
    "AS `filled`": "query",
    "WRITE_TRUNCATE": "copy",
    "_matrix_": "query",
}
"""The jobs of a load by days, in order: a text that only its configuration has, and its kind."""

REQUESTS, SECONDS = 60, 15
"""What is soon: at most so many requests, and so many seconds on the clock."""


def clean(message: str) -> str:
    """The message, once it has been seen to be one line without secrets and without Python's own words."""
    assert "\n" not in message
    for secret in (TOKEN, "PRIVATE KEY", "assertion=", "object at 0x", "Traceback"):
        assert secret not in message
    return message


def not_run() -> str:
    """Why the endpoint cannot be had."""
    with pytest.raises(SystemUnavailableError) as caught:
        reached()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return clean(str(caught.value))


def failed(sink: BigQuerySink) -> str:
    """Why a load has failed."""
    with pytest.raises(LoadError) as caught:
        sink.load(target(), load(1), batch((1, DAY, "a"), position=Position({"at": 1})), APPEND)
    message = clean(str(caught.value))
    assert message.startswith(f"BigQuery, loading {NAMESPACE}.t: ")
    return message


# ---------------------------------------------------------------------- the endpoint


def test_a_project_that_is_not_set_is_told_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MATRIX_BIGQUERY_PROJECT", raising=False)
    assert not_run() == "bigquery: set MATRIX_BIGQUERY_PROJECT to use an external BigQuery"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is no JSON"),
        (b"-----BEGIN PRIVATE KEY-----", "the file is no JSON"),
        (b"\xff\xfe\x00", "the file is no JSON"),
        (b"{}", "the file does not have a valid type"),
        (
            b'{"type": "service_account"}',
            "Failed to load service account credentials from the file: Service account info",
        ),
    ],
)
def test_a_credentials_file_that_is_none_is_told_by_its_path_and_not_by_its_content(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes, reason: str
) -> None:
    key = tmp_path / "own-key.json"
    key.write_bytes(content)
    monkeypatch.setenv("MATRIX_BIGQUERY_CREDENTIALS_FILE", str(key))
    message = not_run()
    assert message.startswith(f"bigquery: MATRIX_BIGQUERY_CREDENTIALS_FILE={key}: {reason}")
    assert "name a service account's key there" in message
    assert recorder.asked == []


def test_a_credentials_file_that_is_not_there_is_told_by_its_path(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATRIX_BIGQUERY_CREDENTIALS_FILE", "/no/key.json")
    assert not_run() == "bigquery: MATRIX_BIGQUERY_CREDENTIALS_FILE names no file: '/no/key.json'"
    assert recorder.asked == []


def test_two_places_of_credentials_are_one_too_many(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/elsewhere.json")
    assert "GOOGLE_APPLICATION_CREDENTIALS is set too: unset one of the two" in not_run()


def test_no_credentials_at_all_are_told_with_both_ways_to_have_some(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MATRIX_BIGQUERY_CREDENTIALS_FILE", "")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    message = not_run()
    assert message.startswith("bigquery: no credentials: set MATRIX_BIGQUERY_CREDENTIALS_FILE")
    assert "gcloud auth application-default login" in message


def test_a_key_that_the_service_no_longer_takes_is_told_in_the_services_words(recorder: Recorder) -> None:
    recorder.refuse_token("invalid_grant", "Invalid JWT Signature.")
    message = not_run()
    assert message == (
        f"bigquery: no answer for project {PROJECT} at {recorder.base_url}: invalid_grant: Invalid JWT Signature."
    )


@pytest.mark.parametrize("reason", ["accessDenied", "notFound", "quotaExceeded"])
def test_a_project_that_may_not_be_used_is_told_with_address_reason_and_advice(recorder: Recorder, reason: str) -> None:
    status, said, advice = REFUSALS[reason]
    recorder.refuse("GET /datasets", status, reason, said)
    assert not_run().startswith(
        f"bigquery: no answer for project {PROJECT} at {recorder.base_url}: {said} ({reason}): {advice}"
    )


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_service_that_is_ill_is_asked_once(recorder: Recorder, clock: Clock, status: int) -> None:
    recorder.refuse("GET /datasets", status, "backendError", "Try again later")
    assert not_run().endswith(f": Try again later (backendError): {OUTAGE}")
    assert recorder.kinds()["GET /datasets"] == 1
    assert clock.seconds == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_address_where_nobody_is_is_told_as_refused(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    nowhere = f"{scheme}://127.0.0.1:{free_port()}"
    monkeypatch.setenv("MATRIX_BIGQUERY_BASE_URL", nowhere)
    monkeypatch.setenv("MATRIX_BIGQUERY_GRPC", "127.0.0.1:9")
    message = not_run()
    assert message.startswith(f"bigquery: no answer for project {PROJECT} at {nowhere}: ")
    assert message.endswith("Connection refused")


def test_a_server_of_another_kind_is_no_emulator(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain HTTP is an emulator's; what it is told by is asked for, and this server speaks TLS only."""
    monkeypatch.setenv("MATRIX_BIGQUERY_BASE_URL", recorder.base_url.replace("https", "http"))
    monkeypatch.setenv("MATRIX_BIGQUERY_GRPC", "127.0.0.1:9")
    assert not_run().startswith(f"bigquery: no answer for project {PROJECT} at http://127.0.0.1:")


# ---------------------------------------------------------------------- a load


@pytest.mark.parametrize("reason", REFUSALS)
@pytest.mark.parametrize("request_kind", ["POST /jobs", "POST /upload/jobs"])
def test_a_refused_request_is_one_line_with_what_the_service_said_its_reason_and_what_to_do(
    recorder: Recorder, clock: Clock, sink: BigQuerySink, request_kind: str, reason: str
) -> None:
    status, said, advice = REFUSALS[reason]
    recorder.refuse(request_kind, status, reason, said)
    assert f"{said} ({reason}): {advice}" in failed(sink)
    assert not [script for script in recorder.scripts() if "_matrix_state" in script]
    assert sum(recorder.kinds().values()) < REQUESTS
    assert clock.seconds < SECONDS


@pytest.mark.parametrize("reason", [*REFUSALS, "backendError", "internalError"])
@pytest.mark.parametrize("job", ["PARQUET", "_matrix_state"])
def test_a_job_that_fails_is_told_likewise_and_only_a_load_job_is_begun_anew_where_that_may_help(
    recorder: Recorder, clock: Clock, sink: BigQuerySink, job: str, reason: str
) -> None:
    _, said, advice = REFUSALS.get(reason, (500, "The job encountered an error", OUTAGE))
    recorder.fail(job, reason, said)
    assert f"{said} ({reason}): {advice}" in failed(sink)
    assert (len(recorder.ids("PARQUET")) > 1) == (job == "PARQUET" and reason in PASSING)
    assert len(recorder.ids("_matrix_state")) == (job == "_matrix_state")
    assert recorder.cancelled() == []
    assert sum(recorder.kinds().values()) < REQUESTS
    assert clock.seconds < SECONDS


@pytest.mark.parametrize("reason", ENDINGS)
def test_what_only_a_job_ends_by_has_its_advice_too(recorder: Recorder, sink: BigQuerySink, reason: str) -> None:
    recorder.fail("_matrix_state", reason, "That was it")
    assert failed(sink).endswith(f"That was it ({reason}): {ENDINGS[reason]}")


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize(
    "request_kind", ["POST /jobs", "GET /jobs/*", "GET /queries/*", "POST /upload/jobs", "PUT /upload/jobs/*"]
)
def test_an_ill_service_fails_a_load_within_seconds_and_not_minutes(
    recorder: Recorder, clock: Clock, sink: BigQuerySink, request_kind: str, status: int
) -> None:
    recorder.polls = 1
    recorder.refuse(request_kind, status, "backendError" if status != 504 else "", "Try again later")
    assert "Try again later" in failed(sink)
    assert recorder.kinds()[request_kind] < REQUESTS
    assert clock.seconds < SECONDS


@pytest.mark.parametrize("status", [500, 502, 503])
@pytest.mark.parametrize(
    "request_kind", ["POST /jobs", "GET /jobs/*", "GET /queries/*", "POST /upload/jobs", "PUT /upload/jobs/*"]
)
def test_a_service_that_is_ill_for_a_moment_costs_nothing_but_that_moment(
    recorder: Recorder, sink: BigQuerySink, request_kind: str, status: int
) -> None:
    recorder.polls = 1
    recorder.refuse(request_kind, status, "backendError", "Try again later", times=1)
    sink.load(target(), load(1), batch((1, DAY, "a"), position=Position({"at": 1})), APPEND)
    assert [len(recorder.jobs(kind)) for kind in ("query", "load")] == [3, 1]


@pytest.mark.parametrize("request_kind", ["POST /jobs", "GET /jobs/*", "GET /queries/*"])
@pytest.mark.parametrize("times", [1, float("inf")])
def test_a_service_that_answers_late_is_asked_again_but_not_for_long(
    recorder: Recorder, clock: Clock, sink: BigQuerySink, request_kind: str, times: float
) -> None:
    """A poll is answered when the job ends, or after ten seconds: one that then fails has not been tried for long."""
    recorder.polls = 1
    recorder.meanwhile = lambda asked: clock.sleep(12 * (asked.kind == request_kind))
    recorder.refuse(request_kind, 503, "backendError", "Try again later", times=times)
    if times == 1:
        sink.load(target(), load(1), batch((1, DAY, "a"), position=Position({"at": 1})), APPEND)
        return
    assert f"Try again later (backendError): {OUTAGE}" in failed(sink)
    # What cleans up behind the failure is not tried for longer either.
    assert recorder.kinds()[request_kind] <= 4


def by_days(sink: BigQuerySink) -> str:
    """Why a load by days has failed, one job of each kind in it."""
    read = batch((1, DAY, "a"), position=Position({"at": 1}))
    with pytest.raises(LoadError) as caught:
        sink.load(target(partitioned=True), load(1, DAY), read, BY_DAY)
    return clean(str(caught.value))


@pytest.mark.parametrize("job", JOBS)
def test_a_job_that_is_given_up_is_cancelled_lest_it_ends_behind_our_back(
    recorder: Recorder, sink: BigQuerySink, job: str
) -> None:
    recorder.polls, recorder.selects = 1, {"filled": [str(DAY)]}
    recorder.refuse("GET /jobs/*", 503, "backendError", "Try again later", of=job)
    assert by_days(sink).endswith(f"Try again later (backendError): {OUTAGE}")
    [given_up] = recorder.ids(job)
    assert recorder.cancelled() == [given_up]


@pytest.mark.parametrize(
    ("request_kind", "job"), {"POST /jobs": "CREATE TABLE", "PUT /upload/jobs/*": "PARQUET"}.items()
)
def test_a_job_that_may_have_begun_is_cancelled_where_no_answer_tells(
    recorder: Recorder, sink: BigQuerySink, request_kind: str, job: str
) -> None:
    recorder.hang_up(request_kind, carried_out=True, times=float("inf"))
    failed(sink)
    begun = set(recorder.ids(job))
    assert begun
    assert begun <= set(recorder.cancelled())


@pytest.mark.parametrize("job", JOBS)
def test_a_job_that_does_not_end_is_cancelled_some_seconds_after_its_time(
    recorder: Recorder, clock: Clock, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    monkeypatch.setenv("MATRIX_BIGQUERY_STATEMENT_SECONDS", "200")
    recorder.endless, recorder.selects = job, {"filled": [str(DAY)]}

    def ten_seconds_a_poll(asked: Asked) -> None:
        clock.sleep(10 * (asked.kind == "GET /jobs/*"))
        if clock.seconds > 1000:
            recorder.endless = None

    recorder.meanwhile = ten_seconds_a_poll
    message = by_days(BigQuerySink(reached()))
    [endless] = recorder.ids(job)
    assert message.endswith(
        f": {JOBS[job]} job {endless} did not end within 230 s and is cancelled: if it needs longer,"
        " raise MATRIX_BIGQUERY_STATEMENT_SECONDS"
    )
    assert recorder.cancelled() == [endless]
    assert 200 < clock.seconds < 250


@pytest.mark.parametrize("seconds", ["0", "soon", "1.5"])
def test_a_time_that_is_none_is_refused_by_name_and_value(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, seconds: str
) -> None:
    monkeypatch.setenv("MATRIX_BIGQUERY_STATEMENT_SECONDS", seconds)
    name = "MATRIX_BIGQUERY_STATEMENT_SECONDS"
    assert not_run() == f"bigquery: {name} must be a whole number of seconds, 1 or more, not {seconds!r}"


def test_a_service_that_is_gone_amid_a_load_is_told_in_one_line(recorder: Recorder, sink: BigQuerySink) -> None:
    recorder.hang_up("POST /upload/jobs", carried_out=False, times=float("inf"))
    recorder.hang_up("POST /jobs", carried_out=False, times=float("inf"))
    assert "without response" in failed(sink)


def test_a_token_that_expires_amid_a_load_is_told_in_the_services_words(recorder: Recorder, sink: BigQuerySink) -> None:
    recorder.refuse("POST /jobs", 401, "authError", "Invalid Credentials")
    recorder.refuse_token("invalid_grant", "Account has been deleted")
    assert failed(sink).endswith(": invalid_grant: Account has been deleted")


def test_dropping_and_reading_a_position_fail_in_the_same_words(recorder: Recorder, sink: BigQuerySink) -> None:
    status, said, advice = REFUSALS["accessDenied"]
    recorder.refuse("POST /jobs", status, "accessDenied", said)
    for doing, call in {
        f"creating {NAMESPACE}": sink.create,
        "reading the position": sink.position,
        f"dropping {NAMESPACE}": sink.drop,
    }.items():
        with pytest.raises(LoadError) as caught:
            call(target())
        assert clean(str(caught.value)) == f"BigQuery, {doing}: {said} (accessDenied): {advice}"
