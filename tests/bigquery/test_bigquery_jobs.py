"""Promises about the jobs that the real service is sent, judged on what a recording server was asked.

No emulator runs copies of partitions or a query's limits; here stands what is sent, not what the service makes of it.
It may import the recorder, `matrix_defs` and `resources`.
"""

import io
import json
from dataclasses import replace
from typing import Any

import pyarrow.parquet as pq
import pytest
from bigquery_local import APPEND, BY_DAY, DAY, MERGE, NAMESPACE, NEXT_DAY, THIRD_DAY, batch, load, target
from bigquery_real import reached
from bigquery_recorder import LOCATION, PROJECT, TOKEN, Recorder

from matrix_defs.errors import LoadError
from matrix_defs.ports import Position
from resources.bigquery.dialect import BigQueryDialect
from resources.bigquery.session import job_labels
from resources.bigquery.sink import BigQuerySink

LABELS = {"run_id": "00000000abcd", "case_id": "postgres_to_bigquery__replace"}
DAYS = target(partitioned=True)
COUNTED = {"rows_inserted": 3, "rows_replaced": 1, "rows_deleted": 2}


def configurations(recorder: Recorder, kind: str = "") -> list[dict[str, Any]]:
    return [job["configuration"] for job in recorder.jobs(kind)]


def replaced(recorder: Recorder) -> list[tuple[str, str]]:
    """Source and destination of every copy job."""
    copies = [configuration["copy"] for configuration in configurations(recorder, "copy")]
    return [(name(copy["sourceTables"][0]), name(copy["destinationTable"])) for copy in copies]


def name(table: dict[str, str]) -> str:
    assert table["projectId"] == PROJECT
    return f"{table['datasetId']}.{table['tableId']}"


def test_the_service_is_signed_in_to_and_told_as_what_it_is_without_a_secret(recorder: Recorder) -> None:
    endpoint = reached()
    assert (endpoint.engine, endpoint.version, endpoint.emulator) == ("BigQuery", "v2", False)
    assert not endpoint.lacks
    assert [asked.kind for asked in recorder.asked] == ["POST /token", "GET /datasets"]
    assert recorder.asked[-1].headers["authorization"] == f"Bearer {TOKEN}"
    told = json.dumps(endpoint.describe()) + repr(endpoint)
    assert TOKEN not in told
    assert "PRIVATE KEY" not in told


def test_rows_are_staged_by_one_parquet_load_job_that_appends_to_the_staging_table_and_makes_none(
    recorder: Recorder, sink: BigQuerySink
) -> None:
    sink.load(target(), load(1), batch((1, DAY, "a"), (2, DAY, None)), APPEND)
    [job] = recorder.jobs("load")
    assert job["configuration"]["labels"] == LABELS
    assert job["jobReference"] | {"jobId": ""} == {"projectId": PROJECT, "location": LOCATION, "jobId": ""}
    sent = dict(job["configuration"]["load"])
    assert name(sent.pop("destinationTable")) == f"{NAMESPACE}.t__staged"
    assert sent == {
        "sourceFormat": "PARQUET",
        "writeDisposition": "WRITE_APPEND",
        "createDisposition": "CREATE_NEVER",
        "decimalTargetTypes": ["NUMERIC", "BIGNUMERIC"],
    }
    [put] = [asked for asked in recorder.asked if asked.kind == "PUT /upload/jobs/*"]
    assert pq.read_table(io.BytesIO(put.body)).to_pylist() == [
        {"id": 1, "day": DAY, "note": "a", "load_id": load(1).load_id, "loaded_at": load(1).loaded_at},
        {"id": 2, "day": DAY, "note": None, "load_id": load(1).load_id, "loaded_at": load(1).loaded_at},
    ]


def test_a_script_is_a_labelled_query_job_of_standard_sql_with_the_dialects_text(
    recorder: Recorder, sink: BigQuerySink
) -> None:
    recorder.selects = COUNTED
    position = Position({"at": 1})
    report = sink.load(target(), load(1), batch((1, DAY, "a"), position=position), MERGE)
    assert recorder.scripts() == BigQueryDialect().plan(target(), replace(load(1), position=position), MERGE)
    for job in recorder.jobs("query"):
        assert job["configuration"]["labels"] == LABELS
        assert job["jobReference"]["location"] == LOCATION
        assert job["configuration"]["query"]["useLegacySql"] is False
        assert job["configuration"]["query"].keys() == {"query", "useLegacySql"}
    assert (report.staged, report.inserted, report.updated, report.deleted) == (1, 2, 1, 2)


def test_steps_and_position_are_one_job_in_one_transaction(recorder: Recorder, sink: BigQuerySink) -> None:
    sink.load(target(), load(1), batch((1, DAY, "a"), position=Position({"at": 1})), MERGE)
    [script] = [script for script in recorder.scripts() if "TRANSACTION" in script]
    lines = script.splitlines()
    begun, committed = lines.index("BEGIN TRANSACTION;"), lines.index("COMMIT TRANSACTION;")
    changes = [number for number, line in enumerate(lines) if line.startswith(("INSERT", "DELETE"))]
    assert len(changes) == 5
    assert all(begun < number < committed for number in changes)


@pytest.mark.parametrize(("limit", "sent"), [("1000000", "1000000"), ("0", None)])
def test_a_limit_of_bytes_goes_with_every_query_job_and_none_where_none_is_set(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, limit: str, sent: str | None
) -> None:
    monkeypatch.setenv("MATRIX_BIGQUERY_MAXIMUM_BYTES_BILLED", limit)
    sink = BigQuerySink(reached())
    sink.load(target(), load(1), batch((1, DAY, "a")), APPEND)
    queries = [configuration["query"] for configuration in configurations(recorder, "query")]
    assert {query.get("maximumBytesBilled") for query in queries} == {sent}


def test_one_copy_job_replaces_each_day_that_has_rows_and_none_a_day_without(
    recorder: Recorder, sink: BigQuerySink
) -> None:
    recorder.selects = COUNTED | {"filled": [str(DAY), str(THIRD_DAY)]}
    read = batch((1, DAY, "a"), (2, THIRD_DAY, "b"), position=Position({"at": 1}))
    report = sink.load(DAYS, load(1, DAY, NEXT_DAY, THIRD_DAY), read, BY_DAY)
    assert replaced(recorder) == [
        (f"{NAMESPACE}.t__staged$20260301", f"{NAMESPACE}.t$20260301"),
        (f"{NAMESPACE}.t__staged$20260303", f"{NAMESPACE}.t$20260303"),
    ]
    for configuration in configurations(recorder, "copy"):
        assert configuration["labels"] == LABELS
        assert configuration["copy"]["writeDisposition"] == "WRITE_TRUNCATE"
        assert configuration["copy"]["createDisposition"] == "CREATE_NEVER"
    assert (report.inserted, report.updated, report.deleted) == (2, 1, 2)


def test_no_day_with_rows_means_no_copy_job(recorder: Recorder, sink: BigQuerySink) -> None:
    recorder.selects = COUNTED | {"filled": []}
    sink.load(DAYS, load(1, DAY), batch(), BY_DAY)
    assert recorder.jobs("copy") == recorder.jobs("load") == []
    assert any(f"DELETE FROM `{NAMESPACE}`.`t` AS t WHERE t.`day` IN" in script for script in recorder.scripts())


def test_the_position_follows_the_copies_and_the_staging_is_dropped_last(
    recorder: Recorder, sink: BigQuerySink
) -> None:
    recorder.selects = COUNTED | {"filled": [str(DAY)]}
    sink.load(DAYS, load(1, DAY), batch((1, DAY, "a"), position=Position({"at": 1})), BY_DAY)
    told = [json.dumps(configuration) for configuration in configurations(recorder)]
    marks = ["CREATE TABLE", "PARQUET", "AS `filled`", "WRITE_TRUNCATE", "_matrix_state", "DROP TABLE"]
    assert [next(mark for mark in marks if mark in job) for job in told] == marks
    assert "TRANSACTION" not in told[2]


def test_a_copy_that_fails_leaves_the_position_and_cancels_the_others(recorder: Recorder, sink: BigQuerySink) -> None:
    recorder.selects = COUNTED | {"filled": [str(DAY), str(NEXT_DAY)]}
    recorder.fail("t__staged$20260301", "invalid", "copying broke")
    recorder.endless = "t__staged$20260302"
    read = batch((1, DAY, "a"), (2, NEXT_DAY, "b"), position=Position({"at": 1}))
    with pytest.raises(LoadError, match="copying broke"):
        sink.load(DAYS, load(1, DAY, NEXT_DAY), read, BY_DAY)
    assert not [script for script in recorder.scripts() if "_matrix_state" in script]
    assert len(recorder.jobs("copy")) == 2
    assert recorder.cancelled() == recorder.ids("t__staged$20260302")
    assert recorder.scripts()[-1].startswith(f"DROP TABLE IF EXISTS `{NAMESPACE}`.`t__staged`")


def test_a_load_or_copy_job_that_the_service_failed_once_is_begun_anew_with_all_that_it_had(
    recorder: Recorder, sink: BigQuerySink
) -> None:
    recorder.selects = COUNTED | {"filled": [str(DAY)]}
    recorder.fail("PARQUET", "backendError", "a disk broke", times=1)
    recorder.fail("WRITE_TRUNCATE", "jobRateLimitExceeded", "too many changes", times=1)
    sink.load(DAYS, load(1, DAY), batch((1, DAY, "a"), position=Position({"at": 1})), BY_DAY)
    for kind in ("load", "copy"):
        first, second = configurations(recorder, kind)
        assert first == second
    sent = [asked.body for asked in recorder.asked if asked.kind == "PUT /upload/jobs/*"]
    assert sent[0] == sent[1]
    assert pq.read_table(io.BytesIO(sent[1])).num_rows == 1
    assert recorder.cancelled() == []


def test_a_script_that_failed_is_not_begun_anew_lest_it_had_committed(recorder: Recorder, sink: BigQuerySink) -> None:
    recorder.fail("_matrix_state", "backendError", "a disk broke", times=1)
    with pytest.raises(LoadError, match="a disk broke"):
        sink.load(target(), load(1), batch((1, DAY, "a"), position=Position({"at": 1})), APPEND)
    assert len(recorder.ids("_matrix_state")) == 1


@pytest.mark.parametrize(("seconds", "sent"), [("7", "7000"), ("", "600000")])
def test_jobs_of_every_kind_are_limited_in_time(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, seconds: str, sent: str
) -> None:
    monkeypatch.setenv("MATRIX_BIGQUERY_STATEMENT_SECONDS", seconds)
    recorder.selects = {"filled": [str(DAY)]}
    BigQuerySink(reached()).load(DAYS, load(1, DAY), batch((1, DAY, "a"), position=Position({"at": 1})), BY_DAY)
    assert [len(recorder.jobs(kind)) for kind in ("query", "load", "copy")] == [4, 1, 1]
    assert {configuration["jobTimeoutMs"] for configuration in configurations(recorder)} == {sent}


def test_every_job_is_begun_asked_for_and_cancelled_where_the_datasets_are(
    recorder: Recorder, sink: BigQuerySink
) -> None:
    """A job is not found elsewhere."""
    recorder.selects, recorder.polls = {"filled": [str(DAY), str(NEXT_DAY)]}, 1
    recorder.hang_up("POST /jobs", carried_out=True)
    recorder.endless = "t__staged$20260302"
    with pytest.raises(LoadError, match="did not end"):
        sink.load(DAYS, load(1, DAY, NEXT_DAY), batch((1, DAY, "a"), (2, NEXT_DAY, "b")), BY_DAY)
    assert {job["jobReference"]["location"] for job in recorder.jobs()} == {LOCATION}
    assert {next(iter(job["configuration"].keys() & {"query", "load", "copy"})) for job in recorder.jobs()} == {
        "query", "load", "copy",
    }  # fmt: skip
    about_jobs = [asked for asked in recorder.asked if asked.job_id and asked.method != "PUT"]
    assert {asked.kind for asked in about_jobs} == {"GET /jobs/*", "GET /queries/*", "POST /jobs/*/cancel"}
    assert {asked.query.get("location") for asked in about_jobs} == {LOCATION}


def test_every_job_has_an_id_of_its_own_and_is_waited_for(recorder: Recorder, sink: BigQuerySink) -> None:
    recorder.selects, recorder.polls = COUNTED | {"filled": [str(DAY), str(NEXT_DAY)]}, 3
    read = batch((1, DAY, "a"), (2, NEXT_DAY, "b"), position=Position({"at": 1}))
    sink.load(DAYS, load(1, DAY, NEXT_DAY), read, BY_DAY)
    ids = [job["jobReference"]["jobId"] for job in recorder.jobs()]
    assert len(ids) == len(set(ids)) == 7
    assert all(recorder._polled[job_id] > recorder.polls for job_id in ids)


def test_no_row_goes_through_a_streaming_insert(recorder: Recorder, sink: BigQuerySink) -> None:
    recorder.selects = COUNTED | {"filled": [str(DAY)]}
    sink.create(DAYS)
    sink.load(DAYS, load(1, DAY), batch((1, DAY, "a")), BY_DAY)
    sink.load(target(), load(2), batch((1, DAY, "a")), MERGE)
    sink.drop(DAYS)
    assert set(recorder.kinds()) <= {
        "POST /token", "GET /datasets", "POST /jobs", "GET /jobs/*", "GET /queries/*", "POST /upload/jobs",
        "PUT /upload/jobs/*",
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["POST /jobs", "PUT /upload/jobs/*", "GET /jobs/*", "GET /queries/*"])
@pytest.mark.parametrize("carried_out", [False, True])
def test_a_connection_that_ends_without_an_answer_costs_neither_the_load_nor_a_second_job(
    recorder: Recorder, sink: BigQuerySink, kind: str, carried_out: bool
) -> None:
    recorder.selects, recorder.polls = COUNTED, 1
    recorder.hang_up(kind, carried_out=carried_out)
    sink.load(target(), load(1), batch((1, DAY, "a"), position=Position({"at": 1})), APPEND)
    assert [len(recorder.jobs(kind)) for kind in ("query", "load", "copy")] == [3, 1, 0]


def test_labels_name_run_and_case_and_are_never_too_long_for_the_service() -> None:
    assert job_labels(NAMESPACE) == LABELS
    assert job_labels("somebody_elses") == {}
    assert {len(value) for value in job_labels(f"m_{'0' * 80}_{'x' * 80}").values()} == {63}
