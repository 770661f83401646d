"""Results of every kind, as a folder of artifacts: what the report is tested on, without any service.

Here live the results; what the report makes of them is tested beside. It may import everything.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assets.certify import Services, certify, not_run
from matrix_defs.cases import CASES, CASES_BY_ID, Case
from matrix_defs.checks import CHECK_NAMES
from matrix_defs.contract_plans import planned_loads, planned_target
from matrix_defs.memory_sink import MemorySink
from matrix_defs.ports import LoadTarget, Sink
from matrix_defs.result import CaseResult, Check, LoadResult, Verdict
from matrix_defs.run_modes import RunMode, RunSettings
from matrix_defs.story import target_key
from matrix_defs.systems import System
from matrix_defs.workload import WorkloadSpec, build_workload
from resources.artifacts import ArtifactStore
from resources.endpoints.endpoint import Endpoint
from resources.planners import DIALECTS
from tests.memory_systems import CLASSES, SMALL, MemorySystem

SETTINGS = RunSettings(workload=WorkloadSpec(**SMALL))
RUN = "6b0566357b88"
PASSED, EMULATED = "postgres_to_postgres__incremental_merge", "postgres_to_bigquery__scd2"
CHANGED, MISSING = "postgres_to_clickhouse__full_refresh", "rest_to_postgres__snapshot_diff"
REFUSED, EXCLUDED = "kafka_to_mssql__replace", "rest_to_kafka__scd2"
HOSTILE = """SELECT '</script><img src="https://example.invalid/x" onerror="document.title=1">' -- & | `x`"""
REASON = "Kafka: no <b>broker</b> | at 127.0.0.1:9092 \x1b[31m"


class RoundingSink(MemorySink):
    """Gives prices back with two decimals, and notes without their last blanks."""

    def read(self, target: LoadTarget) -> pa.Table:
        """All rows, some with other values."""
        rows = super().read(target)
        price = pc.cast(pc.round(rows["unit_price"], 2), rows.schema.field("unit_price").type)
        return rows.set_column(rows.column_names.index("unit_price"), rows.schema.field("unit_price"), price)


class Rounding(CLASSES[System.CLICKHOUSE]):  # type: ignore[misc]
    """A system in memory whose sink rounds."""

    def sink(self, endpoint: Endpoint) -> Sink:
        """Return the sink."""
        return RoundingSink()


class Emulator(CLASSES[System.BIGQUERY]):  # type: ignore[misc]
    """A system in memory that says that it is an emulator."""

    def endpoint(self, kind: str) -> Endpoint:
        """Return its endpoint."""
        return replace(super().endpoint(kind), engine="BigQuery stand-in", emulator=True)


def results() -> list[CaseResult]:
    """Return a result of every kind, statements and all."""
    systems: dict[System, MemorySystem] = {system: CLASSES[system]() for system in System}
    flawed = {System.CLICKHOUSE: Rounding(), System.BIGQUERY: Emulator()}
    lossy = {System.POSTGRES: CLASSES[System.POSTGRES](lossy=True)}
    found = [
        *(_certified(case_id, {**systems, **flawed}) for case_id in (PASSED, EMULATED, CHANGED)),
        _certified(MISSING, {**systems, **lossy}),
    ]
    return [*map(_with_statements, found), not_run(CASES_BY_ID[REFUSED], SETTINGS, REASON, RUN)]


def _certified(case_id: str, systems: dict[System, MemorySystem]) -> CaseResult:
    return certify(CASES_BY_ID[case_id], SETTINGS, Services(systems, SETTINGS), RUN)


def _with_statements(result: CaseResult) -> CaseResult:
    loads = tuple(replace(load, statements=("BEGIN", HOSTILE, '{"op": "upsert"}')) for load in result.loads)
    return replace(result, loads=loads)


def store_of(folder: Any, found: list[CaseResult]) -> ArtifactStore:
    """Return a store that holds the results."""
    store = ArtifactStore(folder=str(folder))
    for result in found:
        store.write(result)
    return store


def full_size() -> list[CaseResult]:
    """Return 200 passed results as large as real ones: the statements of every load over all 136 columns."""
    workload = build_workload(WorkloadSpec(rows=50))
    return [_full_size(case, workload) for case in CASES]


def _full_size(case: Case, workload: Any) -> CaseResult:
    target, dialect = planned_target(case, workload.table, target_key(case.strategy, workload)), DIALECTS[case.sink]
    loads = [
        LoadResult(
            stage=stage.value,
            load_id=f"{RUN}-{number}",
            loaded_at=datetime(2026, 6, 1, tzinfo=UTC),
            staged=1000,
            inserted=10,
            updated=20,
            deleted=30,
            position=None,
            statements=tuple(dialect.plan(target, load, case.strategy.steps)),
            seconds={"stage": 0.01 * number, "steps": 0.02},
        )
        for number, (stage, load) in enumerate(planned_loads(case, workload), 1)
    ]
    endpoint = {**Endpoint(case.sink, "embedded", "engine", "1.0").describe()}
    return CaseResult(
        case=case,
        run_mode=RunMode.MOCK_LOCAL,
        verdict=Verdict.PASSED,
        checks=tuple(Check(name, True) for name in CHECK_NAMES),
        loads=tuple(loads),
        rows=5000,
        seconds={"seed": 0.5, "read": 0.3, "stage": 0.2, "steps": 0.7, "read_back": 0.1, "compare": 0.1, "total": 2.0},
        endpoints={"source": {**endpoint, "system": case.source.value}, "sink": endpoint},
        settings=vars(WorkloadSpec()),
        run=RUN,
    )
