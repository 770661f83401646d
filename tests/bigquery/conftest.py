"""The way to the real service as fixtures: one certificate for a test file, a recorder and a clock for each test.

It may import the recorder and `resources`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bigquery_real import Clock, jumping_clock, reached, real_way
from bigquery_recorder import Recorder, make_certificate

from resources.bigquery.sink import BigQuerySink


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bigquery")
    make_certificate(folder)
    return folder


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return jumping_clock(monkeypatch)


@pytest.fixture
def recorder(folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    with real_way(folder, monkeypatch) as recorder:
        yield recorder


@pytest.fixture
def sink(recorder: Recorder) -> Iterator[BigQuerySink]:
    sink = BigQuerySink(reached())
    yield sink
    sink._session.close()
