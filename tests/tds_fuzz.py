"""Malformed conversations, thrown at the wire by the thousand: `python -m tests.tds_fuzz 100000 [seed]`.

Here live how good conversations are spoilt and how the server is judged; each case follows from the seed and its
number alone. It may import everything.
"""

import random
import struct
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import tds_raw as raw
from tds_engine import DATABASE, PASSWORD, USER
from tds_local import served

GREETING = [raw.prelogin(), raw.login(USER, PASSWORD, DATABASE)]
_COLUMNS = b"\x81\2\0" + bytes(6) + b"\x26\x08\2i\0d\0" + bytes(6) + b"\xe7\x64\0\x09\4\0\x26\0\1n\0"
_ROWS = b"".join(b"\xd1\x08" + struct.pack("<q", n) + b"\4\0\xfc\0x\0" for n in range(20))
_END = struct.pack("<BHHQ", 0xFD, 0, 0, 0)
_LONG = b"\0\0\xe7\xff\xff\x09\4\0\x26\0" + struct.pack("<qI", -2, 4) + b"a\0b\0" + bytes(4)
_DECLARED = raw.nvarchar("@a int, @b nvarchar(max), @c decimal(18,4), @d datetime2")
_VALUES = [
    raw.integer(5),
    _LONG,
    b"\0\0\x6a\x09\x12\4\x09\1" + struct.pack("<q", 12345),
    b"\0\0\x2a\7\x08" + bytes(8),
    b"\0\0\x24\x10\x10" + bytes(range(16)),
    b"\0\0\x68\1\1\1",
    b"\0\0\xf1\0" + struct.pack("<qI", 8, 8) + "<a/>".encode("utf-16-le") + bytes(4),
    b"\0\0\x23\xff\xff\xff\x7f\x09\4\0\x26\0\2\0\0\0ab",
]

CONVERSATIONS: list[list[bytes]] = [
    [*GREETING, request]
    for request in (
        raw.batch("SELECT * FROM types"),
        raw.batch("FAIL 2627 14 1 1 duplicate"),
        raw.batch("PRINT " + "long " * 2000),
        raw.rpc(raw.call(10, raw.nvarchar("ECHO"), _DECLARED, *_VALUES[:4])),
        raw.rpc(raw.call(13, raw.integer(None, output=True), _DECLARED, raw.nvarchar("ECHO"), *_VALUES[:4])),
        raw.rpc(raw.named_call("dbo.load", *_VALUES), raw.call(12, raw.integer(1)), raw.call(15, raw.integer(1))),
        raw.rpc(raw.named_call("sp_describe_undeclared_parameters", raw.nvarchar("INSERT orders @P1, @P2"))),
        raw.rpc(raw.named_call("[sys].sp_datatype_info_100", raw.integer(93), raw.integer(3, "@ODBCVer"))),
        raw.transaction(5) + raw.transaction(9, b"\2s\0p\0") + raw.transaction(8, b"\0\1\0\0") + raw.transaction(7),
        raw.batch("INSERT BULK orders ([id] bigint, [an]]odd, (name)] nvarchar(50))")
        + raw.packets(raw.BULK, _COLUMNS + _ROWS + _END, size=100),
        raw.batch("WAIT") + raw.attention() + raw.batch("TRANSACTIONS", status=9),
    )
]

_EXTREMES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]


def _flip(rng: random.Random, data: bytearray) -> None:
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(len(data))] = rng.randrange(256)


def _extreme(rng: random.Random, data: bytearray) -> None:
    """Put a number that is awkward as a length somewhere."""
    width = rng.choice([1, 2, 4, 8])
    place = rng.randrange(len(data))
    number = rng.choice(_EXTREMES) % (1 << 8 * width)
    data[place : place + width] = number.to_bytes(width, rng.choice(["little", "big"]))


def _cut(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data)) :]


def _drop(rng: random.Random, data: bytearray) -> None:
    place = rng.randrange(len(data))
    del data[place : place + rng.randint(1, 20)]


def _repeat(rng: random.Random, data: bytearray) -> None:
    place = rng.randrange(len(data))
    data[place:place] = data[place : place + rng.randint(1, 200)] * rng.randint(1, 20)


def _insert(rng: random.Random, data: bytearray) -> None:
    place = rng.randrange(len(data))
    data[place:place] = rng.randbytes(rng.randint(1, 50))


_SPOIL: list[Callable[[random.Random, bytearray], None]] = [_flip, _extreme, _cut, _drop, _repeat, _insert]


def _repacked(rng: random.Random, request: bytes) -> bytes:
    """Spoil what is inside a message and pack it anew, so that its packets are in order."""
    body = bytearray(request[8:])
    for _ in range(rng.randint(1, 3)):
        if body:
            rng.choice(_SPOIL)(rng, body)
    return raw.packets(request[0], bytes(body), size=rng.choice([16, 512, 4096, 32767]))


def _noise(rng: random.Random) -> bytes:
    kind = rng.choice([1, 3, 6, 7, 14, 16, 18, rng.randrange(256)])
    return raw.packets(kind, rng.randbytes(rng.randint(0, 300)), status=rng.choice([0, 1, 3, 9]))


def conversation(seed: int, number: int) -> bytes:
    """Return what a spoilt client sends."""
    rng = random.Random(f"{seed}:{number}")
    messages = list(rng.choice(CONVERSATIONS))
    how = rng.randrange(4)
    place = rng.choice([0, 1, 2, 2, 2, 2])
    if how == 0:
        messages[place] = _repacked(rng, messages[place])
    elif how == 1:
        spoilt = bytearray(messages[place])
        rng.choice(_SPOIL)(rng, spoilt)
        messages[place] = bytes(spoilt)
    elif how == 2:
        messages.insert(rng.randint(0, 3), _noise(rng))
    else:
        rng.shuffle(messages)
        messages += rng.choice(CONVERSATIONS)[2:]
        messages[-1] = _repacked(rng, messages[-1])
    return b"".join(messages)


def flaw(port: int, sent: bytes) -> str | None:
    """Send; return what the server did wrong: it must answer or not, and close once its client has ended."""
    with raw.RawClient(port, timeout=10) as client:
        try:
            client.send(sent)
            answer = client.remainder()
        except ConnectionError:
            return None
        except TimeoutError:
            return "the connection was not closed"
    if "The endpoint failed".encode("utf-16-le") in answer:
        place = answer.index("The endpoint failed".encode("utf-16-le"))
        return answer[place : place + 400].decode("utf-16-le", "replace")
    return None


def works(port: int) -> bool:
    """Whether a good client is served."""
    with raw.RawClient(port) as client:
        for message in GREETING:
            client.ask(message)
        return b"\xd1" in client.ask(raw.batch("TRANSACTIONS"))


def run(count: int, seed: int) -> list[str]:
    """Throw so many conversations at a server; return what it did wrong, one line each."""
    flaws = []
    with served() as (_, port):
        for number in range(count):
            sent = conversation(seed, number)
            found = flaw(port, sent)
            if found is None and number % 100 == 99 and not works(port):
                found = "a good client is not served any more"
            if found:
                flaws.append(f"case {number} of seed {seed}: {found}: {sent[:4000].hex()}")
    return flaws


if __name__ == "__main__":
    _count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    _seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    _flaws = run(_count, _seed)
    print(*_flaws, f"{_count} malformed conversations, {len(_flaws)} flaws", sep="\n")  # noqa: T201
    sys.exit(bool(_flaws))
