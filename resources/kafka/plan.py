"""What a load publishes: for every step the events that come of it, told before any broker is spoken to.

Here live descriptions of events; producing and folding them is not done here. It may import `matrix_defs` and the types
table beside it.

A topic is a log that is never mutated: a load folds what the topic holds by key, runs its steps on the fold and on the
staged rows, and publishes the difference, at most one event per key; appending publishes one per row. An event names
the load that wrote it, and no strategy: the load's artifact does.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any

from matrix_defs.errors import UnsupportedStepError
from matrix_defs.ports import DELETE, UPSERT, Load, LoadTarget, Step
from matrix_defs.table import Column, LogicalType
from resources.kafka.types import TYPES, object_schema
from resources.sql_plan import Plan
from resources.sql_tables import STATE_TABLE

_STATE_KEY = (Column("target", LogicalType.TEXT, nullable=False),)
COMMIT = "commit_position"
"""What stands in place of a step where a load ends."""


@dataclass(frozen=True)
class Events:
    """Events of one kind that a step gives rise to."""

    op: str
    """`upsert` carries a value, `delete` is a tombstone."""
    per: str
    """`key`: at most one event per key; `row`: one per row."""
    which: str
    """The keys or rows that have one, in words."""


class KafkaDialect:
    """Kafka's way of saying the steps: as events."""

    types = TYPES

    # Partitions of a topic are shards of a log, chosen by key, not by value:
    # https://kafka.apache.org/documentation/#intro_concepts_and_terms
    replace_partitions = None
    # An event cannot be changed once it is written, so no version can be closed in place:
    # https://kafka.apache.org/documentation/#design_compactionbasics
    close_changed = None
    close_absent = None
    open_versions = None

    def dedupe_staged(self, plan: Plan) -> tuple[Events, ...]:
        """Keep the last staged change per key, in memory."""
        return ()

    def swap_in(self, plan: Plan) -> tuple[Events, ...]:
        """Publish a new generation, and a tombstone for every key that it lacks."""
        return (
            Events(UPSERT, "key", "every staged row"),
            Events(DELETE, "key", "every key that the topic holds and no staged row has"),
        )

    def insert_staged(self, plan: Plan) -> tuple[Events, ...]:
        """Publish every staged row that is no delete; where no other step looks at keys, they may repeat."""
        per = "row" if plan.steps == (Step.INSERT_STAGED,) else "key"
        return (Events(UPSERT, per, "every staged row that is no delete"),)

    def insert_missing(self, plan: Plan) -> tuple[Events, ...]:
        """Publish the staged rows whose key the fold does not hold once the steps before have run."""
        return (Events(UPSERT, "key", "every staged row whose key is not held, or was held with another row_hash"),)

    def delete_staged_keys(self, plan: Plan) -> tuple[Events, ...]:
        """Publish a tombstone for every staged delete; the event of an upsert overrides what the key held."""
        return (Events(DELETE, "key", "every key that is held and staged as a delete"),)

    def delete_changed(self, plan: Plan) -> tuple[Events, ...]:
        """Publish nothing: the event of the new row overrides the old one."""
        return ()

    def delete_absent_keys(self, plan: Plan) -> tuple[Events, ...]:
        """Publish a tombstone for every key that the source no longer holds; nothing where that is unknown."""
        return (Events(DELETE, "key", "every key that is held and that the source no longer holds"),)

    def delete_window(self, plan: Plan) -> tuple[Events, ...]:
        """Publish a tombstone for every key inside the load's window that is not staged again."""
        return (Events(DELETE, "key", "every key that is held inside the window and not staged again"),)

    @property
    def supported_steps(self) -> frozenset[Step]:
        """The steps that have a method; one that Kafka cannot do is None above, with the reason beside it."""
        return frozenset(step for step in Step if getattr(self, step) is not None)

    def plan(self, target: LoadTarget, load: Load, steps: Sequence[Step]) -> list[str]:
        """Describe the events of a load: one JSON document per step, then that of the position.

        Raises UnsupportedStepError.
        """
        plan = Plan(target, load, tuple(steps))
        return [*(_document(self._step(step, plan)) for step in steps), _document(_commit(target, load))]

    def _step(self, step: Step, plan: Plan) -> dict[str, Any]:
        method = getattr(self, step)
        if method is None:
            raise UnsupportedStepError(f"Kafka has no step {step}; the matrix excludes the cases that need it")
        target = plan.target
        value, key = object_schema(target.table.columns), object_schema(target.table.key_columns)
        events = [_event(kind, key, value, plan.load) for kind in method(plan)]
        if target.keeps_hash:
            events = [_with_hash(event) for event in events]
        topic = f"{target.namespace}.{target.table.name}"
        return {"step": step, "does": cleandoc(method.__doc__), "topic": topic, "events": events}


def _event(kind: Events, key: Any, value: Any, load: Load) -> dict[str, Any]:
    headers = {
        "op": kind.op,
        "load_id": load.load_id,
        "loaded_at": f"{load.loaded_at:%Y-%m-%dT%H:%M:%S.%fZ}",
    }
    return {
        "which": kind.which,
        "at_most_one_per": kind.per,
        "headers": headers,
        "key": key,
        "value": value if kind.op == UPSERT else None,
    }


def _with_hash(event: dict[str, Any]) -> dict[str, Any]:
    """An upsert tells its row hash beside the load, so that a fold needs to decode no value."""
    if event["value"] is None:
        return event
    return {**event, "headers": {**event["headers"], "row_hash": "the row's hash, an integer of 64 bits"}}


def _commit(target: LoadTarget, load: Load) -> dict[str, Any]:
    position = {
        "type": "object",
        "properties": {
            "position": {"type": ["object", "null"], "description": "The position that the load reached."},
            "offsets": {"type": "object", "description": "Per partition where the target's log ended with the load."},
        },
        "required": ["position", "offsets"],
    }
    event = _event(Events(UPSERT, "key", "the target"), object_schema(_STATE_KEY), position, load)
    topic = f"{target.namespace}.{STATE_TABLE}"
    does = "Publish the position, last of all; in the transaction of the events where the broker has one."
    return {"step": COMMIT, "does": does, "topic": topic, "compacted": True, "events": [event]}


def _document(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2)
