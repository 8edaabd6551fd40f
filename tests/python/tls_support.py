"""Certificates, contexts and peers for the tests of TLS."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import zloop

LIMIT = 20
"""Seconds after which a test that waits has failed."""

CA = trustme.CA()


def _client_only() -> trustme.LeafCert:
    """A certificate of the server's name whose purpose is that of clients."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = x509.load_pem_x509_certificate(CA.cert_pem.bytes())
    signer = serialization.load_pem_private_key(CA.private_key_pem.bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=True)
        .sign(signer, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key_pem = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return trustme.LeafCert(key_pem, certificate.public_bytes(pem), [])


SERVER = CA.issue_cert("localhost", "127.0.0.1")
CLIENT = CA.issue_cert("client@example.org")
OTHER_NAME = CA.issue_cert("elsewhere.example")
_LONG_AGO = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
EXPIRED = CA.issue_cert("localhost", not_before=_LONG_AGO, not_after=_LONG_AGO.replace(year=2002))
CLIENT_ONLY = _client_only()
STRANGER = trustme.CA().issue_cert("localhost")

ENGINES: dict[str, type[ssl.SSLContext]] = {"ssl": ssl.SSLContext, "rustls": zloop.SSLContext}


def server_context(
    kind: type[ssl.SSLContext] = ssl.SSLContext, cert: trustme.LeafCert = SERVER
) -> ssl.SSLContext:
    context = kind(ssl.PROTOCOL_TLS_SERVER)
    cert.configure_cert(context)
    return context


def client_context(kind: type[ssl.SSLContext] = ssl.SSLContext) -> ssl.SSLContext:
    context = kind(ssl.PROTOCOL_TLS_CLIENT)
    CA.configure_trust(context)
    return context


class Recorder(asyncio.Protocol):
    """Keeps what it is told, and lets a test wait for the end."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport
        self.data = bytearray()
        self.told: list[str] = []
        self.made = loop.create_future()
        self.lost = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.told.append("made")
        self.made.set_result(None)

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> None:
        self.told.append("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost")
        self.lost.set_result(exc)


class Echo(Recorder):
    """Sends back what comes."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.write(data)


@contextmanager
def peer(talk: Callable[[socket.socket], None]) -> Iterator[tuple[str, int]]:
    """A blocking server of one connection, in a thread; its failure is the test's."""
    listener = socket.create_server(("127.0.0.1", 0))
    failures: list[BaseException] = []

    def serve() -> None:
        try:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(LIMIT)
                talk(connection)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        thread.join(LIMIT)
        listener.close()
    if failures:
        raise failures[0]
