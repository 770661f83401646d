"""What a response may look like: where records, totals and next pages lie in it, and what makes a page unreadable.

The network is a list of answers. It may import everything.
"""

from typing import Any

import httpx
import pyarrow as pa
import pytest

from matrix_defs.errors import ReadError, UsageError
from matrix_defs.table import Column, LogicalType
from resources.rest.client import RestClient
from resources.rest.page import PageReader
from resources.rest.paginators import Cursor, Link, Offset, PageNumber
from tests.rest_local import HastyClient


def answering(*bodies: bytes | httpx.Response, **settings: Any) -> HastyClient:
    """A client whose network is a list of answers."""
    queue = [httpx.Response(200, content=body) if isinstance(body, bytes) else body for body in bodies]
    return HastyClient("http://api", transport=httpx.MockTransport(lambda _: queue.pop(0)), **settings)


ID = [Column("id", LogicalType.INT64, nullable=False)]


def ids(made: RestClient) -> list[int]:
    return [row["id"] for batch in made.rows("/x", ID, ["id"]) for row in batch.to_pylist()]


def test_records_total_and_cursor_may_lie_deep_in_the_body() -> None:
    first = b'{"meta":{"count":3,"page":{"next":7}},\n "result":{"items":[{"id":1},\r\n{"id":2}]}}'
    last = b'{"result":{"items":[{"id":3}]},"meta":{"count":3,"page":{"next":null}}}'
    paginator = Cursor(cursor_path="meta.page.next", cursor_type=pa.int64())
    with answering(first, last, paginator=paginator, records_path="result.items", total_path="meta.count") as made:
        assert ids(made) == [1, 2, 3]


def test_a_bare_array_is_a_page_of_records() -> None:
    link = {"Link": '</x?after=2>; rel="next", </x>; rel="first"'}
    first = httpx.Response(200, content=b'[{"id":1},{"id":2}]', headers=link)
    with answering(first, b"[]", records_path="", paginator=Link()) as made:
        assert ids(made) == [1, 2]


def test_an_empty_page_with_a_next_cursor_does_not_end_the_read() -> None:
    pages = b'{"data":[],"next_cursor":"a"}', b'{"data":[{"id":1}],"next_cursor":""}'
    with answering(*pages, paginator=Cursor()) as made:
        assert ids(made) == [1]


def test_a_link_to_another_server_is_not_followed_with_the_credentials() -> None:
    link = {"Link": '<http://evil.example/x>; rel="next"'}
    first = httpx.Response(200, content=b'{"data":[{"id":1}]}', headers=link)
    with (
        answering(first, paginator=Link()) as made,
        pytest.raises(ReadError, match=r"leads to another server \(evil\.example\)"),
    ):
        ids(made)


def test_a_redirect_is_not_followed_with_the_credentials() -> None:
    moved = httpx.Response(302, headers={"Location": "http://evil.example/x"})
    with answering(moved) as made, pytest.raises(ReadError, match="status 302: redirects are not followed"):
        ids(made)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"items":[{"id":1}]}', "no records under 'data'; check the records path"),
        (b'{"data":null}', "no records under 'data'"),
        (b'[{"id":1}]', "has not the declared fields or types"),
        (b'{"data":[{"id":"1"}]}', r"has not the declared fields or types: .*id"),
        (b'{"data":[{"id":null}]}', "column id must have a value"),
    ],
)
def test_json_of_another_shape_is_an_error_at_once(body: bytes, message: str) -> None:
    with answering(body) as made:
        with pytest.raises(ReadError, match=message):
            ids(made)
        assert made.pauses == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"data":[{"id":1}', b"<html>", b'{"data":[]}{"data":[]}', b'{"data":[{"id":1,"note":"\xff"}]}'],
)
def test_a_broken_body_is_asked_for_again(body: bytes) -> None:
    with answering(body, b'{"data":[{"id":1}]}', paginator=Cursor()) as made:
        batches = list(made.rows("/x", [*ID, Column("note", LogicalType.TEXT)], ["id"]))
        assert [batch.to_pylist() for batch in batches] == [[{"id": 1, "note": None}]]


@pytest.mark.parametrize(("version", "seen"), [(None, [(1, 1), (2, 1)]), ("v", [(1, 1), (2, 1), (1, 2)])])
def test_a_row_that_changed_while_it_was_read_comes_again_only_where_versions_count(
    version: str | None, seen: list[tuple[int, int]]
) -> None:
    first = b'{"data":[{"id":1,"v":1},{"id":2,"v":1},{"id":1,"v":1}],"next_cursor":"a","total":2}'
    last = b'{"data":[{"id":2,"v":1},{"id":1,"v":2}],"total":2}'
    with answering(first, last, paginator=Cursor()) as made:
        batches = list(made.rows("/x", [*ID, Column("v", LogicalType.INT64)], ["id"], version=version))
    assert [tuple(row.values()) for batch in batches for row in batch.to_pylist()] == seen


def test_paginators_end_where_the_service_says_so_even_after_a_full_page() -> None:
    for paginator in (PageNumber(size=1), Offset(size=1)):
        first, last = b'{"data":[{"id":1}],"has_next":true}', b'{"data":[{"id":2}],"has_next":false}'
        with answering(first, last, paginator=paginator) as made:
            assert ids(made) == [1, 2]


def test_dotted_paths_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(UsageError, match="'data' cannot be a value of the response and hold others"):
        PageReader(ID, "data", {"data.total": pa.int64()})
