"""What the local schema registry holds: subjects, their versions, ids of schemas, and levels of compatibility.

Here live the rules of Confluent's registry for Avro, deletion in two steps included; HTTP is spoken in
`schema_registry`. It may import the avro library, which decides what is compatible.

https://docs.confluent.io/platform/current/schema-registry/develop/api.html tells the rules and the error codes.
"""

import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.errors import AvroException
from avro.schema import Schema, parse

LEVELS = ("NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE")
"""Which schemas may follow one another in a subject."""

_DEFAULT_LEVEL = "BACKWARD"


class RegistryError(Exception):
    """What the registry answers instead: an HTTP status, a code and a sentence."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass
class Version:
    """A schema under its number in a subject."""

    subject: str
    number: int
    id: int
    schema: str
    deleted: bool = False
    """It still can be read by its id."""


class SchemaStore:
    """Schemas of any number of subjects; lost when the process ends. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._subjects: dict[str, list[Version]] = {}
        self._levels: dict[str | None, str] = {None: _DEFAULT_LEVEL}
        self._last_id = 0

    # ------------------------------------------------------------------ writing

    def register(self, subject: str, text: str) -> Version:
        """Return the schema's version in the subject, a new one unless it is there. Raises RegistryError."""
        schema = canonical(text)
        with self._lock:
            versions = self._subjects.get(subject, [])
            for version in versions:
                if version.schema == schema and not version.deleted:
                    return version
            why = self._flaws(subject, schema, _there(versions))
            if why:
                message = f'Schema being registered is incompatible with an earlier schema for subject "{subject}"'
                raise RegistryError(409, 409, f"{message}, details: [{'; '.join(why)}]")
            number = max((version.number for version in versions), default=0) + 1
            added = Version(subject, number, self._id(schema), schema)
            self._subjects[subject] = [*versions, added]
            return added

    def delete_subject(self, subject: str, *, permanent: bool) -> list[int]:
        """Delete every version of a subject, its level too, and return their numbers. Raises RegistryError."""
        with self._lock:
            versions = self._versions(subject, deleted=True)
            there = _there(versions)
            if permanent and there:
                raise RegistryError(
                    404, 40405, f"Subject '{subject}' was not deleted first before being permanently deleted"
                )
            if not permanent and not there:
                raise RegistryError(
                    404, 40404, f"Subject '{subject}' was soft deleted. Set permanent=true to delete permanently"
                )
            gone = versions if permanent else there
            for version in gone:
                version.deleted = True
            if permanent:
                del self._subjects[subject]
            self._levels.pop(subject, None)
            return [version.number for version in gone]

    def delete_version(self, subject: str, number: str, *, permanent: bool) -> int:
        """Delete one version of a subject and return its number. Raises RegistryError."""
        with self._lock:
            version = self.version(subject, number, deleted=True)
            name = f"Subject '{subject}' Version {version.number}"
            if permanent and not version.deleted:
                raise RegistryError(404, 40407, f"{name} was not deleted first before being permanently deleted")
            if not permanent and version.deleted:
                raise RegistryError(404, 40406, f"{name} was soft deleted. Set permanent=true to delete permanently")
            version.deleted = True
            if permanent:
                self._subjects[subject].remove(version)
                if not self._subjects[subject]:
                    del self._subjects[subject]
            return version.number

    # ------------------------------------------------------------------ reading

    def subjects(self, *, deleted: bool = False, prefix: str = "") -> list[str]:
        """Return the names of subjects, sorted."""
        with self._lock:
            return sorted(
                name
                for name, versions in self._subjects.items()
                if name.startswith(prefix) and (deleted or _there(versions))
            )

    def versions(self, subject: str, *, deleted: bool = False) -> list[int]:
        """Return the numbers of a subject's versions, ascending. Raises RegistryError."""
        with self._lock:
            return [version.number for version in self._versions(subject, deleted=deleted)]

    def version(self, subject: str, number: str, *, deleted: bool = False) -> Version:
        """Return one version, `latest` included. Raises RegistryError."""
        with self._lock:
            versions = self._versions(subject, deleted=deleted)
            if number in ("latest", "-1"):
                return versions[-1]
            if not (number.isascii() and number.isdigit() and 0 < int(number) < 2**31):
                raise RegistryError(
                    422,
                    42202,
                    f"The specified version '{number}' is not a valid version id."
                    ' Allowed values are between [1, 2^31-1] and the string "latest"',
                )
            for version in versions:
                if version.number == int(number):
                    return version
        raise RegistryError(404, 40402, f"Version {number} not found.")

    def lookup(self, subject: str, text: str, *, deleted: bool = False) -> Version:
        """Return the version that has this schema. Raises RegistryError."""
        schema = canonical(text)
        with self._lock:
            for version in reversed(self._versions(subject, deleted=deleted)):
                if version.schema == schema:
                    return version
        raise RegistryError(404, 40403, "Schema not found")

    def by_id(self, id: int) -> list[Version]:
        """Return every version that has the schema of this id, deleted ones too. Raises RegistryError for none."""
        with self._lock:
            found = [version for version in self._all() if version.id == id]
        if not found:
            raise RegistryError(404, 40403, f"Schema {id} not found")
        return found

    # ------------------------------------------------------------------ compatibility

    def flaws(self, subject: str, text: str, number: str | None) -> list[str]:
        """Return why the schema may not follow that version, or, without one, those that the level names.

        Raises RegistryError.
        """
        schema = canonical(text)
        with self._lock:
            if number is not None:
                return self._flaws(subject, schema, [self.version(subject, number)])
            return self._flaws(subject, schema, _there(self._subjects.get(subject, [])))

    def level(self, subject: str | None, *, inherit: bool = True) -> str:
        """Return the level of a subject, or that of all others. Raises RegistryError where it has none of its own."""
        with self._lock:
            if subject in self._levels or inherit:
                return self._levels.get(subject, self._levels[None])
        raise RegistryError(404, 40408, f"Subject '{subject}' does not have subject-level compatibility configured")

    def set_level(self, subject: str | None, level: str) -> str:
        """Set the level of a subject, or that of all others. Raises RegistryError."""
        if level.upper() not in LEVELS:
            raise RegistryError(422, 42203, f"Invalid compatibility level. Valid values are {', '.join(LEVELS)}")
        with self._lock:
            self._levels[subject] = level.upper()
        return level.upper()

    def forget_level(self, subject: str | None) -> str:
        """Return the level that is given up; all others fall back to BACKWARD. Raises RegistryError."""
        with self._lock:
            level = self.level(subject, inherit=False)
            del self._levels[subject]
            self._levels.setdefault(None, _DEFAULT_LEVEL)
        return level

    # ------------------------------------------------------------------ their parts

    def _flaws(self, subject: str, schema: str, earlier: list[Version]) -> list[str]:
        level = self.level(subject)
        if level == "NONE":
            return []
        against = earlier if level.endswith("_TRANSITIVE") else earlier[-1:]
        kind = level.removesuffix("_TRANSITIVE")
        found: list[str] = []
        for version in against:
            if kind in ("BACKWARD", "FULL"):
                found += incompatibilities(reader=schema, writer=version.schema, version=version.number)
            if kind in ("FORWARD", "FULL"):
                found += incompatibilities(reader=version.schema, writer=schema, version=version.number)
        return found

    def _id(self, schema: str) -> int:
        """A schema has one id, whatever subjects it is registered in."""
        for version in self._all():
            if version.schema == schema:
                return version.id
        self._last_id += 1
        return self._last_id

    def _all(self) -> Iterator[Version]:
        return (version for versions in self._subjects.values() for version in versions)

    def _versions(self, subject: str, *, deleted: bool) -> list[Version]:
        versions = self._subjects.get(subject, [])
        found = versions if deleted else _there(versions)
        if not found:
            raise RegistryError(404, 40401, f"Subject '{subject}' not found.")
        return found


def canonical(text: str) -> str:
    """Return an Avro schema without its blanks. Raises RegistryError for what is none."""
    try:
        _parsed(text)
    except (AvroException, ValueError) as error:
        raise RegistryError(422, 42201, f"Invalid schema: {' '.join(str(error).split())}") from error
    return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)


def incompatibilities(*, reader: str, writer: str, version: int) -> list[str]:
    """Return why `reader` cannot read what `writer` wrote, `version` being the number of the older of the two."""
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    told = checker.get_compatibility(_parsed(reader), _parsed(writer))
    if told.compatibility is SchemaCompatibilityType.compatible:
        return []
    kinds = ", ".join(dict.fromkeys(kind.value for kind in told.incompatibilities))
    return [f"{kinds} at {', '.join(sorted(told.locations))}: {', '.join(sorted(told.messages))} (version {version})"]


@lru_cache(maxsize=256)
def _parsed(text: str) -> Schema:
    """Compatibility is a matter of Avro's own types; of logical ones the library knows some and warns of the others."""
    told = json.loads(text, object_hook=lambda object: {k: v for k, v in object.items() if k != "logicalType"})
    return parse(json.dumps(told))


def _there(versions: Iterable[Version]) -> list[Version]:
    return [version for version in versions if not version.deleted]
