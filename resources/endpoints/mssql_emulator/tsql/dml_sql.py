"""Statements that write, said in PostgreSQL's SQL.

Here live INSERT, UPDATE and DELETE; MERGE lives in `merge_sql`, what they share in `writing_sql`, their grammar in
`dml`. It may import them, `scope`, `statements`, `storing`, `types`, `type_rules` and `tokens`.

UPDATE and DELETE with joins or TOP choose their rows by a subquery first, so that each is touched once, and by any
kind of join.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlglot import exp

from resources.endpoints.mssql_emulator.engine import Kind, SqlError, SqlType
from resources.endpoints.mssql_emulator.tsql import type_rules, types
from resources.endpoints.mssql_emulator.tsql.dml import CHANGED, OPERATORS, Change, Insert, Output
from resources.endpoints.mssql_emulator.tsql.merge_sql import Merging
from resources.endpoints.mssql_emulator.tsql.nodes import own_column, temporary
from resources.endpoints.mssql_emulator.tsql.scope import Piece, Scope, Table, quote, text
from resources.endpoints.mssql_emulator.tsql.statements import Said
from resources.endpoints.mssql_emulator.tsql.storing import stored, stored_rows
from resources.endpoints.mssql_emulator.tsql.tokens import refused
from resources.endpoints.mssql_emulator.tsql.writing_sql import MISMATCH, written

_ROW = "__row"
_DEFAULT = "DEFAULT"
_PLAIN = types.EXACT - {Kind.MONEY}
"""Numbers that any column of numbers takes alike, also as decimals."""


class Manipulation(Merging):
    """Says statements that write."""

    def insert(self, node: Insert) -> Said:
        """Return an INSERT. Raises SqlError 102, 207, 208."""
        table = self.table(node.target)
        columns = self.columns_of(table)
        written(node.columns, columns)
        self.hints(table, node.hints, writes=True)
        scope = Scope()
        with_ = self.with_of(node.with_, node.query.args.get("options") if node.query is not None else (), scope)
        overriding = self._overriding(node, table)
        names = node.columns or self.insertable(table)
        if node.query is None and not node.rows:
            body = " DEFAULT VALUES"
        else:
            given = self._inserted(node, names, columns, scope)
            body = f" ({', '.join(map(quote, names))}){overriding} {given}"
        said = self.said("INSERT", f"{with_}INSERT INTO {table.sql}{body}", node.output, table, Scope())
        if overriding:
            said.after.append(f"SELECT tsql.reseed('{table.schema}', {text(table.name)})")
        return said

    def _overriding(self, node: Insert, table: Table) -> str:
        """What lets the identity be written, while SET IDENTITY_INSERT is ON. Raises SqlError 545, 8101."""
        if self.identity_insert != table:
            return ""
        if not node.columns and (node.rows or node.query is not None):
            raise SqlError(
                8101,
                f"An explicit value for the identity column in table '{table.name}' can only be specified when a "
                "column list is used and IDENTITY_INSERT is ON.",
            )
        if not any(column.identity and column.name in node.columns for column in self.catalog.columns(table) or ()):
            raise SqlError(
                545,
                f"Explicit value must be specified for identity column in table '{table.name}' either when "
                "IDENTITY_INSERT is set to ON or when a replication user is inserting into a NOT FOR REPLICATION "
                "identity column.",
            )
        return " OVERRIDING SYSTEM VALUE"

    def _inserted(self, node: Insert, names: Sequence[str], columns: Mapping[str, Any], scope: Scope) -> str:
        if node.query is not None:
            query, pieces = self.query(node.query, scope)
            return self._queried(query, pieces, names, columns, listed=bool(node.columns))
        if len(node.rows[0]) != len(names):
            raise SqlError(213, MISMATCH)
        cells = [[None if value is None else self.value(value, scope) for value in row] for row in node.rows]
        if len(cells) > 1:
            alike = (
                self._alike(column, columns[name]) for name, column in zip(names, zip(*cells, strict=True), strict=True)
            )
            cells = [list(row) for row in zip(*alike, strict=True)]
        rows = [
            ", ".join(self._given(cell, columns[name]) for name, cell in zip(names, row, strict=True)) for row in cells
        ]
        return f"VALUES {', '.join(f'({row})' for row in rows)}"

    def _alike(self, cells: Sequence[Piece | None], type_: SqlType | None) -> Sequence[Piece | None]:
        """The values that several rows give a column, made alike as those of UNION ALL; a DEFAULT takes no part.

        They stay as they are where the column keeps the same of them.
        """
        given = [cell.type for cell in cells if cell is not None and not cell.null]
        kinds = {found.kind for found in given if found is not None}
        if kinds <= types.STRINGS or (kinds <= _PLAIN and type_ is not None and type_.kind in types.NUMBERS):
            return cells
        wanted = type_rules.combine(given)
        if wanted is None:
            return cells
        return [cell if cell is None or cell.null else self.suited(cell, wanted) for cell in cells]

    def _queried(
        self, query: str, pieces: list[Piece] | None, names: Sequence[str], columns: Mapping[str, Any], *, listed: bool
    ) -> str:
        """The rows of a query as the columns take them. Raises SqlError 120, 121, 213."""
        if pieces is None:
            return query
        if len(pieces) != len(names):
            if not listed:
                raise SqlError(213, MISMATCH)
            number, how = (120, "fewer") if len(pieces) < len(names) else (121, "more")
            raise SqlError(
                number,
                f"The select list for the INSERT statement contains {how} items than the insert list. The number of "
                "SELECT values must match the number of INSERT columns.",
                severity=15,
            )
        wanted = [columns[name] for name in names]
        taken: list[Piece] = []

        def take(cell: Piece, place: int) -> Piece:
            taken.append(self.stored(cell, wanted[place]))
            return taken[-1]

        return stored_rows(self.retyped(query, pieces, take), taken, wanted)

    def _given(self, cell: Piece | None, type_: SqlType | None) -> str:
        return _DEFAULT if cell is None else stored(self.stored(cell, type_), type_)

    def change(self, node: Change) -> Said:
        """Return an UPDATE or DELETE. Raises SqlError 102, 207, 208."""
        scope = Scope()
        with_ = self.with_of(node.with_, node.options, scope)
        if node.with_ is not None and len(node.target) == 1 and node.target[0] in scope.ctes:
            return self._change_of_cte(node, scope)
        node, target = self._target(node)
        table = self.table((target.text("catalog"), target.text("db"), temporary(target.this)))
        columns = self.columns_of(table)
        self.hints(table, node.hints, writes=True)
        written([name for name, _, _ in node.assignments], columns)
        joined = node.source is not None and (node.source.args.get("joins") or node.source.args.get("laterals"))
        if node.top is None and not joined:
            return self._direct(node, table, target, with_, scope)
        return self._chosen(node, table, target, with_, scope)

    def _chosen(self, node: Change, table: Table, target: exp.Table, with_: str, scope: Scope) -> Said:
        """Change the rows that a subquery with the joins, or with TOP, chooses."""
        _of_changed_rows(node.output)
        source = node.source
        if source is None:
            source = exp.Select(expressions=[exp.Star()], from_=exp.From(this=target))
        from_ = self.from_clause(source, scope)
        if node.where is not None:
            from_ += f" WHERE {self.condition(node.where, scope)}"
        limit = f" LIMIT {self.count(node.top, scope)}" if node.top is not None else ""
        alias = quote(target.alias or temporary(target.this))
        row = f"{alias}.ctid"
        if not node.assignments:
            sql = f'DELETE FROM {table.sql} AS "__t" WHERE ctid = ANY (ARRAY(SELECT {row}{from_}{limit}))'
            return self.said("DELETE", with_ + sql, node.output, table, Scope())
        columns = self.columns_of(table)
        given = [self._assigned(alias, columns, assignment, scope) for assignment in node.assignments]
        chosen = f'SELECT DISTINCT ON ({row}) {row} AS "{_ROW}", {_values(given)}{from_}'
        chosen = f"SELECT * FROM ({chosen}) AS c{limit}" if limit else chosen
        sql = _updated(table, [name for name, *_ in node.assignments], given, chosen)
        return self.said("UPDATE", with_ + sql, node.output, table, Scope())

    def _direct(self, node: Change, table: Table, target: exp.Table, with_: str, scope: Scope) -> Said:
        alias = target.alias or temporary(target.this)
        named = f"{table.sql} AS {quote(alias)}" if target.alias else table.sql
        scope.relations[alias] = self.columns_of(table)
        columns = scope.relations[alias] or {}
        where = f" WHERE {self.condition(node.where, scope)}" if node.where is not None else ""
        if not node.assignments:
            return self.said("DELETE", f"{with_}DELETE FROM {named}{where}", node.output, table, scope)
        sets = [
            f"{quote(assignment[0])} = {self._assigned(quote(alias), columns, assignment, scope)}"
            for assignment in node.assignments
        ]
        sql = f"{with_}UPDATE {named} SET {', '.join(sets)}{where}"
        return self.said("UPDATE", sql, node.output, table, scope)

    def _assigned(self, alias: str, columns: Any, assignment: tuple[str, str, Any], scope: Scope) -> str:
        name, operator, tree = assignment
        if tree is None:
            return _DEFAULT
        if operator:
            owner = exp.column(name, alias.strip('"'), quoted=True)
            tree = OPERATORS[operator](this=owner, expression=exp.Paren(this=tree))
        type_ = columns.get(name)
        piece = self.stored(self.value(tree, scope), type_)
        return f"CAST(NULL AS {types.base(type_)})" if piece.null and type_ else stored(piece, type_)

    def _target(self, node: Change) -> tuple[Change, exp.Table]:
        """Return the table that is changed, as FROM names it, and the statement with it in FROM."""
        name = node.target
        own = exp.Table(
            this=exp.to_identifier(name[-1], quoted=True),
            db=exp.to_identifier(name[-2], quoted=True) if len(name) > 1 and name[-2] else None,
            catalog=exp.to_identifier(name[-3], quoted=True) if len(name) > 2 and name[-3] else None,
        )
        if node.source is None:
            return node, own
        joins = [*(node.source.args.get("joins") or ()), *(node.source.args.get("laterals") or ())]
        items = (node.source.args["from_"].this, *(join.this for join in joins))
        tables: list[exp.Table] = [item for item in items if isinstance(item, exp.Table)]
        for item in tables:
            if len(name) == 1 and item.alias == name[0]:
                return node, item
        wanted = self.table(name)
        defined = {cte.alias for cte in node.with_.expressions} if node.with_ is not None else set()
        for item in tables:
            known = not isinstance(item.this, exp.Anonymous) and (item.text("db") or item.name not in defined)
            if known and self.table((item.text("catalog"), item.text("db"), temporary(item.this))) == wanted:
                return node, item
        source = node.source.copy()  # it takes part all the same, beside whatever FROM names
        source.append("joins", exp.Join(this=own))
        return replace(node, source=source), own

    def _change_of_cte(self, node: Change, scope: Scope) -> Said:
        """WITH c AS (SELECT ...) DELETE FROM c, or UPDATE c: the common way to keep, or mark, one row of each key."""
        name = node.target[0]
        select, base = _of_one_table(node)
        table = self.table((base.text("catalog"), base.text("db"), temporary(base.this)))
        chosen = select.copy()
        row = own_column("ctid", base.alias or temporary(base.this))
        chosen.append("expressions", exp.alias_(row, _ROW, quoted=True))
        said, columns = self.query(chosen, Scope())
        shows = {piece.name: piece.type for piece in columns or ()}
        scope.relations[name] = shows
        where = f" WHERE {self.condition(node.where, scope)}" if node.where is not None else ""
        rows = f"FROM ({said}) AS {quote(name)}{where}"
        if not node.assignments:
            sql = f'DELETE FROM {table.sql} AS "__t" WHERE ctid = ANY (ARRAY(SELECT "{_ROW}" {rows}))'
            return self.said("DELETE", sql, node.output, table, Scope())
        held = self.columns_of(table)
        own = _own_columns(select, held)
        for shown, *_ in node.assignments:
            if shown not in own and shown in shows:
                raise SqlError(
                    4406,
                    f"Update or insert of view or function '{name}' failed because it contains a derived or constant "
                    "field.",
                )
        types_ = {shown: held[column] for shown, column in own.items()}
        written([shown for shown, *_ in node.assignments], types_)
        given = [self._assigned(quote(name), types_, assignment, scope) for assignment in node.assignments]
        changed = [own[shown] for shown, *_ in node.assignments]
        sql = _updated(table, changed, given, f'SELECT "{_ROW}", {_values(given)} {rows}')
        return self.said("UPDATE", sql, node.output, table, Scope())


def _of_one_table(node: Change) -> tuple[exp.Select, exp.Table]:
    """Return the query of the name that is changed, and the table that it is of. Raises SqlError 102."""
    name = node.target[0]
    if node.source is not None or node.top is not None:
        raise refused(f"FROM or TOP on {name}, which WITH defines")
    cte = next(item for item in node.with_.expressions if item.alias == name)
    if cte.args["alias"].columns:
        raise refused(f"a change of {name}, whose columns WITH names anew")
    select = cte.this
    grouped = any(select.args.get(key) for key in ("joins", "group", "distinct", "laterals"))
    base = select.args["from_"].this if isinstance(select, exp.Select) and select.args.get("from_") else None
    if grouped or not isinstance(base, exp.Table) or len(node.with_.expressions) != 1:
        raise refused(f"a change of {name}, whose query is not of one table")
    return select, base


def _own_columns(select: exp.Select, held: Mapping[str, Any]) -> dict[str, str]:
    """Return the table's columns by the name under which the query shows them."""
    own: dict[str, str] = {}
    for item in select.expressions:
        column = item.this if isinstance(item, exp.Alias) else item
        if isinstance(column, exp.Star) or (isinstance(column, exp.Column) and isinstance(column.this, exp.Star)):
            own |= {name: name for name in held}
        elif isinstance(column, exp.Column):
            own[item.alias_or_name] = column.name
    return own


def _values(given: Sequence[str]) -> str:
    """The columns of a subquery that hold the new values."""
    return ", ".join(f"{said if said != _DEFAULT else 'NULL'} AS v{place}" for place, said in enumerate(given))


def _updated(table: Table, columns: Sequence[str], given: Sequence[str], chosen: str) -> str:
    """An UPDATE of the rows that a query chooses to the values that it has for them."""
    taken = [_DEFAULT if said == _DEFAULT else f'"__q".v{place}' for place, said in enumerate(given)]
    sets = ", ".join(f"{quote(name)} = {value}" for name, value in zip(columns, taken, strict=True))
    return f'UPDATE {table.sql} AS "__t" SET {sets} FROM ({chosen}) AS "__q" WHERE "__t".ctid = "__q"."{_ROW}"'


def _of_changed_rows(output: Output | None) -> None:
    """Refuse OUTPUT of what a changed row was joined with."""
    for item in output.columns if output is not None else ():
        for column in item.find_all(exp.Column):
            if column.table not in CHANGED:
                raise refused(f"OUTPUT {column.sql('tsql')}, which is not of the rows that change")
