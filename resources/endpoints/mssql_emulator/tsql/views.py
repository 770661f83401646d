"""Views, said in PostgreSQL's SQL. T-SQL knows a view by its text, and looks up what that reads at every use.

Here lives how a view is made, and made anew when what it reads was dropped, renamed or changed; how views let go of
that lives in `library/views.sql`, other definitions in `ddl_sql`. It may import `ddl_nodes`, `derived`, `dml_sql`,
`nodes`, `scope`, `statements`, `storing`, `types` and `tokens`.
"""

import json
from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from resources.endpoints.mssql_emulator.engine import SqlError, SqlType
from resources.endpoints.mssql_emulator.tsql import derived, types
from resources.endpoints.mssql_emulator.tsql.ddl_nodes import CreateView
from resources.endpoints.mssql_emulator.tsql.dml_sql import Manipulation
from resources.endpoints.mssql_emulator.tsql.nodes import temporary
from resources.endpoints.mssql_emulator.tsql.scope import Piece, Table, quote, text
from resources.endpoints.mssql_emulator.tsql.statements import Said
from resources.endpoints.mssql_emulator.tsql.storing import stored
from resources.endpoints.mssql_emulator.tsql.tokens import refused


def view(
    says: Manipulation, node: CreateView, table: Table, *, columns: Sequence[str] = ()
) -> tuple[Said, set[SqlType]]:
    """Return what makes a view, and the types whose domains must be there; `columns` are those that it must have.

    Raises SqlError 102, 4506, 4511 and those of its query.
    """
    derived.unordered(node.query)
    query, pieces = says.query(node.query, None)
    if says.used:
        raise refused("a variable in CREATE VIEW")
    if pieces is None:
        raise refused("a view whose columns are not known")
    names = derived.listed(pieces, node.columns, table.name)
    if unnamed := derived.nameless(names):
        raise SqlError(
            4511,
            f"Create View or Function failed because no column name was specified for column {unnamed}.",
        )
    if twice := derived.repeated(names):
        raise SqlError(
            4506,
            f"Column names in each view or function must be unique. Column name '{twice}' in view or function "
            f"'{table.name}' is specified more than once.",
        )
    if columns and list(names) != list(columns):
        raise refused(f"{table.name}: a view of other columns than it was made with, until sp_refreshview")
    kept = json.dumps({"text": node.text, "reads": _reads(node.query)})
    said = Said(
        f"CREATE VIEW {table.sql} ({', '.join(map(quote, names))}) AS "
        f"{query if _updatable(node.query) else _typed(query, pieces)}",
        before=[f"SELECT tsql.drop_view({text(table.schema)}, {text(table.name)})"] if node.replace else [],
        after=[f"COMMENT ON VIEW {table.sql} IS {text(kept)}"],
        verb="CREATE VIEW",
    )
    return said, {piece.type for piece in pieces if piece.type is not None} | {types.INT}


def _updatable(query: Any) -> bool:
    """Tell whether all that a query lists are columns of one table: they have its types, and may be written to."""
    source = query.args.get("from_")
    single = source is not None and isinstance(source.this, exp.Table) and not query.args.get("joins")
    listed = [node.this if isinstance(node, exp.Alias) else node for node in query.expressions]
    return single and not query.args.get("with_") and all(isinstance(node, exp.Column | exp.Star) for node in listed)


def _typed(query: str, pieces: Sequence[Piece]) -> str:
    """The query with columns of T-SQL's types, which PostgreSQL would make text or timestamps without end of some."""
    names = [f"c{place}" for place in range(len(pieces))]
    said = [_column(name, piece) for name, piece in zip(names, pieces, strict=True)]
    return f'SELECT {", ".join(said)} FROM ({query}) AS "__v" ({", ".join(names)})'


def _column(name: str, piece: Piece) -> str:
    type_ = types.INT if piece.null else piece.type
    return name if type_ is None else f"CAST({stored(Piece(name), type_)} AS {types.domain(type_)})"


def let_go(table: Table) -> str:
    """Return the statement that makes views let go of what will not be there, or not be the same, afterwards."""
    return f"SELECT tsql.let_go(tsql.relation({text(table.schema)}, {text(table.name)}))"


def _reads(query: Any) -> Sequence[Sequence[str | None]]:
    """The tables and views that a query reads, as it names them: database, schema and name."""
    ctes = {cte.alias for cte in query.find_all(exp.CTE)}
    found: dict[tuple[str | None, ...], None] = {}
    for node in query.find_all(exp.Table):
        if isinstance(node.this, exp.Identifier) and (node.text("db") or node.name not in ctes):
            found[node.text("catalog") or None, node.text("db") or None, temporary(node.this)] = None
    return list(found)
