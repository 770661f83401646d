"""sqlglot as this endpoint uses it: queries, expressions and conditions, as T-SQL writes them.

Here lives how tokens become a syntax tree; what its nodes mean lives in `query` and `expressions`, which refuse every
node and every part of a node that they do not know. It may import `precedence`, `tokens` and sqlglot.

sqlglot would turn a call into what other dialects understand by it, and REAL into FLOAT. So calls are marked before it
sees them and arrive as a name and arguments, and CAST and CONVERT arrive as calls with the type's text as an argument.
"""

from collections.abc import Callable, Sequence

from sqlglot import exp
from sqlglot.dialects.tsql import TSQL
from sqlglot.errors import ParseError
from sqlglot.parsers.tsql import TSQLParser

from resources.endpoints.mssql_emulator.engine import SqlError
from resources.endpoints.mssql_emulator.tsql.precedence import grouped, in_question
from resources.endpoints.mssql_emulator.tsql.tokens import Cursor, Token, TokenType, nested_too_deeply, refused, word

CALL = "\u200b"
"""Stands before the name of a function, invisible in messages, so that sqlglot does not know the function."""

_CASTS = {"CAST", "TRY_CAST"}
_CONVERTS = {"CONVERT", "TRY_CONVERT"}
_READ_BY_SQLGLOT = {"STRING_AGG", "CASE"}
_NO_CALLS = {
    *("EXISTS", "VALUES", "APPLY", "ANY", "ALL", "SOME", "IN", "AND", "OR", "NOT", "XOR", "LIKE", "IS"),
    *("UNION", "EXCEPT", "INTERSECT", "INSERT", "SET", "UPDATE"),
}
_MARKED = {*TSQLParser.FUNCTIONS, *TSQLParser.FUNCTION_PARSERS, "LEFT", "RIGHT"} - _READ_BY_SQLGLOT - _NO_CALLS
_MARKED |= _CASTS | _CONVERTS
_DIALECT = TSQL()
_DEPTH = 250
"""How deep parentheses may go."""


def _prepared(tokens: Sequence[Token], text: str) -> list[Token]:
    """Return the tokens with calls marked, and types as strings."""
    made = list(tokens)
    for place, token in enumerate(tokens):
        after = word(tokens[place + 1]) if place + 1 < len(tokens) else ""
        if after != "(" or token.token_type in (TokenType.IDENTIFIER, TokenType.STRING, TokenType.NATIONAL_STRING):
            continue
        if made[place] is not token:  # part of a type
            continue
        name = word(token)
        aliased = place > 0 and word(tokens[place - 1]) == "AS"
        typed = token.token_type in TSQLParser.TYPE_TOKENS and token.token_type is not TokenType.VAR
        if aliased or name in _NO_CALLS or not (name in _MARKED or typed):
            continue
        made[place] = _like(token, TokenType.VAR, CALL + name)
        if name in _CASTS:
            cast = _place_of(made, place + 2, "AS")
            if word(made[cast]) != "AS":
                raise refused(f"{name} without AS", token.line)
            _hide_type(made, cast, text)
        elif name in _CONVERTS:
            _hide_type(made, place + 1, text, at_the_end=False)
    return _fetched(_inner([token for token in made if token.token_type is not TokenType.SPACE]))


_BEFORE_JOIN = {"INNER", "OUTER", "LEFT", "RIGHT", "FULL", "CROSS", "LOOP", "HASH", "MERGE", "REMOTE"}


def _inner(tokens: list[Token]) -> list[Token]:
    """INNER before a JOIN that stands alone: without ON sqlglot takes it for a comma, which needs none."""
    made: list[Token] = []
    for token in tokens:
        if word(token) == "JOIN" and made and word(made[-1]) not in _BEFORE_JOIN:
            made.append(_like(token, TokenType.INNER, "INNER"))
        made.append(token)
    return made


def _fetched(tokens: list[Token]) -> list[Token]:
    """FETCH NEXT @n ROWS, where sqlglot expects a number or parentheses."""
    made: list[Token] = []
    for place, token in enumerate(tokens):
        before = [word(other) for other in tokens[max(0, place - 2) : place]]
        if token.text.startswith("@") and before and before[0] == "FETCH" and before[-1] in ("FIRST", "NEXT"):
            made += [_like(token, TokenType.L_PAREN, "("), token, _like(token, TokenType.R_PAREN, ")")]
        else:
            made.append(token)
    return made


def _like(token: Token, kind: TokenType, text: str) -> Token:
    return Token(kind, text, line=token.line, col=token.col, start=token.start, end=token.end)


def _place_of(tokens: list[Token], start: int, sought: str) -> int:
    """Return the place of a word on this level of parentheses; of the closing one if it is not there."""
    depth = 0
    for place in range(start, len(tokens)):
        found = word(tokens[place])
        if depth == 0 and found in (sought, ")"):
            return place
        depth += (found == "(") - (found == ")")
    return len(tokens) - 1


def _hide_type(tokens: list[Token], before: int, text: str, *, at_the_end: bool = True) -> None:
    """Make one string of the tokens of a type, which begins behind `before`."""
    first = before + 1
    end = _place_of(tokens, first, ")" if at_the_end else ",")
    if first >= end:
        return
    if at_the_end:
        tokens[before] = _like(tokens[before], TokenType.COMMA, ",")
    written = text[tokens[first].start : tokens[end - 1].end + 1]
    if tokens[end - 1].end < tokens[first].start or not written.strip():
        written = " ".join(token.text for token in tokens[first:end])
    tokens[first] = _like(tokens[first], TokenType.STRING, written)
    for place in range(first + 1, end):
        tokens[place] = _like(tokens[place], TokenType.SPACE, "")


def _changetable(tokens: list[Token]) -> list[Token]:
    """CHANGETABLE(CHANGES t, v), which no other function's grammar has, as CHANGETABLE_CHANGES('t', v)."""
    made: list[Token] = []
    place = 0
    while place < len(tokens):
        words = [word(token) for token in tokens[place : place + 3]]
        if words[:2] == ["CHANGETABLE", "("] and words[2:] and words[2] in ("CHANGES", "VERSION"):
            end = _place_of(tokens, place + 3, ",")
            named = "\0".join(token.text for token in tokens[place + 3 : end] if word(token) != ".")
            made.append(_like(tokens[place], TokenType.VAR, f"CHANGETABLE_{words[2]}"))
            made.append(tokens[place + 1])
            made.append(_like(tokens[place + 2], TokenType.STRING, named))
            place = end
            continue
        made.append(tokens[place])
        place += 1
    return made


def _parse(tokens: list[Token], text: str, line: int) -> exp.Expression:
    depth = 0
    for token in tokens:
        depth += (word(token) == "(") - (word(token) == ")")
        if depth > _DEPTH:
            raise nested_too_deeply(line)
    words = [word(token) for token in tokens]
    if words.count("WHEN") != words.count("THEN"):
        raise refused("WHEN without THEN", line)
    try:
        found = TSQLParser(dialect=_DIALECT).parse(_prepared(_changetable(tokens), text), text)
    except ParseError as error:
        wrong = error.errors[0] if error.errors else {}
        near = str(wrong.get("highlight") or "").strip() or str(error).splitlines()[0]
        raise refused(near, int(wrong.get("line") or line)) from None
    except (ValueError, TypeError, AttributeError, LookupError) as error:  # sqlglot stumbles over words out of place
        raise refused(tokens[0].text if tokens else "end of statement", line) from error
    except RecursionError:
        raise nested_too_deeply(line) from None
    if len(found) != 1 or found[0] is None or isinstance(found[0], exp.Command):
        raise refused(tokens[0].text if tokens else "end of statement", line)
    tree: exp.Expression = found[0]  # type: ignore[assignment]  # every node is one; sqlglot says so of most
    return grouped(tree) if in_question(tokens) else tree


def parse_query(cursor: Cursor) -> exp.Query:
    """Return the tree of a SELECT, with whatever WITH stands before it. Raises SqlError 102, 191."""
    found = parse_tree(cursor)
    if not isinstance(found, exp.Query):
        raise refused(cursor.tokens[cursor.at].text, cursor.line)
    return found


def parse_tree(cursor: Cursor) -> exp.Expression:
    """Return the tree of a statement. Raises SqlError 102, 191."""
    return _parse(list(cursor.tokens[cursor.at :]), cursor.text, cursor.line)


def parse_expression(cursor: Cursor) -> exp.Expression:
    """Return the tree of an expression. Raises SqlError 102, 191."""
    token = cursor.peek()
    if token is not None and cursor.peek(1) is None:  # most values are one token, and there are many
        if token.token_type in _LITERALS:
            return _LITERALS[token.token_type](token.text)
        if token.text.startswith("@") and word(token):
            return variable(token.text)
    select = _select(cursor, ["SELECT"])
    if len(select.expressions) != 1:
        raise refused(cursor.source(), cursor.line)
    tree: exp.Expression = select.expressions[0]
    return tree


def variable(name: str) -> exp.Column:
    """Return the tree of a variable."""
    return exp.Column(this=exp.Identifier(this=name, quoted=False))


def parse_list(cursor: Cursor) -> list[exp.Expression]:
    """Return the trees of what a SELECT or OUTPUT clause lists."""
    return list(_select(cursor, ["SELECT"]).expressions)


def parse_condition(cursor: Cursor) -> exp.Expression:
    """Return the tree of a condition. Raises SqlError 102, 191."""
    where: exp.Where = _select(cursor, ["SELECT", "1", "WHERE"]).args["where"]
    condition: exp.Expression = where.this
    return condition


def parse_from(cursor: Cursor) -> exp.Select:
    """Return `SELECT * FROM ...`."""
    return _select(cursor, ["SELECT", "*", "FROM"])


_LITERALS: dict[TokenType, Callable[[str], exp.Expression]] = {
    TokenType.STRING: exp.Literal.string,
    TokenType.NUMBER: exp.Literal.number,
    TokenType.NATIONAL_STRING: lambda text: exp.National(this=text),
}

_WORDS = {
    "SELECT": TokenType.SELECT,
    "WHERE": TokenType.WHERE,
    "FROM": TokenType.FROM,
    "*": TokenType.STAR,
    "1": TokenType.NUMBER,
}
_KEPT = {"expressions", "from_", "joins", "laterals", "where"}


def _select(cursor: Cursor, words: list[str]) -> exp.Select:
    rest = list(cursor.tokens[cursor.at :])
    if not rest:
        raise SqlError(102, "Incorrect syntax near the end of the statement.", severity=15, line=cursor.line)
    front = [_like(rest[0], _WORDS[name], name) for name in words]
    found = _parse([*front, *rest], cursor.text, cursor.line)
    strange = [name for name, value in found.args.items() if value and name not in _KEPT]
    if not isinstance(found, exp.Select) or strange:
        raise refused(strange[0].strip("_").upper() if strange else rest[0].text, cursor.line)
    return found
