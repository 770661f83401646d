"""The values that systems get wrong, chosen by hand: by trap, then by row, then by logical type.

Here live values alone; the rows that carry them, and what happens to those rows, are in `traps`.
It may import the standard library, the words of `table` and the JSON text of `values`.
"""

import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from math import nextafter, pi
from random import Random
from string import ascii_letters
from typing import Any
from uuid import UUID

from matrix_defs.table import LogicalType as T
from matrix_defs.values import canonical_json

Values = Mapping[T, Any]


def _text(text: str) -> Values:
    return {T.TEXT: text, T.JSON: canonical_json({"text": text, text: [text]}), T.BINARY: text.encode()}


def _temporal(day: date, at: time) -> Values:
    reading = datetime.combine(day, at)
    return {T.DATE: day, T.TIME: at, T.DATETIME: reading, T.INSTANT: reading.replace(tzinfo=UTC)}


def _numbers(int16: int, int32: int, int64: int, decimal_18_4: str, decimal_38_9: str, float64: float) -> Values:
    return {
        T.INT16: int16,
        T.INT32: int32,
        T.INT64: int64,
        T.DECIMAL_18_4: Decimal(decimal_18_4),
        T.DECIMAL_38_9: Decimal(decimal_38_9),
        T.FLOAT64: float64,
    }


_D18 = "99999999999999.9999"
_D38 = "99999999999999999999999999999.999999999"
_DENORMAL = nextafter(0.0, 1.0)

VALUES: dict[str, Mapping[str, Values]] = {
    "empty_beside_null": {
        "empty": {T.TEXT: "", T.BINARY: b"", T.JSON: "{}"},
        "null": {T.TEXT: None, T.BINARY: None, T.JSON: None},
        "the word": {T.TEXT: "NULL", T.BINARY: b"NULL", T.JSON: '{"null": null}'},
    },
    "trailing_spaces": {
        "none": _text("padded"),
        "one": _text("padded "),
        "both ends": _text("  padded  "),
        "nothing else": _text(" "),
    },
    "control_characters": {
        "tab": _text("a\tb"),
        "newline": _text("a\nb\n"),
        "carriage return": _text("a\rb\r"),
        "both": _text("a\r\nb\r\n"),
        "all": _text("".join(map(chr, [*range(1, 32), 127, 0x85, 0x2028]))),
    },
    "escapes": {
        "quotes": _text("""'single' "double" `back` ''twice'' $tag$ %s {x} ?"""),
        "backslash": _text("C:\\new\\table\\"),
        "copy null": _text("\\N"),
        "copy end": _text("\\."),
        "separators": _text("a,b;c|d\x1fe"),
    },
    "unicode": {
        "emoji": _text("👍🏽 👩‍👩‍👧 🇪🇺"),
        "combining": _text("e\u0301 n\u0303 Z\u0351\u036b"),
        "composed": _text("é ñ"),
        "right to left": _text("שלום \u202eabc"),
        "widest": _text("\u07ff\uffee\U0010fffd"),
    },
    "long_text": {"12,000 characters": _text("".join(Random(3).choices(ascii_letters + "éß東", k=12_000)))},
    "numeric_extremes": {
        "minimum": _numbers(-(2**15), -(2**31), -(2**63), "-" + _D18, "-" + _D38, -sys.float_info.max),
        "maximum": _numbers(2**15 - 1, 2**31 - 1, 2**63 - 1, _D18, _D38, sys.float_info.max),
    },
    "negative_zero": {
        "negative": _numbers(0, 0, 0, "0.0000", "0.000000000", -0.0),
        "positive": _numbers(0, 0, 0, "0.0000", "0.000000000", 0.0),
    },
    "smallest_step": {
        "up": _numbers(1, 1, 1, "0.0001", "0.000000001", _DENORMAL),
        "down": _numbers(-1, -1, -1, "-0.0001", "-0.000000001", -_DENORMAL),
    },
    "digits_lost_in_a_double": {
        "odd": _numbers(12345, 2**24 + 1, 2**53 + 1, "90071992547409.9301", "9007199254740993.000000001", 0.1 + 0.2),
        "seventeen": _numbers(-12345, -(2**24) - 1, -(2**53) - 1, "0.1000", "0.100000001", nextafter(pi * 1e-300, 1.0)),
    },
    "first_and_last_instants": {
        "1970": _temporal(date(1970, 1, 1), time()),
        "2200": _temporal(date(2200, 12, 31), time(23, 59, 59, 999_999)),
    },
    "microseconds": {
        "first": _temporal(date(1970, 1, 1), time(0, 0, 0, 1)),
        "odd": _temporal(date(2199, 2, 28), time(12, 34, 56, 100_001)),
        "seventh rounds": _temporal(date(2026, 12, 31), time(23, 59, 59, 999_500)),
    },
    "dst_gap": {
        "Europe, spring": _temporal(date(2026, 3, 29), time(2, 30)),
        "Europe, autumn": _temporal(date(2026, 10, 25), time(2, 30)),
        "America, spring": _temporal(date(2026, 3, 8), time(2, 30)),
    },
    "nested_json": {
        "nested": {
            T.JSON: canonical_json(
                {"a": {"b": [{"c": [[], {}, [None, True, 0.5]]}]}, "zz": [], "é": "東京", "b": False}
            )
        },
        "integers": {T.JSON: canonical_json({"above": 2**53 + 1, "max": 2**63 - 1, "min": -(2**63)})},
        "key order": {T.JSON: canonical_json({"B": 1, "a": 2, "aa": 3, "": 4, "Z": 5, "é": 6, "10": 7, "9": 8})},
        "array": {T.JSON: canonical_json([1, "two", {"three": 3}])},
    },
    "all_bytes": {
        "ascending": {T.BINARY: bytes(range(256))},
        "zero": {T.BINARY: b"\x00"},
        "no text": {T.BINARY: b"\xff\xfe\x80\\x41"},
    },
    "uuid_byte_order": {
        "ascending": {T.UUID: UUID("00112233-4455-6677-8899-aabbccddeeff").bytes},
        "nil": {T.UUID: bytes(16)},
        "max": {T.UUID: b"\xff" * 16},
    },
    "booleans": {"false": {T.BOOL: False}, "true": {T.BOOL: True}, "null": {T.BOOL: None}},
    "all_null": {"row": dict.fromkeys(T)},
}
