"""Promises of the local BigQuery emulator: how it starts and ends, what it says of itself, that it stays small.

Here real emulators run in processes of their own; what a sink does on one is in `test_bigquery_sink`. It may import
`resources.endpoints`, `matrix_defs`, psutil and Google's clients.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
from bigquery_local import local_bigquery
from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.cloud.bigquery import QueryJobConfig
from google.cloud.bigquery_storage_v1 import types

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.systems import System
from matrix_defs.table import Column, LogicalType
from resources.bigquery.session import Session
from resources.bigquery.sink import BigQuerySink
from resources.endpoints import bigquery_emulator, embedded_bigquery, external, probe
from resources.endpoints.endpoint import Endpoint
from resources.endpoints.registry import environment

ROOT = Path(__file__).parents[1]
WAIT_SECONDS = 30
KEY = Column("k", LogicalType.INT64, nullable=False)

OWNS_AN_EMULATOR = """
import sys
from matrix_defs.systems import System
from resources.endpoints.registry import ENDPOINTS
ENDPOINTS.endpoint(System.BIGQUERY)
print("ready", flush=True)
sys.stdin.read()
"""

OFFLINE = f"""
import duckdb, runpy

class Offline:
    def __init__(self, engine):
        self._engine = engine
    def execute(self, sql, *parameters):
        if sql.split()[0] in ("INSTALL", "LOAD"):
            raise SystemExit("error: asked for an extension: " + sql)
        return self._engine.execute(sql, *parameters)
    def __getattr__(self, name):
        return getattr(self._engine, name)

connect = duckdb.connect
duckdb.connect = lambda *args, **options: Offline(connect(*args, **options))
runpy.run_path({str(Path(bigquery_emulator.__file__))!r}, run_name="__main__")
"""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with local_bigquery() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def server(endpoint: Endpoint) -> psutil.Process:
    """The emulator's process, below its supervisor below this one."""
    below = psutil.Process().children(recursive=True)
    (found,) = [process for process in below if any("bigquery_emulator" in part for part in process.cmdline())]
    return found


@pytest.fixture
def session(endpoint: Endpoint) -> Iterator[Session]:
    session = Session(endpoint)
    session.run("CREATE SCHEMA IF NOT EXISTS `small`")
    yield session
    session.run("DROP SCHEMA `small` CASCADE")
    session.close()


def test_it_says_that_it_is_an_emulator_which_one_and_of_what_version(endpoint: Endpoint) -> None:
    told = endpoint.describe()
    assert told["emulator"] is True
    assert (told["kind"], told["engine"]) == ("embedded", "bqemulator")
    assert told["version"] == version("bqemulator")
    assert not endpoint.in_process


def test_what_it_cannot_do_is_declared_by_the_endpoint_and_by_that_alone(endpoint: Endpoint) -> None:
    assert list(endpoint.lacks) == ["partition decorators", "BIGNUMERIC", "query destination"]
    assert endpoint.describe()["lacks"] == endpoint.lacks
    real = Endpoint(System.BIGQUERY, "external", "BigQuery", "v2", options={"project": "p"})
    assert BigQuerySink(endpoint).dialect._partition_decorators is False
    assert BigQuerySink(real).dialect._partition_decorators is True


@pytest.mark.parametrize(
    ("capability", "statement"),
    [
        ("BIGNUMERIC", f"SELECT CAST('{'9' * 38}.{'9' * 38}' AS BIGNUMERIC) AS x"),
        ("partition decorators", "DELETE FROM `small`.`t$20260301` WHERE TRUE"),
    ],
)
def test_what_is_declared_missing_is_missing(session: Session, capability: str, statement: str) -> None:
    """Once an emulator learns it, this fails: then the declaration goes and cases run the service's own way."""
    assert capability in probe.BQEMULATOR_LACKS
    session.run("CREATE OR REPLACE TABLE `small`.`t` (day DATE) PARTITION BY day")
    with pytest.raises(GoogleAPICallError):
        session.client.query(statement, retry=None, job_retry=None).result(retry=None, job_retry=None)


def test_a_querys_destination_is_declared_missing_and_is_silently_not_written(session: Session) -> None:
    assert "query destination" in probe.BQEMULATOR_LACKS
    config = QueryJobConfig(destination=f"{session.client.project}.small.made", write_disposition="WRITE_TRUNCATE")
    session.client.query("SELECT 1 AS x", config, retry=None, job_retry=None).result(retry=None, job_retry=None)
    assert "made" not in session.tables("small")


def test_it_listens_on_the_loopback_interface_only(endpoint: Endpoint, server: psutil.Process) -> None:
    listening = {c.laddr for c in server.net_connections(kind="inet") if c.status == psutil.CONN_LISTEN}
    told = {endpoint.options["base_url"].removeprefix("http://"), endpoint.options["grpc"]}
    assert {f"{address.ip.removeprefix('::ffff:')}:{address.port}" for address in listening} == told


def test_it_starts_without_the_host_of_duckdbs_extensions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What would be fetched from there is not asked for: an engine that may not ask starts as well."""
    program = tmp_path / "offline.py"
    program.write_text(OFFLINE)
    monkeypatch.setattr(embedded_bigquery, "_PROGRAM", program)
    running = embedded_bigquery.start()
    running.stop()
    assert running.endpoint.emulator


def test_another_process_can_use_it_as_external_and_it_is_an_emulator_there_too(endpoint: Endpoint) -> None:
    other = external.start(System.BIGQUERY, environment([endpoint])).endpoint
    assert (other.kind, other.engine, other.version, other.emulator) == (
        "external", "bqemulator", endpoint.version, True,
    )  # fmt: skip
    assert other.lacks == probe.BQEMULATOR_LACKS
    session = Session(other)
    assert session.run("SELECT 1 AS x") == {"x": 1}
    session.close()


def test_only_the_latest_results_are_kept(session: Session) -> None:
    """Each is a table in the emulator's memory, which would keep all of them until it ends."""
    client = session.client
    jobs = [client.query(f"SELECT {number} AS n", retry=None, job_retry=None) for number in range(12)]
    kept = bigquery_emulator.RESULTS_KEPT
    for job in jobs[:-kept]:
        with pytest.raises(NotFound):
            client._get_query_results(job.job_id, retry=None, timeout=5)
    for job in jobs[-kept:]:
        assert client._get_query_results(job.job_id, retry=None, timeout=5).total_rows == 1


def test_only_the_latest_read_sessions_are_kept(session: Session) -> None:
    session.run("CREATE TABLE `small`.`t` (k INT64 NOT NULL)")
    session.load("small", "t", (KEY,), pa.table({"k": [1, 2, 3]}).to_batches())
    first = session.rows("small", "t", (KEY,))
    assert next(first).num_rows == 3
    opened = [open_read(session) for _ in range(bigquery_emulator.RESULTS_KEPT + 1)]
    with pytest.raises(GoogleAPICallError):
        list(session._reader.read_rows(opened[0].streams[0].name, retry=None, timeout=5))
    assert list(session._reader.read_rows(opened[-1].streams[0].name, retry=None, timeout=5))


def test_a_read_session_is_gone_once_its_rows_are_read_to_the_end(session: Session) -> None:
    """Each holds its rows in the emulator's memory."""
    session.run("CREATE TABLE `small`.`t` (k INT64 NOT NULL)")
    session.load("small", "t", (KEY,), pa.table({"k": range(70_000)}).to_batches())
    name = open_read(session).streams[0].name
    assert sum(answer.row_count for answer in session._reader.read_rows(name, retry=None, timeout=5)) == 70_000
    with pytest.raises(GoogleAPICallError, match="not found"):
        list(session._reader.read_rows(name, retry=None, timeout=5))


def open_read(session: Session) -> types.ReadSession:
    project = session.client.project
    table = f"projects/{project}/datasets/small/tables/t"
    wanted = types.ReadSession(table=table, data_format=types.DataFormat.ARROW)
    return session._reader.create_read_session(
        parent=f"projects/{project}", read_session=wanted, max_stream_count=1, retry=None
    )


def test_uploads_are_gone_once_they_are_loaded(session: Session, server: psutil.Process) -> None:
    session.run("CREATE TABLE `small`.`t` (k INT64 NOT NULL)")
    for _ in range(3):
        session.load("small", "t", (KEY,), pa.table({"k": range(1000)}).to_batches())
    folder = Path(next(part for part in server.cmdline() if part.endswith("ports.json"))).parent
    assert [path for path in folder.rglob("*") if path.is_file() and "uploads" in path.parts] == []


def test_dropped_tables_give_their_memory_back(session: Session, server: psutil.Process) -> None:
    """What stays after ten loads of 8 MB, read back and dropped, must not be ten times what stays after one."""
    rows = pa.table({"k": pa.array(range(1_000_000), pa.int64())}).to_batches()

    def played() -> int:
        session.run("CREATE TABLE `small`.`t` (k INT64 NOT NULL)")
        session.load("small", "t", (KEY,), rows)
        assert sum(batch.num_rows for batch in session.rows("small", "t", (KEY,))) == 1_000_000
        session.run("DROP TABLE `small`.`t`")
        return int(server.memory_info().rss)

    once = [played() for _ in range(bigquery_emulator.RESULTS_KEPT + 2)][-1]
    again = [played() for _ in range(bigquery_emulator.RESULTS_KEPT + 2)][-1]
    assert again - once < 8 * 8_000_000


@pytest.mark.parametrize("ending", [signal.SIGKILL, None], ids=["killed", "normally"])
def test_it_ends_with_its_owner_however_that_ends(tmp_path: Path, ending: signal.Signals | None) -> None:
    environ = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNS_AN_EMULATOR], env=environ, cwd=ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with owner:
        assert owner.stdout is not None
        assert owner.stdin is not None
        assert owner.stdout.readline() == "ready\n"
        below = psutil.Process(owner.pid).children(recursive=True)
        assert len(below) == 2
        assert len(list(tmp_path.glob("matrix-bigquery-*"))) == 1
        if ending:
            owner.send_signal(ending)
        owner.stdin.close()
        owner.wait(WAIT_SECONDS)
    assert psutil.wait_procs(below, timeout=WAIT_SECONDS)[1] == []
    assert list(tmp_path.glob("matrix-bigquery-*")) == []


def test_a_failed_start_says_why_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('error: no more of this')")
    monkeypatch.setattr(embedded_bigquery, "_PROGRAM", broken)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with pytest.raises(SystemUnavailableError) as caught:
        embedded_bigquery.start()
    message = str(caught.value)
    assert message.startswith("bigquery: the embedded emulator did not start: ")
    assert message.endswith("error: no more of this")
    assert "\n" not in message
    assert list(tmp_path.iterdir()) == [broken]


def test_a_failing_disk_is_a_reason_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(prefix: str) -> None:
        raise OSError(28, "No space left on device", prefix)

    monkeypatch.setattr(embedded_bigquery, "Supervised", fail)
    with pytest.raises(SystemUnavailableError, match="No space left on device"):
        embedded_bigquery.start()


REMEMBERED = f"""if True:
    import sys
    sys.path.insert(0, {str(Path(bigquery_emulator.__file__).parent)!r})
    import bigquery_emulator as emulator
    from bqemulator.row_access.identity import CallerIdentity
    from bqemulator.scripting import interpreter
    from bqemulator.sql import translator
    plain = translator.SQLTranslator.translate
    texts = ["SELECT SAFE_DIVIDE(a, b) FROM d.t", "SELECT SESSION_USER()", "CREATE TABLE d.t (a STRING NOT NULL)"]
    callers = [CallerIdentity("user:a@b.c"), CallerIdentity("user:d@e.f")]
    own = [plain(translator.SQLTranslator(), text, caller=caller).unwrap() for text in texts for caller in callers]
    parsed = []
    parse = translator.sqlglot.transpile
    translator.sqlglot.transpile = lambda text, **kw: parsed.append(text) or parse(text, **kw)
    emulator._translate_once()
    for _ in range(3):
        # each script has a translator of its own
        translate = translator.SQLTranslator().translate
        assert [translate(text, caller=caller).unwrap() for text in texts for caller in callers] == own
    assert len(set(own)) == 4, own
    assert len(parsed) == len(texts) * len(callers), parsed
    tables = interpreter.rewrite_table_refs
    assert [tables("SELECT 1 FROM d.t", project) for project in ("p", "q", "p")] == [
        'SELECT 1 FROM "p__d"."t"', 'SELECT 1 FROM "q__d"."t"', 'SELECT 1 FROM "p__d"."t"'
    ]
    parsed.clear()
    cases = ["m_00000000000a_postgres_to_bigquery__cdc", "m_00000000000b_postgres_to_bigquery__scd2"]
    said = ["SELECT a FROM `%s`.`t` WHERE b = '%s'" % (case, case) for case in cases]
    assert [translate(text, caller=callers[0]).unwrap() for text in said] == [
        plain(translator.SQLTranslator(), text, caller=callers[0]).unwrap() for text in said
    ]
    assert len(parsed) == 3, parsed
    wrong = translate("SELECT ( FROM `%s`.`t`" % cases[0], caller=callers[0])
    assert wrong.is_err() and emulator._ANY_DATASET not in str(wrong.error), wrong
"""


def test_a_statement_is_translated_once_for_each_who_says_it_and_as_it_would_be_anyway() -> None:
    done = subprocess.run([sys.executable, "-c", REMEMBERED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_said_of_one_cases_dataset_is_not_answered_from_anothers(session: Session) -> None:
    names = [f"m_00000000000{place}_postgres_to_bigquery__cdc" for place in range(3)]
    for place, name in enumerate(names):
        session.run(f"CREATE SCHEMA `{name}`; CREATE TABLE `{name}`.`t` (`k` INT64 NOT NULL);")
        session.run(f"INSERT INTO `{name}`.`t` VALUES ({place}); INSERT INTO `{name}`.`t` VALUES ({place});")
    for _ in range(2):
        for place, name in enumerate(names):
            assert session.run(f"SELECT SUM(`k`) AS s FROM `{name}`.`t`") == {"s": 2 * place}
    assert [session.tables(name) for name in names] == [["t"]] * 3
    for name in names:
        session.run(f"DROP SCHEMA `{name}` CASCADE")


def test_row_access_policies_hold_while_they_are_there_however_often_the_same_was_asked(session: Session) -> None:
    session.run("CREATE SCHEMA `seen`")
    for name in ("t", "u"):
        session.run(f"CREATE TABLE `seen`.`{name}` (`k` INT64); INSERT INTO `seen`.`{name}` VALUES (1), (2);")
    asked = "SELECT (SELECT COUNT(*) FROM `seen`.`t`) AS t, (SELECT COUNT(*) FROM `seen`.`u`) AS u"
    assert session.run(asked) == {"t": 2, "u": 2}
    for name in ("t", "u"):
        session.run(f"CREATE ROW ACCESS POLICY p ON `seen`.`{name}` GRANT TO ('allUsers') FILTER USING (k > 1)")
    assert [session.run(asked), session.run(asked)] == [{"t": 1, "u": 1}] * 2
    session.run("DROP ROW ACCESS POLICY p ON `seen`.`t`")
    assert [session.run(asked), session.run(asked)] == [{"t": 2, "u": 1}] * 2
    session.run("DROP SCHEMA `seen` CASCADE")
