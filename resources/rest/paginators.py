"""The four ways in which services cut a result into pages, as values that say which request follows which page.

Here lives no I/O: the client asks, a paginator only says where. Whether a read gets anywhere is watched by the client.
It may import pyarrow and `page`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from resources.rest.page import Page


@dataclass(frozen=True)
class Turn:
    """What to ask for: parameters to add to the read's own, or a whole URL that replaces address and parameters."""

    params: Mapping[str, str | int] = field(default_factory=dict)
    url: str | None = None


class Paginator(Protocol):
    """A way of paging."""

    @property
    def fields(self) -> Mapping[str, pa.DataType]:
        """The fields around the records that it needs, by dotted path."""

    def first(self) -> Turn:
        """The first request."""

    def after(self, turn: Turn, page: Page) -> Turn | None:
        """The request that follows a page; None where the page was the last one."""


@dataclass(frozen=True)
class PageNumber:
    """Pages counted from `start`. Ends where the server says so, or on an empty page: a short page proves nothing."""

    size: int = 1000
    page_param: str = "page"
    size_param: str = "page_size"
    start: int = 1
    has_next_path: str | None = "has_next"
    """Dotted path of the boolean that says whether more follows; where the server sends none, an empty page ends."""

    @property
    def fields(self) -> Mapping[str, pa.DataType]:
        """The has-next flag."""
        return {self.has_next_path: pa.bool_()} if self.has_next_path else {}

    def first(self) -> Turn:
        """Page `start`."""
        return Turn({self.page_param: self.start, self.size_param: self.size})

    def after(self, turn: Turn, page: Page) -> Turn | None:
        """The page with the next number."""
        if not _more(page, self.has_next_path):
            return None
        return Turn({**turn.params, self.page_param: int(turn.params[self.page_param]) + 1})


@dataclass(frozen=True)
class Offset:
    """Rows skipped. Advances by the rows received, as a server may send fewer than it was asked for."""

    size: int = 1000
    offset_param: str = "offset"
    size_param: str = "limit"
    has_next_path: str | None = "has_next"
    """As for page numbers."""

    @property
    def fields(self) -> Mapping[str, pa.DataType]:
        """The has-next flag."""
        return {self.has_next_path: pa.bool_()} if self.has_next_path else {}

    def first(self) -> Turn:
        """Nothing skipped."""
        return Turn({self.offset_param: 0, self.size_param: self.size})

    def after(self, turn: Turn, page: Page) -> Turn | None:
        """As many rows further as the page held."""
        if not _more(page, self.has_next_path):
            return None
        return Turn({**turn.params, self.offset_param: int(turn.params[self.offset_param]) + page.rows.num_rows})


@dataclass(frozen=True)
class Cursor:
    """A token in each response that asks for the next page. Ends where the token is missing, null or empty."""

    size: int = 1000
    cursor_param: str = "cursor"
    size_param: str = "limit"
    cursor_path: str = "next_cursor"
    cursor_type: pa.DataType = field(default_factory=pa.string)
    """How the response holds the token: string, or int64 for a number."""

    @property
    def fields(self) -> Mapping[str, pa.DataType]:
        """The token."""
        return {self.cursor_path: self.cursor_type}

    def first(self) -> Turn:
        """No token."""
        return Turn({self.size_param: self.size})

    def after(self, turn: Turn, page: Page) -> Turn | None:
        """The page that the token names."""
        token = page.fields[self.cursor_path]
        return Turn({self.size_param: self.size, self.cursor_param: token}) if token not in (None, "") else None


@dataclass(frozen=True)
class Link:
    """The Link header's rel=next (RFC 8288), followed as it is. Ends where there is none."""

    size: int = 1000
    size_param: str = "limit"

    @property
    def fields(self) -> Mapping[str, pa.DataType]:
        """Nothing: all is in the header."""
        return {}

    def first(self) -> Turn:
        """The size alone."""
        return Turn({self.size_param: self.size})

    def after(self, turn: Turn, page: Page) -> Turn | None:
        """The page that the header names."""
        return Turn(url=page.next_url) if page.next_url else None


def _more(page: Page, has_next_path: str | None) -> bool:
    declared = page.fields.get(has_next_path) if has_next_path else None
    return page.rows.num_rows > 0 if declared is None else bool(declared)
