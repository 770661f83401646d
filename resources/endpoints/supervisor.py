"""The child process that ends a server, and removes its folder, when the owner ends, however that happens.

Here live the folder, the commands run in it and their end; which commands is said by `supervised`, one JSON line each.
It imports nothing but the standard library: it is executed by path and must start in milliseconds.

The owner holds the only write end of this process's stdin. The kernel closes it when the owner is gone, also after
SIGKILL, so its end means: stop everything. That needs no cooperation of the owner, no timer and no Linux-only call, and
it does not depend on which thread of the owner began.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.01
STOP_SECONDS = 15
LOG = "server.log"
LOG_TAIL_BYTES = 4096


def main(prefix: str) -> None:
    """Make a folder, obey the lines on stdin until they end, then leave nothing behind."""
    os.umask(0o077)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
    except OSError as error:
        return _answer({"ok": False, "log": str(error)})
    started: list[subprocess.Popen[bytes]] = []
    try:
        _answer({"ok": True, "folder": str(folder)})
        for line in sys.stdin:
            _answer(_obey(json.loads(line), folder / LOG, started))
    except BrokenPipeError:
        pass  # the owner ended while it was waiting for an answer
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for process in reversed(started):
            _stop(process)
        _remove(folder)


def _obey(request: dict[str, Any], log: Path, started: list[subprocess.Popen[bytes]]) -> dict[str, Any]:
    seen = log.stat().st_size if log.exists() else 0
    try:
        process = _launch(request, log)
        started.append(process)
        ok = _is_ready(process, request, log, seen)
    except OSError as error:
        return {"ok": False, "log": f"{_tail(log, seen)}\nerror: {error}"}
    return {"ok": ok, "pid": process.pid, "log": _tail(log, seen)}


def _launch(request: dict[str, Any], log: Path) -> subprocess.Popen[bytes]:
    account: dict[str, Any] = {}
    if request["uid"] is not None:
        account = {"user": request["uid"], "group": request["gid"], "extra_groups": []}
    with log.open("ab") as file:
        return subprocess.Popen(
            request["argv"], cwd="/", env=request["env"], stdin=subprocess.DEVNULL, stdout=file, stderr=file, **account
        )


def _is_ready(process: subprocess.Popen[bytes], request: dict[str, Any], log: Path, seen: int) -> bool:
    """Wait until the log says that the server is ready or, where no such text is given, until the command succeeded."""
    deadline = time.monotonic() + request["seconds"]
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        if request["ready"] is None:
            if ended:
                return process.returncode == 0
        elif ended:
            return False
        elif request["ready"] in _tail(log, seen):
            return True
        time.sleep(POLL_SECONDS)
    _stop(process)
    raise TimeoutError(f"not ready within {request['seconds']} seconds")


def _tail(log: Path, seen: int) -> str:
    with log.open("rb") as file:
        file.seek(max(seen, log.stat().st_size - LOG_TAIL_BYTES))
        return file.read().decode(errors="replace")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """SIGINT ends PostgreSQL without waiting for its clients ("fast shutdown") and most other servers."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _remove(folder: Path) -> None:
    """A killed server's children may still write for a moment, so one sweep can miss files."""
    deadline = time.monotonic() + STOP_SECONDS
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(POLL_SECONDS if folder.exists() else 0)


def _answer(reply: dict[str, Any]) -> None:
    os.write(sys.stdout.fileno(), (json.dumps(reply) + "\n").encode())


if __name__ == "__main__":
    main(sys.argv[1])
