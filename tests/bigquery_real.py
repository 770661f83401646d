"""The way to the real service, for tests, with a recording server at its end and a clock that jumps instead of waiting.

Here live no tests. It may import the recorder, `resources`, pytest and the clients' own retries.
"""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import google.api_core.retry.retry_base
import google.api_core.retry.retry_unary
import google.cloud.bigquery.job.query
import google.resumable_media.requests._request_helpers
import pytest
from bigquery_recorder import LOCATION, PROJECT, Recorder, recording, service_account
from google.oauth2.service_account import Credentials

from matrix_defs.systems import System
from resources.endpoints import external
from resources.endpoints.endpoint import Endpoint

_SLEEPERS = (
    google.api_core.retry.retry_base,
    google.api_core.retry.retry_unary,
    google.cloud.bigquery.job.query,
    google.resumable_media.requests._request_helpers,
)


class Clock:
    """A clock on which time passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def monotonic(self) -> float:
        return self.seconds


@contextmanager
def real_way(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """Yield a recorder that the variables name as the real service; the folder holds its certificate."""
    with recording(folder) as recorder:
        key = folder / "key.json"
        key.write_text(json.dumps(service_account(folder, recorder.base_url)))
        patch.setenv("REQUESTS_CA_BUNDLE", str(folder / "ca.pem"))
        patch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        # Where an account may be used from is asked of another host than the token.
        patch.setattr(Credentials, "_is_regional_access_boundary_lookup_required", lambda _: False)
        settings = {"PROJECT": PROJECT, "LOCATION": LOCATION, "BASE_URL": recorder.base_url, "CREDENTIALS_FILE": key}
        for name, value in settings.items():
            patch.setenv(f"MATRIX_BIGQUERY_{name}", str(value))
        yield recorder


def jumping_clock(patch: pytest.MonkeyPatch) -> Clock:
    """Return the clock that the clients' retries go by from now on."""
    clock = Clock()
    random.seed(0)  # how long is slept is drawn by lot
    for module in _SLEEPERS:
        patch.setattr(module, "time", clock)
    return clock


def reached() -> Endpoint:
    """The endpoint that the variables describe. Raises SystemUnavailableError."""
    return external.start(System.BIGQUERY).endpoint
