"""SELECT, said in PostgreSQL's SQL.

Here live queries; what stands in FROM lives in `relations`, statements that write in `dml`. It may
import them, `scope`, `types`, `tokens` and sqlglot's nodes.

"""

import re
from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from resources.endpoints.mssql_emulator.engine import SqlError
from resources.endpoints.mssql_emulator.tsql import (
    aggregates,
    dates,
    derived,
    functions,
    recursion,
    scalars,
    strings,
    system,
    type_rules,
    types,
)
from resources.endpoints.mssql_emulator.tsql.nodes import parts, temporary, unreserved
from resources.endpoints.mssql_emulator.tsql.relations import Relations, renamed
from resources.endpoints.mssql_emulator.tsql.scope import UNNAMED, Columns, Piece, Scope, quote
from resources.endpoints.mssql_emulator.tsql.tokens import refused

__all__ = ["UNNAMED", "Queries", "dates", "scalars", "strings", "system"]  # each enters its functions into the table

_OPTIONS = re.compile(
    r"RECOMPILE|MAXDOP|LOOP JOIN|HASH JOIN|MERGE JOIN|FORCE ORDER|HASH GROUP|ORDER GROUP|OPTIMIZE FOR UNKNOWN|LABEL"
)
_SET_OPERATIONS = {exp.Union: "UNION", exp.Except: "EXCEPT", exp.Intersect: "INTERSECT"}
_BODY = ("expressions", "from_", "joins", "laterals", "where", "group", "having", "distinct")
_TAIL = ("order", "limit", "offset", "options", "with_")


class Queries(Relations):
    """Says queries."""

    def query(self, node: Any, outer: Scope | None, *, named: bool = False) -> tuple[str, list[Piece] | None]:
        """Return a query and its columns, None where they are not known; `named` for the outermost one.

        Raises SqlError 102, 208.
        """
        scope = Scope(outer=outer)
        if isinstance(node, exp.Subquery):
            parts(node, "this", *_TAIL)
            return self._tailed(node, node.this, scope, named)
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, scope, named)
        if isinstance(node, exp.Select):
            parts(node, *_BODY, *_TAIL)
            with_ = self.with_clause(node, scope)
            body, columns = self._select(node, scope, named)
            own = node.args.get("distinct") is None
            return f"{with_}{body}{self._tail(node, scope, columns or (), own=own)}", columns
        raise refused(node.sql("tsql")[:80] if isinstance(node, exp.Expression) else str(node))

    def call(self, name: str, node: exp.Anonymous, scope: Scope) -> Piece:
        """Return a call of a function."""
        return functions.called(self, name, node, scope)

    def window(self, node: exp.Window, scope: Scope) -> Piece:
        """Return a function with OVER."""
        return aggregates.windowed(self, node, scope)

    def string_agg(self, node: exp.GroupConcat, scope: Scope) -> Piece:
        """Return STRING_AGG."""
        return aggregates.string_agg(self, node, scope)

    def _tailed(self, node: Any, inner: Any, scope: Scope, named: bool) -> tuple[str, list[Piece] | None]:
        with_ = self.with_clause(node, scope)
        said, columns = self.query(inner, scope, named=named)
        return f"{with_}({said}){self._tail(node, _behind(columns, scope), columns or (), own=False)}", columns

    def _set_operation(self, node: Any, scope: Scope, named: bool) -> tuple[str, list[Piece] | None]:
        parts(node, "this", "expression", "distinct", *_TAIL)
        word = _SET_OPERATIONS.get(type(node))
        every = not node.args.get("distinct")
        if word is None or (every and word != "UNION"):
            raise refused(f"{word} ALL")
        if word == "INTERSECT" and isinstance(node.this, exp.SetOperation) and not isinstance(node.this, exp.Intersect):
            raise refused("INTERSECT behind UNION or EXCEPT without parentheses")  # sqlglot reads it from the left
        with_ = self.with_clause(node, scope)
        last = node.expression
        tail = dict(node.args)
        if isinstance(last, exp.Select):  # ORDER BY at the end is the whole operation's, TOP is the last SELECT's own
            last = last.copy()
            for name in ("order", "offset", "options"):
                tail[name] = last.args.pop(name, None) or tail.get(name)
            if isinstance(last.args.get("limit"), exp.Fetch):
                tail["limit"] = last.args.pop("limit")
        one, columns = self.query(node.this, scope, named=named)
        other, others = self.query(last, scope)
        combined = None
        if columns is not None and others is not None:
            if len(columns) != len(others):
                raise SqlError(
                    205,
                    "All queries combined using UNION, INTERSECT or EXCEPT must have an equal number of "
                    "expressions in their target lists.",
                )
            combined = [
                Piece(a.sql, type_rules.combine(piece.type for piece in (a, b) if not piece.null), a.name)
                for a, b in zip(columns, others, strict=True)
            ]
            one, other = (self._conformed(*side, combined) for side in ((one, columns), (other, others)))
        tail["order"] = _by_output(tail.get("order"), {column.name for column in columns or ()})
        said = f"{with_}({one}) {word}{' ALL' if every else ''} ({other})"
        tailed = exp.Select(**{k: v for k, v in tail.items() if k in _TAIL})
        return said + self._tail(tailed, _behind(combined, scope), combined or (), own=False), combined

    def _conformed(self, query: str, columns: list[Piece], combined: list[Piece]) -> str:
        """One side of a UNION, its strings and numbers turned into what both sides have in their place."""

        def convert(cell: Piece, place: int) -> Piece:
            wanted = combined[place].type
            if cell.null or cell.type is None or wanted is None or cell.type.kind not in types.STRINGS | types.NUMBERS:
                return cell
            return self.suited(cell, wanted)

        return self.retyped(query, columns, convert)

    def with_clause(self, node: Any, scope: Scope) -> str:
        """Return WITH, and let the scope know what it defines."""
        with_ = node.args.get("with_")
        if with_ is None:
            return ""
        parts(with_, "expressions")
        said = []
        most = recursion.most_rounds(node)
        for cte in with_.expressions:
            parts(cte, "this", "alias")
            name, names = cte.alias, [column.name for column in cte.args["alias"].args.get("columns") or ()]
            derived.unordered(cte.this)
            if recursion.is_recursive(cte):
                said += recursion.recursive(cte, names, scope, self.query, most)
                continue
            body, columns = self.query(cte.this, scope)
            derived.named(columns, names, name)
            scope.ctes[name] = renamed(columns, names)
            listed = f" ({', '.join(map(quote, names))})" if names else ""
            said.append(f"{quote(name)}{listed} AS ({body})")
        return f"WITH {'RECURSIVE ' if len(said) > len(with_.expressions) else ''}{', '.join(said)} "

    def _select(self, node: exp.Select, scope: Scope, named: bool) -> tuple[str, list[Piece] | None]:
        if not node.expressions:
            raise refused("SELECT of nothing")
        source = self.from_clause(node, scope)
        where = node.args.get("where")
        condition = f" WHERE {self.condition(where.this, scope)}" if where else ""
        projections, columns = self.projections(node.expressions, scope, named)
        distinct = node.args.get("distinct")
        if distinct is not None:
            parts(distinct)
        group = self._group(node.args.get("group"), scope)
        having = node.args.get("having")
        having_said = f" HAVING {self.condition(having.this, scope)}" if having else ""
        word = "SELECT DISTINCT" if distinct is not None else "SELECT"
        return f"{word} {', '.join(projections)}{source}{condition}{group}{having_said}", columns

    def _group(self, group: exp.Group | None, scope: Scope) -> str:
        if group is None:
            return ""
        parts(group, "expressions")
        if any(isinstance(key, exp.Literal) for key in group.expressions):
            raise SqlError(164, "Each GROUP BY expression must contain at least one column.", severity=15)
        return f" GROUP BY {', '.join(piece.sql for piece in self.values(group.expressions, scope))}"

    def projections(self, nodes: Sequence[Any], scope: Scope, named: bool) -> tuple[list[str], list[Piece] | None]:
        """Return what SELECT lists, and its columns; None where a star stands for columns that are not known."""
        said: list[str] = []
        columns: list[Piece] | None = []
        for node in nodes:
            star = self._star(node, scope)
            if star is not None:
                said.append(star[0])
                columns = None if columns is None or star[1] is None else columns + star[1]
                continue
            alias = ""
            inner = node
            if isinstance(node, exp.Alias):
                parts(node, "this", "alias")
                alias, inner = node.alias, node.this
                unreserved(node.args["alias"])
                if alias.startswith("@") and not node.args["alias"].args.get("quoted"):
                    raise SqlError(
                        141,
                        "A SELECT statement that assigns a value to a variable must not be combined "
                        "with data-retrieval operations.",
                        severity=15,
                    )
            piece = self.value(inner, scope)
            sql = f"CAST({piece.sql} AS bpchar)" if piece.literal else piece.sql
            name = alias or piece.name
            label = alias or ("" if piece.name and piece.sql.endswith(quote(piece.name)) else piece.name)
            if label or (named and not name):
                sql = f"{sql} AS {quote(label or UNNAMED)}"
            said.append(sql)
            if columns is not None:
                columns.append(Piece(sql, piece.type, name, null=piece.null, guess=piece.guess, utc=piece.utc))
        return said, columns

    def _star(self, node: Any, scope: Scope) -> tuple[str, list[Piece] | None] | None:
        if isinstance(node, exp.Star):
            parts(node)
            chosen: list[Columns | None] = list(scope.relations.values())
            said = "*"
        elif isinstance(node, exp.Column) and isinstance(node.this, exp.Star):
            parts(node, "this", "table")
            parts(node.this)
            table = temporary(node.args["table"])
            known = scope.relations.get(table)
            if known and table in scope.renames:
                owner = quote(scope.renames[table])
                pieces = [Piece(f"{owner}.{quote(name)}", type_, name) for name, type_ in known.items()]
                return ", ".join(piece.sql for piece in pieces), pieces
            chosen, said = [known], f"{quote(table)}.*"
        else:
            return None
        found: list[Piece] = []
        for columns in chosen:
            if columns is None:
                return said, None
            found += [Piece(quote(name), type_, name) for name, type_ in columns.items()]
        return said, found

    def options(self, options: Sequence[Any] | None) -> None:
        """Refuse what OPTION says unless it changes no result, or is looked after by whoever asks for it."""
        for option in options or ():
            name = option.this.name if option.this else ""
            if name.upper() != "MAXRECURSION" and not _OPTIONS.fullmatch(name.upper()):
                raise refused(f"OPTION ({name})")

    def _tail(self, node: Any, scope: Scope, columns: Sequence[Piece] = (), *, own: bool = True) -> str:
        said = aggregates.ordered(self, node.args.get("order"), scope, columns, own=own)
        self.options(node.args.get("options"))
        offset, limit = node.args.get("offset"), node.args.get("limit")
        if offset is not None:
            parts(offset, "expression")
            if not said:
                raise refused("OFFSET without ORDER BY")
            if isinstance(limit, exp.Limit):
                raise SqlError(10741, "A TOP can not be used in the same query or sub-query as a OFFSET.", severity=15)
            said += f" OFFSET {self.count(offset.expression, scope)}"
        elif isinstance(limit, exp.Fetch):
            raise SqlError(153, "Invalid usage of the option NEXT in the FETCH statement.", severity=15)
        return said if limit is None else said + self._limit(limit, bool(said), scope)

    def _limit(self, limit: Any, ordered: bool, scope: Scope) -> str:
        """TOP, or FETCH NEXT."""
        parts(limit, "expression", "count", "direction", "limit_options")
        options = limit.args.get("limit_options")
        if options is not None and options.args.get("percent"):
            raise refused("TOP ... PERCENT")
        many = self.count(limit.args.get("count") if isinstance(limit, exp.Fetch) else limit.expression, scope)
        if options is None or not options.args.get("with_ties"):
            return f" LIMIT {many}"
        if isinstance(limit, exp.Fetch):
            raise refused("FETCH ... WITH TIES")
        if not ordered:
            raise SqlError(1062, "The TOP N WITH TIES clause is not allowed without a corresponding ORDER BY.")
        return f" FETCH FIRST ({many}) ROWS WITH TIES"

    def count(self, node: Any, scope: Scope) -> str:
        """Return a number of rows."""
        piece = self.value(node, scope)
        self.guess(piece, types.BIGINT)
        return f"CAST({piece.sql} AS bigint)"


def _behind(columns: Sequence[Piece] | None, scope: Scope) -> Scope:
    """What names mean behind a query as a whole: its columns, which may not be known."""
    return Scope({"": None} if columns is None else {}, outer=scope)


def _by_output(order: exp.Order | None, names: set[str]) -> exp.Order | None:
    """ORDER BY behind UNION means its columns, even where it qualifies them as one SELECT's own."""
    if order is None:
        return None
    order = order.copy()
    for column in order.find_all(exp.Column):
        if column.table and column.name in names:
            column.set("table", None)
            column.set("db", None)
    return order
