"""TLS for tests: certificates made on the spot, and two ways to have a PostgreSQL behind them.

Here live no tests. One way ends TLS in front of any server, as poolers and cloud proxies do; the other is a server of
the system's that speaks TLS itself, because the one in the wheel is built without it. It may import `resources`.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from resources.endpoints import embedded_postgres
from resources.endpoints.ports import free_port
from resources.endpoints.supervised import Supervised

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_DAY = timedelta(days=1)
_SYSTEM = Path("/usr/lib/postgresql")


class Authority:
    """A certificate authority in a folder of its own."""

    def __init__(self, folder: Path, name: str = "tests") -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        built = self._builder(self._name, self._key, now - _DAY, now + _DAY)
        built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(built.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, ends: timedelta = _DAY) -> tuple[Path, Path]:
        """Return the files of a certificate for an address or a host name, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        bears: x509.GeneralName
        try:
            bears = x509.IPAddress(ip_address(name))
        except ValueError:
            bears = x509.DNSName(name)
        built = self._builder(subject, key, now - 2 * _DAY, now + ends)
        built = built.add_extension(x509.SubjectAlternativeName([bears]), critical=False)
        certificate, private = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        signed = built.sign(self._key, hashes.SHA256())
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        private.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
        return certificate, private

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, start: datetime, end: datetime
    ) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        return builder.not_valid_before(start).not_valid_after(end)


@contextmanager
def tls_in_front_of(port: int, certificate: Path, key: Path) -> Iterator[int]:
    """Yield a port by which the PostgreSQL server at `port` is reached over TLS, and not without it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=_relay, args=(client, context, port), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def _relay(plain: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with suppress(OSError), plain:
        asked = plain.recv(8)
        if asked != _SSL_REQUEST:
            return
        plain.sendall(b"S")
        with (
            context.wrap_socket(plain, server_side=True) as client,
            socket.create_connection(("127.0.0.1", port)) as server,
        ):
            there = threading.Thread(target=_pump, args=(client, server), daemon=True)
            there.start()
            _pump(server, client)
            there.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(1 << 16):
            sink.sendall(chunk)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def tls_server(certificate: Path, key: Path, password: str) -> Iterator[int]:
    """Yield the port of a server that speaks TLS itself and admits nobody without; skip where the system has none."""
    found = sorted(_SYSTEM.glob("*/bin/postgres"))
    if not found:
        pytest.skip(f"no PostgreSQL with TLS in {_SYSTEM}")
    binaries, account = found[-1].parent, embedded_postgres._unprivileged()
    supervised = Supervised("matrix-postgres-tls-")
    try:
        if account:
            supervised.folder.chmod(0o711)
        home = supervised.folder / "home"
        home.mkdir()
        for name, content in (("cert", certificate.read_bytes()), ("key", key.read_bytes()), ("pw", password.encode())):
            (home / name).write_bytes(content)
            (home / name).chmod(0o600)
        if account:
            for path in (home, *home.iterdir()):
                embedded_postgres.os.chown(path, account.uid, account.gid)
        environment, data = embedded_postgres._ENVIRONMENT, home / "data"
        argv = [f"{binaries}/initdb", "-D", str(data), "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={home}/pw"]
        supervised.run([*argv, "--encoding=UTF8", "--locale=C", "--no-sync"], environment, account)
        (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
        settings = {**embedded_postgres.SETTINGS, "ssl": "on"}
        settings |= {"ssl_cert_file": f"{home}/cert", "ssl_key_file": f"{home}/key"}
        flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
        port = free_port()
        argv = [f"{binaries}/postgres", "-D", str(data), "-p", str(port), *flags]
        supervised.serve(argv, environment, embedded_postgres._READY, account)
        yield port
    finally:
        supervised.stop()


def role(sql: psycopg.Connection, name: str, password: str, *grants: str) -> None:
    """Make a role anew that may log in, and no more than the grants say."""
    sql.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    for grant in grants:
        sql.execute(grant)
