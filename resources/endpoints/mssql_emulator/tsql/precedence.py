"""Which operator takes which operands: sqlglot's trees of sums and products, grouped as T-SQL groups them.

Here live the levels alone; trees come from `syntax`. It may import sqlglot's tokens and nodes.

T-SQL has three levels: `~`; then `* / %`; then a sign and `+ - & ^ |`, each from left to right. sqlglot has more of
them, and its parser is compiled, so that no subclass may say otherwise; its trees keep every parenthesis, so that what
stands between two of them can be read from left to right again.
https://docs.microsoft.com/en-us/previous-versions/sql/sql-server-2008-r2/ms190276%28v%3Dsql.105%29
"""

from collections.abc import Sequence
from typing import Any

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

_PRODUCTS = (exp.Mul, exp.Div, exp.Mod)
_SUMS = (exp.Add, exp.Sub, exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor)
_SIGNS = (exp.Neg, exp.BitwiseNot)
_BINARY = (*_PRODUCTS, *_SUMS)
_OPERATORS = (*_BINARY, *_SIGNS)
_APART = {TokenType.MOD, TokenType.AMP, TokenType.PIPE, TokenType.CARET, TokenType.TILDE}
_BEFORE_SIGN = {TokenType.STAR, TokenType.SLASH}


def in_question(tokens: Sequence[Token]) -> bool:
    """Tell whether sqlglot may group these otherwise: most statements need no second look."""
    previous: TokenType | None = None
    for token in tokens:
        kind = token.token_type
        if kind in _APART or (kind is TokenType.DASH and previous in _BEFORE_SIGN):
            return True
        previous = kind
    return False


def grouped(tree: exp.Expression) -> exp.Expression:
    """Return the tree with every chain of operators grouped anew."""
    chains = [
        node
        for node in tree.walk()
        if isinstance(node, _OPERATORS) and not (node.parent is not None and isinstance(node.parent, _OPERATORS))
    ]
    for chain in chains:
        made: exp.Expression = _Chain(_in_order(chain)).sum()
        if chain is tree:
            return made
        chain.replace(made)
    return tree


def _in_order(chain: exp.Expression) -> list[Any]:
    """Operands as nodes, operators as their classes, in the order of the text."""
    found: list[Any] = []
    waiting: list[Any] = [chain]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _BINARY):
            waiting += [item.expression, type(item), item.this]
        elif isinstance(item, _SIGNS):
            waiting += [item.this, type(item)]
        else:
            found.append(item)
    return found


class _Chain:
    """Operands and operators, taken from the left."""

    def __init__(self, items: list[Any]) -> None:
        self._items = items[::-1]

    def _next_is(self, kinds: tuple[Any, ...]) -> bool:
        return bool(self._items) and self._items[-1] in kinds

    def sum(self) -> Any:
        made = self._product()
        while self._next_is(_SUMS):
            made = self._items.pop()(this=made, expression=self._product())
        return made

    def _product(self) -> Any:
        made = self._operand()
        while self._next_is(_PRODUCTS):
            made = self._items.pop()(this=made, expression=self._operand())
        return made

    def _operand(self) -> Any:
        if self._next_is((exp.Neg,)):  # a sign is of the sums' level: it takes the whole product behind it
            return self._items.pop()(this=self._product())
        if self._next_is((exp.BitwiseNot,)):
            return self._items.pop()(this=self._operand())
        return self._items.pop()
