"""The value that names a running service of a system, and what its starter hands over beside it.

How a service is started lives in `embedded` and `compose`, how a foreign one is found in `external`, who holds them in
`registry`. It may import `matrix_defs` and the standard library.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from matrix_defs.systems import System

Kind = Literal["embedded", "compose", "external"]


@dataclass(frozen=True)
class Endpoint:
    """A running service of a system: where it is, how to log in, and what it really is."""

    system: System
    kind: Kind
    engine: str
    """The name of the server program, as results show it."""
    version: str
    """What the server itself says its version is."""
    host: str = "127.0.0.1"
    port: int | None = None
    """None where the service listens on no port of its own."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    """Never part of `repr` or `describe`; only drivers may see it."""
    database: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    """What only this system knows: `path` (embedded ClickHouse), `base_url` (REST), `sslmode`, `secure`. No secret."""
    emulator: bool = False
    """The engine imitates the system instead of being it."""
    lacks: Mapping[str, str] = field(default_factory=dict)
    """What the system has and this engine has not: a type, a statement; and why, or what is done in its place.

    Cases do without it and results show it. Only the endpoint's starter or probe says it.
    """
    in_process: bool = False
    """It lives inside this process and ends with it; other processes cannot use it."""

    @property
    def address(self) -> str:
        """Where it is, for people."""
        if "base_url" in self.options:
            return self.options["base_url"]
        if "bootstrap_servers" in self.options:
            return self.options["bootstrap_servers"]
        return f"{self.host}:{self.port}" if self.port else "in process"

    @property
    def names(self) -> dict[str, str | None]:
        """Who logs in where, to be named in advice: user, database and project; None where the system has none."""
        return {"user": self.user, "database": self.database, "project": self.options.get("project")}

    def describe(self) -> dict[str, Any]:
        """Return what results say of the endpoint: JSON-able, without a secret."""
        return {
            "system": self.system.value,
            "kind": self.kind,
            "engine": self.engine,
            "version": self.version,
            "emulator": self.emulator,
            "address": self.address,
            "lacks": dict(self.lacks),
        }


def _leave_running() -> None:
    """Foreign services are nobody's to stop."""


@dataclass(frozen=True)
class Running:
    """An endpoint and the way to end it. `stop` is called once, by the process that started it."""

    endpoint: Endpoint
    stop: Callable[[], None] = _leave_running
