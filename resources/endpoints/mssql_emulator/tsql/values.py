"""Scalar values of T-SQL, said in PostgreSQL's SQL: literals, variables, columns, operators, CASE.

Here lives what gives a value; conditions live in `expressions`, functions in `functions`, queries in `query`. It may
import `scope`, `types`, `convert`, `derived`, `nodes`, `tokens` and sqlglot's nodes.

A node that no table here names, and a part of a node that is not read, is refused with error 102: nothing is passed
through. Values and conditions are kept apart, as in T-SQL, which has no boolean values.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, ClassVar

from sqlglot import exp

from resources.endpoints.mssql_emulator.engine import Kind, SqlError, SqlType
from resources.endpoints.mssql_emulator.tsql import type_rules, types
from resources.endpoints.mssql_emulator.tsql.convert import cast
from resources.endpoints.mssql_emulator.tsql.derived import unordered
from resources.endpoints.mssql_emulator.tsql.nodes import (
    bare_call,
    collated,
    is_own,
    parts,
    shown,
    temporary,
    unreserved,
)
from resources.endpoints.mssql_emulator.tsql.operators import Operators
from resources.endpoints.mssql_emulator.tsql.scope import Piece, Scope, quote, text
from resources.endpoints.mssql_emulator.tsql.tokens import checked_identifier, refused

GLOBALS: dict[str, SqlType] = {
    "@@rowcount": types.INT,
    "@@trancount": types.INT,
    "@@error": types.INT,
    "@@spid": types.SMALLINT,
    "@@version": SqlType(Kind.NVARCHAR, 300),
    "@@servername": types.SYSNAME,
    "@@language": types.SYSNAME,
    "@@lock_timeout": types.INT,
    "@@nestlevel": types.INT,
    "@@datefirst": SqlType(Kind.TINYINT),
    "@@max_precision": SqlType(Kind.TINYINT),
    "@@microsoftversion": types.INT,
    "@@textsize": types.INT,
}
"""Functions that look like variables; the session gives their values. `@@identity` is a function of the library."""

_OPERATORS = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
    exp.BitwiseAnd: "&",
    exp.BitwiseOr: "|",
    exp.BitwiseXor: "^",
}


class Values(Operators, ABC):
    """Says values; subclasses add conditions, queries and functions."""

    @abstractmethod
    def query(self, node: exp.Query, outer: Scope | None) -> "tuple[str, list[Piece] | None]":
        """Return a subquery and its columns."""

    @abstractmethod
    def condition(self, node: Any, scope: Scope) -> str:
        """Return a condition."""

    @abstractmethod
    def call(self, name: str, node: exp.Anonymous, scope: Scope) -> Piece:
        """Return a call of a function."""

    @abstractmethod
    def window(self, node: exp.Window, scope: Scope) -> Piece:
        """Return a function with OVER."""

    @abstractmethod
    def string_agg(self, node: exp.GroupConcat, scope: Scope) -> Piece:
        """Return STRING_AGG."""

    # ------------------------------------------------------------------ values

    def value(self, node: Any, scope: Scope) -> Piece:
        """Return a scalar expression. Raises SqlError 102."""
        method = self.VALUES.get(type(node))
        if method is None:
            raise refused(shown(node))
        return method(self, node, scope)

    def values(self, nodes: Iterable[Any], scope: Scope) -> list[Piece]:
        """Return several."""
        return [self.value(node, scope) for node in nodes]

    def _literal(self, node: exp.Literal, _: Scope) -> Piece:
        written = str(node.this)
        if node.is_string:
            size = len(written.encode())
            return Piece(text(written), SqlType(Kind.VARCHAR, max(1, size) if size <= 8000 else None), literal=True)
        if "e" in written.lower():
            return Piece(f"CAST('{written}' AS double precision)", types.FLOAT)
        if written.isdigit():
            fits, digits = int(written) < 2**31, len(written.lstrip("0")) or 1
            return Piece(
                written, types.INT if fits else SqlType(Kind.DECIMAL, precision=min(38, len(written))), digits=digits
            )
        whole, _dot, decimals = written.partition(".")
        digits = len(whole.lstrip("0")) + len(decimals)
        if digits > 38:
            raise SqlError(1007, f"The number '{written}' is out of the range for numeric representation.")
        number = SqlType(Kind.DECIMAL, precision=max(1, digits), scale=len(decimals))
        return Piece(f"CAST({written} AS {types.base(number)})", number)

    def _national(self, node: exp.National, _: Scope) -> Piece:
        written = str(node.this)
        units = len(written.encode("utf-16-le")) // 2
        return Piece(text(written), SqlType(Kind.NVARCHAR, max(1, units) if units <= 4000 else None), literal=True)

    def _hex(self, node: exp.HexString, _: Scope) -> Piece:
        digits = str(node.this)
        digits = digits if len(digits) % 2 == 0 else f"0{digits}"
        return Piece(f"CAST('\\x{digits}' AS bytea)", SqlType(Kind.VARBINARY, max(1, len(digits) // 2)))

    def _null(self, _: exp.Null, __: Scope) -> Piece:
        return Piece("NULL", null=True)

    def _column(self, node: exp.Column, scope: Scope) -> Piece:
        parts(node, "this", "table", "db", "catalog")
        name = node.name
        if isinstance(node.this, exp.Star):
            raise refused("*")
        bare = not node.this.args.get("quoted")
        if bare and name.startswith("@") and not node.table:
            return self.variable(name)
        unreserved(node.this)
        if not bare and name.lower() == "0x" and not node.table:
            return Piece("CAST('' AS bytea)", SqlType(Kind.VARBINARY, 1))
        if bare and name.startswith("$"):
            if name.lower() == "$action" and scope.merge:
                return Piece("CAST(merge_action() AS bpchar)", SqlType(Kind.NVARCHAR, 10), "$action")
            raise refused(name)
        table, written, name = temporary(node.args.get("table")), name, scope.spelled(name)
        if not is_own(node):
            scope.check(name, table)
        qualifier = ".".join(map(quote, filter(None, (node.text("db"), scope.renames.get(table, table)))))
        sql = f"{qualifier}.{quote(name)}" if qualifier else quote(checked_identifier(name))
        return Piece(sql, scope.type_of(name, table), written)

    def variable(self, name: str) -> Piece:
        """Return a variable's value. Raises SqlError 137 where it is not declared."""
        if name.startswith("@@"):
            if name.lower() == "@@identity":
                return Piece("tsql.last_identity()", SqlType(Kind.DECIMAL, precision=38))
            type_ = GLOBALS.get(name.lower())
            if type_ is None:
                raise refused(name)
            return self.placeholder(name.lower(), type_)
        type_ = self.variables.get(name.lower())
        if type_ is None and self.guesses is not None:
            self.guesses.setdefault(name, None)
            return Piece("NULL", null=True, guess=name)
        if type_ is None:
            raise SqlError(137, f'Must declare the scalar variable "{name}".', severity=15)
        return self.placeholder(name.lower(), type_)

    def _paren(self, node: exp.Paren, scope: Scope) -> Piece:
        inner = self.value(node.this, scope)
        return replace(inner, sql=f"({inner.sql})")

    def _negative(self, node: exp.Neg, scope: Scope) -> Piece:
        inner = self.value(node.this, scope)
        type_ = inner.type
        if type_ is not None and type_.kind not in types.NUMBERS - {Kind.BIT}:
            raise SqlError(8117, f"Operand data type {type_.kind} is invalid for minus operator.")
        if type_ is not None and type_.kind is Kind.TINYINT:  # which has no sign
            type_ = types.SMALLINT
        return Piece(f"(- {inner.sql})", type_, digits=inner.digits)

    def _chain(self, node: exp.Binary, scope: Scope) -> Piece:
        """Operators from the left, walked without recursion: a row's hash adds as many texts as a table has columns."""
        links: list[Any] = []
        rest: Any = node
        while type(rest) in _OPERATORS:
            parts(rest, "this", "expression", "typed", "safe")
            links.append(rest)
            rest = rest.this
        made = self.value(rest, scope)
        for link in reversed(links):
            made = self.operated(_OPERATORS[type(link)], made, self.value(link.expression, scope))
        return made

    def _inverse(self, node: exp.BitwiseNot, scope: Scope) -> Piece:
        inner = self.value(node.this, scope)
        if inner.type and inner.type.kind is Kind.BIT:
            return Piece(f"CAST(1 - {inner.sql} AS smallint)", inner.type)
        if inner.type and inner.type.kind is Kind.TINYINT:  # eight bits, without a sign
            return Piece(f"CAST(255 - {inner.sql} AS smallint)", inner.type)
        return Piece(f"(~ {inner.sql})", inner.type)

    def _case(self, node: exp.Case, scope: Scope) -> Piece:
        parts(node, "this", "ifs", "default")
        whens = []
        results = []
        for branch in node.args["ifs"]:
            parts(branch, "this", "true")
            if node.this is not None:
                condition = self.compared("=", self.value(node.this, scope), self.value(branch.this, scope))
            else:
                condition = self.condition(branch.this, scope)
            results.append(self.value(branch.args["true"], scope))
            whens.append(condition)
        default = node.args.get("default")
        results.append(self.value(default, scope) if default is not None else Piece("NULL", null=True))
        *branches, last = self.same(results)
        chosen = " ".join(f"WHEN {when} THEN {then.sql}" for when, then in zip(whens, branches, strict=True))
        type_ = type_rules.combine(piece.type for piece in [*branches, last] if not piece.null)
        return Piece(f"CASE {chosen} ELSE {last.sql} END", type_)

    def _collate(self, node: exp.Collate, scope: Scope) -> Piece:
        collated(node.expression.name)
        return self.value(node.this, scope)

    def _at_time_zone(self, node: exp.AtTimeZone, scope: Scope) -> Piece:
        parts(node, "this", "zone")
        inner = self.value(node.this, scope)
        if node.args["zone"].name.upper() != "UTC" or inner.type is None or inner.type.kind not in types.TIMESTAMPS:
            raise refused(f"AT TIME ZONE {node.args['zone'].sql('tsql')}")
        return replace(cast(inner, SqlType(Kind.DATETIMEOFFSET, scale=inner.type.scale or 3)), utc=True)

    def _now(self, _: exp.CurrentTimestamp, __: Scope) -> Piece:
        return Piece("tsql.getdate()", types.DATETIME)

    def _escape(self, node: exp.Func, scope: Scope) -> Piece:
        """An ODBC escape: {d '...'}, {t '...'}, {ts '...'}."""
        parts(node, "this", "expressions")
        kind = {exp.Date: Kind.DATE, exp.Time: Kind.TIME, exp.Timestamp: Kind.DATETIME}[type(node)]
        given = node.this if node.this is not None else next(iter(node.expressions), None)
        if given is None:
            raise refused(f"{{{kind}}}")
        return cast(self.value(given, scope), SqlType(kind, scale=7 if kind is Kind.TIME else 0))

    def subquery(self, node: exp.Subquery | exp.Select, scope: Scope) -> Piece:
        """Return a query of one column as a value."""
        if isinstance(node, exp.Subquery):
            parts(node, "this")
            node = node.this
        unordered(node)
        sql, columns = self.query(node, scope)
        if columns is None or len(columns) != 1:
            raise SqlError(116, "Only one expression can be specified in the select list of a subquery.")
        return Piece(f"({sql})", columns[0].type)

    def _anonymous(self, node: exp.Anonymous, scope: Scope) -> Piece:
        parts(node, "this", "expressions")
        return self.call(bare_call(node), node, scope)

    def _dot(self, node: exp.Dot, scope: Scope) -> Piece:
        owner, called = node.this, node.expression
        if not isinstance(owner, exp.Identifier) or not isinstance(called, exp.Anonymous):
            raise refused(shown(node))
        return self.call(f"{owner.name}.{bare_call(called)}".upper(), called, scope)

    VALUES: ClassVar[dict[type, Callable[[Any, Any, Scope], Piece]]] = {
        exp.Literal: _literal,
        exp.National: _national,
        exp.HexString: _hex,
        exp.Null: _null,
        exp.Column: _column,
        exp.Paren: _paren,
        exp.Neg: _negative,
        **dict.fromkeys(_OPERATORS, _chain),
        exp.BitwiseNot: _inverse,
        exp.Case: _case,
        exp.Collate: _collate,
        exp.AtTimeZone: _at_time_zone,
        exp.CurrentTimestamp: _now,
        exp.Date: _escape,
        exp.Time: _escape,
        exp.Timestamp: _escape,
        exp.Subquery: subquery,
        exp.Anonymous: _anonymous,
        exp.Dot: _dot,
        exp.Window: lambda self, node, scope: self.window(node, scope),
        exp.GroupConcat: lambda self, node, scope: self.string_agg(node, scope),
    }
