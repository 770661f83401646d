"""Artifacts are complete or not there, valid against the published schema, and of the latest run alone."""

import json
from pathlib import Path
from typing import BinaryIO

import pyarrow.parquet as pq
import pytest
from jsonschema import Draft202012Validator
from memory_systems import CLASSES, SMALL

from assets.certify import Services, certify, not_run
from matrix_defs.cases import CASES, CASES_BY_ID
from matrix_defs.checks import CHECK_NAMES
from matrix_defs.errors import UsageError
from matrix_defs.result import CONTRACT_CHECK_NAMES, CaseResult, Verdict
from matrix_defs.run_modes import RunMode, RunSettings
from matrix_defs.systems import System
from matrix_defs.workload import WorkloadSpec
from resources import artifacts
from resources.artifacts import ArtifactStore

SCHEMA = json.loads((Path(__file__).parents[1] / "docs" / "result.schema.json").read_text())
CASE = CASES_BY_ID["postgres_to_postgres__incremental_merge"]
SETTINGS = RunSettings(workload=WorkloadSpec(**SMALL))


def result(*, lossy: bool = False) -> CaseResult:
    services = Services({System.POSTGRES: CLASSES[System.POSTGRES](lossy=lossy)}, RunSettings(RunMode.MOCK_LOCAL))
    return certify(CASE, SETTINGS, services, "0123456789ab")


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(folder=str(tmp_path / "kept"))


def files(store: ArtifactStore) -> list[str]:
    return sorted(path.name for path in Path(store.folder).rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (result(), Verdict.PASSED),
        (result(lossy=True), Verdict.FAILED),
        (not_run(CASE, SETTINGS, "not here"), Verdict.NOT_RUN),
        (certify(CASE, RunSettings(RunMode.MOCK_CONTRACT), Services({}, RunSettings(RunMode.MOCK_CONTRACT)), ""), None),
    ],
    ids=["passed", "failed", "not run", "contract"],
)
def test_every_artifact_is_valid_against_the_published_schema(store, found, verdict):
    assert verdict in (found.verdict, None)
    artifact = json.loads(Path(store.write(found)).read_text())
    assert artifact == json.loads(json.dumps(found.to_json()))
    Draft202012Validator.check_schema(SCHEMA)
    errors = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER).iter_errors(artifact)
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def test_the_schema_knows_exactly_the_words_of_the_definitions():
    properties = SCHEMA["properties"]
    assert set(properties["verdict"]["enum"]) == set(Verdict)
    assert set(properties["run_mode"]["enum"]) == set(RunMode)
    assert set(properties["source"]["enum"]) == {case.source for case in CASES}
    assert set(properties["sink"]["enum"]) == {case.sink for case in CASES}
    assert set(properties["strategy"]["enum"]) == {case.strategy_name for case in CASES}
    assert properties["checks"]["items"]["properties"]["name"]["enum"] == [*CHECK_NAMES, *CONTRACT_CHECK_NAMES]
    assert set(properties) == set(SCHEMA["required"]) == set(result().to_json())


def test_a_failed_case_leaves_its_differing_rows_with_stage_and_kind_beside_it(store):
    failed = result(lossy=True)
    store.write(failed)
    rows = pq.read_table(store.rows_path(failed)).to_pylist()
    assert [(row["_stage"], row["_difference"]) for row in rows] == [("baseline", "missing")]
    assert rows[0]["order_id"] is not None
    assert files(store) == [f"{CASE.case_id}.json", f"{CASE.case_id}.parquet"]


def test_a_later_pass_removes_the_rows_of_an_earlier_failure(store):
    store.write(result(lossy=True))
    store.write(result())
    assert files(store) == [f"{CASE.case_id}.json"]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_write_that_breaks_off_leaves_the_earlier_artifact_and_nothing_else(store, monkeypatch, error):
    store.write(result(lossy=True))
    before = {path: path.read_bytes() for path in Path(store.folder).rglob("*.*")}

    def half(table: object, file: BinaryIO) -> None:
        file.write(b"PAR1")
        raise error

    monkeypatch.setattr(artifacts.pq, "write_table", half)
    with pytest.raises(type(error)):
        store.write(result(lossy=True))
    assert {path: path.read_bytes() for path in Path(store.folder).rglob("*.*")} == before


def test_a_folder_may_be_a_url(tmp_path):
    store = ArtifactStore(folder="memory://bucket/prefix")
    store.check_writable()
    store.write(result(lossy=True))
    assert store.write(result()).startswith("memory://bucket/prefix/mock_local/")
    assert store.read(RunMode.MOCK_LOCAL)[CASE.case_id]["verdict"] == "passed"


def test_reading_gives_what_was_written_in_canonical_order_and_nothing_of_another_mode(store):
    for case in reversed(CASES[:3]):
        store.write(not_run(case, SETTINGS, "not here"))
    assert list(store.read(RunMode.MOCK_LOCAL)) == [case.case_id for case in CASES[:3]]
    assert not store.read(RunMode.VENDOR_LIVE)


def test_a_damaged_artifact_is_one_line_that_names_it(store):
    path = Path(store.write(result()))
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(
        UsageError, match=r"^artifacts: '[^']*postgres_to_postgres__incremental_merge.json' is damaged "
    ):
        store.read(RunMode.MOCK_LOCAL)


@pytest.mark.parametrize("scheme", ["", "gs+nonsense://"])
def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path, scheme):
    (tmp_path / "file").write_text("")
    folder = f"{scheme}{tmp_path}/file/below"
    with pytest.raises(UsageError) as refused:
        ArtifactStore(folder=folder).check_writable()
    text = str(refused.value)
    assert folder in text
    assert "--artifacts" in text
    assert "\n" not in text
