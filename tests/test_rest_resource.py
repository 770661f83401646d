"""REST as a Dagster resource: every setting arrives, secrets come from the environment, connections are shared.

The local service is the one that the resource finds by itself. It may import everything.
"""

from typing import Any

import pytest
from dagster import EnvVar, asset, materialize

from matrix_defs.errors import UsageError
from resources.rest.resource import PAGINATORS, RestResource
from tests.rest_local import ORDERS, orders, read


@pytest.mark.parametrize("paging", PAGINATORS)
def test_the_resource_reads_the_local_service_by_every_paging_it_can_be_configured_for(
    paging: Any,
) -> None:
    resource = RestResource(pagination=paging, page_size=3)
    endpoint = resource.endpoint("embedded")
    made = resource.source(endpoint, f"resource-{paging}", ORDERS)
    made.seed(orders(*range(10)))
    assert read(made).equals(orders(*range(10)))
    made.drop()
    resource.close()
    resource.close()


def test_secrets_of_the_resource_come_from_the_environment_when_dagster_hands_it_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REST_TOKEN", "from-the-environment")
    headers: list[str] = []

    @asset
    def reader(rest: RestResource) -> None:
        headers.append(rest.settings("http://x").auth.headers["X-Own"])

    resource = RestResource(auth="api_key", api_key_header="X-Own", token=EnvVar("REST_TOKEN"))
    assert materialize([reader], resources={"rest": resource}).success
    assert headers == ["from-the-environment"]


def test_every_setting_of_the_resource_reaches_the_client() -> None:
    given: dict[str, Any] = {"records_path": "r", "total_path": "", "since_param": "s", "fields_param": ""}
    given |= {"timeout": 1.5, "attempts": 2, "longest_wait": 3.0}
    settings = RestResource(
        auth="basic", username="u", password="p", pagination="offset", page_size=9, **given
    ).settings("http://x")
    assert settings.paginator == PAGINATORS["offset"](9)
    assert settings.auth.headers == {"Authorization": "Basic dTpw"}
    taken = {name: getattr(settings, name) for name in given}
    assert taken == given | {"total_path": None, "fields_param": None}


def test_a_missing_token_is_refused_by_name_of_the_auth_kind() -> None:
    with pytest.raises(UsageError, match="auth bearer: the credential is empty"):
        RestResource(auth="bearer").settings("http://x")
