"""The local schema registry that the avro message format is certified against: real HTTP on loopback, in this process.

Here live the paths that Confluent's clients use, and their answers; the schemas live in `schema_store`. It may import
Starlette and the modules beside it.

    POST   /subjects/{subject}/versions                  register          GET  .../versions          list
    GET    /subjects/{subject}/versions/{version}        read              GET  .../{version}/schema  the text alone
    DELETE /subjects/{subject}[/versions/{version}]      delete, for good with permanent=true once it was deleted
    POST   /subjects/{subject}                           look up by text   GET  /subjects             list
    GET    /schemas/ids/{id}[/subjects|/versions]        read by id        GET  /schemas/types        AVRO
    POST   /compatibility/subjects/{subject}/versions[/{version}]          check, with reasons if verbose=true
    GET, PUT, DELETE /config[/{subject}]                 compatibility     GET  /mode[/{subject}]     READWRITE

Schemas of other types than Avro, references and the normalizing of schemas are not had here.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from resources.endpoints.loopback import LoopbackService
from resources.endpoints.schema_store import RegistryError, SchemaStore, Version

_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"

Answer = Callable[["_Asked"], Any]


@dataclass(frozen=True)
class _Asked:
    """One request: what its path names, what its query says, and the JSON object of its body."""

    path: dict[str, str]
    query: dict[str, str]
    body: dict[str, Any]

    @property
    def subject(self) -> str:
        return self.path["subject"]

    @property
    def version(self) -> str:
        return self.path["version"]

    @property
    def schema(self) -> str:
        """The Avro schema of the body. Raises RegistryError for one of another type or with references."""
        if self.body.get("schemaType", "AVRO") != "AVRO" or self.body.get("references"):
            raise RegistryError(422, 42201, "Invalid schema: this registry holds Avro schemas without references only")
        schema = self.body.get("schema")
        if not isinstance(schema, str):
            raise RegistryError(422, 42201, "Invalid schema: the request has no text under 'schema'")
        return schema

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() == "true"


class SchemaRegistry:
    """The application."""

    def __init__(self) -> None:
        self.store = SchemaStore()
        subject, version = "/subjects/{subject}", "/subjects/{subject}/versions/{version}"
        self.app = Starlette(
            routes=[
                _route("GET", "/", lambda asked: {}),
                _route("GET", "/schemas/types", lambda asked: ["AVRO"]),
                _route("GET", "/schemas/ids/{id:int}", self._by_id),
                _route("GET", "/schemas/ids/{id:int}/subjects", self._subjects_of_id),
                _route("GET", "/schemas/ids/{id:int}/versions", self._versions_of_id),
                _route("POST", f"/compatibility{version}", self._compatible),
                _route("POST", f"/compatibility{subject}/versions", self._compatible),
                _route("GET", f"{version}/schema", self._text),
                _route("GET", version, lambda asked: _told(self._version(asked))),
                _route("DELETE", version, self._delete_version),
                _route("GET", f"{subject}/versions", self._versions),
                _route("POST", f"{subject}/versions", self._register),
                _route("POST", subject, self._lookup),
                _route("DELETE", subject, self._delete_subject),
                _route("GET", "/subjects", self._subjects),
                *self._settings("/config", "/config/{subject}"),
                _route("GET", "/mode", lambda asked: {"mode": "READWRITE"}),
                _route("GET", "/mode/{subject}", lambda asked: {"mode": "READWRITE"}),
            ],
            exception_handlers={404: _no_such_path, RegistryError: _refused},
        )

    def _settings(self, *paths: str) -> list[Route]:
        return [
            route
            for path in paths
            for route in (
                _route("GET", path, self._level),
                _route("PUT", path, self._set_level),
                _route("DELETE", path, self._forget_level),
            )
        ]

    # ------------------------------------------------------------------ schemas

    def _register(self, asked: _Asked) -> Any:
        return {"id": self.store.register(asked.subject, asked.schema).id}

    def _lookup(self, asked: _Asked) -> Any:
        return _told(self.store.lookup(asked.subject, asked.schema, deleted=asked.flag("deleted")))

    def _by_id(self, asked: _Asked) -> Any:
        return {"schema": self._of_id(asked)[0].schema}

    def _subjects_of_id(self, asked: _Asked) -> Any:
        return sorted({version.subject for version in self._shown(asked)})

    def _versions_of_id(self, asked: _Asked) -> Any:
        return [{"subject": version.subject, "version": version.number} for version in self._shown(asked)]

    def _shown(self, asked: _Asked) -> list[Version]:
        return [version for version in self._of_id(asked) if asked.flag("deleted") or not version.deleted]

    def _of_id(self, asked: _Asked) -> list[Version]:
        return self.store.by_id(int(asked.path["id"]))

    def _version(self, asked: _Asked) -> Version:
        return self.store.version(asked.subject, asked.version, deleted=asked.flag("deleted"))

    def _text(self, asked: _Asked) -> Response:
        return Response(self._version(asked).schema, media_type=_MEDIA_TYPE)

    def _versions(self, asked: _Asked) -> Any:
        return self.store.versions(asked.subject, deleted=asked.flag("deleted"))

    def _subjects(self, asked: _Asked) -> Any:
        return self.store.subjects(deleted=asked.flag("deleted"), prefix=asked.query.get("subjectPrefix", ""))

    def _delete_subject(self, asked: _Asked) -> Any:
        return self.store.delete_subject(asked.subject, permanent=asked.flag("permanent"))

    def _delete_version(self, asked: _Asked) -> Any:
        return self.store.delete_version(asked.subject, asked.version, permanent=asked.flag("permanent"))

    # ------------------------------------------------------------------ compatibility

    def _compatible(self, asked: _Asked) -> Any:
        flaws = self.store.flaws(asked.subject, asked.schema, asked.path.get("version"))
        return {"is_compatible": not flaws} | ({"messages": flaws} if asked.flag("verbose") else {})

    def _level(self, asked: _Asked) -> Any:
        subject = asked.path.get("subject")
        return {"compatibilityLevel": self.store.level(subject, inherit=asked.flag("defaultToGlobal"))}

    def _set_level(self, asked: _Asked) -> Any:
        level = str(asked.body.get("compatibility") or "")
        return {"compatibility": self.store.set_level(asked.path.get("subject"), level)}

    def _forget_level(self, asked: _Asked) -> Any:
        return {"compatibilityLevel": self.store.forget_level(asked.path.get("subject"))}


def _told(version: Version) -> dict[str, Any]:
    return {"subject": version.subject, "version": version.number, "id": version.id, "schema": version.schema}


def _route(method: str, path: str, answer: Answer) -> Route:
    async def endpoint(request: Request) -> Response:
        given = await request.body()
        body: Any = {}
        if given:
            try:
                body = await request.json()
            except JSONDecodeError as error:
                raise RegistryError(400, 400, f"Unparsable request: {error}") from error
        if not isinstance(body, dict):
            raise RegistryError(400, 400, "Unparsable request: not a JSON object")
        told = answer(_Asked(request.path_params, dict(request.query_params), body))
        return told if isinstance(told, Response) else JSONResponse(told, media_type=_MEDIA_TYPE)

    handler: Callable[[Request], Awaitable[Response]] = endpoint
    return Route(path, handler, methods=[method])


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RegistryError)
    told = {"error_code": error.code, "message": error.message}
    return JSONResponse(told, status_code=error.status, media_type=_MEDIA_TYPE)


async def _no_such_path(request: Request, error: Exception) -> Response:
    return await _refused(request, RegistryError(404, 404, "HTTP 404 Not Found"))


def start() -> LoopbackService:
    """Start the registry. Raises SystemUnavailableError."""
    return LoopbackService(SchemaRegistry().app, "schema registry")
