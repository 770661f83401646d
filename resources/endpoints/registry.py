"""The endpoints of this process: each started once, when it is first asked for, and stopped at the end.

Here live who holds them, which kind is chosen, and what is said of them; how a kind is had lives in its own module.
It may import `matrix_defs`.
"""

import atexit
import os
import shlex
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any

from matrix_defs.errors import SystemUnavailableError, UsageError
from matrix_defs.systems import System
from resources.endpoints import compose, embedded, external
from resources.endpoints.endpoint import Endpoint, Kind, Running

KINDS: dict[Kind, Callable[[System, Mapping[str, str]], Running]] = {
    "embedded": lambda system, _: embedded.start(system),
    "compose": compose.start,
    "external": external.start,
}
"""How an endpoint of each kind is had, given the variables that describe it."""

_DESCRIBED: dict[Kind, Callable[[System, Mapping[str, str]], Endpoint]] = {
    "compose": compose.settings,
    "external": external.settings,
}
"""The kinds that variables describe, and what they say before anything is started or reached."""

KIND_VARIABLE = "MATRIX_ENDPOINTS"
"""A kind for every system, or `postgres=external,kafka=compose` for the named ones; the others are embedded."""

ALWAYS_EMBEDDED = frozenset({System.REST})
"""A foreign API cannot be seeded, so it is always the local service."""


class Endpoints:
    """The running endpoints of one process. Safe to use from any thread; every thread gets the same endpoint."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[tuple[System, Kind], threading.RLock] = {}
        self._running: dict[tuple[System, Kind], Running] = {}
        self._refused: dict[tuple[System, Kind], str] = {}
        self._inherited: dict[tuple[System, Kind], Running] = {}
        _every.add(self)
        atexit.register(self.stop_all)

    def endpoint(self, system: System, kind: Kind = "embedded", environ: Mapping[str, str] = os.environ) -> Endpoint:
        """Return the system's endpoint, started or reached if it was not yet. `environ` describes an external one.

        Raises SystemUnavailableError, also again without another attempt, until `stop_all` forgets it.
        """
        key = _key(system, kind)
        with self._starting(key):
            if key in self._refused:
                raise SystemUnavailableError(self._refused[key])
            if key not in self._running:
                try:
                    self._running[key] = _start(*key, environ)
                except SystemUnavailableError as error:
                    self._refused[key] = str(error)
                    raise
            return self._running[key].endpoint

    def _starting(self, key: tuple[System, Kind]) -> threading.RLock:
        """The lock of one endpoint: others start beside it."""
        with self._lock:
            return self._locks.setdefault(key, threading.RLock())

    def running(self) -> list[Endpoint]:
        """Return the endpoints held now, in the order in which they were first asked for."""
        return [running.endpoint for running in list(self._running.values())]

    def stop_all(self) -> None:
        """Stop what this process started, last first; `endpoint` starts anew. Safe to call twice."""
        with ExitStack() as started:
            for lock in list(self._locks.values()):
                started.enter_context(lock)
            self._refused.clear()
            while self._running:
                self._running.popitem()[1].stop()

    def status(self, environ: Mapping[str, str] = os.environ) -> list[dict[str, Any]]:
        """Return one row per system: what runs or would run, starting nothing. Raises UsageError as `kind_of` does.

        `state` is `running`, `available` (embedded, compose: can be started; external: described by the variables, not
        reached yet) or `unavailable`, with `reason`; `address` is None unless known.
        """
        return [self._status(system, kind_of(system, environ), environ) for system in System]

    def _status(self, system: System, kind: Kind, environ: Mapping[str, str]) -> dict[str, Any]:
        row: dict[str, Any] = {"system": system.value, "kind": kind, "state": "available", "reason": None}
        row |= {"in_process": False, "address": None}
        held = self._running.get((system, kind))
        if held is not None:
            return row | {
                "state": "running",
                "in_process": held.endpoint.in_process,
                "address": held.endpoint.address,
            }
        try:
            if (system, kind) in self._refused:
                raise SystemUnavailableError(self._refused[system, kind])
            if kind == "embedded":
                return row | {"in_process": embedded.check(system).in_process}
            return row | {"address": _DESCRIBED[kind](system, environ).address}
        except SystemUnavailableError as error:
            return row | {"state": "unavailable", "reason": str(error)}

    def _disown(self) -> None:
        """In a forked child: keep what is reached over TCP without owning it, forget what lives inside the parent."""
        self._lock, self._locks = threading.Lock(), {}
        self._inherited = self._running  # never collected: closing the parent's chdb client in a child hangs
        held = {key: running.endpoint for key, running in self._inherited.items()}
        self._running = {key: Running(endpoint) for key, endpoint in held.items() if not endpoint.in_process}


def kind_of(system: System, environ: Mapping[str, str] = os.environ) -> Kind:
    """Return the kind of endpoint that MATRIX_ENDPOINTS chooses for a system. Raises UsageError for an unknown word."""
    chosen: dict[System, Kind] = {}
    for item in filter(None, (part.strip() for part in environ.get(KIND_VARIABLE, "").split(","))):
        name, equals, word = item.rpartition("=")
        kind = next((known for known in KINDS if known == word.strip()), None)
        named = [known for known in System if known == name.strip()] if equals else list(System)
        if kind is None or not named:
            raise UsageError(
                f"{KIND_VARIABLE}: {item!r} is neither a kind ({', '.join(KINDS)}) nor SYSTEM=KIND"
                f" with a system of {', '.join(System)}"
            )
        if equals and kind != "embedded" and ALWAYS_EMBEDDED.issuperset(named):
            raise UsageError(
                f"{KIND_VARIABLE}: {item!r}: a foreign API cannot be seeded, so {name.strip()} is the local service in"
                f" every run mode; leave it out"
            )
        chosen |= dict.fromkeys(named, kind)
    return _key(system, chosen.get(system, "embedded"))[1]


def environment(endpoints: Iterable[Endpoint]) -> dict[str, str]:
    """Return the variables, passwords included, by which another process uses these endpoints instead of its own.

    Endpoints that live inside this process are left out: nobody else can use them.
    """
    shared = [endpoint for endpoint in endpoints if not endpoint.in_process]
    if not shared:
        return {}
    kinds = ",".join(f"{endpoint.system}=external" for endpoint in shared)
    return {KIND_VARIABLE: kinds, **external.as_variables(shared)}


def environment_lines(endpoints: Iterable[Endpoint]) -> list[str]:
    """Return `environment` as lines for a POSIX shell, with a comment for every endpoint that cannot be shared."""
    held = list(endpoints)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in environment(held).items()]
    return lines + [
        f"# {endpoint.system}: {endpoint.engine} {endpoint.version} lives inside process {os.getpid()};"
        " other commands start their own"
        for endpoint in held
        if endpoint.in_process
    ]


def _key(system: System, kind: Kind) -> tuple[System, Kind]:
    return system, "embedded" if system in ALWAYS_EMBEDDED else kind


def _start(system: System, kind: Kind, environ: Mapping[str, str]) -> Running:
    return KINDS[kind](system, environ)


def _disown_all() -> None:
    for endpoints in list(_every):
        endpoints._disown()


_every: "weakref.WeakSet[Endpoints]" = weakref.WeakSet()
os.register_at_fork(after_in_child=_disown_all)

ENDPOINTS = Endpoints()
"""The endpoints that all cases of this process share."""
