"""The four ways of proving who asks, as request headers.

Here live credentials on their way into a header; they are never part of a repr or an error.
It may import the errors of `matrix_defs`.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from matrix_defs.errors import UsageError

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[!-~]+( +[!-~]+)*")
"""What RFC 9110 allows in a header's name, and printable ASCII. Checked here, because the HTTP library would repeat a
refused value, credentials and all, in its error."""


@dataclass(frozen=True)
class Auth:
    """Headers that carry the credentials. `kind` names them in errors."""

    kind: str = "none"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for name, value in self.headers.items():
            if not _NAME.fullmatch(name):
                raise UsageError(f"auth {self.kind}: {name!r} cannot be the name of a header")
            if not _VALUE.fullmatch(value):
                raise UsageError(
                    f"auth {self.kind}: the credential is empty or holds what no header can carry; look for a line end"
                )

    @classmethod
    def bearer(cls, token: str) -> "Auth":
        """A bearer token (RFC 6750)."""
        return cls("bearer", {"Authorization": f"Bearer {token}"})

    @classmethod
    def api_key(cls, header: str, key: str) -> "Auth":
        """A key in a header of the service's choice."""
        return cls("api_key", {header: key})

    @classmethod
    def basic(cls, username: str, password: str) -> "Auth":
        """User name and password (RFC 7617), in UTF-8."""
        return cls("basic", {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()})
