"""What a load publishes to Kafka: its plans, their schema and the encoding of values."""

import json
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from dialect_steps import INSTANT, TABLE
from jsonschema import Draft202012Validator

from matrix_defs.cases import CASES, Case
from matrix_defs.contract import CONTRACT_SPEC
from matrix_defs.contract_plans import planned_loads, planned_target
from matrix_defs.errors import UnsupportedStepError
from matrix_defs.ports import Load, LoadTarget, Step
from matrix_defs.story import target_key
from matrix_defs.systems import System
from matrix_defs.table import Column, LogicalType
from matrix_defs.workload import build_workload
from resources.kafka.plan import KafkaDialect
from resources.kafka.types import TYPES, object_schema
from resources.plan_check import KafkaPlanner
from resources.types_table import represent

KAFKA = KafkaDialect()
SCHEMA = json.loads((Path(__file__).parents[1] / "docs" / "kafka-event.schema.json").read_text(encoding="utf-8"))
PLANNER = KafkaPlanner(KAFKA, SCHEMA)
TARGET = LoadTarget("m_x", TABLE)
LOAD = Load("load-1", INSTANT)
IMPOSSIBLE = {Step.REPLACE_PARTITIONS, Step.CLOSE_CHANGED, Step.CLOSE_ABSENT, Step.OPEN_VERSIONS}
INTO_KAFKA = [case for case in CASES if case.sink is System.KAFKA]


def documents(*steps: Step) -> list[dict[str, Any]]:
    return [json.loads(text) for text in KAFKA.plan(TARGET, LOAD, steps)]


def tombstoned(step: Step) -> list[str]:
    return [event["which"] for event in documents(step)[0]["events"] if event["value"] is None]


def test_a_log_supports_every_step_that_needs_no_exchange_and_no_change_in_place() -> None:
    assert KAFKA.supported_steps == frozenset(Step) - IMPOSSIBLE


@pytest.mark.parametrize("step", sorted(IMPOSSIBLE))
def test_a_step_that_is_impossible_is_refused(step: Step) -> None:
    with pytest.raises(UnsupportedStepError, match=step):
        KAFKA.plan(TARGET, LOAD, [step])


@pytest.mark.parametrize("case", INTO_KAFKA, ids=lambda case: case.case_id)
def test_every_plan_of_every_case_fits_the_published_schema(case: Case) -> None:
    workload = build_workload(CONTRACT_SPEC)
    target = planned_target(case, workload.table, target_key(case.strategy, workload))
    for _, load in planned_loads(case, workload):
        flaws = [PLANNER.flaw(text) for text in KAFKA.plan(target, load, case.strategy.steps)]
        assert flaws == [""] * (len(case.strategy.steps) + 1)


def test_the_position_is_published_last_and_to_a_compacted_topic_of_its_own() -> None:
    step, position = documents(Step.INSERT_STAGED)
    assert (step["topic"], position["topic"]) == ("m_x.t", "m_x._matrix_state")
    assert (position["step"], position["compacted"]) == ("commit_position", True)


def test_events_name_the_load_and_no_strategy() -> None:
    for document in documents(*sorted(KAFKA.supported_steps)):
        for event in document["events"]:
            assert event["headers"].keys() == {"op", "load_id", "loaded_at"}
            assert event["headers"]["load_id"] == "load-1"
            assert event["headers"]["loaded_at"] == "2026-03-01T12:30:00.000001Z"


def test_a_delete_is_a_tombstone_and_an_upsert_carries_every_column_but_the_load() -> None:
    upsert, delete = documents(Step.SWAP_IN)[0]["events"]
    assert (delete["headers"]["op"], delete["value"]) == ("delete", None)
    assert list(upsert["value"]["properties"]) == ["id", "code", "day", "at"]
    assert list(upsert["key"]["properties"]) == ["id", "code"]


def test_keys_that_vanish_get_a_tombstone_where_the_step_says_so() -> None:
    assert tombstoned(Step.SWAP_IN) == ["every key that the topic holds and no staged row has"]
    assert tombstoned(Step.DELETE_WINDOW) == ["every key that is held inside the window and not staged again"]
    assert tombstoned(Step.DELETE_ABSENT_KEYS) == ["every key that is held and that the source no longer holds"]
    assert tombstoned(Step.DELETE_STAGED_KEYS) == ["every key that is held and staged as a delete"]
    assert tombstoned(Step.INSERT_STAGED) == tombstoned(Step.DELETE_CHANGED) == tombstoned(Step.DEDUPE_STAGED) == []


def test_keys_may_repeat_only_where_a_load_does_nothing_but_append() -> None:
    (appended,) = documents(Step.INSERT_STAGED)[0]["events"]
    (merged,) = documents(Step.DEDUPE_STAGED, Step.INSERT_STAGED)[1]["events"]
    assert (appended["at_most_one_per"], merged["at_most_one_per"]) == ("row", "key")


Doc = dict[str, Any]

DEFECTS: dict[str, Callable[[Doc, Doc, Doc], object]] = {
    "unknown step": lambda document, upsert, delete: document.update(step="replace_partitions"),
    "no topic": lambda document, upsert, delete: document.pop("topic"),
    "impossible topic": lambda document, upsert, delete: document.update(topic="a b"),
    "rows in a compacted topic": lambda document, upsert, delete: document.update(compacted=True),
    "unknown op": lambda document, upsert, delete: upsert["headers"].update(op="update"),
    "no load": lambda document, upsert, delete: upsert["headers"].pop("load_id"),
    "a strategy": lambda document, upsert, delete: upsert["headers"].update(strategy="full_refresh"),
    "tombstone with a value": lambda document, upsert, delete: delete.update(value=upsert["value"]),
    "upsert without a value": lambda document, upsert, delete: upsert.update(value=None),
    "no key": lambda document, upsert, delete: upsert.update(key=None),
    "key without columns": lambda document, upsert, delete: upsert["key"].update(required=[]),
    "value that is no schema": lambda document, upsert, delete: upsert.update(value={"type": "objekt"}),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_document_with_a_defect_does_not_fit_the_schema(defect: str) -> None:
    document = documents(Step.SWAP_IN)[0]
    assert PLANNER.flaw(json.dumps(document)) == ""
    DEFECTS[defect](document, *document["events"])
    assert PLANNER.flaw(json.dumps(document))


def test_what_is_no_json_is_a_flaw() -> None:
    assert PLANNER.flaw("SELECT 1").startswith("no JSON")


def test_the_types_table_names_every_logical_type_in_order() -> None:
    assert list(TYPES) == list(LogicalType)


WORDS: dict[LogicalType, Callable[[Any], Any]] = {
    LogicalType.DECIMAL_18_4: lambda value: f"{value:f}",
    LogicalType.DECIMAL_38_9: lambda value: f"{value:f}",
    LogicalType.BINARY: lambda value: b64encode(value).decode(),
    LogicalType.DATE: date.isoformat,
    LogicalType.TIME: lambda value: value.isoformat(timespec="microseconds"),
    LogicalType.DATETIME: lambda value: value.isoformat(timespec="microseconds"),
    LogicalType.INSTANT: lambda value: f"{value:%Y-%m-%dT%H:%M:%S.%fZ}",
    LogicalType.UUID: lambda value: str(UUID(bytes=value)),
}
"""The encodings that `TYPES` tells in words, value by value; types that are missing here are JSON's own."""


def test_every_value_of_the_workload_has_a_form_that_the_schema_of_its_column_accepts() -> None:
    workload = build_workload(CONTRACT_SPEC)
    validator = Draft202012Validator(object_schema(workload.table.columns))
    kinds = {column.name: column.type for column in workload.table.columns}
    for row in workload.baseline.to_pylist():
        told = {n: v if v is None else WORDS.get(kinds[n], lambda value: value)(v) for n, v in row.items()}
        assert [error.message for error in validator.iter_errors(told)] == []


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (LogicalType.INT16, 2**15),
        (LogicalType.INT64, 2**63),
        (LogicalType.INT32, 1.5),
        (LogicalType.DECIMAL_18_4, 1.5),
        (LogicalType.DECIMAL_18_4, "1.50"),
        (LogicalType.DECIMAL_38_9, "1" * 30 + ".000000000"),
        (LogicalType.INSTANT, "2026-03-01T12:30:00.000Z"),
        (LogicalType.INSTANT, "2026-03-01 12:30:00.000001Z"),
        (LogicalType.DATETIME, "2026-03-01T12:30:00.000001Z"),
        (LogicalType.DATE, "1.3.2026"),
        (LogicalType.UUID, "00112233-4455-6677-8899-AABBCCDDEEFF"),
        (LogicalType.TEXT, 1),
    ],
)
def test_a_value_in_another_form_does_not_fit_the_schema(kind: LogicalType, value: object) -> None:
    validator = Draft202012Validator(object_schema([Column("x", kind)]))
    assert not validator.is_valid({"x": value})
    assert validator.is_valid({"x": None})


def test_a_column_that_is_not_null_refuses_null_and_absence() -> None:
    validator = Draft202012Validator(object_schema([Column("x", LogicalType.TEXT, nullable=False)]))
    assert validator.is_valid({"x": ""})
    assert not validator.is_valid({"x": None})
    assert not validator.is_valid({})


def test_the_only_loss_is_that_of_numbers_which_json_has_not() -> None:
    assert [kind for kind, stored in TYPES.items() if stored.loss] == [LogicalType.FLOAT64]
    column = Column("f", LogicalType.FLOAT64)
    table = type(TABLE)("t", (*TABLE.columns, column), TABLE.key, TABLE.cursor, TABLE.partition)
    rows = pa.table({"f": [1.5, -0.0, float("nan"), float("inf"), None]})
    assert represent(TYPES, table, rows).column("f").to_pylist() == [1.5, -0.0, None, None, None]


def test_an_instant_is_told_with_microseconds_even_where_they_are_zero() -> None:
    load = Load("load-1", datetime(2026, 1, 1, tzinfo=UTC))
    document = json.loads(KAFKA.plan(TARGET, load, [Step.INSERT_STAGED])[0])
    assert document["events"][0]["headers"]["loaded_at"] == "2026-01-01T00:00:00.000000Z"
