"""Where values stand in bytes: the compiled walk and the plain one find the same, whatever the bytes are.

It may import the modules of the wire.
"""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.endpoints.mssql_emulator import places
from resources.endpoints.mssql_emulator.engine import Kind, SqlType
from resources.endpoints.mssql_emulator.types import Framing, TypeInfo

INT = SqlType(Kind.INT)
WIDTHS = {Framing.BARE: (0, 1, 4, 16), Framing.BYTE: (4,), Framing.SHORT: (0,), Framing.LONG: (0,), Framing.PLP: (0,)}
LAYOUTS = st.lists(
    st.sampled_from([TypeInfo(INT, framing, width) for framing, widths in WIDTHS.items() for width in widths]),
    min_size=1,
    max_size=6,
)
SMALL = st.sampled_from([0, 0, 0, 1, 2, 3, 0xD1, 0xFF])
"""Bytes that lengths are made of, so that random data holds values that end, NULL and rows."""
CHUNKED = (
    b"\xff" * 8,
    bytes(12),
    b"\1" + bytes(7) + b"\1\0\0\0x" + bytes(4),
    b"\xfe" + b"\xff" * 7 + b"\1\0\0\0x\2\0\0\0yz" + bytes(4),
)
VALUE = {
    Framing.BARE: lambda width: st.just(bytes(width)),
    Framing.BYTE: lambda _: st.sampled_from([b"\0", b"\1x", b"\4four", b"\xff" + bytes(255)]),
    Framing.SHORT: lambda _: st.sampled_from([b"\xff\xff", b"\0\0", b"\2\0ab", b"\xff\0" + bytes(255)]),
    Framing.LONG: lambda _: st.sampled_from([b"\xff" * 4, bytes(4), b"\3\0\0\0abc", b"\0\1\0\0" + bytes(256)]),
    Framing.PLP: lambda _: st.sampled_from(CHUNKED),
}


def plainly(data: bytes, infos: list[TypeInfo]) -> tuple[list[list[int]], int]:
    """What the walk finds without being compiled."""
    found = np.empty((len(data) + 1, len(infos) + 1), np.int32)
    framings, widths = [info.framing for info in infos], [info.width for info in infos]
    rows, end = places._walk(data, framings, widths, found)
    return found[:rows].tolist(), end


@settings(max_examples=300, deadline=None)
@given(infos=LAYOUTS, noise=st.lists(SMALL, max_size=120).map(bytes))
def test_in_any_bytes_the_compiled_walk_finds_what_the_plain_one_finds(infos: list[TypeInfo], noise: bytes) -> None:
    data = b"\xd1" + noise
    found, end = places.find_rows(data, infos)
    assert (found.tolist(), end) == plainly(data, infos)
    assert end <= len(data)


@settings(max_examples=200, deadline=None)
@given(infos=LAYOUTS, data=st.data())
def test_every_whole_row_is_found_value_by_value_and_one_that_is_cut_off_is_left(
    infos: list[TypeInfo], data: st.DataObject
) -> None:
    rows = data.draw(st.lists(st.tuples(*(VALUE[info.framing](info.width) for info in infos)), min_size=1, max_size=5))
    sent = b"".join(b"\xd1" + b"".join(row) for row in rows)
    found, end = places.find_rows(sent, infos)
    assert end == len(sent)
    seen = [tuple(sent[a:b] for a, b in pairwise(row)) for row in found.tolist()]
    assert seen == rows
    cut = data.draw(st.integers(1, len(rows[-1]) and sum(map(len, rows[-1])) + 1))
    found, end = places.find_rows(sent[:-cut], infos)
    assert (len(found), end) == (len(rows) - 1, len(sent) - sum(map(len, rows[-1])) - 1)


@pytest.mark.parametrize("framing", Framing)
def test_a_value_that_does_not_end_in_the_data_has_no_end(framing: Framing) -> None:
    whole = {Framing.BARE: b"1234", Framing.BYTE: b"\1x", Framing.SHORT: b"\1\0x", Framing.LONG: b"\1\0\0\0x"}
    data = whole.get(framing, b"\1" + bytes(7) + b"\1\0\0\0x" + bytes(4))
    assert places.value_end(data, 0, framing, 4) == len(data)
    assert [places.value_end(data[:size], 0, framing, 4) for size in range(len(data))] == [places.NOWHERE] * len(data)


def test_more_rows_than_are_looked_for_at_once_are_found_by_looking_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_ROWS_AT_ONCE", 2)
    infos, data = [TypeInfo(INT, Framing.BYTE, 4)], b"\xd1\0" * 3
    assert [places.find_rows(data, infos)[1], places.find_rows(data[4:], infos)[1]] == [4, 2]


def test_the_server_starts_without_the_compiler_which_takes_longer_to_import_than_all_of_it() -> None:
    told = "import sys, resources.endpoints.mssql_emulator.server_process as _; print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout == "False\n"
