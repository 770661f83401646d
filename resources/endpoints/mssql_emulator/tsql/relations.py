"""FROM: joins, derived tables and table hints, said in PostgreSQL's SQL.

Here lives what relations a query reads; what their names stand for lives in `tables`, the rest of a query in `query`.
It may import `tables`, `scope`, `types`, `nodes`, `tokens` and sqlglot's nodes.

Table hints: NOLOCK and the like allow a dirty read, which PostgreSQL never makes; those about granularity change no
result; UPDLOCK, XLOCK and HOLDLOCK lock the whole table until the transaction ends, which is more than SQL Server does,
never less. READPAST would leave rows out that others lock: it is refused but on catalog views, as are hints not listed.
"""

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from resources.endpoints.mssql_emulator.tsql import type_rules
from resources.endpoints.mssql_emulator.tsql.derived import named, unordered
from resources.endpoints.mssql_emulator.tsql.nodes import bare_call, parts, temporary
from resources.endpoints.mssql_emulator.tsql.scope import Columns, Piece, Scope, Table, quote
from resources.endpoints.mssql_emulator.tsql.tables import SYSTEM_SCHEMAS, Tables
from resources.endpoints.mssql_emulator.tsql.tokens import refused

_HARMLESS = {"NOLOCK", "READUNCOMMITTED", "READCOMMITTED", "READCOMMITTEDLOCK", "ROWLOCK", "PAGLOCK", "TABLOCK"}
_EXCLUSIVE = {"UPDLOCK", "XLOCK", "TABLOCKX"}
_SHARED = {"HOLDLOCK", "SERIALIZABLE", "REPEATABLEREAD"}
_JOINS = {
    ("", ""): "JOIN",
    ("", "INNER"): "JOIN",
    ("LEFT", ""): "LEFT JOIN",
    ("LEFT", "OUTER"): "LEFT JOIN",
    ("RIGHT", ""): "RIGHT JOIN",
    ("RIGHT", "OUTER"): "RIGHT JOIN",
    ("FULL", ""): "FULL JOIN",
    ("FULL", "OUTER"): "FULL JOIN",
    ("", "CROSS"): "CROSS JOIN",
}


class Relations(Tables):
    """Says what stands in FROM."""

    def from_clause(self, node: exp.Select, scope: Scope) -> str:
        """Return FROM with its joins, and let the scope know the relations."""
        from_ = node.args.get("from_")
        if from_ is None:
            return ""
        parts(from_, "this")
        said = f" FROM {self.relation(from_.this, scope)}"
        for join in [*(node.args.get("joins") or ()), *(node.args.get("laterals") or ())]:
            said += self._join(join, scope)
        return said

    def _join(self, join: Any, scope: Scope) -> str:
        if isinstance(join, exp.Lateral):
            return self._apply(join, scope)
        parts(join, "this", "side", "kind", "on", "hint", "method")
        if isinstance(join.this, exp.Lateral):
            return self._apply(join.this, scope)
        side, kind = (str(join.args.get(name) or "").upper() for name in ("side", "kind"))
        on = join.args.get("on")
        if not side and not kind and on is None:
            return f", {self.relation(join.this, scope)}"
        word = _JOINS.get((side, kind))
        if word is None or join.args.get("method") or (on is None) != (word == "CROSS JOIN"):
            raise refused(f"{side} {kind} JOIN".strip())
        relation = self.relation(join.this, scope)
        return f" {word} {relation}" + (f" ON {self.condition(on, scope)}" if on is not None else "")

    def _apply(self, node: exp.Lateral, scope: Scope) -> str:
        parts(node, "this", "alias", "cross_apply")
        if node.args.get("cross_apply") is None:
            raise refused("LATERAL")
        inner = node.this
        if isinstance(inner, exp.Subquery):
            inner = inner.copy()
            inner.set("alias", node.args.get("alias"))
            relation = self.relation(inner, scope)
        elif isinstance(inner, exp.Anonymous):
            relation = self._table_function(inner, "", node.args.get("alias"), scope)
        else:
            raise refused(inner.sql("tsql")[:60])
        if node.args["cross_apply"]:
            return f" CROSS JOIN LATERAL {relation}"
        return f" LEFT JOIN LATERAL {relation} ON TRUE"

    def relation(self, node: Any, scope: Scope) -> str:
        """Return what stands in FROM between the joins, and let the scope know it."""
        if isinstance(node, exp.Table):
            return self._table(node, scope)
        if isinstance(node, exp.Values):
            return self._values(node, node.args.get("alias"), scope)
        if isinstance(node, exp.Subquery):
            alias = node.args.get("alias")
            if isinstance(node.this, exp.Values):
                return self._values(node.this, alias or node.this.args.get("alias"), scope)
            parts(node, "this", "alias")
            if alias is None:
                raise refused("a derived table without a name")
            unordered(node.this)
            said, columns = self.query(node.this, Scope(scope.relations, scope.outer, scope.ctes))
            return f"({said}) AS {self._aliased(alias, columns, scope)}"
        raise refused(node.sql("tsql")[:80])

    def _aliased(self, alias: exp.TableAlias, columns: list[Piece] | None, scope: Scope) -> str:
        parts(alias, "this", "columns")
        names = [column.name for column in alias.args.get("columns") or ()]
        named(columns, names, alias.name)
        scope.relations[alias.name] = renamed(columns, names)
        return quote(alias.name) + (f" ({', '.join(map(quote, names))})" if names else "")

    def _values(self, node: exp.Values, alias: exp.TableAlias | None, scope: Scope) -> str:
        parts(node, "expressions", "alias")
        if alias is None:
            raise refused("VALUES without a name")
        rows = [self.values(row.expressions, scope) for row in node.expressions]
        columns = [self.same(list(column)) for column in zip(*rows, strict=True)]
        heads = [
            Piece("", type_rules.combine(piece.type for piece in column if not piece.null))
            for column in zip(*rows, strict=True)
        ]
        said = [
            "(" + ", ".join(f"CAST({cell.sql} AS bpchar)" if cell.literal else cell.sql for cell in row) + ")"
            for row in zip(*columns, strict=True)
        ]
        return f"(VALUES {', '.join(said)}) AS {self._aliased(alias, heads, scope)}"

    def _table(self, node: exp.Table, scope: Scope) -> str:
        parts(node, "this", "db", "catalog", "alias", "hints")
        alias = node.args.get("alias")
        if isinstance(node.this, exp.Anonymous):
            return self._table_function(node.this, node.text("db"), alias, scope)
        name = temporary(node.this)
        known, columns = scope.cte(name) if not node.text("db") else (False, None)
        if known:
            sql = quote(scope.called(name))
        else:
            table = self.table((node.text("catalog"), node.text("db"), name))
            columns = self.columns_of(table)
            if table.schema in SYSTEM_SCHEMAS.values():
                scope.spellings.update({column.lower(): column for column in columns})
            sql = table.sql
            self.hints(table, [hint.name for group in node.args.get("hints") or () for hint in group.expressions])
        if alias is None:
            scope.relations[name] = columns
            return sql if not known or sql == quote(name) else f"{sql} AS {quote(name)}"
        parts(alias, "this", "columns")
        if alias.args.get("columns"):
            raise refused(f"column names after {alias.name}")
        scope.relations[alias.name] = columns
        return f"{sql} AS {quote(alias.name)}"

    def hints(self, table: Table, hints: Sequence[str], *, writes: bool = False) -> None:
        """Take the locks that table hints ask for. Raises SqlError 102 for an unknown one."""
        asked = {hint.upper() for hint in hints}
        system = table.schema in SYSTEM_SCHEMAS.values()
        unknown = asked - _HARMLESS - _EXCLUSIVE - _SHARED - ({"READPAST"} if system else set())
        if unknown:
            raise refused(f"WITH ({', '.join(sorted(unknown))})")
        mode = ""
        if asked & _EXCLUSIVE or (writes and asked & _SHARED):
            mode = "SHARE ROW EXCLUSIVE"
        elif asked & _SHARED:
            mode = "SHARE"
        if mode and table.schema != "pg_temp" and not system:
            self.locks.append(f"LOCK TABLE {table.sql} IN {mode} MODE")

    def _table_function(self, node: exp.Anonymous, schema: str, alias: exp.TableAlias | None, scope: Scope) -> str:
        own = bare_call(node)
        name = f"{schema}.{own}".strip(".")
        said, columns = self.table_function(name, node, scope)
        if alias is None:
            scope.relations[own] = columns
            return f"{said} AS {quote(own)}"
        parts(alias, "this", "columns")
        pieces = [Piece("", type_, column) for column, type_ in columns.items()]
        return f"{said} AS {self._aliased(alias, pieces, scope)}"


def renamed(columns: list[Piece] | None, names: Sequence[str]) -> Columns | None:
    """Return a derived table's columns by the names behind its own, or by theirs."""
    if columns is None:
        return dict.fromkeys(names) if names else None
    given = names or [column.name for column in columns]
    return {name: column.type for name, column in zip(given, columns, strict=False)}
