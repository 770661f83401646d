"""The local schema registry: what Confluent's client asks of it, the error codes it knows, and compatibility.

Here no broker runs. It may import everything.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import httpx
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from resources.endpoints import schema_registry
from resources.endpoints.loopback import LoopbackService

NUMBERS = count()


@pytest.fixture
def client(service: LoopbackService) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": service.base_url, "max.retries": 0}) as made:
        yield made


@pytest.fixture
def subject() -> str:
    return f"topic {next(NUMBERS)}?-value"


def record(*fields: dict[str, Any] | str, name: str = "Row") -> Schema:
    told = [{"name": field, "type": "long"} if isinstance(field, str) else field for field in fields]
    return Schema(json.dumps({"type": "record", "name": name, "fields": told}), "AVRO")


def optional(name: str) -> dict[str, Any]:
    return {"name": name, "type": ["null", "string"], "default": None}


def ask(service: LoopbackService, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    answer = httpx.request(method, f"{service.base_url}{path}", json=body)
    assert answer.headers["content-type"] == "application/vnd.schemaregistry.v1+json"
    return answer.status_code, answer.json()


def code(error: pytest.ExceptionInfo[SchemaRegistryError]) -> tuple[int, int]:
    return error.value.http_status_code, error.value.error_code


def test_a_schema_is_found_by_id_by_version_and_by_its_text(client: SchemaRegistryClient, subject: str) -> None:
    first, second = record("a"), record("a", optional("b"))
    ids = [client.register_schema(subject, schema) for schema in (first, second)]
    client.clear_caches()
    assert [json.loads(client.get_schema(id).schema_str) for id in ids] == [
        json.loads(schema.schema_str) for schema in (first, second)
    ]
    assert client.get_versions(subject) == [1, 2]
    assert client.get_version(subject, 1).schema_id == ids[0]
    latest = client.get_latest_version(subject)
    assert (latest.version, latest.schema_id, latest.subject) == (2, ids[1], subject)
    found = client.lookup_schema(subject, first)
    assert (found.version, found.schema_id) == (1, ids[0])
    assert subject in client.get_subjects()
    assert client.get_subjects(subject_prefix=subject[:-1]) == [subject]
    assert client.get_schema_types() == ["AVRO"]


def test_the_same_schema_has_one_id_in_all_subjects_and_one_version_in_each(
    service: LoopbackService, client: SchemaRegistryClient, subject: str
) -> None:
    schema = record("a", name=f"Of{next(NUMBERS)}")
    twin = Schema(json.dumps(json.loads(schema.schema_str), indent=3), "AVRO")
    id = client.register_schema(subject, schema)
    assert client.register_schema(subject, twin) == id
    assert client.register_schema(f"{subject}-2", twin) == id
    assert client.get_versions(subject) == [1]
    assert ask(service, "GET", f"/schemas/ids/{id}/subjects") == (200, [subject, f"{subject}-2"])
    told = [{"subject": name, "version": 1} for name in (subject, f"{subject}-2")]
    assert ask(service, "GET", f"/schemas/ids/{id}/versions") == (200, told)


def test_a_second_process_sees_what_the_first_registered(
    service: LoopbackService, client: SchemaRegistryClient, subject: str
) -> None:
    name = f"Of{next(NUMBERS)}"
    schema, later = record("a", name=name), record("a", optional("b"), name=name)
    id = client.register_schema(subject, schema)
    code = """if True:
        import sys
        from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
        url, subject, id, later = sys.argv[1:]
        client = SchemaRegistryClient({"url": url})
        assert client.get_schema(int(id)).schema_str == client.get_latest_version(subject).schema.schema_str
        assert client.test_compatibility(subject, Schema(later, "AVRO"))
        print(client.register_schema(subject, Schema(later, "AVRO")))
    """
    run = subprocess.run(
        [sys.executable, "-c", code, service.base_url, subject, str(id), later.schema_str],
        capture_output=True,
        text=True,
        check=True,
    )
    assert client.lookup_schema(subject, later).schema_id == int(run.stdout) != id


# ------------------------------------------------------------------ compatibility

GROWN_WITH_DEFAULT = (record("a"), record("a", optional("b")))
GROWN = (record("a"), record("a", "b"))
SHRUNK = (record("a", "b"), record("a"))
RETYPED = (record("a"), record({"name": "a", "type": "string"}))
WIDENED = (record({"name": "a", "type": "int"}), record("a"))
RENAMED = (record("a"), record("a", name="Other"))


@pytest.mark.parametrize(
    ("level", "steps", "fits"),
    [
        ("BACKWARD", GROWN_WITH_DEFAULT, True),
        ("BACKWARD", GROWN, False),
        ("BACKWARD", SHRUNK, True),
        ("BACKWARD", RETYPED, False),
        ("BACKWARD", WIDENED, True),
        ("BACKWARD", RENAMED, False),
        ("FORWARD", GROWN, True),
        ("FORWARD", SHRUNK, False),
        ("FORWARD", WIDENED, False),
        ("FULL", GROWN_WITH_DEFAULT, True),
        ("FULL", GROWN, False),
        ("FULL", SHRUNK, False),
        ("NONE", RETYPED, True),
        # The third schema fits the second, but not the first.
        ("BACKWARD", (*SHRUNK, record("a", {"name": "b", "type": "string", "default": ""})), True),
        ("BACKWARD_TRANSITIVE", (*SHRUNK, record("a", {"name": "b", "type": "string", "default": ""})), False),
        ("FORWARD", (*GROWN, record("a", {"name": "b", "type": "long"}, "c")), True),
        (
            "FORWARD_TRANSITIVE",
            (record(optional("a"), "b"), record("b"), record({"name": "a", "type": "int"}, "b")),
            False,
        ),
        ("FULL_TRANSITIVE", (*GROWN_WITH_DEFAULT, record("a", optional("b"), optional("c"))), True),
    ],
)
def test_the_level_decides_which_schema_may_follow(
    client: SchemaRegistryClient, subject: str, level: str, steps: Sequence[Schema], fits: bool
) -> None:
    *earlier, last = steps
    client.set_compatibility(subject, "NONE")
    ids = [client.register_schema(subject, schema) for schema in earlier]
    client.set_compatibility(subject, level)
    assert client.get_compatibility(subject) == level
    assert client.test_compatibility_all_versions(subject, last) is fits
    if fits:
        assert client.register_schema(subject, last) not in ids
    else:
        with pytest.raises(SchemaRegistryError) as refused:
            client.register_schema(subject, last)
        assert code(refused) == (409, 409)
        assert client.get_versions(subject) == list(range(1, len(steps)))


def test_a_schema_is_checked_against_the_version_that_was_asked_for(client: SchemaRegistryClient, subject: str) -> None:
    text = record({"name": "a", "type": "string"})
    client.set_compatibility(subject, "NONE")
    client.register_schema(subject, record("a"))
    client.register_schema(subject, text)
    client.set_compatibility(subject, "BACKWARD")
    assert not client.test_compatibility(subject, text, 1)
    assert client.test_compatibility(subject, text, 2)
    assert client.test_compatibility(subject, text)


def test_a_refusal_says_what_does_not_fit_and_where(
    service: LoopbackService, client: SchemaRegistryClient, subject: str
) -> None:
    client.register_schema(subject, GROWN[0])
    with pytest.raises(SchemaRegistryError, match=r"reader_field_missing_default_value at /fields/1: b \(version 1\)"):
        client.register_schema(subject, GROWN[1])
    body = {"schema": GROWN[1].schema_str}
    path = f"/compatibility/subjects/{subject.replace('?', '%3F')}/versions/latest?verbose=true"
    status, told = ask(service, "POST", path, body)
    assert status == 200
    assert told["is_compatible"] is False
    assert told["messages"] == ["reader_field_missing_default_value at /fields/1: b (version 1)"]


def test_a_subject_follows_the_global_level_until_it_has_its_own(service: LoopbackService) -> None:
    own = schema_registry.start()
    with SchemaRegistryClient({"url": own.base_url}) as client:
        assert client.get_compatibility() == "BACKWARD"
        client.set_compatibility(level="NONE")
        client.register_schema("s", RETYPED[0])
        client.register_schema("s", RETYPED[1])
        with pytest.raises(SchemaRegistryError) as unset:
            client.get_compatibility("s")
        assert code(unset) == (404, 40408)
        client.set_compatibility("s", "FULL")
        assert not client.test_compatibility("s", RETYPED[0])
        assert ask(own, "GET", "/config/other?defaultToGlobal=true") == (200, {"compatibilityLevel": "NONE"})
        assert ask(own, "DELETE", "/config/s") == (200, {"compatibilityLevel": "FULL"})
        assert client.test_compatibility("s", RETYPED[0])
        assert ask(own, "DELETE", "/config") == (200, {"compatibilityLevel": "NONE"})
        assert client.get_compatibility() == "BACKWARD"
    own.stop()


# ------------------------------------------------------------------ deletion


def test_a_deleted_subject_is_gone_but_for_its_ids_until_it_is_deleted_for_good(
    client: SchemaRegistryClient, subject: str
) -> None:
    schema = record("a", name=f"Of{next(NUMBERS)}")
    id = client.register_schema(subject, schema)
    client.set_compatibility(subject, "FULL")
    with pytest.raises(SchemaRegistryError) as early:
        client.delete_subject(subject, permanent=True)
    assert code(early) == (404, 40405)
    assert client.delete_subject(subject) == [1]
    client.clear_caches()
    assert subject not in client.get_subjects()
    assert subject in client.get_subjects(deleted=True)
    assert client.get_versions(subject, deleted=True) == [1]
    assert json.loads(client.get_schema(id).schema_str) == json.loads(schema.schema_str)
    with pytest.raises(SchemaRegistryError) as twice:
        client.delete_subject(subject)
    assert code(twice) == (404, 40404)
    assert client.delete_subject(subject, permanent=True) == [1]
    client.clear_caches()
    assert subject not in client.get_subjects(deleted=True)
    for asked in (
        lambda: client.get_versions(subject),
        lambda: client.lookup_schema(subject, schema),
        lambda: client.delete_subject(subject),
    ):
        with pytest.raises(SchemaRegistryError) as gone:
            asked()
        assert code(gone) == (404, 40401)
    with pytest.raises(SchemaRegistryError) as no_id:
        client.get_schema(id)
    assert code(no_id) == (404, 40403)
    with pytest.raises(SchemaRegistryError):
        client.get_compatibility(subject)


def test_a_schema_that_comes_back_after_deletion_is_a_new_version_with_its_old_id(
    client: SchemaRegistryClient, subject: str
) -> None:
    id = client.register_schema(subject, record("a"))
    client.delete_subject(subject)
    client.clear_caches()
    assert client.register_schema(subject, record("a")) == id
    assert client.get_versions(subject) == [2]
    assert client.get_versions(subject, deleted=True) == [1, 2]


def test_a_deleted_version_binds_no_later_one(client: SchemaRegistryClient, subject: str) -> None:
    client.register_schema(subject, RETYPED[0])
    client.delete_subject(subject)
    client.register_schema(subject, RETYPED[1])
    assert client.get_versions(subject) == [2]


def test_one_version_is_deleted_without_the_others(client: SchemaRegistryClient, subject: str) -> None:
    for schema in GROWN_WITH_DEFAULT:
        client.register_schema(subject, schema)
    with pytest.raises(SchemaRegistryError) as early:
        client.delete_version(subject, 1, permanent=True)
    assert code(early) == (404, 40407)
    assert client.delete_version(subject, 1) == 1
    assert client.get_versions(subject) == [2]
    assert client.get_versions(subject, deleted=True) == [1, 2]
    with pytest.raises(SchemaRegistryError) as twice:
        client.delete_version(subject, 1)
    assert code(twice) == (404, 40406)
    assert client.delete_version(subject, 1, permanent=True) == 1
    assert client.get_versions(subject, deleted=True) == [2]
    client.delete_version(subject, 2)
    client.delete_version(subject, 2, permanent=True)
    assert subject not in client.get_subjects(deleted=True)


# ------------------------------------------------------------------ what is refused


def test_what_is_not_there_is_told_by_confluents_codes(
    service: LoopbackService, client: SchemaRegistryClient, subject: str
) -> None:
    with pytest.raises(SchemaRegistryError) as no_subject:
        client.get_latest_version(subject)
    assert code(no_subject) == (404, 40401)
    client.register_schema(subject, record("a"))
    with pytest.raises(SchemaRegistryError) as no_version:
        client.get_version(subject, 7)
    assert code(no_version) == (404, 40402)
    with pytest.raises(SchemaRegistryError) as no_schema:
        client.lookup_schema(subject, record("b"))
    assert code(no_schema) == (404, 40403)
    path = f"/subjects/{subject.replace('?', '%3F')}/versions"
    for number in ("0", "soon", "4294967296"):
        status, told = ask(service, "GET", f"{path}/{number}")
        assert (status, told["error_code"]) == (422, 42202)
    assert ask(service, "GET", "/nowhere") == (404, {"error_code": 404, "message": "HTTP 404 Not Found"})
    assert ask(service, "GET", "/mode") == (200, {"mode": "READWRITE"})
    assert ask(service, "GET", "/") == (200, {})


@pytest.mark.parametrize(
    "schema",
    [
        Schema("{", "AVRO"),
        Schema('{"type": "record", "name": "R"}', "AVRO"),
        Schema('{"type": "record", "name": "a b", "fields": []}', "AVRO"),
        Schema("{}", "JSON"),
    ],
)
def test_what_is_no_avro_schema_is_refused(client: SchemaRegistryClient, subject: str, schema: Schema) -> None:
    with pytest.raises(SchemaRegistryError) as refused:
        client.register_schema(subject, schema)
    assert code(refused) == (422, 42201)
    assert subject not in client.get_subjects(deleted=True)


@pytest.mark.parametrize(("body", "status", "code"), [(b"{", 400, 400), (b"[]", 400, 400), (b"{}", 422, 42201)])
def test_a_request_that_makes_no_sense_is_refused(
    service: LoopbackService, body: bytes, status: int, code: int
) -> None:
    answer = httpx.post(f"{service.base_url}/subjects/s/versions", content=body)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)


@pytest.mark.parametrize("body", [{"compatibility": "SOMEHOW"}, {"compatibility": None}, {}])
def test_a_level_that_does_not_exist_is_refused(service: LoopbackService, body: Any) -> None:
    assert ask(service, "PUT", "/config", body)[1]["error_code"] == 42203


def test_two_registries_run_side_by_side_and_a_stopped_one_is_gone() -> None:
    first, second = schema_registry.start(), schema_registry.start()
    first.stop()
    first.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(first.base_url)
    assert ask(second, "GET", "/subjects") == (200, [])
    second.stop()
