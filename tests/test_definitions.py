"""What Dagster loads: 200 partitions in canonical order, one manual job per run mode, secrets as references."""

from pathlib import Path

import dagster as dg
import pytest
import yaml

from matrix_defs import definitions
from matrix_defs.cases import CASES
from matrix_defs.checks import CHECK_NAMES
from matrix_defs.definitions import build_defs, system_resource
from matrix_defs.errors import SystemUnavailableError, UsageError
from matrix_defs.result import CONTRACT_CHECK_NAMES
from matrix_defs.run_modes import RunMode
from matrix_defs.systems import System
from resources import registry
from resources.endpoints.external import VARIABLES
from resources.registry import RESOURCES

ROOT = Path(__file__).parents[1]
CANARY = "c4n4ry-p4ssw0rd"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable.name, raising=False)


def test_the_200_cases_are_the_partitions_in_canonical_order_and_a_backfill_is_one_run_per_range():
    asset = build_defs().resolve_assets_def("case_result")
    assert asset.partitions_def.get_partition_keys() == [case.case_id for case in CASES]
    assert asset.backfill_policy == dg.BackfillPolicy.single_run()


def test_every_check_of_every_mode_is_declared_for_the_asset_once():
    asset = build_defs().resolve_assets_def("case_result")
    assert [spec.name for spec in asset.check_specs] == [*CONTRACT_CHECK_NAMES, *CHECK_NAMES]


@pytest.mark.parametrize("mode", list(RunMode))
def test_each_run_mode_has_a_manual_job_with_its_tag_and_only_its_checks(mode):
    job = build_defs().resolve_job_def(f"{mode}_job")
    assert job.tags["run_mode"] == mode
    expected = CONTRACT_CHECK_NAMES if mode is RunMode.MOCK_CONTRACT else CHECK_NAMES
    assert {key.name for key in job.asset_layer.asset_graph.asset_check_keys} == set(expected)


def test_nothing_is_scheduled_and_no_sensor_waits():
    repository = build_defs().get_repository_def()
    assert not repository.schedule_defs
    assert not [sensor for sensor in repository.sensor_defs if sensor.name != "default_automation_condition_sensor"]


def test_the_workspace_names_the_module_that_holds_the_definitions():
    (location,) = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    assert location["python_module"]["module_name"] == definitions.__name__
    assert isinstance(definitions.defs, dg.Definitions)


def test_the_instance_sends_no_telemetry_and_runs_one_run_at_a_time():
    settings = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert settings["telemetry"]["enabled"] is False
    assert settings["concurrency"]["runs"]["max_concurrent_runs"] == 1


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_every_documented_variable_is_a_field_of_its_systems_resource(variable):
    assert variable.field in RESOURCES[variable.system].model_fields


def test_a_password_is_a_reference_that_dagster_resolves_and_never_shows(monkeypatch):
    monkeypatch.setenv("MATRIX_POSTGRES_PASSWORD", CANARY)
    monkeypatch.setenv("MATRIX_POSTGRES_HOST", "db.example")
    resource = system_resource(System.POSTGRES)
    assert CANARY not in repr(resource)
    assert CANARY not in repr(build_defs().resolve_job_def("mock_local_job").run_config_schema.config_type.fields)
    assert resource.process_config_and_initialize().password == CANARY


def test_a_variable_that_is_unset_leaves_the_default_so_that_other_systems_can_still_launch():
    resource = system_resource(System.POSTGRES)
    assert resource == RESOURCES[System.POSTGRES]()


def test_a_value_that_a_field_does_not_take_is_one_line_that_names_the_variable(monkeypatch):
    monkeypatch.setenv("MATRIX_CLICKHOUSE_HOST", "ch.example")
    monkeypatch.setenv("MATRIX_CLICKHOUSE_PORT", "many")
    with pytest.raises(UsageError, match=r"^MATRIX_CLICKHOUSE_PORT is 'many': [^\n]+$"):
        system_resource(System.CLICKHOUSE)


def test_a_missing_driver_makes_a_resource_without_endpoint_that_names_the_extra(monkeypatch):
    monkeypatch.setitem(registry._CLASSES, System.CLICKHOUSE, ("no_such_driver", "Resource"))
    resource = registry.resource_class(System.CLICKHOUSE)()
    with pytest.raises(SystemUnavailableError, match=r"install integration-matrix\[clickhouse\]"):
        resource.endpoint("embedded")


def test_a_missing_module_of_the_project_is_no_missing_driver(monkeypatch):
    monkeypatch.setitem(registry._CLASSES, System.CLICKHOUSE, ("resources.no_such_module", "Resource"))
    with pytest.raises(ModuleNotFoundError):
        registry.resource_class(System.CLICKHOUSE)
