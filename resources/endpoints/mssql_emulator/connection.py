"""One client: its login, its requests in order, and the end of its connection.

Here lives the conversation; each kind of request has a module of its own below. It may import the standard library and
the modules of the wire.

Source: MS-TDS 3.3 (https://learn.microsoft.com/openspecs/windows_protocols/ms-tds).
"""

import contextlib
import logging
import socket
import threading
from collections.abc import Iterable, Iterator

from resources.endpoints.mssql_emulator import bulk, tokens, transactions
from resources.endpoints.mssql_emulator.answer import Answer
from resources.endpoints.mssql_emulator.engine import Engine, Outcome, Session, SqlError
from resources.endpoints.mssql_emulator.inbox import Attention, Gone, Ignored, Inbox, Message
from resources.endpoints.mssql_emulator.login import UTF8_FEATURE, Login, parse_login, prelogin_answer
from resources.endpoints.mssql_emulator.packets import LARGEST, SMALLEST, Kind, PacketReader, PacketWriter
from resources.endpoints.mssql_emulator.procedures import Procedures, Returned
from resources.endpoints.mssql_emulator.reading import ProtocolError, without_headers
from resources.endpoints.mssql_emulator.rpc import Call, parse_calls
from resources.endpoints.mssql_emulator.tokens import Change, Done, Status

_LOG = logging.getLogger(__name__)
_OLDEST, _NEWEST = 0x74000000, 0x74000004
"""Versions of the protocol: clients of older ones do not know UTF-8 collations and would read wrong text in silence."""
_CLOSES = 20
"""Errors of this severity and above end the connection."""


class Connection:
    """A conversation with one client on its socket."""

    def __init__(self, client: socket.socket, engine: Engine, number: int) -> None:
        self._client = client
        self._engine = engine
        self._writer = PacketWriter(client, number)
        self._inbox = Inbox(PacketReader(client), self._interrupt)
        self._session: Session | None = None
        self._login: Login | None = None
        self._procedures: Procedures | None = None
        self._load: bulk.BulkLoad | None = None
        self._descriptor = 0
        self._reset = False

    def serve(self) -> None:
        """Converse until the client leaves, breaks the protocol or is closed. Raises nothing."""
        receiver = threading.Thread(target=self._inbox.receive, daemon=True)
        receiver.start()
        try:
            self._converse()
        except (Gone, OSError):
            pass
        except ProtocolError as error:
            self._say_goodbye(SqlError(4002, f"The incoming TDS stream is incorrect: {error}.", severity=16))
        except Exception as error:
            _LOG.exception("the conversation failed")
            self._say_goodbye(SqlError(8630, f"The endpoint failed: {type(error).__name__}: {error}", severity=20))
        finally:
            self._inbox.close()
            # The session first: whoever sees the connection end may count on its locks being gone.
            self._end_session()
            self.close()
            receiver.join()

    def close(self) -> None:
        """Cut the connection, from any thread; `serve` then returns."""
        with contextlib.suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)
        self._client.close()

    def _interrupt(self) -> None:
        if self._session:
            try:
                self._session.cancel()
            except Exception:
                # Whatever the engine met with, the receiving thread must hear what the client sends next.
                _LOG.exception("cancelling failed")

    def _end_session(self) -> None:
        if self._session:
            try:
                self._session.close()
            except Exception:
                _LOG.exception("a session did not end well")

    def _say_goodbye(self, error: SqlError) -> None:
        with contextlib.suppress(OSError):
            self._writer.write(tokens.error(error) + tokens.done(Done.BATCH, Status.ERROR))
            self._writer.finish()

    def _converse(self) -> None:
        try:
            message = self._inbox.message()
            if message.kind is Kind.PRELOGIN:
                self._writer.write(prelogin_answer(message.data))
                self._writer.finish()
                message = self._inbox.message()
        except (Attention, Ignored):
            raise ProtocolError("a client takes back what it has not asked for yet") from None
        if message.kind is not Kind.LOGIN:
            raise ProtocolError(f"a message of type {int(message.kind)} before the login")
        if not self._log_in(parse_login(message.data)):
            return
        while self._one_request():
            pass

    def _log_in(self, login: Login) -> bool:
        """Answer a login; False where it failed."""
        answer = self._answer()
        try:
            if login.integrated:
                raise SqlError(18452, "Login failed. Windows authentication is not supported.", severity=14)
            if login.tds_version < _OLDEST:
                raise SqlError(18456, "Login failed: TDS 7.4 is needed.", severity=14)
            self._session = self._engine.login(login.user, login.password, login.database)
        except SqlError as error:
            answer.error(error, Done.BATCH)
            answer.end()
            return False
        self._login, self._procedures = login, Procedures(self._session)
        database = login.database or "master"
        size = min(max(login.packet_size or self._writer.size, SMALLEST), LARGEST)
        answer.put(tokens.text_change(Change.DATABASE, database, "master"))
        answer.put(tokens.info(5701, f"Changed database context to '{database}'."))
        answer.put(tokens.collation_change())
        answer.put(tokens.text_change(Change.LANGUAGE, "us_english"))
        answer.put(tokens.login_ack(min(login.tds_version, _NEWEST)))
        answer.put(tokens.text_change(Change.PACKET_SIZE, str(size), str(self._writer.size)))
        if login.utf8:
            answer.put(tokens.feature_ack(UTF8_FEATURE))
        answer.done(Done.BATCH)
        answer.end()
        self._writer.size = size
        return True

    def _one_request(self) -> bool:
        """Answer one request; False where the connection ends."""
        answer = self._answer()
        try:
            message = self._inbox.message()
            if message.reset:
                self._begin_anew(message)
            goes_on = self._request(message, answer)
            self._tell_transaction(answer)
            answer.end()
        except Ignored:
            answer.done(Done.BATCH, Status.ERROR)
            answer.end()
        except Attention:
            # A signal that came too late for what it meant was answered there; its place in the queue comes here.
            if self._inbox.attention:
                self._inbox.answered()
                answer.end_with_attention()
        else:
            return goes_on
        return True

    def _answer(self) -> Answer:
        return Answer(self._writer, self._depth, self._stop_if_asked)

    def _depth(self) -> int:
        return self._session.transactions if self._session else 0

    def _stop_if_asked(self) -> None:
        if self._inbox.attention:
            raise Attention

    def _request(self, message: Message, answer: Answer) -> bool:
        if self._reset:
            answer.put(tokens.reset_change())
            self._reset = False
        load, self._load = self._load, None
        if load and message.kind is not Kind.BULK:
            answer.error(SqlError(4022, "Bulk load data was expected but not sent."), Done.BATCH)
            return True
        if message.kind is Kind.BULK:
            return self._bulk(load, message, answer)
        if message.kind is Kind.BATCH:
            reader = without_headers(message.data)
            return self._batch(reader.text(reader.left // 2), answer)
        if message.kind is Kind.RPC:
            return self._calls(message.data, answer)
        if message.kind is Kind.TRANSACTION:
            return self._run(transactions.request(self._known(), message.data), answer, Done.BATCH)
        raise ProtocolError(f"a message of type {int(message.kind)} after the login")

    def _known(self) -> Session:
        assert self._session
        return self._session

    def _run(self, outcomes: Iterable[Outcome], answer: Answer, token: Done) -> bool:
        """Write outcomes, the error that ends them included; False where it is one that ends the connection."""
        try:
            answer.outcomes(outcomes, token)
        except SqlError as error:
            self._stop_if_asked()
            answer.error(error, token)
            return error.severity < _CLOSES
        answer.ensure_done(token)
        return True

    def _batch(self, text: str, answer: Answer) -> bool:
        def outcomes() -> Iterator[Outcome]:
            self._load = bulk.announced(self._known(), text)
            if not self._load:
                yield from bulk.metadata(self._known(), text) or self._known().execute(text)

        return self._run(outcomes(), answer, Done.BATCH)

    def _calls(self, data: bytes, answer: Answer) -> bool:
        try:
            calls = parse_calls(data)
        except SqlError as error:
            answer.error(error, Done.PROCEDURE)
            return True
        for place, call in enumerate(calls, 1):
            if not self._call(call, answer, Status.RPC_IN_BATCH if place < len(calls) else 0):
                return False
        return True

    def _call(self, call: Call, answer: Answer, status: int) -> bool:
        assert self._procedures
        try:
            outputs = answer.outcomes(self._procedures.run(call), Done.IN_PROCEDURE)
        except SqlError as error:
            self._stop_if_asked()
            answer.failed_call(error, status)
            return error.severity < _CLOSES
        answer.put(tokens.return_status(0))
        for output in sorted((o for o in outputs if isinstance(o, Returned)), key=lambda output: output.ordinal):
            answer.put(tokens.return_value(output, output.ordinal))
        answer.done(Done.PROCEDURE, status)
        return True

    def _bulk(self, load: bulk.BulkLoad | None, message: Message, answer: Answer) -> bool:
        if not load:
            raise ProtocolError("rows of a bulk load that was not announced")
        broken: list[Exception] = []

        def packets() -> Iterator[bytes]:
            try:
                yield from self._inbox.rest(message)
            except Exception as error:
                # The engine may say it in its own words, so what happened is kept.
                broken.append(error)
                raise

        arriving = packets()
        try:
            session = self._known()
            columns, batches = bulk.read_rows(load, arriving, copies=session.takes_copies)
            rows = session.bulk_insert(load.table, columns, batches)
            answer.done(Done.BATCH, rows=rows)
        except SqlError as error:
            if not broken:
                for _ in arriving:
                    pass
                self._stop_if_asked()
                answer.error(error, Done.BATCH)
        if broken:
            raise broken[0]
        return True

    def _begin_anew(self, message: Message) -> None:
        """Give a pooled connection a fresh session, as its next user expects."""
        assert self._login
        if message.keeps_transaction and self._depth():
            raise ProtocolError("a reset that keeps the transaction, which this endpoint cannot")
        self._known().close()
        self._session = self._engine.login(self._login.user, self._login.password, self._login.database)
        self._procedures, self._load, self._descriptor, self._reset = Procedures(self._session), None, 0, True

    def _tell_transaction(self, answer: Answer) -> None:
        """Announce a transaction that this request began or ended, in whatever way."""
        depth = self._depth()
        if depth and not self._descriptor:
            self._descriptor = transactions.next_descriptor()
            answer.put_before_done(tokens.transaction_change(Change.BEGIN, self._descriptor))
        elif self._descriptor and not depth:
            kind = Change.ROLLBACK if answer.rolled_back else Change.COMMIT
            answer.put_before_done(tokens.transaction_change(kind, self._descriptor))
            self._descriptor = 0
