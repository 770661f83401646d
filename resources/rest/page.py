"""One page of a response: from the bytes of its body to canonical record batches and the few fields around them.

Here lives parsing; how a page is fetched is said in `client`, which one comes next in `paginators`.
It may import `matrix_defs`, pyarrow, orjson and `json_rows`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from matrix_defs.errors import ReadError, UsageError
from matrix_defs.table import Column
from resources.json_rows import from_wire, parse, wire_schema

_ROOT = "records"
"""The name given to the records where the body is a bare array."""

_MESSAGE_LENGTH = 300


class BrokenBodyError(Exception):
    """The body is no complete JSON document; the same page may well arrive whole when asked for again."""


@dataclass(frozen=True)
class Page:
    """What one response held."""

    rows: pa.RecordBatch
    fields: Mapping[str, Any]
    """The fields around the records by their dotted path; None where the response lacks one."""
    next_url: str | None = None
    """The target of the Link header with rel=next, as the server wrote it."""


class PageReader:
    """Reads pages of one shape.

    A body is handed to Arrow's JSON reader as one row of nested lists: for 10,000 records of 136 fields that takes half
    the time of decoding it to Python objects and printing NDJSON from them.
    """

    def __init__(self, columns: Sequence[Column], records_path: str, fields: Mapping[str, pa.DataType]) -> None:
        """`records_path` and the keys of `fields` are dotted paths; an empty records path means a bare array."""
        self._columns = columns
        self._path = records_path or _ROOT
        self._bare = not records_path
        self._fields = fields if records_path else {}
        leaves = {self._path: pa.list_(pa.struct(list(wire_schema(columns)))), **self._fields}
        self._schema = pa.schema(list(_nested(leaves)))

    def read(self, body: bytes) -> Page:
        """Return the page. Raises BrokenBodyError for no JSON, ReadError for JSON of another shape than declared."""
        document = self._document(body)
        records = _at(document, self._path)[0]
        if not records.is_valid:
            raise ReadError(f"the response has no records under {self._path!r}; check the records path")
        try:
            rows = from_wire(records.values, self._columns)
        except ValueError as error:
            raise ReadError(_shortened(error)) from error
        return Page(rows, {path: _at(document, path)[0].as_py() for path in self._fields})

    def _document(self, body: bytes) -> pa.Table:
        row = b'{"%s":%s}' % (_ROOT.encode(), body) if self._bare else body
        try:
            document = parse(row, self._schema)
        except ValueError as error:
            raise _diagnosed(body, error) from error
        if document.num_rows != 1:
            raise BrokenBodyError("the body is not one JSON document")
        return document


def _diagnosed(body: bytes, error: ValueError) -> Exception:
    """Arrow has one error for cut-off JSON and for JSON of another type; only the first is worth asking again."""
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return BrokenBodyError(f"the body is no complete JSON document ({len(body)} bytes)")
    return ReadError(f"the response has not the declared fields or types: {_shortened(error)}")


def _shortened(error: ValueError) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= _MESSAGE_LENGTH else f"{text[:_MESSAGE_LENGTH]}..."


def _nested(leaves: Mapping[str, pa.DataType]) -> list[pa.Field]:
    """Fields whose dotted paths lead to the given types."""
    branches: dict[str, dict[str, pa.DataType]] = {}
    for path, kind in leaves.items():
        name, _, rest = path.partition(".")
        branches.setdefault(name, {})[rest] = kind
    for name, branch in branches.items():
        if "" in branch and len(branch) > 1:
            raise UsageError(f"{name!r} cannot be a value of the response and hold others; check the dotted paths")
    return [
        pa.field(name, branch[""] if "" in branch else pa.struct(_nested(branch))) for name, branch in branches.items()
    ]


def _at(document: pa.Table, path: str) -> pa.Array:
    name, *rest = path.split(".")
    column = document.column(name).combine_chunks()
    return pc.struct_field(column, rest) if rest else column
