"""Conditions of T-SQL, said in PostgreSQL's SQL.

Here lives what holds or does not; values live in `values`. It may import `values`, `scope`, `types`, `nodes`, `tokens`
and sqlglot's nodes. A node that is not in the table is refused with error 102.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from sqlglot import exp

from resources.endpoints.mssql_emulator.engine import SqlError
from resources.endpoints.mssql_emulator.tsql import types
from resources.endpoints.mssql_emulator.tsql.derived import unordered
from resources.endpoints.mssql_emulator.tsql.nodes import parts, shown
from resources.endpoints.mssql_emulator.tsql.scope import Piece, Scope, text
from resources.endpoints.mssql_emulator.tsql.tokens import refused
from resources.endpoints.mssql_emulator.tsql.values import Values


class Expressions(Values):
    """Says values and conditions."""

    def condition(self, node: Any, scope: Scope) -> str:
        """Return a condition. Raises SqlError 102, 4145."""
        method = self._CONDITIONS.get(type(node))
        if method is None:
            if type(node) in self.VALUES:
                raise SqlError(
                    4145,
                    "An expression of non-boolean type specified in a context where a condition is expected, near "
                    f"'{shown(node)}'.",
                    severity=15,
                )
            raise refused(shown(node))
        said = method(self, node, scope)
        return f"NOT ({said})" if node.args.get("negate") else said

    def _logical(self, node: exp.Connector, scope: Scope) -> str:
        """A chain of ANDs or ORs, walked without recursion: it may have as many links as a table has columns."""
        kind, word = type(node), "AND" if isinstance(node, exp.And) else "OR"
        links: list[str] = []
        rest: Any = node
        while type(rest) is kind:
            links.append(self.condition(rest.expression, scope))
            rest = rest.this
        links.append(self.condition(rest, scope))
        return f"({f' {word} '.join(reversed(links))})"

    def _not(self, node: exp.Not, scope: Scope) -> str:
        return f"NOT ({self.condition(node.this, scope)})"

    def _condition_paren(self, node: exp.Paren, scope: Scope) -> str:
        return f"({self.condition(node.this, scope)})"

    def _comparison(self, node: exp.Binary, scope: Scope) -> str:
        parts(node, "this", "expression")
        return self.compared(_COMPARISONS[type(node)], self.value(node.this, scope), self.value(node.expression, scope))

    def _is(self, node: exp.Is, scope: Scope) -> str:
        parts(node, "this", "expression", "negate")
        if not isinstance(node.expression, exp.Null):
            raise refused(shown(node))
        return f"{self.value(node.this, scope).sql} IS NULL"

    def _distinct(self, node: exp.Binary, scope: Scope) -> str:
        word = "IS DISTINCT FROM" if isinstance(node, exp.NullSafeNEQ) else "IS NOT DISTINCT FROM"
        return f"({self.compared(word, self.value(node.this, scope), self.value(node.expression, scope))})"

    def _in(self, node: exp.In, scope: Scope) -> str:
        parts(node, "this", "expressions", "query", "negate")
        one = self.value(node.this, scope)
        if node.args.get("query") is not None:
            other = self.subquery(node.args["query"], scope)
            return f"{one.sql} IN {other.sql}"
        return f"({' OR '.join(self.compared('=', one, item) for item in self.values(node.expressions, scope))})"

    def _between(self, node: exp.Between, scope: Scope) -> str:
        parts(node, "this", "low", "high", "negate")
        one = self.value(node.this, scope)
        low = self.compared(">=", one, self.value(node.args["low"], scope))
        high = self.compared("<=", one, self.value(node.args["high"], scope))
        return f"({low} AND {high})"

    def _like(self, node: exp.Like, scope: Scope, escape: str = "") -> str:
        parts(node, "this", "expression", "negate")
        one, pattern = self.value(node.this, scope), self.value(node.expression, scope)
        for piece in (one, pattern):
            self.guess(piece, types.NVARCHAR_4000)
            if not piece.null and (piece.type is None or piece.type.kind not in types.STRINGS):
                raise refused(f"LIKE on something else than text: {shown(node)}")
        said, padded = f"CAST({one.sql} AS text)", _padded(one) and _padded(pattern)
        if pattern.literal and "[" not in pattern.sql:
            last = pattern.sql[-2:-1]
            if not padded or (last == "%" and not escape):
                return f"{said} LIKE {pattern.sql} ESCAPE {text(escape)}"
            if last not in " _" and not escape:
                return f"rtrim({said}) LIKE {pattern.sql} ESCAPE ''"
        return f"{said} ~ tsql.like_regex(CAST({pattern.sql} AS text), {text(escape)}, {padded})"

    def _like_escape(self, node: exp.Escape, scope: Scope) -> str:
        escape = node.expression.name
        if not isinstance(node.this, exp.Like) or len(escape) != 1:
            raise refused(shown(node))
        said = self._like(node.this, scope, escape)
        return f"NOT ({said})" if node.this.args.get("negate") else said

    def _exists(self, node: exp.Exists, scope: Scope) -> str:
        parts(node, "this")
        inner = node.this.this if isinstance(node.this, exp.Subquery) else node.this
        unordered(inner)
        return f"EXISTS ({self.query(inner, scope)[0]})"

    _CONDITIONS: ClassVar[dict[type, Callable[[Any, Any, Scope], str]]] = {
        exp.And: _logical,
        exp.Or: _logical,
        exp.Not: _not,
        exp.Paren: _condition_paren,
        exp.EQ: _comparison,
        exp.NEQ: _comparison,
        exp.GT: _comparison,
        exp.GTE: _comparison,
        exp.LT: _comparison,
        exp.LTE: _comparison,
        exp.Is: _is,
        exp.NullSafeEQ: _distinct,
        exp.NullSafeNEQ: _distinct,
        exp.In: _in,
        exp.Between: _between,
        exp.Like: _like,
        exp.Escape: _like_escape,
        exp.Exists: _exists,
    }


def _padded(piece: Piece) -> bool:
    """Tell whether LIKE takes trailing blanks for padding, as it does among char and varchar alone."""
    return piece.type is not None and piece.type.kind not in types.UNICODE


_COMPARISONS = {exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<="}
