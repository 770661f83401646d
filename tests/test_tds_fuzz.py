"""Malformed conversations: none of a thousand hangs or crashes the server, and the fuzzer would see it if one did."""

import tds_fuzz
from tds_local import served

from resources.endpoints.mssql_emulator.reading import Reader


def test_a_thousand_malformed_conversations_neither_hang_nor_crash_the_server():
    assert tds_fuzz.run(1000, seed=1) == []


def test_a_case_follows_from_its_seed_and_number():
    assert tds_fuzz.conversation(5, 17) == tds_fuzz.conversation(5, 17)
    assert len({tds_fuzz.conversation(5, number) for number in range(100)}) == 100


def test_unspoilt_conversations_have_no_flaw_and_a_good_client_is_served():
    with served() as (_, port):
        assert [tds_fuzz.flaw(port, b"".join(messages)) for messages in tds_fuzz.CONVERSATIONS] == [None] * len(
            tds_fuzz.CONVERSATIONS
        )
        assert tds_fuzz.works(port)


def test_a_read_past_the_end_is_seen(monkeypatch):
    def unchecked(reader: Reader, size: int) -> bytes:
        reader.place += size
        return reader.data[reader.place - size : reader.place]

    monkeypatch.setattr(Reader, "take", unchecked)
    assert any("The endpoint failed" in flaw for flaw in tds_fuzz.run(50, seed=1))
