"""Messages in JSON: one object per key and per value.

Here lives the way between rows and lists of payloads; how values are written is said in `json_rows`.
It may import `matrix_defs`, pyarrow, orjson and the shared modules of `resources`.
"""

from collections.abc import Sequence

import orjson
import pyarrow as pa

from matrix_defs.errors import ReadError
from matrix_defs.table import Column
from resources import json_rows
from resources.kafka.formats import Part, bounded

TYPES = json_rows.STORED

_SHOWN = 200


class JsonFormat:
    """JSON text in UTF-8; a message says its own field names and needs no registry."""

    name = "json"
    types = TYPES

    def prepare(self, topic: str, key: Sequence[Column], value: Sequence[Column]) -> None:
        """Return at once: readers take any object with the fields that they ask for."""

    def encode(self, topic: str, rows: pa.Table, columns: Sequence[Column], *, part: Part) -> list[bytes]:
        """Return one object per row, its fields in the order of the columns."""
        payloads: list[bytes] = json_rows.to_json(rows, columns).cast(pa.large_binary()).to_pylist()
        return payloads

    def decode(self, topic: str, payloads: Sequence[bytes], columns: Sequence[Column], *, part: Part) -> pa.Table:
        """Return the rows. Raises ReadError for a payload that is not one object with values of the columns' types."""
        schema, wire = pa.schema([column.field for column in columns]), json_rows.wire_schema(columns)
        batches: list[pa.RecordBatch] = []
        for some in bounded(payloads):
            try:
                batches += _rows(some, wire, columns)
            except ValueError as error:
                raise ReadError(
                    f"Kafka, topic {topic}: a {part} is no JSON of its columns: {_why(some, error)}"
                ) from error
        return pa.Table.from_batches(batches, schema)

    def forget(self, topic: str) -> None:
        """Return at once: nothing is kept outside the topic."""

    def topics(self) -> list[str]:
        """None: nothing is kept outside the topics."""
        return []


def _rows(payloads: Sequence[bytes], wire: pa.Schema, columns: Sequence[Column]) -> list[pa.RecordBatch]:
    """Parse payloads end to end, a line end between them. Raises ValueError.

    What begins and ends with a brace is at least one object, as no object goes on over a line end behind a brace
    without a comma; so as many rows as payloads means one each.
    """
    if not all(payload[:1] == b"{" and payload[-1:] == b"}" for payload in map(bytes.strip, payloads)):
        raise ValueError("not an object")
    parsed = json_rows.parse(b"\n".join(payloads), wire)
    if parsed.num_rows != len(payloads):
        raise ValueError("more than one object")
    return [json_rows.from_wire(batch.to_struct_array(), columns) for batch in parsed.to_batches()]


def _why(payloads: Sequence[bytes], error: ValueError) -> str:
    """Name the first payload that is no object at all; Arrow's own words where all are."""
    for payload in payloads:
        try:
            if isinstance(orjson.loads(payload), dict):
                continue
        except orjson.JSONDecodeError:
            pass
        return repr(payload[:_SHOWN])[1:]
    return " ".join(str(error).split())[:_SHOWN]
