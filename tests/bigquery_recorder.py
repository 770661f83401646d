"""A server on loopback that answers like BigQuery's REST API, keeps no row and writes down all that it is asked.

It speaks TLS and hands out a token, so that clients go the way that they go to the real service. Here live no tests
and no SQL: what a script selects is told to it. It may import the standard library and cryptography.
"""

import ipaddress
import json
import re
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

PROJECT, LOCATION = "acme-test", "EU"
TOKEN = "canary-t0ken"
_JOB_ID = re.compile("[0-9a-f-]{36}")
_NAME = re.compile("(?<=/datasets/)[^/]+")
_API = f"/bigquery/v2/projects/{PROJECT}"

Answer = tuple[int, Any]
"""Status and body."""


@dataclass(frozen=True)
class Asked:
    """One request. `path` is short of the query and of what all paths of the project begin with."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes
    headers: Mapping[str, str]

    @property
    def kind(self) -> str:
        """Method and path without a job's id or a dataset's name."""
        return f"{self.method} {_NAME.sub('*', _JOB_ID.sub('*', self.path))}"

    @property
    def job_id(self) -> str:
        """The job's id in the path, empty where there is none."""
        found = _JOB_ID.search(self.path)
        return found[0] if found else ""


@dataclass
class Refusal:
    """Requests of a kind are refused, as long as `times` lasts; if `carried_out` only their answer is lost."""

    kind: str
    answer: Answer | None
    times: float
    carried_out: bool = False
    of: str = ""
    """Only requests about jobs that have this text in their configuration."""


@dataclass
class Failure:
    """Jobs that have a text in their configuration end by an error, as long as `times` lasts."""

    text: str
    told: dict[str, str]
    times: float


@dataclass
class Recorder:
    """What the server was asked, and what it is told to answer."""

    base_url: str
    asked: list[Asked] = field(default_factory=list)
    selects: dict[str, Any] = field(default_factory=dict)
    """What every script's last statement selects: by name an integer, or a list of texts."""
    polls: float = 0
    """How often a job says that it is still running."""
    endless: str | None = None
    """Jobs that have this text in their configuration never say anything else."""
    meanwhile: Callable[[Asked], None] = lambda asked: None
    """What happens between a request and its answer: time may pass."""
    _failures: list[Failure] = field(default_factory=list)
    _failed: dict[str, dict[str, str]] = field(default_factory=dict)
    _refusals: list[Refusal] = field(default_factory=list)
    _jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    _uploads: dict[str, dict[str, Any]] = field(default_factory=dict)
    _polled: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    # ------------------------------------------------------------------ what tests say and ask

    def refuse(
        self, kind: str, status: int, reason: str = "", message: str = "no", times: float = float("inf"), **more: Any
    ) -> None:
        """Answer requests of this kind by an error."""
        self._refusals.append(Refusal(kind, _error(status, reason, message), times, **more))

    def fail(self, text: str, reason: str, message: str, times: float = float("inf")) -> None:
        """End jobs that have this text in their configuration by an error."""
        self._failures.append(Failure(text, {"reason": reason, "message": message}, times))

    def refuse_token(self, error: str, description: str) -> None:
        """Hand out no token, in OAuth's words."""
        self._refusals.append(
            Refusal("POST /token", (400, {"error": error, "error_description": description}), float("inf"))
        )

    def hang_up(self, kind: str, *, carried_out: bool, times: float = 1) -> None:
        """End the connection of requests of this kind without an answer."""
        self._refusals.append(Refusal(kind, None, times, carried_out))

    def jobs(self, kind: str = "") -> list[dict[str, Any]]:
        """What the jobs of a kind (`query`, `load`, `copy`), or all, were begun with, in order."""
        return [job for job in self._jobs.values() if not kind or kind in job["configuration"]]

    def ids(self, text: str) -> list[str]:
        """The ids of the jobs that have this text in their configuration, in order."""
        return [job_id for job_id, job in self._jobs.items() if text in json.dumps(job["configuration"])]

    def scripts(self) -> list[str]:
        """The texts of all query jobs, in order."""
        return [job["configuration"]["query"]["query"] for job in self.jobs("query")]

    def cancelled(self) -> list[str]:
        """The ids of the jobs that were to be cancelled, in order."""
        return [asked.job_id for asked in self.asked if asked.kind == "POST /jobs/*/cancel"]

    def kinds(self) -> Counter[str]:
        """How many requests of each kind there were."""
        return Counter(asked.kind for asked in self.asked)

    # ------------------------------------------------------------------ what the server does

    def answer(self, asked: Asked) -> Answer | None:
        """Write a request down and return its answer; None ends the connection."""
        with self._lock:
            self.asked.append(asked)
            self.meanwhile(asked)
            for refusal in self._refusals:
                about = json.dumps(self._jobs.get(asked.job_id))
                if refusal.times and refusal.kind == asked.kind and refusal.of in about:
                    refusal.times -= 1
                    if refusal.carried_out:
                        self._serve(asked)
                    return refusal.answer
            return self._serve(asked)

    def _serve(self, asked: Asked) -> Answer:
        match asked.kind:
            case "POST /token":
                return 200, {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
            case "GET /datasets":
                return 200, {"kind": "bigquery#datasetList"}
            case "POST /datasets" | "POST /datasets/*/tables":
                return 200, json.loads(asked.body)
            case "DELETE /datasets/*":
                return 200, {}
            case "POST /jobs":
                return self._begin(json.loads(asked.body))
            case "POST /upload/jobs":
                sent = json.loads(asked.body)
                self._uploads[sent["jobReference"]["jobId"]] = sent
                return 200, {"Location": f"{self.base_url}/upload{_API}/jobs/{sent['jobReference']['jobId']}"}
            case "PUT /upload/jobs/*":
                return self._begin(self._uploads[asked.job_id])
        return self._serve_begun(asked)

    def _serve_begun(self, asked: Asked) -> Answer:
        job_id = asked.job_id
        if job_id in self._jobs:
            match asked.kind:
                case "GET /jobs/*":
                    return 200, self._job(job_id)
                case "POST /jobs/*/cancel":
                    return 200, {"job": self._job(job_id)}
                case "GET /queries/*":
                    return 200, self._results(job_id)
        return _error(404, "notFound", f"Not found: {asked.kind}")

    def _begin(self, sent: dict[str, Any]) -> Answer:
        job_id = sent["jobReference"]["jobId"]
        if job_id in self._jobs:
            return _error(409, "duplicate", f"Already Exists: Job {PROJECT}:{LOCATION}.{job_id}")
        self._jobs[job_id] = sent
        for failure in self._failures:
            if failure.times and failure.text in json.dumps(sent["configuration"]):
                failure.times -= 1
                self._failed[job_id] = failure.told
        return 200, self._job(job_id)

    def _job(self, job_id: str) -> dict[str, Any]:
        sent = self._jobs[job_id]
        self._polled[job_id] += 1
        endless = self.endless is not None and self.endless in json.dumps(sent["configuration"])
        running = endless or self._polled[job_id] <= self.polls
        status: dict[str, Any] = {"state": "RUNNING" if running else "DONE"}
        if told := self._failed.get(job_id):
            status = {"state": "DONE", "errorResult": told, "errors": [told]}
        told_of_query = {"statementType": "SCRIPT", "totalBytesProcessed": "0"}
        statistics = {"query": told_of_query} if "query" in sent["configuration"] else {}
        return {**sent, "status": status, "statistics": statistics}

    def _results(self, job_id: str) -> dict[str, Any]:
        fields = [
            {"name": name, "type": "STRING", "mode": "REPEATED"}
            if isinstance(value, list)
            else {"name": name, "type": "INTEGER", "mode": "NULLABLE"}
            for name, value in self.selects.items()
        ]
        cells = [
            {"v": [{"v": text} for text in value] if isinstance(value, list) else str(value)}
            for value in self.selects.values()
        ]
        return {
            "jobReference": self._jobs[job_id]["jobReference"],
            "jobComplete": True,
            "schema": {"fields": fields},
            "rows": [{"f": cells}] if cells else [],
            "totalRows": str(int(bool(cells))),
        }


@contextmanager
def recording(folder: Path) -> Iterator[Recorder]:
    """Yield a recorder that listens on the loopback interface with the certificate in the folder."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "private.pem")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def serve(self) -> None:
            url = urlsplit(self.path)
            path, query = url.path.replace(_API, ""), dict(parse_qsl(url.query))
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = recorder.answer(Asked(self.command, path, query, body, headers))
            if answer is None:
                self.close_connection = True
                return
            status, told = answer
            written = json.dumps(told).encode()
            self.send_response(status)
            for name in ("Location",) if "Location" in told else ():
                self.send_header(name, told[name])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = serve  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        recorder = Recorder(f"https://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield recorder
        finally:
            server.shutdown()
            thread.join()


def make_certificate(folder: Path) -> None:
    """Write `ca.pem`, a certificate of 127.0.0.1, and `private.pem`, its key, to a folder."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "private.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def service_account(folder: Path, base_url: str) -> dict[str, str]:
    """Return what a service account's key file holds whose tokens come from the server."""
    return {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "1",
        "private_key": (folder / "private.pem").read_text(),
        "client_email": f"loader@{PROJECT}.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"{base_url}/token",
    }


def _error(status: int, reason: str, message: str) -> Answer:
    told = {"reason": reason, "message": message, "domain": "global"}
    return status, {"error": {"code": status, "message": message, "errors": [told] if reason else []}}
