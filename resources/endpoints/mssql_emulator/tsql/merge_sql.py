"""MERGE, said in PostgreSQL's SQL.

Here lives what a MERGE does in each case; its grammar lives in `dml`. It may import `writing_sql`, `scope`,
`statements`, `storing`, `types` and `tokens`.
"""

from typing import Any

from sqlglot import exp

from resources.endpoints.mssql_emulator.engine import SqlError
from resources.endpoints.mssql_emulator.tsql import types
from resources.endpoints.mssql_emulator.tsql.dml import Merge
from resources.endpoints.mssql_emulator.tsql.nodes import parts, temporary
from resources.endpoints.mssql_emulator.tsql.scope import Scope, Table, quote
from resources.endpoints.mssql_emulator.tsql.statements import Said
from resources.endpoints.mssql_emulator.tsql.storing import stored
from resources.endpoints.mssql_emulator.tsql.tokens import refused
from resources.endpoints.mssql_emulator.tsql.writing_sql import MISMATCH, WritesRows, written


class Merging(WritesRows):
    """Says MERGE."""

    def merge(self, node: Merge) -> Said:
        """Return a MERGE. Raises SqlError 102, 208."""
        tree = node.tree
        parts(tree, "this", "using", "on", "whens", "with_")
        scope = Scope()
        with_ = self.with_of(tree.args.get("with_"), node.options, scope)
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
        return self.said("MERGE", with_ + said, node.output, table, scope)

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
            written([item.this.name for item in then.expressions], columns)
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
        names = [_bare(item).name for item in listed] or list(self.insertable(table))
        written(names, columns)
        given = then.expression.expressions if isinstance(then.expression, exp.Tuple) else [then.expression]
        if len(given) != len(names):
            raise SqlError(213, MISMATCH)
        values = [self._merged(item, columns[name], scope) for item, name in zip(given, names, strict=True)]
        return f"INSERT ({', '.join(map(quote, names))}) VALUES ({', '.join(values)})"

    def _merged(self, node: Any, type_: Any, scope: Scope) -> str:
        bare = _bare(node)
        if isinstance(bare, exp.Column) and bare.name.upper() == "DEFAULT" and not bare.this.args.get("quoted"):
            return "DEFAULT"
        piece = self.stored(self.value(bare, scope), type_)
        return f"CAST(NULL AS {types.base(type_)})" if piece.null and type_ else stored(piece, type_)


def _bare(node: Any) -> Any:
    return node.this if isinstance(node, exp.Paren) else node
