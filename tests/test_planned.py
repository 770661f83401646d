"""Systems that can be planned for and not yet be reached."""

import pytest

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.systems import FACTS, System
from resources.bigquery.resource import BigQueryResource
from resources.endpoints.registry import KINDS
from resources.kafka.resource import KafkaResource
from resources.mssql.resource import MssqlResource
from resources.planned import PlannedResource
from resources.registry import RESOURCES

PLANNED = {System.MSSQL: MssqlResource}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("system", PLANNED)
def test_a_system_without_a_connection_says_so_in_one_line_that_names_it(system: System, kind: str) -> None:
    with pytest.raises(SystemUnavailableError) as refusal:
        PLANNED[system]().endpoint(kind)
    text = str(refusal.value)
    assert text == (
        f"{FACTS[system].label}: this version has no connection to it yet; its plans are checked in mock_contract"
    )


def test_the_registry_holds_them_and_no_other_system_is_merely_planned() -> None:
    assert {system: kind for system, kind in RESOURCES.items() if issubclass(kind, PlannedResource)} == PLANNED


def test_a_system_declares_the_losses_of_its_types_table() -> None:
    assert KafkaResource.losses == ("Kafka float64: NaN and the infinities become NULL: JSON has no such numbers",)
    assert MssqlResource.losses == BigQueryResource.losses == ()
