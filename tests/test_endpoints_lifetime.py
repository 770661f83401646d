"""Promises about the end: no server and no data folder outlives the process that started it, however that process ends.

Here owners are real processes that are really killed; what is waited for is always the end of a process, never a time.
It may import `resources.endpoints` and psutil.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from resources.endpoints.supervised import CommandError, Supervised

ROOT = Path(__file__).parents[1]
WAIT_SECONDS = 30

SERVER = [sys.executable, "-I", "-c", "import signal; print('ready', flush=True); signal.pause()"]

OWNS_A_SERVER = f"""
import sys
from resources.endpoints.supervised import Supervised
supervised = Supervised("matrix-test-")
supervised.serve({SERVER!r}, {{}}, "ready")
"""

OWNS_REAL_SERVICES = """
import sys, threading
from matrix_defs.systems import System
from resources.endpoints.registry import ENDPOINTS
for system in (System.POSTGRES, System.CLICKHOUSE):
    thread = threading.Thread(target=ENDPOINTS.endpoint, args=(system,))
    thread.start()
    thread.join()
"""

FORKS = """
import os
forked = os.fork()
if forked == 0:
    sys.stdin.read()
    os._exit(0)
print(forked, flush=True)
"""

FORKS_A_CHILD_THAT_ASKS = f"""
import os, signal
from matrix_defs.errors import SystemUnavailableError
asking = os.fork()
if asking == 0:
    ENDPOINTS.endpoint(System.POSTGRES)
    try:
        ENDPOINTS.endpoint(System.CLICKHOUSE)
    except SystemUnavailableError as error:
        print(error, flush=True)
    ENDPOINTS.stop_all()
    os._exit(0)
# A child that hangs is what is to be ruled out.
signal.signal(signal.SIGALRM, lambda *_: os.kill(asking, signal.SIGKILL))
signal.alarm({WAIT_SECONDS})
os.waitpid(asking, 0)
import psycopg
at = ENDPOINTS.endpoint(System.POSTGRES)
psycopg.connect(host=at.host, port=at.port, user=at.user, password=at.password).close()
print("parent still served", flush=True)
"""

OBEYS = """
import signal
# Who starts the tests in the background has interrupts ignored, and Dagster then the request to end too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
"""

STAYS = """
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty temporary folder that the server's user can reach."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        yield Path(folder)


class Owner:
    """A process that owns services, everything it said before it was ready, and the processes below it."""

    def __init__(self, code: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OBEYS + code + STAYS],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.said: list[str] = []
        while not self.said or self.said[-1] != "ready":
            line = self.process.stdout.readline()
            assert line, f"the owner ended early, having said {self.said}"
            self.said.append(line.strip())
        below = psutil.Process(self.process.pid).children(recursive=True)
        self.services = [child for child in below if str(child.pid) not in self.said]

    def __enter__(self) -> "Owner":
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.kill()
        self.process.stdin.close()
        self.process.wait(WAIT_SECONDS)
        self.process.stdout.close()

    def ends_normally(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(WAIT_SECONDS)

    def services_that_stay(self) -> list[psutil.Process]:
        """Wait for servers and supervisors to end, which they do after the folders are removed."""
        alive: list[psutil.Process] = psutil.wait_procs(self.services, timeout=WAIT_SECONDS)[1]
        return alive


def test_a_killed_owner_leaves_no_server_and_no_data_folder(folders: Path) -> None:
    with Owner(OWNS_REAL_SERVICES) as owner:
        assert len(list(folders.iterdir())) == 2
        assert len(owner.services) > 2
        owner.process.send_signal(signal.SIGKILL)
        assert owner.services_that_stay() == []
        assert list(folders.iterdir()) == []


def test_an_owner_that_ends_normally_has_stopped_everything_before(folders: Path) -> None:
    with Owner(OWNS_REAL_SERVICES) as owner:
        assert owner.ends_normally() == 0
        assert not [service for service in owner.services if service.is_running()]
        assert list(folders.iterdir()) == []


def test_a_forked_child_stops_nothing_of_its_parent_and_is_refused_the_engine_inside_it(folders: Path) -> None:
    with Owner(OWNS_REAL_SERVICES + FORKS_A_CHILD_THAT_ASKS) as owner:
        assert owner.said[0].startswith("clickhouse: the embedded engine lives inside process")
        assert owner.said[1:] == ["parent still served", "ready"]
        owner.process.terminate()
        assert owner.services_that_stay() == []


def test_a_terminated_owner_leaves_nothing(folders: Path) -> None:
    with Owner(OWNS_A_SERVER) as owner:
        owner.process.terminate()
        assert owner.services_that_stay() == []
        assert list(folders.iterdir()) == []


def test_a_server_dies_with_its_owner_though_a_forked_child_of_the_owner_lives_on(folders: Path) -> None:
    with Owner(OWNS_A_SERVER + FORKS) as owner:
        owner.process.send_signal(signal.SIGKILL)
        assert owner.services_that_stay() == []
        assert list(folders.iterdir()) == []
        assert psutil.Process(int(owner.said[0])).is_running()


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(folders: Path) -> None:
    supervised = Supervised("matrix-test-")
    server = supervised.serve(SERVER, {}, "ready")
    assert os.getsid(server) != os.getsid(0)
    supervised.stop()


def test_a_supervisor_asked_to_end_takes_its_server_along(folders: Path) -> None:
    supervised = Supervised("matrix-test-")
    server = psutil.Process(supervised.serve(SERVER, {}, "ready"))
    psutil.Process(server.ppid()).terminate()
    assert psutil.wait_procs([server], timeout=WAIT_SECONDS)[1] == []
    with pytest.raises(CommandError, match="initdb failed: its supervisor ended"):
        supervised.run(["initdb"], {})
    assert list(folders.iterdir()) == []
    supervised.stop()


def test_a_command_that_fails_is_told_in_its_own_words(folders: Path) -> None:
    supervised = Supervised("matrix-test-")
    with pytest.raises(CommandError, match=r"^python.* failed: it is broken$"):
        supervised.run([sys.executable, "-I", "-c", "print('it is broken'); raise SystemExit(1)"], {})
    with pytest.raises(CommandError, match="No such file or directory: '/no/such/program'"):
        supervised.run(["/no/such/program"], {})
    supervised.run([sys.executable, "-I", "-c", ""], {})
    supervised.stop()
    assert list(folders.iterdir()) == []


def test_a_server_that_never_becomes_ready_is_ended(folders: Path) -> None:
    before = set(psutil.Process().children(recursive=True))  # services that other tests share
    supervised = Supervised("matrix-test-")
    with pytest.raises(CommandError, match="not ready within 0 seconds"):
        supervised.serve(SERVER, {}, "another word", seconds=0)
    assert set(psutil.Process().children(recursive=True)) - before == {psutil.Process(supervised._process.pid)}
    supervised.stop()


@pytest.fixture
def obeyed_sigterm() -> Iterator[None]:
    """What is started takes SIGTERM: where SIGINT is ignored, as in a shell's background, Dagster ignores both here."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("obeyed_sigterm")
def test_who_ends_make_dev_ends_the_dagster_that_it_started(tmp_path: Path) -> None:
    """On stand-ins, Dagster's of which tells its process: make hands a signal on, a shell between would keep it."""
    dagster = tmp_path / "dagster"
    dagster.write_text("#!/bin/sh\necho $$\nexec sleep 600\n")
    dagster.chmod(0o755)
    (tmp_path / "python").symlink_to(shutil.which("true") or "/bin/true")
    dev = ["make", "--silent", f"--file={ROOT / 'Makefile'}", "--assume-old=.venv/.installed", f"BIN={tmp_path}", "dev"]
    with subprocess.Popen(dev, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as made:
        assert made.stdout is not None
        started = psutil.Process(int(made.stdout.readline()))
        made.terminate()
        _, stays = psutil.wait_procs([started], timeout=WAIT_SECONDS)
        for process in stays:
            process.kill()
    assert stays == []
