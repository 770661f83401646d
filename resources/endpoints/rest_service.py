"""The local REST service that the generic client is certified against: real HTTP on loopback, in this process.

Here live its paths, its ways of paging and a switch for each way in which services misbehave; its rows live in
`rest_store`. It may import `matrix_defs`, Starlette, orjson, pyarrow, the modules beside it and REST's auth.

    GET    /v1/{namespace}/{table}     a page: {"data": [...], "total": n, "has_next": bool, "next_cursor": text}
    PUT    /admin/{namespace}/{table}  create or replace (an Arrow stream with the table's description)
    POST   /admin/{namespace}/{table}  changes (Arrow streams end to end, each with its `op`), visible together
    DELETE /admin/{namespace}          forget the namespace and its behaviour
    PUT    /admin/{namespace}          set its behaviour (a JSON object of `Behaviour`'s fields)

A page is asked for by `page` and `page_size`, by `offset` and `limit`, by `cursor` and `limit`, or by `limit` and the
Link header. Filters are those of `StoredTable.matching`; `fields` is a comma list of the fields wanted.
"""

import base64
import binascii
import hashlib
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pyarrow as pa
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from matrix_defs.ports import Change, Op
from matrix_defs.table import Column, LogicalType, TableSpec
from resources.endpoints.loopback import LoopbackService
from resources.endpoints.rest_store import Store, StoredTable, names
from resources.rest.auth import Auth

_DEFAULT_SIZE = 100


@dataclass(frozen=True)
class Behaviour:
    """How a namespace answers reads. What is counted happens so many times, in the order given here."""

    too_many_requests: int = 0
    """429 with `retry_after`."""
    server_errors: int = 0
    """500."""
    slow_pages: int = 0
    """No answer until the client gives up."""
    truncated: int = 0
    """Half of the JSON, under an honest Content-Length."""
    retry_after: str | None = "0"
    """Retry-After of a 429: seconds or an HTTP date; None sends none."""
    repeat_page: bool = False
    """The second page repeats the first, and all later ones come one page late."""
    lose_page: bool = False
    """The second page is left out, and nothing says so."""
    endless_page: bool = False
    """Every page is the first, and more is promised every time."""
    largest_page: int | None = None
    """Pages hold no more rows than this, whatever was asked for."""
    declare_total: bool = True
    """Send `total`."""
    declare_next: bool = True
    """Send `has_next`."""

    def spend(self) -> tuple[str | None, "Behaviour"]:
        """Return the counted misbehaviour that is due, and the behaviour that is left."""
        for name in ("too_many_requests", "server_errors", "slow_pages", "truncated"):
            left: Any = getattr(self, name)
            if left:
                return name, replace(self, **{name: left - 1})
        return None, self


class RestService:
    """The application. Its state is safe to use from several threads."""

    def __init__(self) -> None:
        self.store = Store()
        self._behaviours: dict[str, Behaviour] = {}
        self._spending = threading.Lock()
        self._seeded: tuple[bytes, StoredTable | None] = (b"", None)
        """The table seeded last and what it was made from: cases are seeded with the same rows, rendered once."""
        self.app = Starlette(
            routes=[
                Route("/v1/{namespace}/{table}", self._read, methods=["GET"]),
                Route("/admin/{namespace}/{table}", self._put, methods=["PUT"]),
                Route("/admin/{namespace}/{table}", self._post, methods=["POST"]),
                Route("/admin/{namespace}", self._drop, methods=["DELETE"]),
                Route("/admin/{namespace}", self._behave, methods=["PUT"]),
            ]
        )

    async def _read(self, request: Request) -> Response:
        namespace = request.path_params["namespace"]
        misbehaviour, behaviour = self._next_behaviour(namespace)
        if misbehaviour == "too_many_requests":
            wait = behaviour.retry_after
            return Response(status_code=429, headers=None if wait is None else {"Retry-After": wait})
        if misbehaviour == "server_errors":
            return Response(status_code=500)
        if misbehaviour == "slow_pages":
            await request.receive()  # the end of the request
            await request.receive()  # nothing more comes but the disconnect
            return Response(status_code=499)
        table = self.store.get(namespace, request.path_params["table"])
        if table is None:
            return Response(status_code=404)
        try:
            response = await run_in_threadpool(_page, table, request, behaviour)
        except ValueError as error:
            return Response(str(error), status_code=400)
        if misbehaviour == "truncated":
            return Response(response.body[: len(response.body) // 2], media_type="application/json")
        return response

    def _next_behaviour(self, namespace: str) -> tuple[str | None, Behaviour]:
        with self._spending:
            misbehaviour, left = self._behaviours.get(namespace, Behaviour()).spend()
            self._behaviours[namespace] = left
            return misbehaviour, left

    async def _put(self, request: Request) -> Response:
        name, body = request.path_params["table"], await request.body()
        digest = hashlib.blake2b(name.encode() + b"\0" + body).digest()
        seeded, table = self._seeded
        if table is None or seeded != digest:
            table = await run_in_threadpool(_described, name, body)
            self._seeded = digest, table
        self.store.put(request.path_params["namespace"], table)
        return Response(status_code=204)

    async def _post(self, request: Request) -> Response:
        source = pa.BufferReader(await request.body())
        changes = []
        while source.tell() < source.size():
            with pa.ipc.open_stream(source) as stream:
                op = Op(stream.schema.metadata[b"op"].decode())
                changes.append(Change(op, stream.read_all().replace_schema_metadata()))
        place = request.path_params["namespace"], request.path_params["table"]
        found = await run_in_threadpool(self.store.apply, *place, changes)
        return Response(status_code=204 if found else 404)

    async def _drop(self, request: Request) -> Response:
        namespace = request.path_params["namespace"]
        self.store.drop(namespace)
        with self._spending:
            self._behaviours.pop(namespace, None)
        return Response(status_code=204)

    async def _behave(self, request: Request) -> Response:
        try:
            behaviour = Behaviour(**orjson.loads(await request.body()))
        except (TypeError, orjson.JSONDecodeError) as error:
            return Response(str(error), status_code=400)
        with self._spending:
            self._behaviours[request.path_params["namespace"]] = behaviour
        return Response(status_code=204)


def _described(name: str, body: bytes) -> StoredTable:
    """Render the table that an Arrow stream describes and holds."""
    with pa.ipc.open_stream(body) as stream:
        table = orjson.loads(stream.schema.metadata[b"table"])
        columns = tuple(Column(column, LogicalType(kind), nullable) for column, kind, nullable in table["columns"])
        spec = TableSpec(name, columns, tuple(table["key"]), table["cursor"], table["partition"])
        return StoredTable.of(spec, stream.read_all().replace_schema_metadata())


def _page(table: StoredTable, request: Request, behaviour: Behaviour) -> Response:
    """Serve the page that the query asks for. Raises ValueError for a query that makes no sense."""
    query = request.query_params
    size = int(query.get("page_size") or query.get("limit") or _DEFAULT_SIZE)
    size = max(1, min(size, behaviour.largest_page or size))
    start = _start(query, size)
    shown = start
    if behaviour.endless_page:
        shown = 0
    elif start and behaviour.repeat_page:
        shown = max(0, start - size)
    elif start and behaviour.lose_page:
        shown = start + size
    places = table.matching(query)
    rows = table.json(places.slice(shown, size), names(query.get("fields", "")))
    more = shown + size < len(places) or behaviour.endless_page
    following = _token(start + size) if more else None
    around: dict[str, Any] = {"next_cursor": following}
    if behaviour.declare_total:
        around["total"] = len(places)
    if behaviour.declare_next:
        around["has_next"] = more
    link = f'<{request.url.include_query_params(cursor=following)}>; rel="next"'
    body = b'{"data":%s,%s' % (rows, orjson.dumps(around)[1:])
    return Response(body, media_type="application/json", headers={"Link": link} if more else None)


def _start(query: Mapping[str, str], size: int) -> int:
    if "page" in query:
        return (int(query["page"]) - 1) * size
    if "cursor" in query:
        return _untoken(query["cursor"])
    return int(query.get("offset", 0))


def _token(start: int) -> str:
    return base64.urlsafe_b64encode(b"row %d" % start).decode()


def _untoken(token: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(token).removeprefix(b"row "))
    except binascii.Error as error:
        raise ValueError("not a cursor of this service") from error


class _Guard:
    """Lets a request through that carries the credentials; 401 otherwise."""

    def __init__(self, app: ASGIApp, auth: Auth) -> None:
        self._app = app
        self._wanted = [(name.lower().encode(), value.encode()) for name, value in auth.headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            sent = dict(scope["headers"])
            if not all(secrets.compare_digest(sent.get(name, b""), value) for name, value in self._wanted):
                await Response(status_code=401)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class RunningService(LoopbackService):
    """The service while it is served."""

    def __init__(self, auth: Auth) -> None:
        super().__init__(_Guard(RestService().app, auth), "REST service")


def start(auth: Auth | None = None) -> RunningService:
    """Start the service; with `auth` it refuses every request that lacks these credentials."""
    return RunningService(auth or Auth())
