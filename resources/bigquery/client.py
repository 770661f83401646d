"""How BigQuery is reached: clients with the credentials that belong to an endpoint, how long they try, what they raise.

Here lives no job; jobs are run by `session`. It may import dagster_gcp, Google's clients and the endpoint.
"""

import base64
import json
import re
import threading
from collections.abc import Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import requests
from dagster import DagsterInvalidDefinitionError
from dagster_gcp import BigQueryResource as Connector
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryReadClient
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport
from google.resumable_media.common import InvalidResponse

from matrix_defs.errors import SystemUnavailableError
from resources.endpoints.endpoint import Endpoint

DRIVER_ERRORS = (
    GoogleAPIError,
    GoogleAuthError,
    InvalidResponse,
    requests.RequestException,
    FutureTimeoutError,
    pa.ArrowException,
    ValueError,
    OSError,
)
"""What the clients raise; ValueError is what they make of a response that is none of the service's."""

RETRY = bigquery.DEFAULT_RETRY.with_delay(initial=0.25, maximum=1).with_timeout(5)
"""Errors of the network and of the service's own are tried again for seconds; the client's default is ten minutes."""

UPLOAD_RETRIES = 2

_UNLIMITED = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))
_SIGNING_IN = threading.Lock()

_ADVICE = {
    "accessDenied": "grant the account BigQuery Job User, Data Owner and Read Session User",
    "backendError": "the service has an outage; run the case again later",
    "billingNotEnabled": "enable billing for the project; without it no row can be changed",
    "bytesBilledLimitExceeded": "raise MATRIX_BIGQUERY_MAXIMUM_BYTES_BILLED",
    "internalError": "the service has an outage; run the case again later",
    "notFound": "check MATRIX_BIGQUERY_PROJECT and MATRIX_BIGQUERY_LOCATION, and that nobody dropped it meanwhile",
    "quotaExceeded": "wait, or ask for a higher quota",
    "rateLimitExceeded": "run fewer cases at a time",
    "responseTooLarge": "load fewer rows at a time",
}
"""What to do about an error, by the reason that the service gives."""


def connect(endpoint: Endpoint) -> bigquery.Client:
    """Return a client of the endpoint; plain HTTP is spoken without credentials. Raises SystemUnavailableError."""
    options = endpoint.options
    project, location, base_url = options["project"], options.get("location"), options["base_url"]
    if base_url.startswith("http://"):
        return bigquery.Client(project, AnonymousCredentials(), location=location, client_options=_at(base_url))
    path = options.get("credentials_file")
    connector = Connector(project=project, location=location, gcp_credentials=_key(path) if path else None)
    try:
        with _SIGNING_IN, connector.get_client() as signed_in:  # it hands a key over in an environment variable
            credentials = signed_in._credentials
    except (GoogleAuthError, DagsterInvalidDefinitionError, ValueError) as error:
        raise _no_credentials(path, error) from None
    return bigquery.Client(project, credentials, location=location, client_options=_at(base_url))


def connect_reader(endpoint: Endpoint, client: bigquery.Client) -> BigQueryReadClient:
    """Return a client of the endpoint's Storage Read API, with the credentials of `client`."""
    if "grpc" not in endpoint.options:
        return BigQueryReadClient(credentials=client._credentials)
    channel = grpc.insecure_channel(endpoint.options["grpc"], options=_UNLIMITED)
    return BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))


def explain(error: BaseException) -> str:
    """Return one line: what the service said, the reason it gives, and what to do where that is known."""
    if isinstance(error, GoogleAPICallError):
        told: Mapping[str, Any] = next((e for e in error.errors if isinstance(e, Mapping)), {})
        reason = str(told.get("reason", ""))
        text = one_line(str(told.get("message") or error.message))
        advice = f": {_ADVICE[reason]}" if reason in _ADVICE else ""
        return f"{text} ({reason or error.code}){advice}"
    # A RetryError has a cause; the reason why there is no connection is inside of what urllib3 says around it.
    for cause in (getattr(error, "cause", None), getattr(next(iter(error.args), None), "reason", None)):
        if isinstance(cause, BaseException):
            return explain(cause)
    if isinstance(error, GoogleAuthError):  # with the service's whole answer behind its text
        return one_line(": ".join(str(part) for part in error.args if not isinstance(part, Mapping)))
    return one_line(str(error) or type(error).__name__)


def one_line(text: str) -> str:
    """Return the text without line ends, and without the objects' addresses that urllib3 prints."""
    return " ".join(re.sub(r"<[\w.]+ object at 0x\w+>(, )?", "", text).split())


def _at(base_url: str) -> ClientOptions:
    return ClientOptions(api_endpoint=base_url)


def _key(path: str) -> str:
    """Return a service account's key as the connector takes it. Raises SystemUnavailableError."""
    try:
        content = Path(path).read_bytes()
        json.loads(content)
    except OSError as error:
        raise _no_credentials(path, ValueError(error.strerror)) from None
    except ValueError:  # its text may quote the key
        raise _no_credentials(path, ValueError("the file is no JSON")) from None
    return base64.b64encode(content).decode()


def _no_credentials(path: str | None, error: BaseException) -> SystemUnavailableError:
    """Return the error for credentials that cannot be had; where they are refused, the first request tells."""
    if path and isinstance(error, DagsterInvalidDefinitionError):
        reason, advice = "GOOGLE_APPLICATION_CREDENTIALS is set too", "unset one of the two"
    else:
        # The connector reads a copy, whose name tells nobody anything.
        reason = re.sub(r"(\bThe file |\bFile )?/\S*/?tmp\w{8}\b", "the file", explain(error))
        advice = "name a service account's key there, or unset it and run `gcloud auth application-default login`"
    if path:
        return SystemUnavailableError(f"bigquery: MATRIX_BIGQUERY_CREDENTIALS_FILE={path}: {reason}: {advice}")
    return SystemUnavailableError(
        "bigquery: no credentials: set MATRIX_BIGQUERY_CREDENTIALS_FILE to a service account's key, or log in by"
        f" `gcloud auth application-default login`: {reason}"
    )
