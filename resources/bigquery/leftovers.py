"""What runs left behind in a project of BigQuery: datasets.

Here lives how they are found and dropped; which of them are a case's own is said by `own_names`. It may import `client`
and the endpoint.
"""

from collections.abc import Callable
from contextlib import closing

from matrix_defs.errors import LoadError
from resources.bigquery.client import DRIVER_ERRORS, RETRY, connect, explain
from resources.bigquery.session import CALL_SECONDS
from resources.endpoints.endpoint import Endpoint
from resources.own_names import Leftover


def find(endpoint: Endpoint) -> list[Leftover]:
    """Return every dataset of the project. Raises LoadError."""
    try:
        with closing(connect(endpoint)) as client:
            listed = client.list_datasets(retry=RETRY, timeout=CALL_SECONDS)
            names = sorted(str(dataset.dataset_id) for dataset in listed)
    except DRIVER_ERRORS as error:
        raise LoadError(f"BigQuery, looking for leftovers: {explain(error)}") from error
    return [Leftover("dataset", name, name, _dropping(endpoint, name)) for name in names]


def _dropping(endpoint: Endpoint, name: str) -> Callable[[], None]:
    def drop() -> None:
        try:
            with closing(connect(endpoint)) as client:
                client.delete_dataset(name, delete_contents=True, not_found_ok=True, retry=RETRY, timeout=CALL_SECONDS)
        except DRIVER_ERRORS as error:
            raise LoadError(f"BigQuery, dropping a leftover: {explain(error)}") from error

    return drop
