"""How BigQuery is reached: clients with the credentials that belong to an endpoint, how long they try, what they raise.

Here lives no job; jobs are run by `session`. It may import dagster_gcp, Google's clients and the endpoint.
"""

import base64
import json
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import wraps
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import requests
from dagster import DagsterInvalidDefinitionError
from dagster_gcp import BigQueryResource as Connector
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError, RetryError
from google.api_core.retry import Retry
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryReadClient
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport
from google.resumable_media.common import InvalidResponse

from matrix_defs.errors import SystemUnavailableError
from resources.endpoints.endpoint import Endpoint

_Call = Callable[..., Any]

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


def _again(predicate: Callable[[Exception], bool]) -> Callable[[_Call], _Call]:
    """Return a retry, which is a decorator: a call that fails is made again at once, and for seconds from there on.

    Google's own counts from the first call on: one that fails after it was waited for longer than that, as a poll may
    be, would not be made again. The last error is raised as it is, not within a RetryError, which the client takes for
    its own timeout where it waits for a job.
    """
    repeat = Retry(predicate, initial=0.25, maximum=1, timeout=5)

    def decorate(call: _Call) -> _Call:
        @wraps(call)
        def called(*args: Any, **kwargs: Any) -> Any:
            try:
                return call(*args, **kwargs)
            except Exception as error:
                if not predicate(error):
                    raise
            try:
                return repeat(call)(*args, **kwargs)
            except RetryError as error:
                raise (error.cause or error) from None

        return called

    return decorate


def _job_failed(error: Exception) -> bool:
    """Return whether a job has ended by a failure of the service's own; what a job ends with is no answer's error."""
    return isinstance(error, GoogleAPICallError) and error.response is None and _reason(error) in _REPEATABLE


RETRY = _again(bigquery.DEFAULT_RETRY._predicate)
"""Errors of the network and of the service's own are tried again for seconds; the client's default is ten minutes."""

JOB_RETRY = _again(_job_failed)
"""For jobs that change nothing when they fail: begun anew after a failure of the service's own, as long as `RETRY`."""

UPLOAD_RETRIES = 2

_UNLIMITED = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))
_SIGNING_IN = threading.Lock()

_OUTAGE, _CROWD = "the service has an outage; run the case again later", "run fewer cases at a time"
_TOO_MUCH = "load fewer rows at a time"
_ADVICE = {
    "accessDenied": "grant the account BigQuery Job User, Data Owner and Read Session User",
    "backendError": _OUTAGE,
    "billingNotEnabled": "enable billing for the project; without it no row can be changed",
    "bytesBilledLimitExceeded": "raise MATRIX_BIGQUERY_MAXIMUM_BYTES_BILLED",
    "internalError": _OUTAGE,
    "invalid": "change what the service names; if that is no setting of yours, report it",
    "jobBackendError": _OUTAGE,
    "jobInternalError": _OUTAGE,
    "jobRateLimitExceeded": _CROWD,
    "notFound": "check MATRIX_BIGQUERY_PROJECT and MATRIX_BIGQUERY_LOCATION, and that nobody dropped it meanwhile",
    "quotaExceeded": "wait, or ask for a higher quota",
    "rateLimitExceeded": _CROWD,
    "resourcesExceeded": _TOO_MUCH,
    "responseTooLarge": _TOO_MUCH,
    "stopped": "somebody cancelled the job, or it ran out of time: raise MATRIX_BIGQUERY_STATEMENT_SECONDS",
    "tableUnavailable": _OUTAGE,
    "timeout": _TOO_MUCH,
}
"""What to do about an error, by the reason that the service gives
(https://cloud.google.com/bigquery/docs/error-messages).
"""

_REPEATABLE = {reason for reason, advice in _ADVICE.items() if advice in (_OUTAGE, _CROWD)}
"""The reasons that pass by themselves."""

_REASONS = {
    grpc.StatusCode.DEADLINE_EXCEEDED: "timeout",
    grpc.StatusCode.INTERNAL: "internalError",
    grpc.StatusCode.NOT_FOUND: "notFound",
    grpc.StatusCode.PERMISSION_DENIED: "accessDenied",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "quotaExceeded",
    grpc.StatusCode.UNAVAILABLE: "backendError",
}
"""The reason that the REST interface gives, by the status of the Storage Read interface, which gives none."""


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
    """Return a client of the endpoint's Storage Read API, with the credentials of `client`.

    Raises SystemUnavailableError as `require_reader` does.
    """
    require_reader(endpoint)
    if "grpc" not in endpoint.options:
        return BigQueryReadClient(credentials=client._credentials)
    channel = grpc.insecure_channel(endpoint.options["grpc"], options=_UNLIMITED)
    return BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))


def require_reader(endpoint: Endpoint) -> None:
    """Return if it is known where rows are read: of an emulator never from Google. Raises SystemUnavailableError."""
    base_url = endpoint.options["base_url"]
    if base_url.startswith("http://") and "grpc" not in endpoint.options:
        raise SystemUnavailableError(
            f"bigquery: the emulator at {base_url} needs an address to read rows from: set MATRIX_BIGQUERY_GRPC to the"
            " host:port of its Storage Read interface"
        )


def explain(error: BaseException) -> str:
    """Return one line: what the service said, the reason it gives, and what to do where that is known."""
    if isinstance(error, GoogleAPICallError):
        reason = _reason(error)
        text = one_line(str(_told(error).get("message") or error.message))
        advice = f": {_ADVICE[reason]}" if reason in _ADVICE else ""
        return f"{text} ({reason or error.code}){advice}"
    # The reason why there is no connection is inside of what urllib3 says around it.
    cause = getattr(next(iter(error.args), None), "reason", None)
    if isinstance(cause, BaseException):
        return explain(cause)
    if isinstance(error, GoogleAuthError):  # with the service's whole answer behind its text
        return one_line(": ".join(str(part) for part in error.args if not isinstance(part, Mapping)))
    return one_line(str(error) or type(error).__name__)


def one_line(text: str) -> str:
    """Return the text without line ends, and without the objects' addresses that urllib3 prints."""
    return " ".join(re.sub(r"<[\w.]+ object at 0x\w+>(, )?", "", text).split())


def _told(error: GoogleAPICallError) -> Mapping[str, Any]:
    """Return what the REST interface told of an error; nothing where another did."""
    return next((told for told in error.errors if isinstance(told, Mapping)), {})


def _reason(error: GoogleAPICallError) -> str:
    """Return the service's one word for an error, empty where it gives none."""
    return str(_told(error).get("reason") or _REASONS.get(error.grpc_status_code, ""))


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
