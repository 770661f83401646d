"""How fast rows are written to the wire and read from it: `python -m tests.tds_speed`.

Here lives a measurement of 10,000 rows of 136 mixed columns, half of them NULL; it judges nothing. It may import
everything.
"""

import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from resources.endpoints.mssql_emulator.engine import Kind, ResultColumn, SqlType
from resources.endpoints.mssql_emulator.rows import encode_rows
from resources.endpoints.mssql_emulator.scan import decode_rows
from resources.endpoints.mssql_emulator.types import type_info

ROWS, COLUMNS, TIMES = 10_000, 136, 5
TYPES = [
    SqlType(Kind.BIT),
    SqlType(Kind.SMALLINT),
    SqlType(Kind.INT),
    SqlType(Kind.BIGINT),
    SqlType(Kind.DECIMAL, precision=18, scale=4),
    SqlType(Kind.DECIMAL, precision=38, scale=9),
    SqlType(Kind.FLOAT),
    SqlType(Kind.NVARCHAR, 200),
    SqlType(Kind.NVARCHAR),
    SqlType(Kind.VARCHAR, 100),
    SqlType(Kind.VARBINARY),
    SqlType(Kind.DATE),
    SqlType(Kind.TIME, scale=6),
    SqlType(Kind.DATETIME2, scale=6),
    SqlType(Kind.DATETIMEOFFSET, scale=6),
    SqlType(Kind.UNIQUEIDENTIFIER),
]


def column(sql: SqlType, random: np.random.Generator) -> pa.Array:
    """Values of a type, half of them NULL."""
    numbers = random.integers(0, 30_000, ROWS)
    null = random.random(ROWS) < 0.5
    if pa.types.is_string(sql.arrow):
        values = pa.array(["zwölf 12 " * int(number % 4) for number in numbers])
    elif pa.types.is_binary(sql.arrow):
        values = pa.array([bytes(range(int(number % 40))) for number in numbers])
    elif pa.types.is_fixed_size_binary(sql.arrow):
        values = pa.array([int(number).to_bytes(16, "big") for number in numbers], sql.arrow)
    elif pa.types.is_decimal(sql.arrow):
        values = pa.array(numbers).cast(pa.decimal128(19)).cast(pa.decimal128(38, sql.scale)).cast(sql.arrow)
    elif pa.types.is_boolean(sql.arrow):
        values = pa.array(numbers % 2 == 0)
    else:
        whole = pa.int32() if pa.types.is_date32(sql.arrow) else pa.int64()
        values = pa.array(numbers).cast(whole).cast(sql.arrow)
    return values.take(pa.array(np.arange(ROWS), mask=null))


def best(work: Callable[[], object]) -> float:
    """Seconds of the fastest of some runs."""
    seconds = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def main() -> None:
    """Measure and print."""
    random = np.random.default_rng(1)
    columns = [ResultColumn(f"c{place}", TYPES[place % len(TYPES)]) for place in range(COLUMNS)]
    batch = pa.record_batch([column(one.type, random) for one in columns], [one.name for one in columns])
    infos = [type_info(one.type) for one in columns]
    rows = b"".join(encode_rows(batch, columns))
    chunks = [rows[begin : begin + 4088] for begin in range(0, len(rows), 4088)]
    written = best(lambda: b"".join(encode_rows(batch, columns)))
    read = best(lambda: list(decode_rows(chunks, columns, infos)))
    assert pa.Table.from_batches(decode_rows(chunks, columns, infos)).combine_chunks().to_batches() == [batch]
    for what, seconds in (("written", written), ("read", read)):
        print(f"{ROWS:,} x {COLUMNS} {what} in {seconds:.3f} s, {len(rows) / 1e6 / seconds:.0f} MB/s")  # noqa: T201


if __name__ == "__main__":
    main()
