"""What a statement of T-SQL becomes: PostgreSQL's statements and what is known of their result.

Here live values alone. It may import `scope`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from resources.endpoints.mssql_emulator.tsql.scope import Piece, Table


@dataclass(frozen=True)
class Made:
    """The table that SELECT INTO makes."""

    table: Table
    inherits: bool = False
    """A column may be NOT NULL as its origin is."""
    filled: frozenset[str] = frozenset()
    """Columns of expressions that are never NULL."""
    identity: tuple[Table, str] | None = None
    """The table whose identity column it goes on with, and what that is called here."""


@dataclass
class Said:
    """A statement, said in PostgreSQL's SQL; texts have psycopg's placeholders."""

    sql: str
    columns: list[Piece] | None = None
    """Names and types of its result, as far as they are known; None also where a star hides them."""
    rows: bool = False
    """It returns rows."""
    counted: bool = False
    """It affects rows and counts them."""
    used: set[str] = field(default_factory=set)
    """The placeholders in its texts."""
    described: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    """Placeholders of what batches return, by the expressions that say those and declare their parameters."""
    before: list[str] = field(default_factory=list)
    """Statements to run first, in the same transaction."""
    after: list[str] = field(default_factory=list)
    """Statements to run behind it, in the same transaction."""
    verb: str = ""
    """What error messages call it: INSERT, UPDATE, DELETE, MERGE."""
    made: Made | None = None
    """What SELECT INTO makes of the rows."""
    alone: bool = False
    """PostgreSQL runs it outside a transaction only."""
