"""A generic client of REST services that hand out records in pages.

Here live requests, retries and the rules that keep a paged read complete; what a table or a load is, is not known here.
It may import `matrix_defs`, pyarrow, httpx, tenacity and its neighbours in this package.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Self

import httpx
import pyarrow as pa
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from matrix_defs.errors import ReadError, SystemUnavailableError, UsageError
from matrix_defs.table import Column
from resources.rest.auth import Auth
from resources.rest.distinct import Distinct
from resources.rest.page import BrokenBodyError, Page, PageReader
from resources.rest.paginators import PageNumber, Paginator, Turn

_RETRIED = {408, 425, 429}
"""Answers below 500 that ask to come again: request timeout, too early, too many requests."""

_HINTS = {
    401: "the credentials were refused; check the auth settings",
    403: "the credentials do not allow this; check the auth settings",
    404: "nothing is there; check base URL and path",
    **dict.fromkeys((301, 302, 303, 307, 308), "redirects are not followed; give the final address as base URL"),
}

_STALLED_PAGES = 3
"""So many pages in a row without one new row end a read: a page may be repeated, but not for ever."""


@dataclass(frozen=True)
class RestSettings:
    """How one service wants to be spoken to."""

    base_url: str
    """http(s) address that paths are appended to; no credentials, no query."""
    auth: Auth = field(default_factory=Auth)
    paginator: Paginator = field(default_factory=PageNumber)
    records_path: str = "data"
    """Dotted path of the records in a response; empty where the response is a bare array."""
    total_path: str | None = "total"
    """Dotted path of the number of records that the whole read must yield; None where the service declares none, in
    which case a page that the service loses goes unnoticed."""
    since_param: str = "updated_since"
    """Parameter with the inclusive lower bound of an incremental read."""
    fields_param: str | None = "fields"
    """Parameter with the comma-separated names of the fields wanted; None where the service knows no such selection."""
    timeout: float = 30.0
    """Seconds to wait for a connection and for each piece of a response."""
    attempts: int = 5
    """How often a page is asked for before the read fails."""
    longest_wait: float = 60.0
    """Cap, in seconds, on the pause between two attempts, a Retry-After of the server included."""


class _TryAgainError(Exception):
    """An attempt failed in a way that the next one may not."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class RestClient:
    """One keep-alive connection pool to one service. Safe to share between threads; close it at the end."""

    def __init__(
        self,
        settings: RestSettings,
        *,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`sleep` waits for the seconds between two attempts, `transport` replaces the network.

        Raises UsageError for a base URL that cannot be one.
        """
        url = _checked(settings.base_url)
        self.settings = settings
        self._http = httpx.Client(
            base_url=url,
            headers=dict(settings.auth.headers),
            timeout=settings.timeout,
            transport=transport,
            mounts={"all://127.0.0.1": None},  # no proxy of the environment knows the way back to this machine
        )
        self._backoff = wait_exponential(multiplier=0.5, max=settings.longest_wait) + wait_random(0, 0.5)
        self._retrying = Retrying(
            sleep=sleep,
            stop=stop_after_attempt(settings.attempts),
            wait=self._pause,
            retry=retry_if_exception_type(_TryAgainError),
            reraise=True,
        )

    def close(self) -> None:
        """Close the connections; safe to call twice."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def rows(
        self,
        path: str,
        columns: Sequence[Column],
        key: Sequence[str],
        *,
        since: str | None = None,
        version: str | None = None,
        select: bool = False,
        params: Mapping[str, str] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Yield the records of a path page by page, in canonical form and each once.

        A record that comes again is left out: the first copy by `key` stays. Where a `version` column is named, a copy
        with another version is yielded too, because the row changed while its pages were read. `since` is the inclusive
        lower bound of an incremental read, `select` asks for the fields of `columns` alone.
        Raises ReadError when a page cannot be had, no page brings anything new, or the total declared is not met.
        """
        named = {column.name: column for column in columns}
        keys = Distinct([named[name] for name in key])
        versions = Distinct([named[name] for name in (*key, version)]) if version else keys
        total: int | None = None
        for page in self._pages(path, columns, self._own_params(columns, since, select, params), versions):
            if self.settings.total_path and page.fields.get(self.settings.total_path) is not None:
                total = page.fields[self.settings.total_path]
            fresh = versions.first_seen(page.rows)
            if versions is not keys:
                keys.first_seen(fresh)
            if fresh.num_rows:
                yield fresh
        if total is not None and total != len(keys):
            raise ReadError(f"GET {path}: the service declares {total} records, {len(keys)} came; read again")

    def send(self, method: str, path: str, content: bytes = b"") -> None:
        """Send one request that changes something, once. Raises SystemUnavailableError unless it succeeds."""
        try:
            response = self._answer(method, path, content=content)
        except httpx.RequestError as error:
            raise SystemUnavailableError(f"{method} {path}: no answer ({_named(error)}); is the service up?") from error
        if not response.is_success:
            status = response.status_code
            raise SystemUnavailableError(f"{method} {path}: status {status}: {self._hint(status)}")

    def _answer(self, method: str, address: str, **what: Any) -> httpx.Response:
        """Send one request and return its answer, read to the end. Raises httpx.RequestError.

        In httpx an answer and its stream refer to each other, which would keep the bodies of both until Python's
        collector comes by: hundreds of MiB of pages. A stream that was read to the end is needed no more.
        """
        response = self._http.request(method, address, **what)
        response.stream = httpx.ByteStream(b"")
        return response

    def _own_params(
        self, columns: Sequence[Column], since: str | None, select: bool, params: Mapping[str, str] | None
    ) -> dict[str, str]:
        own = dict(params or {})
        if since is not None:
            own[self.settings.since_param] = since
        if select and self.settings.fields_param:
            own[self.settings.fields_param] = ",".join(column.name for column in columns)
        return own

    def _pages(self, path: str, columns: Sequence[Column], params: Mapping[str, str], seen: Distinct) -> Iterator[Page]:
        """The pages in order, as long as they bring something that the consumer has not yet `seen`."""
        paginator = self.settings.paginator
        fields: dict[str, pa.DataType] = dict(paginator.fields)
        if self.settings.total_path:
            fields[self.settings.total_path] = pa.int64()
        reader = PageReader(columns, self.settings.records_path, fields)
        turn: Turn | None = paginator.first()
        stalled = 0
        while turn:
            page = self._page(path, turn, params, reader)
            known = len(seen)
            yield page
            stalled = 0 if len(seen) > known else stalled + 1
            turn = paginator.after(turn, page)
            if turn and stalled == _STALLED_PAGES:
                raise ReadError(
                    f"GET {path}: {stalled} pages in a row brought no new record and the service promises more;"
                    " check the pagination settings"
                )

    def _page(self, path: str, turn: Turn, params: Mapping[str, str], reader: PageReader) -> Page:
        address = self._same_origin(path, turn.url) if turn.url else path
        query: dict[str, Any] | None = None if turn.url else {**params, **turn.params}
        try:
            return self._retrying(self._attempt, address, query, reader)
        except _TryAgainError as error:
            raise ReadError(f"GET {path}: {error}; gave up after {self.settings.attempts} attempts") from error
        except ReadError as error:
            raise ReadError(f"GET {path}: {error}") from error

    def _attempt(self, address: str, query: dict[str, Any] | None, reader: PageReader) -> Page:
        try:
            response = self._answer("GET", address, params=query)
        except httpx.RequestError as error:
            raise _TryAgainError(f"no answer ({_named(error)})") from error
        status = response.status_code
        if status in _RETRIED or status >= 500:
            raise _TryAgainError(f"status {status}", _retry_after(response.headers.get("Retry-After")))
        if status != httpx.codes.OK:
            raise ReadError(f"status {status}: {self._hint(status)}")
        try:
            page = reader.read(response.content)
        except BrokenBodyError as error:
            raise _TryAgainError(str(error)) from error
        link = response.links.get("next", {}).get("url")
        return Page(page.rows, page.fields, str(response.url.join(link)) if link else None)

    def _hint(self, status: int) -> str:
        hint = _HINTS.get(status, "the service refused the request; check its parameters")
        return f"{hint} (auth: {self.settings.auth.kind})"

    def _same_origin(self, path: str, url: str) -> str:
        """Credentials are sent with every request, so a link must not lead to another server."""
        base, target = self._http.base_url, httpx.URL(url)
        if (base.scheme, base.host, base.port) != (target.scheme, target.host, target.port):
            raise ReadError(f"GET {path}: the next page's link leads to another server ({target.host}), refused")
        return url

    def _pause(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, _TryAgainError) else None
        return min(self._backoff(state) if asked is None else asked, self.settings.longest_wait)


def _retry_after(header: str | None) -> float | None:
    """Seconds to wait: the header holds them, or an HTTP date (RFC 9110, 10.2.3); None where it holds neither."""
    if header is None:
        return None
    if header.isdecimal():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None


def _named(error: httpx.RequestError) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _checked(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise UsageError("base_url is no URL; give one such as https://api.example.com/v1") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise UsageError("base_url must begin with http:// or https:// and name a host")
    if url.userinfo or url.query:
        raise UsageError("base_url must hold neither credentials nor a query; use the auth settings")
    return url
