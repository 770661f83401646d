"""A folder, and at most one server in it, that never outlive this process.

Here lives the owner's side of `supervisor`: begin it, tell it what to run, end it. What to run is not known here.
It may import the standard library only.
"""

import json
import os
import re
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SUPERVISOR = Path(__file__).with_name("supervisor.py")


class CommandError(Exception):
    """A supervised command failed or its server did not become ready. `log` is the end of what it printed."""

    def __init__(self, program: str, log: str) -> None:
        self.log = log
        lines = [line.strip() for line in log.splitlines() if line.strip()]
        telling = [line for line in lines if re.search(r"\b(fatal|panic|error|could not)\b", line, re.IGNORECASE)]
        super().__init__(f"{program} failed: {'; '.join(telling or lines[-3:]) or 'it printed nothing'}")


@dataclass(frozen=True)
class Account:
    """The user that a command runs as."""

    uid: int
    gid: int


class Supervised:
    """A folder of this process. Ends when `stop` is called, or at the latest when this process is gone."""

    def __init__(self, prefix: str) -> None:
        # A session of its own: Ctrl-C in the terminal must not reach the server before the owner has used it up.
        # -I -S: nothing but the standard library is needed, and nothing in the caller's environment may break it.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SUPERVISOR), prefix],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        _open.add(self)
        self.folder = Path(self._answer(_SUPERVISOR.stem)["folder"])

    def run(
        self, argv: Sequence[str], env: Mapping[str, str], account: Account | None = None, seconds: float = 60
    ) -> None:
        """Run a command to its end. Raises CommandError if it fails or takes longer than `seconds`."""
        self._ask(argv, env, account, seconds, None)

    def serve(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        ready: str,
        account: Account | None = None,
        seconds: float = 60,
    ) -> int:
        """Start the server and return its process id once its log holds `ready`. Raises CommandError otherwise."""
        pid: int = self._ask(argv, env, account, seconds, ready)["pid"]
        return pid

    def stop(self) -> None:
        """End the server, remove the folder, and return when both are gone."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        _open.discard(self)

    def _ask(
        self, argv: Sequence[str], env: Mapping[str, str], account: Account | None, seconds: float, ready: str | None
    ) -> dict[str, Any]:
        ids = {"uid": account.uid, "gid": account.gid} if account else {"uid": None, "gid": None}
        request = {"argv": list(argv), "env": dict(env), "seconds": seconds, "ready": ready, **ids}
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the missing answer says so
        return self._answer(Path(argv[0]).name)

    def _answer(self, program: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise CommandError(program, f"its supervisor ended with exit code {self._process.wait()}")
        reply: dict[str, Any] = json.loads(line)
        if not reply["ok"]:
            raise CommandError(program, reply["log"])
        return reply

    def _let_go(self) -> None:
        """In a forked child: close the inherited write end, which would keep the server alive after the owner."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.returncode = 0


_open: "weakref.WeakSet[Supervised]" = weakref.WeakSet()


def _let_go_of_all() -> None:
    for supervised in list(_open):
        supervised._let_go()
    _open.clear()


os.register_at_fork(after_in_child=_let_go_of_all)
