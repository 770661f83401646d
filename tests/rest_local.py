"""What the tests of REST share: a small table, the local service, and clients that never sleep.

Here lives no test. It may import everything.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pyarrow as pa

from matrix_defs.ports import ReadMode, ReadRequest, Source
from matrix_defs.table import Column, LogicalType, TableSpec
from resources.endpoints.rest_service import RunningService
from resources.rest.client import RestClient, RestSettings
from resources.rest.paginators import Cursor, Link, Offset, PageNumber

ORDERS = TableSpec(
    "orders",
    (
        Column("order_id", LogicalType.INT64, nullable=False),
        Column("item_code", LogicalType.TEXT, nullable=False),
        Column("business_date", LogicalType.DATE),
        Column("updated_at", LogicalType.INSTANT),
        Column("note", LogicalType.TEXT),
    ),
    key=("order_id", "item_code"),
    cursor="updated_at",
    partition="business_date",
)

PAGINATORS = {"page": PageNumber, "offset": Offset, "cursor": Cursor, "link": Link}

START = datetime(2024, 3, 1, 12, tzinfo=UTC)


def orders(*numbers: int, note: str = "first", minute: int | None = None) -> pa.Table:
    """One row per number: its cursor is that many minutes after START unless `minute` is given, its day number % 5."""
    return pa.Table.from_pylist(
        [
            {
                "order_id": number,
                "item_code": f"i{number % 3}",
                "business_date": date(2024, 3, 1) + timedelta(days=number % 5),
                "updated_at": START + timedelta(minutes=number if minute is None else minute),
                "note": note,
            }
            for number in numbers
        ],
        schema=ORDERS.schema,
    )


class HastyClient(RestClient):
    """A client with small pages that writes its pauses down instead of making them."""

    def __init__(self, base_url: str, *, transport: httpx.BaseTransport | None = None, **settings: Any) -> None:
        self.pauses: list[float] = []
        settings.setdefault("paginator", PageNumber(size=7))
        super().__init__(RestSettings(base_url, **settings), sleep=self.pauses.append, transport=transport)


def behave(service: RunningService, namespace: str, **behaviour: Any) -> None:
    """Set the switches of a namespace."""
    answer = httpx.put(f"{service.base_url}/admin/{namespace}", json=behaviour)
    assert answer.status_code == 204, answer.text


def read(source: Source, mode: ReadMode = ReadMode.SNAPSHOT, **request: Any) -> pa.Table:
    """Read to the end."""
    with source.read(ReadRequest(mode, **request)) as batch:
        rows = pa.Table.from_batches(list(batch), batch.schema)
        batch.end()
        return rows


def keys_of(*numbers: int) -> pa.Table:
    """The keys of `orders`."""
    return orders(*numbers).select(list(ORDERS.key))


def by_key(rows: pa.Table) -> pa.Table:
    """The rows in the order of their key."""
    return rows.sort_by([(name, "ascending") for name in ORDERS.key]).combine_chunks()
