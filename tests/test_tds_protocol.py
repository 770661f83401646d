"""What no well-behaved client does, and what must be exact to the byte: packets, tokens, attention, broken streams."""

import contextlib
import re
import struct
from collections.abc import Iterator

import pytest
import tds_raw as raw
from tds_engine import DATABASE, PASSWORD, USER, MemoryEngine
from tds_local import served
from tds_raw import DONE_ATTENTION, RawClient


@pytest.fixture
def engine_and_port() -> Iterator[tuple[MemoryEngine, int]]:
    with served() as found:
        yield found


@pytest.fixture
def client(engine_and_port) -> Iterator[RawClient]:
    with logged_in(engine_and_port[1]) as opened:
        yield opened


def logged_in(port: int, **how) -> RawClient:
    client = RawClient(port)
    client.ask(raw.prelogin())
    client.ask(raw.login(USER, PASSWORD, DATABASE, **how))
    return client


def answers(client: RawClient) -> Iterator[bytes]:
    """Everything that comes until the server closes the connection."""
    with contextlib.suppress(EOFError):
        while True:
            yield client.answer()


def text_of(tokens: bytes) -> str:
    """The UTF-16 text in tokens, whatever stands around it."""
    return tokens.decode("utf-16-le", "replace") + tokens[1:].decode("utf-16-le", "replace")


def errors(tokens: bytes) -> list[tuple[int, int, int]]:
    """Number, state and class of every ERROR token."""
    found = []
    for match in re.finditer(b"\xaa", tokens):
        body = tokens[match.start() + 1 :]
        if len(body) > 10 and b"e\0m\0u\0l\0a\0t\0o\0r\0" in body[: struct.unpack_from("<H", body)[0] + 2]:
            found.append(struct.unpack_from("<iBB", body, 2))
    return found


def done(tokens: bytes) -> tuple[int, int, int]:
    """Token, status and row count of the DONE that ends an answer."""
    token, status, _, rows = struct.unpack("<BHHQ", tokens[-13:])
    return token, status, rows


def test_the_answer_to_prelogin_offers_no_encryption_and_no_mars(engine_and_port):
    with RawClient(engine_and_port[1]) as client:
        answer = client.ask(raw.prelogin())
    options = {}
    while answer[len(options) * 5] != 0xFF:
        option, offset, length = struct.unpack_from(">BHH", answer, len(options) * 5)
        options[option] = answer[offset : offset + length]
    assert (options[1], options[4]) == (b"\2", b"\0")


@pytest.mark.parametrize(
    ("asked", "agreed"), [(512, 512), (8000, 8000), (32767, 32767), (100, 512), (0, 4096), (99999, 32767)]
)
def test_the_size_of_packets_is_agreed_told_and_kept(engine_and_port, asked, agreed):
    with RawClient(engine_and_port[1]) as client:
        client.ask(raw.prelogin())
        answer = client.ask(raw.login(USER, PASSWORD, packet_size=asked))
        told = str(agreed).encode("utf-16-le")
        assert b"\x04" + bytes([len(told) // 2]) + told in answer
        client.sizes.clear()
        client.ask(raw.batch("MANY 100000"))
    assert set(client.sizes[:-1]) == {agreed}


@pytest.mark.parametrize("size", [9, 10, 512, 4096])
def test_a_request_in_many_packets_is_put_together(client, size):
    text = "PRINT " + "ü" * 500
    assert "ü" * 500 in text_of(client.ask(raw.batch(text, size=size)))


def test_an_error_is_told_with_number_state_class_and_line(client):
    answer = client.ask(raw.batch("FAIL 2628 16 3 17 truncated"))
    assert errors(answer) == [(2628, 3, 16)]
    assert struct.pack("<I", 17) + b"\xfd" in answer
    assert done(answer)[1] & 2


def test_counts_and_the_more_bit_are_told_for_every_statement(client):
    answer = client.ask(raw.batch("FAIL 1 16 1 1 x"))
    assert answer[:13] == struct.pack("<BHHQ", 0xFD, 0x11, 0, 7)


def test_an_error_of_severity_20_ends_the_connection(client):
    assert errors(client.ask(raw.batch("FAIL 4014 20 1 1 x")))
    with pytest.raises(EOFError):
        client.answer()


def test_executesql_binds_by_place_and_by_name(client):
    declared = "@a int, @b nvarchar(10)"
    by_place = client.ask(
        raw.rpc(raw.call(10, raw.nvarchar("ECHO"), raw.nvarchar(declared), raw.integer(7), raw.nvarchar("x")))
    )
    by_name = client.ask(
        raw.rpc(
            raw.named_call(
                "sp_executesql",
                raw.nvarchar("ECHO", "@stmt"),
                raw.nvarchar(declared, "@params"),
                raw.nvarchar("x", "@b"),
                raw.integer(7, "@a"),
            )
        )
    )
    assert by_place == by_name
    assert b"\xd1\4\7\0\0\0\2\0x\0" in by_place


def test_a_value_becomes_what_it_was_declared_as_or_is_error_8114(client):
    def ask(*given: bytes) -> bytes:
        return client.ask(raw.rpc(raw.call(10, raw.nvarchar("TYPES"), raw.nvarchar("@a bigint"), *given)))

    assert "bigint" in text_of(ask(raw.nvarchar("12")))
    assert "bigint" in text_of(ask(raw.integer(None)))
    assert errors(ask(raw.nvarchar("twelve")))[0][0] == 8114


@pytest.mark.parametrize(
    ("values", "number"), [([], 8178), ([raw.integer(1), raw.integer(2)], 8144)], ids=["missing", "too many"]
)
def test_a_missing_value_and_one_too_many_are_errors(client, values, number):
    answer = client.ask(raw.rpc(raw.call(10, raw.nvarchar("ECHO"), raw.nvarchar("@a int"), *values)))
    assert errors(answer)[0][0] == number


def test_parameters_of_the_deprecated_long_types_are_read(client):
    text, wide = "ü".encode(), "ü".encode("utf-16-le")
    collation = struct.pack("<IB", 0x26000409, 0)
    values = [
        b"\0\0\x23" + struct.pack("<I", 100) + collation + struct.pack("<I", len(text)) + text,
        b"\0\0\x63" + struct.pack("<I", 100) + collation + struct.pack("<I", len(wide)) + wide,
        b"\0\0\x22" + struct.pack("<II", 100, 2) + b"\1\2",
        b"\0\0\x22" + struct.pack("<II", 100, 0xFFFFFFFF),
    ]
    declared = raw.nvarchar("@a varchar(9), @b nvarchar(9), @c varbinary(9), @d varbinary(9)")
    answer = client.ask(raw.rpc(raw.call(10, raw.nvarchar("ECHO"), declared, *values)))
    row = b"\xd1" + b"\2\0" + text + b"\2\0" + wide + b"\2\0\1\2" + b"\xff\xff"
    assert row in answer


def handle_of(answer: bytes) -> int:
    (place,) = (match.end() for match in re.finditer(b"\xac\0\0\0\x01\0{4}\x01\0\x26\x04\x04", answer))
    return struct.unpack_from("<i", answer, place)[0]


@pytest.mark.parametrize("separator", [b"\x80", b"\xff"])
def test_a_prepared_statement_is_executed_many_times_in_one_request(client, engine_and_port, separator):
    declared = "@P1 bigint, @P2 nvarchar(50), @P3 datetime2(6)"
    prepared = client.ask(
        raw.rpc(raw.call(11, raw.integer(None, output=True), raw.nvarchar(declared), raw.nvarchar("INSERT orders")))
    )
    handle = handle_of(prepared)
    calls = [
        raw.call(12, raw.integer(handle), raw.integer(number), raw.nvarchar(f"ü{number}"), raw.integer(None))
        for number in range(50)
    ]
    answer = client.ask(raw.rpc(*calls, separator=separator))
    engine, _ = engine_and_port
    kept = [row for batch in engine.tables["orders"][1] for row in batch.to_pylist()]
    assert [(row["id"], row["an]odd, (name)"]) for row in kept] == [(number, f"ü{number}") for number in range(50)]
    statuses = [
        struct.unpack_from("<H", answer, place)[0] for place in range(1, len(answer)) if answer[place - 1] == 0xFE
    ]
    assert statuses == [0x81] * 49 + [0]
    forgotten = client.ask(raw.rpc(raw.call(15, raw.integer(handle))))
    assert done(forgotten)[:2] == (0xFE, 0)
    assert errors(client.ask(raw.rpc(calls[0])))[0][0] == 8179


def test_calls_of_one_request_may_bind_different_types(client):
    prepared = client.ask(
        raw.rpc(raw.call(11, raw.integer(None, output=True), raw.nvarchar("@a nvarchar(9)"), raw.nvarchar("ECHO")))
    )
    handle = raw.integer(handle_of(prepared))
    calls = [raw.call(12, handle, value) for value in (raw.integer(7), raw.nvarchar("seven"), raw.integer(8))]
    answer = client.ask(raw.rpc(*calls))
    rows = [b"\xd1" + struct.pack("<H", 2 * len(text)) + text.encode("utf-16-le") for text in ("7", "seven", "8")]
    assert [row in answer for row in rows] == [True] * 3


def test_one_failing_call_does_not_stop_those_after_it(client):
    calls = [raw.call(12, raw.integer(99)), raw.named_call("dbo.load")]
    answer = client.ask(raw.rpc(*calls))
    assert errors(answer)[0][0] == 8179
    assert "dbo.load" in text_of(answer)


@pytest.mark.parametrize("number", range(1, 10))
def test_cursors_are_refused_by_name(client, number):
    answer = client.ask(raw.rpc(raw.call(number)))
    assert errors(answer)[0][0] == 40510
    assert "no server-side cursors" in text_of(answer)


def test_undeclared_parameters_are_described_by_the_engine(client):
    answer = client.ask(
        raw.rpc(raw.named_call("sp_describe_undeclared_parameters", raw.nvarchar("INSERT orders @P1, @P2, @P3")))
    )
    told = text_of(answer)
    assert all(name in told for name in ("bigint", "nvarchar(50)", "datetime2(6)"))
    assert done(answer)[0] == 0xFE


def test_types_are_described_for_one_number_and_for_all(client):
    one = client.ask(raw.rpc(raw.named_call("[sys].sp_datatype_info_100", raw.integer(93), raw.integer(3, "@ODBCVer"))))
    all_of_them = client.ask(
        raw.rpc(raw.named_call("sp_datatype_info_100", raw.integer(0), raw.integer(3, "@ODBCVer")))
    )
    assert one.count(b"\xd1") >= 3
    assert "datetime2" in text_of(one)
    assert "uniqueidentifier" not in text_of(one)
    assert "uniqueidentifier" in text_of(all_of_them)


def test_transactions_are_announced_with_their_descriptor(client):
    begun = client.ask(raw.transaction(5))
    assert begun[:5] == b"\xe3\x0b\0\x08\x08"
    descriptor = begun[5:13]
    assert client.ask(raw.transaction(9, b"\2s\0p\0"))[-13:] == struct.pack("<BHHQ", 0xFD, 4, 0, 0)
    assert b"\xe3\x0b\0\x09\0\x08" + descriptor in client.ask(raw.transaction(7))
    assert errors(client.ask(raw.transaction(7)))[0][0] == 3902
    assert errors(client.ask(raw.transaction(8)))[0][0] == 3903


def test_a_commit_may_begin_the_next_transaction(client):
    client.ask(raw.transaction(5))
    client.ask(raw.transaction(7, b"\0\1\0\0"))
    assert client.ask(raw.transaction(7))[:1] == b"\xe3"


def test_an_isolation_level_is_set_before_the_transaction(client, engine_and_port):
    client.ask(raw.transaction(5, b"\5\0"))
    assert engine_and_port[0].sessions[0].texts == ["SET TRANSACTION ISOLATION LEVEL SNAPSHOT"]


def test_attention_stops_what_runs_and_is_acknowledged(client):
    client.send(raw.batch("WAIT"))
    assert client.ask(raw.attention()) == DONE_ATTENTION
    assert b"\xd1" in client.ask(raw.batch("TRANSACTIONS"))


def test_attention_after_the_answer_is_acknowledged_by_itself(client):
    client.ask(raw.batch("SET x"))
    assert client.ask(raw.attention()) == DONE_ATTENTION
    assert b"\xd1" in client.ask(raw.batch("TRANSACTIONS"))


def test_attention_while_rows_stream_ends_them(client):
    client.send(raw.batch("ENDLESS"))
    assert client.ask(raw.attention()).endswith(DONE_ATTENTION)
    assert b"\xd1" in client.ask(raw.batch("TRANSACTIONS"))


BULK = b"\x81\1\0" + bytes(4) + b"\0\0" + b"\x26\x08\2i\0d\0"
ROW = b"\xd1\x08" + struct.pack("<q", 5)


def test_rows_of_a_bulk_load_may_come_in_packets_of_any_size(client, engine_and_port):
    assert done(client.ask(raw.batch("INSERT BULK orders ([id] bigint) WITH (TABLOCK)")))[1] == 0
    answer = client.ask(raw.packets(raw.BULK, BULK + ROW * 30 + DONE_ATTENTION.replace(b"\x20", b"\0"), size=11))
    assert done(answer) == (0xFD, 0x10, 30)
    assert sum(batch.num_rows for batch in engine_and_port[0].tables["orders"][1]) == 30


def test_names_of_any_kind_are_taken_from_the_announcement(client):
    text = (
        'insert bulk [dbo].[orders] ([an]]odd, (name)] nvarchar(50) COLLATE Latin1_General_BIN2, "id" decimal(38, 9))'
    )
    assert done(client.ask(raw.batch(text)))[1] == 0
    missing = client.ask(raw.batch("INSERT BULK orders ([nowhere] int)"))
    assert errors(missing)[0][0] == 4022
    assert errors(client.ask(raw.batch("INSERT BULK orders ([nowhere] int)")))[0][0] == 207


def test_a_refused_row_leaves_the_connection_in_order(client, engine_and_port):
    client.ask(raw.batch("INSERT BULK orders ([id] bigint)"))
    rows = BULK + ROW + b"\xd1\0" + DONE_ATTENTION.replace(b"\x20", b"\0")
    answer = client.ask(raw.packets(raw.BULK, rows, size=11))
    assert errors(answer)[0][0] == 515
    assert b"\xd1" in client.ask(raw.batch("TRANSACTIONS"))


def test_the_rows_behind_a_wrong_head_are_passed_over(client):
    client.ask(raw.batch("INSERT BULK orders ([id] bigint, [at] datetime2(6))"))
    answer = client.ask(raw.packets(raw.BULK, BULK + ROW * 1000, size=50))
    assert errors(answer)[0][0] == 4816
    assert b"\xd1" in client.ask(raw.batch("TRANSACTIONS"))


def test_a_bulk_load_that_is_cancelled_loads_nothing(client, engine_and_port):
    client.ask(raw.batch("INSERT BULK orders ([id] bigint)"))
    client.send(raw.packets(raw.BULK, BULK + ROW, status=0))
    assert client.ask(raw.attention()) == DONE_ATTENTION
    assert engine_and_port[0].tables["orders"][1] == []
    assert b"\xd1" in client.ask(raw.batch("TRANSACTIONS"))


def test_a_message_that_its_sender_throws_away_is_not_executed(client, engine_and_port):
    assert done(client.ask(raw.batch("PRINT x", status=3)))[1] & 2
    assert engine_and_port[0].sessions[0].texts == []


def test_a_pooled_connection_gets_a_fresh_session(client, engine_and_port):
    client.ask(raw.transaction(5))
    answer = client.ask(raw.batch("TRANSACTIONS", status=9))
    assert answer.startswith(b"\xe3\3\0\x12\0\0")
    first, second = engine_and_port[0].sessions
    assert (first.closed, second.closed) == (True, False)


BROKEN = {
    "a reset that keeps a transaction": raw.transaction(5) + raw.batch("TRANSACTIONS", status=17),
    "a type of packet that is none": b"\x63\1\0\x08\0\0\0\0",
    "a packet shorter than its header": b"\1\1\0\7\0\0\0\0",
    "a packet longer than any": b"\1\1\xff\xff\0\0\0\0",
    "headers longer than the request": raw.packets(raw.BATCH, b"\xff\xff\0\0"),
    "a request without headers": raw.packets(raw.BATCH, b"\1"),
    "a call whose name does not end": raw.packets(raw.RPC, raw.HEADERS + b"\xff\0x"),
    "a procedure number that is none": raw.rpc(raw.call(77)),
    "a type that is none": raw.rpc(raw.call(10, b"\0\0\xee")),
    "a table-valued parameter": raw.rpc(raw.call(10, b"\0\0\xf3\0\0\0\0")),
    "a value that does not end": raw.rpc(raw.call(12, b"\0\0\x26\4\4\1")),
    "a chunk that does not end": raw.rpc(raw.call(12, b"\0\0\xa5\xff\xff" + bytes(8) + b"\xff\xff\xff\x7f")),
    "rows that were not announced": raw.packets(raw.BULK, BULK),
    "a second login": raw.login(USER, PASSWORD),
    "a transaction request that is none": raw.transaction(99),
    "a packet of another kind inside a message": raw.packets(raw.BATCH, raw.HEADERS, status=0) + raw.rpc(raw.call(1)),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_message_is_error_4002_and_ends_that_connection_alone(engine_and_port, broken):
    _, port = engine_and_port
    with logged_in(port) as broken_client, logged_in(port) as other:
        broken_client.send(broken)
        assert errors(list(answers(broken_client))[-1])[0][0] == 4002
        assert b"\xd1" in other.ask(raw.batch("TRANSACTIONS"))


@pytest.mark.parametrize(
    "begin", [b"", raw.prelogin()[:5], raw.prelogin()[:20], raw.batch("WAIT"), b"\x16\3\1\0\xf0" + bytes(40)]
)
def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(engine_and_port, begin):
    _, port = engine_and_port
    with RawClient(port) as client:
        client.send(begin)
        client.remainder()


def test_a_statement_is_stopped_when_its_client_leaves(engine_and_port):
    engine, port = engine_and_port
    client = logged_in(port)
    client.send(raw.batch("WAIT"))
    client.remainder()
    assert engine.sessions[0].closed


def test_a_defect_of_the_engine_is_told_and_ends_the_connection(client):
    answer = client.ask(raw.batch("CRASH"))
    assert "ZeroDivisionError" in text_of(answer)
    with pytest.raises(EOFError):
        client.answer()


def test_stopping_the_server_ends_what_runs(engine_and_port):
    with served() as (_, port), logged_in(port) as client:
        client.send(raw.batch("WAIT"))
    assert client


def test_the_password_stands_nowhere_but_in_the_engine_s_hands():
    from resources.endpoints.mssql_emulator.login import parse_login

    assert PASSWORD not in repr(parse_login(raw.login(USER, PASSWORD, DATABASE)[8:]))
