"""Statements that write, said in PostgreSQL's SQL.

Here live INSERT, UPDATE, DELETE and MERGE; their grammar lives in `dml`, queries in `query`. It may import them,
`scope`, `statements`, `types` and `tokens`.

UPDATE and DELETE with joins or TOP choose their rows by a subquery first, so that each is touched once, and by any
kind of join. OUTPUT is PostgreSQL 18's RETURNING with the old and the new row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlglot import exp

from resources.endpoints.mssql_emulator.engine import SqlError
from resources.endpoints.mssql_emulator.tsql import types
from resources.endpoints.mssql_emulator.tsql.derived import repeated
from resources.endpoints.mssql_emulator.tsql.dml import OPERATORS, Change, Insert, Merge, Output
from resources.endpoints.mssql_emulator.tsql.nodes import parts, temporary
from resources.endpoints.mssql_emulator.tsql.query import Queries
from resources.endpoints.mssql_emulator.tsql.scope import Piece, Scope, Table, quote, text
from resources.endpoints.mssql_emulator.tsql.statements import Said
from resources.endpoints.mssql_emulator.tsql.storing import stored, stored_rows
from resources.endpoints.mssql_emulator.tsql.tokens import refused

_ROW = "__row"
_DEFAULT = "DEFAULT"


class Manipulation(Queries):
    """Says statements that write."""

    identity_insert: Table | None = None
    """The table for which SET IDENTITY_INSERT is ON."""

    def insert(self, node: Insert) -> Said:
        """Return an INSERT. Raises SqlError 102, 207, 208."""
        table = self.table(node.target)
        columns = self.columns_of(table)
        _written(node.columns, columns)
        self.hints(table, node.hints, writes=True)
        scope = Scope()
        with_ = self._with(node.with_, node.query.args.get("options") if node.query is not None else (), scope)
        overriding = " OVERRIDING SYSTEM VALUE" if self.identity_insert == table else ""
        names = node.columns or self._insertable(table)
        if node.query is None and not node.rows:
            body = " DEFAULT VALUES"
        else:
            given = self._inserted(node, names, columns, scope)
            body = f" ({', '.join(map(quote, names))}){overriding} {given}"
        said = self._said("INSERT", f"{with_}INSERT INTO {table.sql}{body}", node.output, table, Scope())
        if overriding:
            said.after.append(f"SELECT tsql.reseed('{table.schema}', {text(table.name)})")
        return said

    def _with(self, with_: Any, options: Sequence[Any] | None, scope: Scope) -> str:
        """Return WITH, or nothing, of a statement with these options. Raises SqlError 102."""
        self.options(options)
        return self.with_clause(exp.Select(with_=with_, options=list(options or ())), scope)

    def _inserted(self, node: Insert, names: Sequence[str], columns: Mapping[str, Any], scope: Scope) -> str:
        if node.query is not None:
            query, pieces = self.query(node.query, scope)
            return self._queried(query, pieces, names, columns, listed=bool(node.columns))
        if len(node.rows[0]) != len(names):
            raise SqlError(213, _MISMATCH)
        rows = [
            ", ".join(self._given(value, columns[name], scope) for name, value in zip(names, row, strict=True))
            for row in node.rows
        ]
        return f"VALUES {', '.join(f'({row})' for row in rows)}"

    def _queried(
        self, query: str, pieces: list[Piece] | None, names: Sequence[str], columns: Mapping[str, Any], *, listed: bool
    ) -> str:
        """The rows of a query as the columns take them. Raises SqlError 120, 121, 213."""
        if pieces is None:
            return query
        if len(pieces) != len(names):
            if not listed:
                raise SqlError(213, _MISMATCH)
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

    def _given(self, value: Any, type_: Any, scope: Scope) -> str:
        return "DEFAULT" if value is None else stored(self.stored(self.value(value, scope), type_), type_)

    def _insertable(self, table: Table) -> tuple[str, ...]:
        """The columns that a list left out stands for: all but the identity."""
        columns = self.catalog.columns(table) or ()
        return tuple(column.name for column in columns if not column.identity or self.identity_insert == table)

    def change(self, node: Change) -> Said:
        """Return an UPDATE or DELETE. Raises SqlError 102, 207, 208."""
        scope = Scope()
        with_ = self._with(node.with_, node.options, scope)
        if node.with_ is not None and len(node.target) == 1 and node.target[0] in scope.ctes:
            return self._delete_from_cte(node, scope)
        node, target = self._target(node)
        table = self.table((target.text("catalog"), target.text("db"), temporary(target.this)))
        columns = self.columns_of(table)
        self.hints(table, node.hints, writes=True)
        _written([name for name, _, _ in node.assignments], columns)
        joined = node.source is not None and (node.source.args.get("joins") or node.source.args.get("laterals"))
        if node.top is None and not joined:
            return self._direct(node, table, target, with_, scope)
        return self._chosen(node, table, target, with_, scope)

    def _chosen(self, node: Change, table: Table, target: exp.Table, with_: str, scope: Scope) -> Said:
        """Change the rows that a subquery with the joins, or with TOP, chooses."""
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
            return self._said("DELETE", with_ + sql, node.output, table, Scope())
        columns = self.columns_of(table)
        given = [self._assigned(alias, columns, assignment, scope) for assignment in node.assignments]
        values = [f"{said if said != _DEFAULT else 'NULL'} AS v{place}" for place, said in enumerate(given)]
        chosen = f'SELECT DISTINCT ON ({row}) {row} AS "{_ROW}", {", ".join(values)}{from_}'
        chosen = f"SELECT * FROM ({chosen}) AS c{limit}" if limit else chosen
        taken = [_DEFAULT if said == _DEFAULT else f'"__q".v{place}' for place, said in enumerate(given)]
        sets = ", ".join(f"{quote(name)} = {value}" for (name, *_), value in zip(node.assignments, taken, strict=True))
        sql = f'UPDATE {table.sql} AS "__t" SET {sets} FROM ({chosen}) AS "__q" WHERE "__t".ctid = "__q"."{_ROW}"'
        return self._said("UPDATE", with_ + sql, node.output, table, Scope())

    def _direct(self, node: Change, table: Table, target: exp.Table, with_: str, scope: Scope) -> Said:
        alias = target.alias or temporary(target.this)
        named = f"{table.sql} AS {quote(alias)}" if target.alias else table.sql
        scope.relations[alias] = self.columns_of(table)
        columns = scope.relations[alias] or {}
        where = f" WHERE {self.condition(node.where, scope)}" if node.where is not None else ""
        if not node.assignments:
            return self._said("DELETE", f"{with_}DELETE FROM {named}{where}", node.output, table, scope)
        sets = [
            f"{quote(assignment[0])} = {self._assigned(quote(alias), columns, assignment, scope)}"
            for assignment in node.assignments
        ]
        sql = f"{with_}UPDATE {named} SET {', '.join(sets)}{where}"
        return self._said("UPDATE", sql, node.output, table, scope)

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
        for item in tables:
            known = not isinstance(item.this, exp.Anonymous) and (node.with_ is None or item.text("db"))
            if known and self.table((item.text("catalog"), item.text("db"), temporary(item.this))) == wanted:
                return node, item
        source = node.source.copy()  # it takes part all the same, beside whatever FROM names
        source.append("joins", exp.Join(this=own))
        return replace(node, source=source), own

    def _delete_from_cte(self, node: Change, scope: Scope) -> Said:
        """WITH c AS (SELECT ..., ROW_NUMBER() ...) DELETE FROM c: the common way to keep one row of each key."""
        name = node.target[0]
        cte = next(item for item in node.with_.expressions if item.alias == name)
        select = cte.this
        if node.assignments or node.source is not None or node.top is not None:
            raise refused(f"UPDATE, FROM or TOP on {name}, which WITH defines")
        grouped = any(select.args.get(key) for key in ("joins", "group", "distinct", "limit", "laterals"))
        base = select.args["from_"].this if isinstance(select, exp.Select) and select.args.get("from_") else None
        if grouped or not isinstance(base, exp.Table) or len(node.with_.expressions) != 1:
            raise refused(f"DELETE FROM {name}, whose query is not of one table")
        table = self.table((base.text("catalog"), base.text("db"), temporary(base.this)))
        chosen = select.copy()
        row = exp.column("ctid", base.alias or temporary(base.this), quoted=True)
        chosen.append("expressions", exp.alias_(row, _ROW, quoted=True))
        said, columns = self.query(chosen, Scope())
        scope.relations[name] = {piece.name: piece.type for piece in columns or ()}
        where = f" WHERE {self.condition(node.where, scope)}" if node.where is not None else ""
        rows = f'SELECT "{_ROW}" FROM ({said}) AS {quote(name)}{where}'
        sql = f'DELETE FROM {table.sql} AS "__t" WHERE ctid = ANY (ARRAY({rows}))'
        return self._said("DELETE", sql, node.output, table, Scope())

    def merge(self, node: Merge) -> Said:
        """Return a MERGE. Raises SqlError 102, 208."""
        tree = node.tree
        parts(tree, "this", "using", "on", "whens", "with_")
        scope = Scope()
        with_ = self._with(tree.args.get("with_"), node.options, scope)
        target = tree.this
        parts(target, "this", "db", "catalog", "alias", "hints")
        table = self.table((target.text("catalog"), target.text("db"), temporary(target.this)))
        columns = self.columns_of(table)
        self.hints(
            table, [hint.name for group in target.args.get("hints") or () for hint in group.expressions], writes=True
        )
        alias = target.alias or temporary(target.this)
        using = self.relation(tree.args["using"], scope)
        scope.relations[alias] = columns
        named = f"{table.sql} AS {quote(alias)}" if target.alias else table.sql
        said = f"MERGE INTO {named} USING {using} ON {self.condition(tree.args['on'], scope)}"
        for when in tree.args["whens"].expressions:
            said += f" {self._when(when, table, scope)}"
        return self._said("MERGE", with_ + said, node.output, table, scope)

    def _when(self, when: Any, table: Table, scope: Scope) -> str:
        parts(when, "matched", "source", "condition", "then")
        condition = when.args.get("condition")
        said = "WHEN MATCHED" if when.args["matched"] else "WHEN NOT MATCHED"
        if when.args.get("source"):
            said += " BY SOURCE"
        if condition is not None:
            said += f" AND {self.condition(condition, scope)}"
        then = when.args["then"]
        if isinstance(then, exp.Var) and then.name.upper() == "DELETE":
            return f"{said} THEN DELETE"
        if isinstance(then, exp.Update):
            parts(then, "expressions")
            columns = self.columns_of(table)
            _written([item.this.name for item in then.expressions], columns)
            sets = [
                f"{quote(item.this.name)} = {self._merged(item.expression, columns[item.this.name], scope)}"
                for item in then.expressions
            ]
            return f"{said} THEN UPDATE SET {', '.join(sets)}"
        if isinstance(then, exp.Insert):
            return f"{said} THEN {self._merge_insert(then, table, scope)}"
        raise refused(then.sql("tsql")[:60] if isinstance(then, exp.Expression) else str(then))

    def _merge_insert(self, then: exp.Insert, table: Table, scope: Scope) -> str:
        parts(then, "this", "expression")
        listed = then.this.expressions if isinstance(then.this, exp.Tuple) else [then.this] if then.this else []
        columns = self.columns_of(table)
        names = [_bare(item).name for item in listed] or list(self._insertable(table))
        _written(names, columns)
        given = then.expression.expressions if isinstance(then.expression, exp.Tuple) else [then.expression]
        if len(given) != len(names):
            raise SqlError(213, _MISMATCH)
        values = [self._merged(item, columns[name], scope) for item, name in zip(given, names, strict=True)]
        return f"INSERT ({', '.join(map(quote, names))}) VALUES ({', '.join(values)})"

    def _merged(self, node: Any, type_: Any, scope: Scope) -> str:
        bare = _bare(node)
        if isinstance(bare, exp.Column) and bare.name.upper() == "DEFAULT" and not bare.this.args.get("quoted"):
            return "DEFAULT"
        piece = self.stored(self.value(bare, scope), type_)
        return f"CAST(NULL AS {types.base(type_)})" if piece.null and type_ else stored(piece, type_)

    def _said(self, verb: str, sql: str, output: Output | None, table: Table, scope: Scope) -> Said:
        if output is None:
            return Said(sql, counted=True, used=self.used, before=self.locks, verb=verb)
        columns = self.columns_of(table)
        inner = Scope(dict(scope.relations), ctes=scope.ctes)
        inner.relations |= {"inserted": columns, "deleted": columns}
        inner.renames = {"inserted": "new", "deleted": "old"}
        inner.merge = verb == "MERGE"
        projections, pieces = self.projections(output.columns, inner, not output.into)
        returning = f"{sql} RETURNING {', '.join(projections)}"
        if not output.into:
            return Said(returning, pieces, rows=True, counted=True, used=self.used, before=self.locks, verb=verb)
        into = self.table(output.into)
        kept = self.columns_of(into)
        names = output.into_columns or self._insertable(into)
        rows = stored_rows('SELECT * FROM "__output"', pieces, [kept.get(name) for name in names])
        listed = ", ".join(map(quote, names))
        whole = f'WITH "__output" AS ({returning}) INSERT INTO {into.sql} ({listed}) {rows}'
        return Said(whole, counted=True, used=self.used, before=self.locks, verb=verb)


_MISMATCH = "Column name or number of supplied values does not match table definition."


def _written(names: Sequence[str], columns: Mapping[str, Any]) -> None:
    """Check the columns that a statement writes. Raises SqlError 207, 264."""
    for name in names:
        if name not in columns:
            raise SqlError(207, f"Invalid column name '{name}'.")
    if twice := repeated(names):
        raise SqlError(
            264,
            f"The column name '{twice}' is specified more than once in the SET clause or column list of an INSERT. A "
            "column cannot be assigned more than one value in the same clause.",
        )


def _bare(node: Any) -> Any:
    return node.this if isinstance(node, exp.Paren) else node
