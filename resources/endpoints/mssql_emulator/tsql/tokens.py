"""The words of a T-SQL batch, and a cursor over them.

Here lives what every parser of this package walks on; what the words mean lives in `batch`, `dml` and `ddl`.
It may import `engine` and sqlglot's tokenizer.
"""

from collections.abc import Iterator, Sequence

from sqlglot.dialects.tsql import TSQL
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType

from resources.endpoints.mssql_emulator.engine import SqlError
from resources.endpoints.mssql_emulator.tsql.reserved import RESERVED

__all__ = ["STARTS", "Cursor", "Name", "Token", "TokenType", "checked_identifier", "refused", "tokenize", "word"]

Name = tuple[str, ...]
"""The parts of a name, outermost first; a part left out (`db..t`) is empty."""

_TEXTS = {TokenType.STRING, TokenType.NATIONAL_STRING, TokenType.IDENTIFIER, TokenType.HEX_STRING, TokenType.NUMBER}
_NAMES_HERE = {"CURRENT", "PRIMARY", "DEFAULT"}
"""Reserved words that stand where a name could: ALTER DATABASE CURRENT, ON PRIMARY."""
_FOREIGN = {"LIMIT", "ILIKE", "RLIKE", "REGEXP", "QUALIFY", "DISTRIBUTE BY", "SORT BY"}
_NOT_BEHIND = {"(": (",",), ",": (",", ")", "FROM", ";"), "SELECT": (",", "FROM", ")"), "AS": (")", ",")}
"""What sqlglot passes over in silence."""
_FOREIGN_TYPES = {TokenType.DCOLON, TokenType.DPIPE, TokenType.NULLSAFE_EQ, TokenType.ARROW, TokenType.DARROW}


STARTS = {
    *("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "DECLARE", "SET", "IF", "WHILE", "BEGIN", "END", "ELSE"),
    *("COMMIT", "ROLLBACK", "SAVE", "EXEC", "EXECUTE", "PRINT", "RAISERROR", "RETURN", "BREAK", "CONTINUE", "GOTO"),
    *("WAITFOR", "USE", "CREATE", "ALTER", "DROP", "TRUNCATE", "GRANT", "REVOKE", "DENY", "DBCC", "BULK", "BACKUP"),
    *("RESTORE", "CHECKPOINT", "KILL", "OPEN", "CLOSE", "DEALLOCATE", "UPDATE STATISTICS"),
}
"""Words that begin a statement, wherever they stand."""


class _Tokenizer(TSQL.Tokenizer):
    COMMANDS = set()  # noqa: RUF012  (a command swallows the rest of the batch unread)


_DIALECT = TSQL()


def refused(construct: str, line: int = 1) -> SqlError:
    """The error of everything that this endpoint does not execute, naming it."""
    return SqlError(102, f"Incorrect syntax near '{construct}': this endpoint does not execute it.", line=line)


def nested_too_deeply(line: int = 1) -> SqlError:
    """The error of a statement whose parts stand in one another more often than can be followed."""
    return SqlError(191, "Some part of your SQL statement is nested too deeply.", severity=15, line=line)


def word(token: Token) -> str:
    """A keyword or bare name in upper case; empty for literals and quoted names."""
    return "" if token.token_type in _TEXTS else token.text.upper()


def tokenize(text: str) -> list[Token]:
    """Return the tokens of a text; `@name`, `@@name` and `#name` are one token each. Raises SqlError 105, 102.

    What sqlglot's grammar knows of other dialects and T-SQL does not is refused here, where it can still be seen.
    """
    try:
        found = _Tokenizer(dialect=_DIALECT).tokenize(text)
    except TokenError as error:
        raise SqlError(105, f"Unclosed quotation mark or comment: {str(error).splitlines()[0]}", severity=15) from None
    tokens: list[Token] = []
    for token in found:
        previous = tokens[-1] if tokens else None
        if previous is not None and _joins(previous, token):
            tokens[-1] = _joined(previous, token)
            continue
        if previous is not None and word(token) in _NOT_BEHIND.get(word(previous), ()):
            raise refused(token.text, token.line)
        if previous is not None and word(previous) == "NULLS" and word(token) in ("FIRST", "LAST"):
            raise refused(f"NULLS {token.text}", token.line)
        if token.token_type in _FOREIGN_TYPES or word(token) in _FOREIGN or _foreign(previous, token):
            raise refused(token.text, token.line)
        tokens.append(token)
    return tokens


def _foreign(previous: Token | None, token: Token) -> bool:
    """`==`, and a plus sign behind `* / %`: sqlglot forgets it, and there it would take the whole product."""
    signed = token.token_type is TokenType.PLUS and previous is not None and word(previous) in ("*", "/", "%")
    return signed or word(token) == "=="


def _joins(previous: Token, token: Token) -> bool:
    adjacent = token.start == previous.end + 1
    return adjacent and set(previous.text) <= {"@", "#"} and previous.token_type not in _TEXTS


def _joined(previous: Token, token: Token) -> Token:
    kind = TokenType.VAR if set(token.text) - {"@", "#"} else previous.token_type
    return Token(kind, previous.text + token.text, line=token.line, col=token.col, start=previous.start, end=token.end)


class Cursor:
    """A place in a list of tokens."""

    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self.text = text
        self.tokens = tokens
        self.at = 0

    def __bool__(self) -> bool:
        return self.at < len(self.tokens)

    @property
    def line(self) -> int:
        """The line of the current token, or of the last one."""
        return self.tokens[min(self.at, len(self.tokens) - 1)].line if self.tokens else 1

    def peek(self, ahead: int = 0) -> Token | None:
        """The token that many places ahead."""
        place = self.at + ahead
        return self.tokens[place] if 0 <= place < len(self.tokens) else None

    def word(self, ahead: int = 0) -> str:
        """The keyword or symbol there; empty for literals, quoted names and the end."""
        token = self.peek(ahead)
        return word(token) if token else ""

    def take(self) -> Token:
        """Move past the current token and return it. Raises SqlError 102 at the end."""
        token = self.peek()
        if token is None:
            raise SqlError(102, "Incorrect syntax near the end of the batch.", severity=15, line=self.line)
        self.at += 1
        return token

    def accept(self, *words: str) -> bool:
        """Move past these words if they come next."""
        if all(self.word(ahead) == expected for ahead, expected in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def accept_any(self, *words: str) -> str:
        """Move past one of these words and return it; empty if none comes next."""
        found = self.word()
        if found and found in words:
            self.at += 1
            return found
        return ""

    def expect(self, *words: str) -> None:
        """Move past these words. Raises SqlError 102."""
        if not self.accept(*words):
            raise self.wrong()

    def wrong(self) -> SqlError:
        """The error of a word that has no place here."""
        token = self.peek()
        return refused(token.text if token else "end of statement", self.line)

    def end(self) -> None:
        """Raise SqlError 102 unless everything has been read."""
        if self:
            raise self.wrong()

    def identifier(self) -> str:
        """Take a name, bare or quoted. Raises SqlError 102, 103."""
        token = self.take()
        bare = token.token_type not in _TEXTS and (token.text[0].isalpha() or token.text[0] in "_@#$")
        if (token.token_type is not TokenType.IDENTIFIER and not bare) or word(token) in RESERVED - _NAMES_HERE:
            self.at -= 1
            raise self.wrong()
        return checked_identifier(token.text)

    def name(self) -> Name:
        """Take a name of one to four parts."""
        parts = []
        while self.word() == "." and self.accept("."):  # `..procedure` leaves database and schema out
            parts.append("")
        parts.append(self.identifier())
        while self.accept("."):
            parts.append("" if self.word() == "." else self.identifier())
        if len(parts) > 4:
            raise self.wrong()
        return tuple(parts)

    def string(self) -> str:
        """Take a string literal."""
        token = self.take()
        if token.token_type not in (TokenType.STRING, TokenType.NATIONAL_STRING):
            self.at -= 1
            raise self.wrong()
        return token.text

    def integer(self) -> int:
        """Take a whole number, with its sign."""
        sign = -1 if self.accept("-") else 1
        token = self.take()
        if token.token_type is not TokenType.NUMBER or not token.text.isdigit():
            self.at -= 1
            raise self.wrong()
        return sign * int(token.text)

    def wrapped(self) -> "Cursor":
        """Take what stands between the parentheses that begin here."""
        if self.word() != "(":
            raise self.wrong()
        start = self.at + 1
        depth = 0
        while True:
            found = word(self.take())
            depth += (found == "(") - (found == ")")
            if depth == 0:
                return self.part(start, self.at - 1)

    def part(self, start: int, end: int | None = None) -> "Cursor":
        """A cursor of its own over some of the tokens."""
        return Cursor(self.text, self.tokens[start:end])

    def until(self, *words: str) -> "Cursor":
        """Take everything before the first of these words outside parentheses and CASE."""
        start = self.at
        for place, found in self.top_level():
            if found in words:
                self.at = place
                return self.part(start, place)
        self.at = len(self.tokens)
        return self.part(start)

    def top_level(self) -> Iterator[tuple[int, str]]:
        """Yield place and word of every token from here on that is outside parentheses and CASE ... END."""
        depth = cases = 0
        for place in range(self.at, len(self.tokens)):
            found = word(self.tokens[place])
            if found == ")":
                depth -= 1
            if depth == 0 and cases == 0 and found:
                yield place, found
            if found == "(":
                depth += 1
            elif found == "CASE":
                cases += 1
            elif found == "END" and cases:
                cases -= 1

    def split(self, separator: str = ",") -> list["Cursor"]:
        """Return what stands between separators, from here to the end; nothing where nothing is left."""
        if not self:
            return []
        start, parts = self.at, []
        for place, found in list(self.top_level()):
            if found == separator:
                parts.append(self.part(start, place))
                start = place + 1
        parts.append(self.part(start))
        self.at = len(self.tokens)
        return parts

    def source(self) -> str:
        """The text from here to the end."""
        rest = self.tokens[self.at :]
        return self.text[rest[0].start : rest[-1].end + 1] if rest else ""


def checked_identifier(name: str) -> str:
    """Return the name. PostgreSQL cuts names at 63 bytes, which this endpoint does not let happen (103)."""
    if len(name.encode()) > 63:
        start = name[:128]
        raise SqlError(103, f"The identifier that starts with '{start}' is too long. Maximum length here is 63 bytes.")
    return name
