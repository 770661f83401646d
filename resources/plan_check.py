"""Whether a planned statement is what it claims to be: parsed in its system's dialect, or checked against a schema.

Here live the checks of statements; which statements a case has is said by `matrix_defs.contract_plans`.
It may import `matrix_defs`, `sql`, sqlglot and jsonschema.
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import sqlglot
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from sqlglot import exp
from sqlglot.errors import SqlglotError

from matrix_defs.ports import Load, LoadTarget, Step
from resources.kafka.plan import KafkaDialect
from resources.sql import Dialect

_STATEMENTS = (
    exp.Query,
    exp.DML,
    exp.DDL,
    exp.Drop,
    exp.Alter,
    exp.TruncateTable,
    exp.Set,
    exp.Declare,
    exp.Transaction,
    exp.Commit,
    exp.Rollback,
)
"""What a statement may parse to: sqlglot also reads many a text that is none as an expression with an alias."""


class _Examiner(ABC):
    """Examines statements; one that was seen before costs nothing."""

    def __init__(self) -> None:
        self._flaws: dict[str, str] = {}

    def flaw(self, statement: str) -> str:
        """Return why the statement is none of the system's, in one line; empty where it is one."""
        if statement not in self._flaws:
            self._flaws[statement] = self._examined(statement)
        return self._flaws[statement]

    @abstractmethod
    def _examined(self, statement: str) -> str: ...


class SqlPlanner(_Examiner):
    """A SQL system's plans, parsed by sqlglot."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__()
        self._dialect = dialect

    @property
    def supported_steps(self) -> frozenset[Step]:
        """The steps that the dialect can render."""
        return self._dialect.supported_steps

    def plan(self, target: LoadTarget, load: Load, steps: Sequence[Step]) -> list[str]:
        """Render every statement of a load. Raises UnsupportedStepError."""
        return self._dialect.plan(target, load, steps)

    def frame(self, target: LoadTarget) -> list[str]:
        """Render what is created before the first load and dropped at the end."""
        dialect = self._dialect
        statements = [
            *dialect.create_namespace(target.namespace),
            *dialect.create_target(target),
            *dialect.create_state(target),
            dialect.read_position(target),
            *dialect.drop_namespace(target.namespace),
        ]
        return [statement.text for statement in statements]

    def _examined(self, statement: str) -> str:
        if any(re.fullmatch(pattern, statement) for pattern, _ in self._dialect.opaque_templates):
            return ""
        try:
            parsed = sqlglot.parse(statement, read=self._dialect.sqlglot)
        except SqlglotError as error:
            return f"no {self._dialect.sqlglot}: {_one_line(error)}: {_shown(statement)}"
        if not any(parsed):
            return f"nothing is left of it in {self._dialect.sqlglot}: {_shown(statement)}"
        opaque = [part for part in parsed if part and (not isinstance(part, _STATEMENTS) or part.find(exp.Command))]
        return f"{self._dialect.sqlglot} cannot look into it: {_shown(statement)}" if opaque else ""


class KafkaPlanner(_Examiner):
    """Kafka's plans, checked against the published schema of events."""

    def __init__(self, dialect: KafkaDialect, schema: dict[str, Any]) -> None:
        super().__init__()
        self._dialect = dialect
        self._schema = schema

    @property
    def supported_steps(self) -> frozenset[Step]:
        """The steps that Kafka can do."""
        return self._dialect.supported_steps

    def plan(self, target: LoadTarget, load: Load, steps: Sequence[Step]) -> list[str]:
        """Describe every event of a load. Raises UnsupportedStepError."""
        return self._dialect.plan(target, load, steps)

    def frame(self, target: LoadTarget) -> list[str]:
        """Return nothing: a topic is made with its first event and named in the plan."""
        return []

    def _examined(self, statement: str) -> str:
        try:
            error = best_match(self._validator.iter_errors(json.loads(statement)))
        except ValueError as invalid:
            return f"no JSON: {_one_line(invalid)}: {_shown(statement)}"
        return f"{error.json_path}: {_one_line(error)}" if error else ""

    @cached_property
    def _validator(self) -> Draft202012Validator:
        Draft202012Validator.check_schema(self._schema)
        return Draft202012Validator(self._schema)


def _one_line(error: Exception) -> str:
    text = re.sub(r"\x1b\[\d+m", "", str(error).splitlines()[0] if str(error) else type(error).__name__)
    return " ".join(text.split())[:200]


def _shown(statement: str) -> str:
    text = " ".join(statement.split())
    return text if len(text) <= 160 else text[:157] + "..."
