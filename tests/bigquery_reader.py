"""A server on loopback that answers like the Storage Read API, over gRPC: it holds one table and fails as it is told.

Here live no tests. It may import gRPC, pyarrow and the messages of Google's client.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pyarrow as pa
from google.cloud.bigquery_storage_v1 import types


@dataclass
class Failure:
    """Calls of a method fail by a status, as long as `times` lasts; a stream of rows behind so many of them."""

    method: str
    status: grpc.StatusCode
    message: str
    times: float
    behind: int


@dataclass
class Reader(grpc.GenericRpcHandler):
    """What the server was asked, and what it is told to answer. Every answer holds one row."""

    address: str = ""
    rows: Sequence[pa.RecordBatch] = ()
    tables: list[str] = field(default_factory=list)
    """The tables that were asked for, in order."""
    offsets: list[int] = field(default_factory=list)
    """Behind how many rows reading was begun, in order."""
    _failures: list[Failure] = field(default_factory=list)

    def fail(
        self, method: str, status: grpc.StatusCode, message: str = "no", times: float = float("inf"), behind: int = 0
    ) -> None:
        """End calls of a method (`CreateReadSession`, `ReadRows`) by an error."""
        self._failures.append(Failure(method, status, message, times, behind))

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Return what answers a call."""
        if handler_call_details.method.endswith("/CreateReadSession"):
            return grpc.unary_unary_rpc_method_handler(
                self._create, types.CreateReadSessionRequest.deserialize, types.ReadSession.serialize
            )
        return grpc.unary_stream_rpc_method_handler(
            self._read, types.ReadRowsRequest.deserialize, types.ReadRowsResponse.serialize
        )

    def _create(self, request: types.CreateReadSessionRequest, context: grpc.ServicerContext) -> types.ReadSession:
        self.tables.append(request.read_session.table)
        self._fail("CreateReadSession", 0, context)
        if not self.rows:
            return types.ReadSession()
        schema = self.rows[0].schema.serialize().to_pybytes()
        return types.ReadSession(arrow_schema={"serialized_schema": schema}, streams=[{"name": "rows"}])

    def _read(self, request: types.ReadRowsRequest, context: grpc.ServicerContext) -> Iterator[types.ReadRowsResponse]:
        self.offsets.append(request.offset)
        for place in range(request.offset, len(self.rows)):
            self._fail("ReadRows", place, context)
            written = self.rows[place].serialize().to_pybytes()
            yield types.ReadRowsResponse(row_count=1, arrow_record_batch={"serialized_record_batch": written})

    def _fail(self, method: str, place: int, context: grpc.ServicerContext) -> None:
        for failure in self._failures:
            if failure.times and (failure.method, failure.behind) == (method, place):
                failure.times -= 1
                context.abort(failure.status, failure.message)


@contextmanager
def reading() -> Iterator[Reader]:
    """Yield a reader that listens on the loopback interface."""
    reader = Reader()
    server = grpc.server(ThreadPoolExecutor(2), [reader])
    reader.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield reader
    finally:
        server.stop(None).wait()
