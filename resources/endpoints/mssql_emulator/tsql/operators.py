"""What operators make of values whose types are known: sums, comparisons, and alternatives made alike.

Here lives what T-SQL's precedence of types asks for and PostgreSQL's operators do not do; the syntax tree is walked in
`values`. It may import `scope`, `types`, `type_rules` and `convert`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from resources.endpoints.mssql_emulator.engine import Kind, SqlError, SqlType
from resources.endpoints.mssql_emulator.tsql import type_rules, types
from resources.endpoints.mssql_emulator.tsql.convert import cast, held, string_bytes
from resources.endpoints.mssql_emulator.tsql.scope import UNNAMED, Catalog, Piece, quote
from resources.endpoints.mssql_emulator.tsql.tokens import refused


def _beside(piece: Piece, other: Piece) -> SqlType | None:
    """The type that an operand takes part with: beside a decimal a whole number has the digits that are written."""
    if piece.digits and other.type is not None and other.type.kind is Kind.DECIMAL:
        return SqlType(Kind.DECIMAL, precision=piece.digits)
    return piece.type


def converts(source: SqlType, to: SqlType) -> bool:
    """Tell whether a value must be converted before a column takes it. Raises SqlError 257."""
    if source.kind in types.STRINGS and to.kind in types.BINARIES:
        raise SqlError(
            257,
            f"Implicit conversion from data type {source.kind} to {to.kind} is not allowed. Use the CONVERT function "
            "to run this query.",
        )
    if source.kind is Kind.MONEY:
        return to.kind in types.INTEGERS
    if source.kind in types.FLOATS:
        return to.kind in (Kind.DECIMAL, Kind.MONEY)
    return source.kind in types.STRINGS and to.kind not in types.STRINGS


def _has_decimals_of_its_own(number: SqlType, wanted: SqlType) -> bool:
    """Tell whether a number shows other decimals than one of the exact type that is wanted."""
    return wanted.kind in (Kind.DECIMAL, Kind.MONEY) and (number.kind, number.scale) != (wanted.kind, wanted.scale)


class Operators:
    """Says operators; what a statement uses is collected here."""

    def __init__(self, catalog: Catalog, variables: Mapping[str, SqlType]) -> None:
        self.catalog = catalog
        self.variables = variables
        self.used: set[str] = set()
        """Names of the placeholders in what was said: variables and GLOBALS."""
        self.utc: frozenset[str] = frozenset()
        """Variables that are a datetimeoffset whose offset is known to be zero."""
        self.locks: list[str] = []
        """Statements that take a table's lock before the statement runs."""
        self.described: dict[str, tuple[Any, Any]] = {}
        """Placeholders of what batches return, by the expressions that say those and declare their parameters."""
        self.guesses: dict[str, SqlType | None] | None = None
        """Types of undeclared parameters, where they are asked for; elsewhere such a parameter is an error."""

    def placeholder(self, name: str, type_: SqlType) -> Piece:
        """Return what stands for a variable's value."""
        self.used.add(name)
        return Piece(f"CAST(%({name})s AS {types.base(type_)})", type_, utc=name in self.utc)

    def guess(self, piece: Piece, type_: SqlType | None) -> None:
        """Note that an undeclared parameter is used as a value of this type."""
        if piece.guess and self.guesses is not None and self.guesses.get(piece.guess) is None:
            self.guesses[piece.guess] = type_

    def operated(self, operator: str, one: Piece, other: Piece) -> Piece:
        """Return what an operator between two values gives. Raises SqlError 402."""
        if operator in "&|^":
            return Piece(
                f"({one.sql} {operator.replace('^', '#')} {other.sql})", type_rules.combine([one.type, other.type])
            )
        kinds = [piece.type.kind for piece in (one, other) if piece.type]
        if operator != "+" or not kinds:
            return self.arithmetic(operator, one, other)
        texts = [kind for kind in kinds if kind in types.STRINGS]
        if texts and (len(texts) == 2 or one.null or other.null or len(kinds) < 2):
            return self.concatenated(one, other)
        if len(kinds) == 2 and all(kind in types.BINARIES for kind in kinds):
            return self.concatenated_bytes(one, other)
        return self.arithmetic(operator, one, other)

    def concatenated(self, one: Piece, other: Piece) -> Piece:
        """Return two strings as one."""
        known = [piece.type for piece in (one, other) if piece.type]
        unicode_ = any(type_.kind in types.UNICODE for type_ in known)
        lengths = [type_.length for type_ in known]
        longest = 4000 if unicode_ else 8000
        total = None if None in lengths else sum(length or 0 for length in lengths)
        type_ = SqlType(Kind.NVARCHAR if unicode_ else Kind.VARCHAR, total and min(total, longest))
        joined = f"CAST({one.sql} AS text) || CAST({other.sql} AS text)"
        if total is not None:
            joined = held(joined, SqlType(type_.kind, total), type_)
        return Piece(f"CAST({joined} AS bpchar)", type_)

    def concatenated_bytes(self, one: Piece, other: Piece) -> Piece:
        """Return two strings of bytes as one."""
        type_ = type_rules.combine([one.type, other.type])
        lengths = [piece.type.length for piece in (one, other) if piece.type]
        joined = f"({one.sql} || {other.sql})"
        if type_ is None or None in lengths:
            return Piece(joined, type_)
        total = sum(length or 0 for length in lengths)
        if total > 8000:
            joined = f"substring({joined} FROM 1 FOR 8000)"
        return Piece(joined, replace(type_, length=min(total, 8000)))

    def arithmetic(self, operator: str, one: Piece, other: Piece) -> Piece:
        """Return a sum, difference, product, quotient or remainder. Raises SqlError 402."""
        one, other = self.like_each_other(one, other)
        days = self._days(operator, one, other)
        if days is not None:
            return days
        type_ = type_rules.arithmetic(operator, _beside(one, other), _beside(other, one))
        bits = one.type and other.type and {one.type.kind, other.type.kind} == {Kind.BIT}
        if (type_ is None or bits) and one.type and other.type:
            raise SqlError(
                402,
                f"The data types {one.type.kind} and {other.type.kind} are incompatible in the {operator} operator.",
            )
        shown = "%%" if operator == "%" else operator
        sql = f"({one.sql} {shown} {other.sql})"
        if type_ is not None and type_.kind is Kind.DECIMAL:
            if operator == "/":  # T-SQL cuts a quotient
                sql = f"trunc(round({one.sql}, {type_.scale + 1}) / {other.sql}, {type_.scale})"
            sql = f"CAST({sql} AS {types.base(type_)})"
        elif type_ is not None and type_.kind is Kind.TINYINT:
            sql = f"tsql.tiny({sql})"
        elif type_ is not None and type_.kind is Kind.MONEY:
            if operator == "/":  # cut, too: whole ten-thousandths
                sql = f"div(10000.0 * {one.sql}, {other.sql}) / 10000"
            sql = f"CAST({sql} AS {types.base(type_)})"
        return Piece(sql, type_)

    def _days(self, operator: str, one: Piece, other: Piece) -> Piece | None:
        """A datetime and a number of days. Raises SqlError 102."""
        if operator not in "+-" or one.type is None or other.type is None:
            return None
        if one.type.kind in types.LEGACY_TIMES and other.type.kind in types.LEGACY_TIMES:
            raise refused(f"{operator} of two moments")
        if operator == "+" and one.type.kind in types.NUMBERS:
            one, other = other, one
        moment, number = one.type, other.type
        if moment and number and moment.kind in types.LEGACY_TIMES and number.kind in types.NUMBERS:
            added = f"tsql.add_days({one.sql}, {operator}CAST({other.sql} AS double precision), '{moment.kind}')"
            return cast(Piece(added, types.DATETIME2), moment)
        return None

    def same(self, pieces: list[Piece]) -> list[Piece]:
        """Return the alternatives of one value, made alike where T-SQL would and PostgreSQL would not."""
        type_ = type_rules.combine(piece.type for piece in pieces if not piece.null)
        if type_ is None:
            return pieces
        return [self.suited(piece, type_) for piece in pieces]

    def suited(self, piece: Piece, type_: SqlType) -> Piece:
        """Return the piece in the PostgreSQL type that values of `type_` have."""
        if piece.null:
            return Piece(f"CAST(NULL AS {types.base(type_)})", null=True)
        if piece.type is None:
            return piece
        one, wanted = piece.type.kind, type_.kind
        if one in types.STRINGS and wanted in types.STRINGS:
            return Piece(f"CAST({piece.sql} AS bpchar)", piece.type) if piece.literal else piece
        if one in types.NUMBERS and wanted in types.NUMBERS:
            return cast(piece, type_) if _has_decimals_of_its_own(piece.type, type_) else piece
        return piece if one == wanted else cast(piece, type_)

    def stored(self, piece: Piece, type_: SqlType | None) -> Piece:
        """Return the value as a column or variable of that type takes it, where PostgreSQL would do otherwise.

        Raises SqlError 257.
        """
        self.guess(piece, type_)
        if type_ is None or piece.type is None or piece.null or not converts(piece.type, type_):
            return piece
        return cast(piece, type_)

    def retyped(self, query: str, pieces: list[Piece], convert: Callable[[Piece, int], Piece]) -> str:
        """Return a query whose columns are converted, each by its place; as it is where nothing is converted."""
        cells = [replace(piece, sql=f"c{place}", literal=False) for place, piece in enumerate(pieces)]
        taken = [convert(cell, place) for place, cell in enumerate(cells)]
        if all(one is other for one, other in zip(cells, taken, strict=True)):
            return query
        # The word NULL would be text behind the parentheses of a query; said again it takes the type that is wanted.
        listed = ", ".join(
            f"{'NULL' if piece.null else piece.sql} AS {quote(cell.name or UNNAMED)}"
            for piece, cell in zip(taken, cells, strict=True)
        )
        return f"SELECT {listed} FROM ({query}) AS q ({', '.join(cell.sql for cell in cells)})"

    def compared(self, operator: str, one: Piece, other: Piece) -> str:
        """Return the comparison of two values, trailing blanks of strings ignored."""
        one, other = self.like_each_other(one, other)
        kinds = {piece.type.kind for piece in (one, other) if piece.type}
        if kinds == {Kind.UNIQUEIDENTIFIER} and operator in ("<", "<=", ">", ">="):
            return f"tsql.guid_key({one.sql}) {operator} tsql.guid_key({other.sql})"
        return f"{one.sql} {operator} {other.sql}"

    def like_each_other(self, one: Piece, other: Piece) -> tuple[Piece, Piece]:
        """Return the operands of an operator, the string turned into the other's type, as T-SQL's precedence says."""
        self.guess(one, other.type)
        self.guess(other, one.type)
        if one.literal and other.literal:
            return Piece(f"CAST({one.sql} AS bpchar)", one.type), Piece(f"CAST({other.sql} AS bpchar)", other.type)
        if one.type is None or other.type is None:
            return one, other
        if one.type.kind in types.STRINGS and other.type.kind not in types.STRINGS:
            return self._operand(one, other.type), other
        if other.type.kind in types.STRINGS and one.type.kind not in types.STRINGS:
            return one, self._operand(other, one.type)
        return one, other

    def _operand(self, piece: Piece, type_: SqlType) -> Piece:
        if type_.kind is Kind.DECIMAL:
            return Piece(f"tsql.decimal_of(CAST({piece.sql} AS text))", type_)
        if type_.kind in types.BINARIES:
            assert piece.type is not None
            return Piece(string_bytes(piece.sql, piece.type), type_)
        return cast(piece, type_)
