"""Messages in Avro, their schemas in a registry: Confluent's wire format, one subject per topic and part.

Here lives what is asked of the registry and which schema a payload has; bytes are written in `avro_encode` and read in
`avro_decode`. It may import `matrix_defs`, confluent-kafka's registry client, numpy, pyarrow and the modules beside it.

https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from matrix_defs.errors import LoadError, MatrixError, ReadError, SystemUnavailableError
from matrix_defs.table import Column
from resources.kafka import avro_decode, avro_encode
from resources.kafka.avro_columns import MalformedError
from resources.kafka.avro_schema import WriterSchema, understand
from resources.kafka.avro_types import TYPES, schema_text, unnameable
from resources.kafka.formats import Part, Registry, bounded

_MAGIC = b"\0"
_HEADER = 5
"""The magic byte, then the schema's id in four bytes, big-endian."""

_SHOWN = 200
_TOLD = 500

_CLIENT: dict[str, Any] = {"timeout": 30, "max.retries": 3, "retries.wait.ms": 100, "retries.max.wait.ms": 1000}

_MISSING, _INCOMPATIBLE = 404, 409
"""What a registry answers, as HTTP statuses."""

_PARTS: tuple[Part, Part] = ("key", "value")
_SUFFIXES = tuple(f"-{part}" for part in _PARTS)


class AvroFormat:
    """Avro; every payload names the schema that it was written with. Safe to use from several threads."""

    name = "avro"
    types = TYPES

    def __init__(self, registry: Registry) -> None:
        """Reach nothing yet. Raises SystemUnavailableError for settings that the client does not take."""
        self._place = _place(registry.url)
        self._client = _client(registry, self._place)
        self._ids: dict[tuple[str, str], int] = {}
        """By subject and schema."""
        self._writers: dict[int, WriterSchema] = {}
        """By id: a registry gives none twice."""

    def prepare(self, topic: str, key: Sequence[Column], value: Sequence[Column]) -> None:
        """Register the schemas of a topic's keys and values. Raises LoadError where one is refused."""
        names = unnameable([*key, *value])
        if names:
            raise LoadError(
                f"Kafka, topic {topic}: {names[0]!r} cannot be the name of an Avro field; rename the column"
            )
        # Another process may have deleted what this one registered.
        self._client.clear_caches()
        for part, columns in (("value", value), ("key", key)):
            subject, text = _subject(topic, part), schema_text(part, tuple(columns))
            with self._asking(LoadError, f"Kafka, topic {topic}: registering subject {subject}"):
                self._register(topic, subject, text)

    def encode(self, topic: str, rows: pa.Table, columns: Sequence[Column], *, part: Part) -> list[bytes]:
        """Return one record per row, its fields in the order of the columns."""
        header = _MAGIC + self._id(_subject(topic, part), schema_text(part, tuple(columns))).to_bytes(4, "big")
        try:
            return avro_encode.payloads(rows, columns, header)
        except ValueError as error:
            raise LoadError(f"Kafka, topic {topic}: writing a {part}: {error}") from error

    def decode(self, topic: str, payloads: Sequence[bytes], columns: Sequence[Column], *, part: Part) -> pa.Table:
        """Return the rows, each read with the schema that its payload names."""
        table_schema = pa.schema([column.field for column in columns])
        what = f"Kafka, topic {topic}: a {part}"
        if not payloads:
            return table_schema.empty_table()
        ids = _schema_ids(payloads, what)
        tables, places = [], []
        for id in np.unique(ids).tolist():
            (here,) = np.nonzero(ids == id)
            some = payloads if len(here) == len(payloads) else [payloads[place] for place in here.tolist()]
            tables += self._rows(some, id, columns, what)
            places.append(here)
        rows = pa.Table.from_batches(tables, table_schema)
        return rows if len(places) == 1 else rows.take(pa.array(np.argsort(np.concatenate(places))))

    def forget(self, topic: str) -> None:
        """Delete the topic's subjects for good. Raises LoadError where the registry does not let it."""
        for part in _PARTS:
            subject = _subject(topic, part)
            for permanent in (False, True):  # in two steps, as the registry asks for it
                with self._asking(LoadError, f"Kafka, topic {topic}: deleting subject {subject}"):
                    self._delete(subject, permanent=permanent)
            for known in [known for known in list(self._ids) if known[0] == subject]:
                self._ids.pop(known, None)

    def topics(self) -> list[str]:
        """Return the topics that the registry has subjects of. Raises LoadError where it cannot be asked."""
        with self._asking(LoadError, "Kafka: listing subjects"):
            subjects = self._client.get_subjects()
        return sorted({subject.rpartition("-")[0] for subject in subjects if subject.endswith(_SUFFIXES)})

    # ------------------------------------------------------------------ its parts

    def _register(self, topic: str, subject: str, text: str) -> None:
        try:
            self._ids[subject, text] = self._client.register_schema(subject, Schema(text, "AVRO"))
        except SchemaRegistryError as error:
            if error.http_status_code != _INCOMPATIBLE:
                raise
            raise LoadError(
                f"Kafka, topic {topic}: subject {subject} does not take the schema, and nothing was produced; use"
                f" another topic or compatibility level: {_line(error.error_message)}"
            ) from error

    def _delete(self, subject: str, *, permanent: bool) -> None:
        try:
            self._client.delete_subject(subject, permanent=permanent)
        except SchemaRegistryError as error:
            if error.http_status_code != _MISSING:  # it is not there, or was deleted before
                raise

    def _id(self, subject: str, text: str) -> int:
        """Return the id of a schema that was registered, by this process or another."""
        if (subject, text) not in self._ids:
            with self._asking(LoadError, f"Kafka: looking for the schema that is to be written in subject {subject}"):
                found = self._client.lookup_schema(subject, Schema(text, "AVRO"))
            self._ids[subject, text] = int(found.schema_id or 0)
        return self._ids[subject, text]

    def _rows(self, payloads: Sequence[bytes], id: int, columns: Sequence[Column], what: str) -> list[pa.RecordBatch]:
        writer = self._writer(id, what)
        batches = []
        for some in bounded(payloads):
            try:
                batches.append(avro_decode.rows(some, _HEADER, writer, columns))
            except MalformedError as error:
                bad = some[error.record][:_SHOWN]
                raise ReadError(f"{what} is no record of schema {id}: {error}: {bad!r}") from error
            except ValueError as error:
                raise ReadError(f"{what} of schema {id} cannot be read: {error}") from error
        return batches

    def _writer(self, id: int, what: str) -> WriterSchema:
        if id not in self._writers:
            with self._asking(ReadError, f"{what} names schema {id}"):
                schema = self._client.get_schema(id)
            try:
                if schema.schema_type != "AVRO" or schema.references:
                    raise ValueError("not an Avro schema that stands alone")
                self._writers[id] = understand(schema.schema_str or "")
            except ValueError as error:
                raise ReadError(f"{what} names schema {id}, which at {self._place} is {error}") from error
        return self._writers[id]

    @contextmanager
    def _asking(self, kind: type[MatrixError], doing: str) -> Iterator[None]:
        """Turn what the client raises into one line of that kind."""
        try:
            yield
        except MatrixError:
            raise
        except SchemaRegistryError as error:
            said = f"{error.error_message} (HTTP {error.http_status_code}, code {error.error_code})"
            raise kind(f"{doing}: the schema registry at {self._place} says: {_line(said)}") from error
        # The client lets through what its HTTP library and its JSON parser raise, which have no base in common.
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise kind(f"{doing}: the schema registry at {self._place} cannot be asked: {_line(said)}") from error


def _subject(topic: str, part: str) -> str:
    """As Confluent's TopicNameStrategy names it."""
    return f"{topic}-{part}"


def _place(url: str) -> str:
    """Return addresses without what one logs in with."""
    return ",".join(one.rsplit("@", 1)[-1] for one in url.split(","))


def _client(registry: Registry, place: str) -> SchemaRegistryClient:
    settings = {**_CLIENT, "url": registry.url}
    if registry.user is not None:
        settings["basic.auth.user.info"] = f"{registry.user}:{registry.password or ''}"
    if registry.ca_location is not None:
        settings["ssl.ca.location"] = registry.ca_location
    try:
        client = SchemaRegistryClient(settings)
    except OSError as error:
        raise SystemUnavailableError(
            f"kafka: the schema registry's certificates cannot be read from {registry.ca_location}: {_line(str(error))}"
        ) from error
    except ValueError as error:
        raise SystemUnavailableError(
            f"kafka: {place!r} is no address of a schema registry; give http://host:port or https://host:port, and name"
            " the user either there or beside it"
        ) from error
    if urlsplit(registry.url).hostname in ("127.0.0.1", "localhost", "::1"):
        # No proxy of the environment knows the way back to this machine; the client has no setting for that.
        http = client._rest_client
        http.session.close()
        http.session = type(http.session)(verify=http.verify, auth=http.auth, timeout=http.timeout, trust_env=False)
    return client


def _schema_ids(payloads: Sequence[bytes], what: str) -> np.ndarray:
    """Return the id of each payload's schema. Raises ReadError for one that has none."""
    for payload in payloads:
        if len(payload) < _HEADER or payload[:1] != _MAGIC:
            raise ReadError(
                f"{what} is no Avro message, it does not begin with a zero and a schema's id: {payload[:_SHOWN]!r}"
            )
    return np.frombuffer(b"".join([payload[1:_HEADER] for payload in payloads]), ">u4")


def _line(text: str) -> str:
    return " ".join(text.split())[:_TOLD]
