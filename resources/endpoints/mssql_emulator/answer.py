"""The answer to one request: what its statements came to, in order, as tokens.

Here live the order of tokens and the rule that a DONE says whether another follows, so each is held back until that is
known; the bytes are made by `tokens`, `rows` and `copy_out`. It may import the standard library and the modules of the
wire below.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from resources.endpoints.mssql_emulator import tokens
from resources.endpoints.mssql_emulator.copy_out import rows_of
from resources.endpoints.mssql_emulator.engine import (
    Affected,
    CopiedRows,
    Message,
    Outcome,
    OutputValue,
    ResultColumn,
    ResultSet,
    Rows,
    SqlError,
)
from resources.endpoints.mssql_emulator.packets import PacketWriter
from resources.endpoints.mssql_emulator.rows import encode_rows
from resources.endpoints.mssql_emulator.tokens import Done, Status


def _encoded(rows: Rows, columns: Sequence[ResultColumn]) -> Iterable[memoryview]:
    return [rows_of(rows.data, columns)] if isinstance(rows, CopiedRows) else encode_rows(rows, columns)


@dataclass
class _Held:
    token: Done
    status: int
    rows: int | None
    select: bool
    broken: bool
    """It ends a result set whose rows ended in an error. If that is told, the DONE behind it ends both."""


class Answer:
    """Writes tokens; `end` sends what is left."""

    def __init__(self, writer: PacketWriter, transactions: Callable[[], int], stopped: Callable[[], None]) -> None:
        """Take a function that raises where the client wants no more of this answer."""
        self._writer = writer
        self._transactions = transactions
        self._stopped = stopped
        self._held: _Held | None = None
        self.rolled_back = False
        """Whether an error was written, so that a transaction which is gone was not committed."""

    def put(self, token: bytes | memoryview) -> None:
        """Write a token that is no DONE."""
        self._settle(more=True)
        self._writer.write(token)

    def done(
        self, token: Done, status: int = 0, rows: int | None = None, *, select: bool = False, broken: bool = False
    ) -> None:
        """Write a DONE once it is known whether another follows."""
        self._settle(more=True)
        self._held = _Held(token, status, rows, select, broken)

    def ensure_done(self, token: Done) -> None:
        """Write a DONE if none is held: an answer without one would not end."""
        if not self._held:
            self.done(token)

    def put_before_done(self, token: bytes) -> None:
        """Write a token before the DONE that is held."""
        self._writer.write(token)

    def end(self) -> None:
        """Send the answer."""
        self._settle(more=False)
        self._writer.finish()

    def end_with_attention(self) -> None:
        """Send what there is, ended by the acknowledgement of an attention signal."""
        self._held = None
        self._writer.write(tokens.done(Done.BATCH, Status.ATTENTION))
        self._writer.finish()

    def outcomes(self, outcomes: Iterable[Outcome], token: Done) -> list[OutputValue]:
        """Write what statements come to, each ended by a token; return the values of output parameters."""
        outputs = []
        for outcome in outcomes:
            self._stopped()
            if isinstance(outcome, ResultSet):
                self.result(outcome, token)
            elif isinstance(outcome, Affected):
                self.done(token, rows=outcome.rows)
            elif isinstance(outcome, Message):
                self.put(tokens.info(outcome.number, outcome.text, outcome.severity))
            else:
                outputs.append(outcome)
        self._stopped()
        return outputs

    def result(self, result: ResultSet, token: Done) -> None:
        """Write a result set, ended by a token."""
        self.put(tokens.column_metadata(result.columns))
        rows = 0
        for batch in result.batches:
            rows += batch.num_rows
            for data in _encoded(batch, result.columns):
                self._stopped()
                self.put(data)
            self._writer.flush()
        self.done(token, rows=rows, select=True, broken=result.broken())

    def error(self, error: SqlError, token: Done) -> None:
        """Write an error, and that what it befell has ended."""
        self.rolled_back = True
        if self._held and self._held.broken:
            self._held = None
        self.put(tokens.error(error))
        self.done(token, Status.ERROR)

    def failed_call(self, error: SqlError, status: int) -> None:
        """Write an error, and that the procedure it befell has ended."""
        self.error(error, Done.IN_PROCEDURE)
        self.put(tokens.return_status(error.number))
        self.done(Done.PROCEDURE, status | Status.ERROR)

    def _settle(self, *, more: bool) -> None:
        held, self._held = self._held, None
        if held:
            status = held.status | (Status.MORE if more else 0)
            status |= Status.IN_TRANSACTION if self._transactions() else 0
            self._writer.write(tokens.done(held.token, status, held.rows, select=held.select))
