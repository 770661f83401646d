"""The ledger of a backfill: which chunks of which backfill_id are finished, kept as the target's position.

Here lives the ledger's form; committing it with the chunk's rows is the sink's matter, like any position.
It may import `ports` only.
"""

from matrix_defs.ports import Partitions, Position, Scope

KEPT_BACKFILLS = 10
"""How many backfill_ids a ledger remembers, the latest; replaying an older one would run it again."""


def chunk_name(chunk: Partitions) -> str:
    """Return the name of a one-day chunk: its ISO date."""
    return chunk.days[0].isoformat()


def chunks(scope: Partitions) -> tuple[Partitions, ...]:
    """Cut a range of days into chunks of one day."""
    return tuple(Partitions((day,)) for day in scope.days)


def unfinished(ledger: Position | None, backfill_id: str, scope: Partitions) -> tuple[Partitions, ...]:
    """Return the chunks of the backfill that the ledger does not record as finished, in order of their days."""
    done = set(_finished(ledger).get(backfill_id, []))
    return tuple(chunk for chunk in chunks(scope) if chunk_name(chunk) not in done)


def with_finished(ledger: Position | None, backfill_id: str, chunk: Scope) -> Position:
    """Return the ledger that records the chunk besides what it recorded before."""
    assert isinstance(chunk, Partitions)
    finished = _finished(ledger)
    done = [*finished.pop(backfill_id, []), chunk_name(chunk)]
    latest = [*finished.items(), (backfill_id, done)][-KEPT_BACKFILLS:]
    return Position({"backfills": [[name, names] for name, names in latest]})


def _finished(ledger: Position | None) -> dict[str, list[str]]:
    return {name: list(names) for name, names in ledger.value["backfills"]} if ledger else {}
