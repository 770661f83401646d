"""The formats of messages: what a format can be asked, and the registry of those that exist.

Here live the interface, the choice and what every format needs; how each writes and reads lives in a module of its own.
It may import `matrix_defs`, pyarrow and the types table's form; a format's own packages are imported when it is chosen.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Literal, Protocol

import pyarrow as pa

from matrix_defs.errors import SystemUnavailableError
from matrix_defs.table import Column
from resources.types_table import TypesTable

Part = Literal["key", "value"]


READ_BYTES = 1 << 26
"""Payloads read at a time, about: Arrow's offsets end at 2 GiB."""


class Format(Protocol):
    """How keys and values of a topic's messages are written and read. Safe to use from several threads."""

    name: str
    types: TypesTable
    """How each logical type travels, and what is lost of it."""

    def prepare(self, topic: str, key: Sequence[Column], value: Sequence[Column]) -> None:
        """Make the topic ready for messages of these columns, before the first is produced.

        Raises LoadError where readers of earlier messages could not read the new ones.
        """

    def encode(self, topic: str, rows: pa.Table, columns: Sequence[Column], *, part: Part) -> list[bytes]:
        """Return one payload per row, made of these columns of canonical `rows`; equal rows have equal payloads.

        Raises LoadError.
        """

    def decode(self, topic: str, payloads: Sequence[bytes], columns: Sequence[Column], *, part: Part) -> pa.Table:
        """Return one canonical row per payload, in their order; no payload is None.

        Raises ReadError for a payload of another form, and naming a NOT NULL column that lacks a value.
        """

    def forget(self, topic: str) -> None:
        """Remove what `prepare` left outside the topic; safe to call twice."""

    def topics(self) -> list[str]:
        """Return the topics of which `prepare` left something outside, sorted. Raises LoadError."""


def bounded(payloads: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Yield the payloads in parts of about READ_BYTES."""
    start, size = 0, 0
    for end, payload in enumerate(payloads, 1):
        size += len(payload)
        if size >= READ_BYTES:
            yield payloads[start:end]
            start, size = end, 0
    if start < len(payloads):
        yield payloads[start:]


@dataclass(frozen=True)
class Registry:
    """Where schemas are registered and how to log in there."""

    url: str
    user: str | None = None
    password: str | None = None
    ca_location: str | None = None
    """File of the certificates that may sign the registry's; None: those of the machine."""

    def __repr__(self) -> str:
        """Without the password."""
        return f"Registry({self.url})"


def _json(registry: Registry | None) -> Format:
    from resources.kafka.json_format import JsonFormat

    return JsonFormat()


def _avro(registry: Registry | None) -> Format:
    if registry is None:
        raise SystemUnavailableError("kafka: the avro format needs a schema registry")
    from resources.kafka.avro_format import AvroFormat

    return AvroFormat(registry)


FORMATS: dict[str, Callable[[Registry | None], Format]] = {"json": _json, "avro": _avro}
"""The formats by the name that configuration gives them."""


def types_of(name: str) -> TypesTable:
    """Return how each logical type travels in the format of that name."""
    module = import_module(f"resources.kafka.{name}_format")
    types: TypesTable = module.TYPES
    return types


def make_format(
    name: str,
    registry_url: str | None,
    *,
    user: str | None = None,
    password: str | None = None,
    ca_location: str | None = None,
) -> Format:
    """Return the format of that name. Raises SystemUnavailableError where it needs a registry and there is none."""
    return FORMATS[name](Registry(registry_url, user, password, ca_location) if registry_url else None)
