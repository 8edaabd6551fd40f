"""Certificates, contexts and peers for the tests of TLS."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import zloop

LIMIT = 20
"""Seconds after which a test that waits has failed."""

CA = trustme.CA()


def _made_for(*purposes: x509.ObjectIdentifier, self_signed: bool = False) -> trustme.LeafCert:
    """A certificate of the server's name for some purposes, by the authority or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    signer: object = key
    if not self_signed:
        issuer = x509.load_pem_x509_certificate(CA.cert_pem.bytes()).subject
        signer = serialization.load_pem_private_key(CA.private_key_pem.bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=True)
        .sign(signer, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key_pem = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return trustme.LeafCert(key_pem, certificate.public_bytes(pem), [])


def encrypted_key(password: bytes) -> bytes:
    """The server's key, in PEM."""
    key = serialization.load_pem_private_key(SERVER.private_key_pem.bytes(), None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    )


SERVER = CA.issue_cert("localhost", "127.0.0.1")
CLIENT = CA.issue_cert("client@example.org")
OTHER_NAME = CA.issue_cert("elsewhere.example")
_LONG_AGO = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
EXPIRED = CA.issue_cert("localhost", not_before=_LONG_AGO, not_after=_LONG_AGO.replace(year=2002))
CLIENT_ONLY = _made_for(ExtendedKeyUsageOID.CLIENT_AUTH)
SERVER_ONLY = _made_for(ExtendedKeyUsageOID.SERVER_AUTH)
SELF_SIGNED = _made_for(
    ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH, self_signed=True
)
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


type Address = tuple[str, int] | str

PLACES = ("tcp", "unix")


def place_of(name: str, folder: Path) -> Path | None:
    """Where to listen: a Unix socket's path, or None for a TCP port."""
    return folder / "socket" if name == "unix" else None


async def serve(
    place: Path | None, factory: Callable[[], asyncio.Protocol], context: ssl.SSLContext
) -> tuple[asyncio.Server, Address]:
    """A TLS server there, and its address."""
    loop = asyncio.get_running_loop()
    if place is not None:
        return await loop.create_unix_server(factory, str(place), ssl=context), str(place)
    server = await loop.create_server(factory, "127.0.0.1", 0, ssl=context)
    return server, server.sockets[0].getsockname()


async def connect(
    address: Address, factory: Callable[[], Recorder], context: ssl.SSLContext
) -> Recorder:
    """A client's protocol, connected to the server at the address."""
    loop = asyncio.get_running_loop()
    if isinstance(address, str):
        made = await loop.create_unix_connection(
            factory, address, ssl=context, server_hostname="localhost"
        )
    else:
        made = await loop.create_connection(
            factory, *address, ssl=context, server_hostname="localhost"
        )
    return made[1]


def listen(place: Path | None) -> tuple[socket.socket, Address]:
    """A blocking listening socket there, and its address."""
    if place is not None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(place))
        listener.listen()
        address: Address = str(place)
    else:
        listener = socket.create_server(("127.0.0.1", 0))
        address = listener.getsockname()
    listener.settimeout(LIMIT)
    return listener, address


def accept(listener: socket.socket) -> socket.socket:
    """A blocking socket of the next connection."""
    connection, _ = listener.accept()
    connection.settimeout(LIMIT)
    return connection


def dial(address: Address) -> socket.socket:
    """A blocking socket that is connected to the address."""
    if not isinstance(address, str):
        return socket.create_connection(address, LIMIT)
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(LIMIT)
    sock.connect(address)
    return sock


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


class RawPeer:
    """The other side of a connection, record by record, over a blocking socket."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, server_side: bool) -> None:
        self.sock = sock
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if server_side else "localhost"
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side, name)

    def _fill(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError("the other side ended")
        self._incoming.write(data)

    def handshake(self, behind: bytes = b"") -> None:
        """Shake hands; `behind` goes out in one piece with the last of it."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.sock.sendall(self._outgoing.read())
                self._fill()
            else:
                self.sock.sendall(self._outgoing.read() + behind)
                return

    def encrypted(self, data: bytes) -> bytes:
        """The records that hold the data."""
        self.tls.write(data)
        return self._outgoing.read()

    def close_notify(self) -> bytes:
        """The record that says that no more will be sent."""
        with suppress(ssl.SSLWantReadError, ssl.SSLSyscallError):
            self.tls.unwrap()
        return self._outgoing.read()

    def receive(self) -> bytes:
        """Some data, or nothing once the other side sent its close_notify."""
        while True:
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                self._fill()
            except ssl.SSLZeroReturnError:
                return b""

    def finish(self) -> None:
        """Send FIN, and wait for the other side's."""
        self.sock.shutdown(socket.SHUT_WR)
        while self.sock.recv(65536):
            pass

    def reset(self) -> None:
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


async def meet(
    role: str,
    kind: type[ssl.SSLContext],
    talk: Callable[[RawPeer], None],
    factory: Callable[[], Recorder] = lambda: Recorder(),
    version: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
) -> tuple[Recorder, asyncio.Task[None]]:
    """Connect our client or server to `talk` in a thread, by TLS: our protocol, and the thread.

    `talk` begins when our protocol has been told of the connection.
    """
    made = threading.Event()
    ours = server_context(kind) if role == "server" else client_context(kind)
    ours.maximum_version = version

    def run(open_socket: Callable[[], socket.socket]) -> None:
        with open_socket() as sock:
            theirs = client_context() if role == "server" else server_context()
            peer = RawPeer(sock, theirs, role == "client")
            peer.handshake()
            made.wait(LIMIT)
            talk(peer)

    if role == "client":
        listener, address = listen(None)
        with listener:
            thread = asyncio.create_task(asyncio.to_thread(run, lambda: accept(listener)))
            try:
                return await connect(address, factory, ours), thread
            finally:
                made.set()
    accepted = asyncio.get_running_loop().create_future()

    def make() -> Recorder:
        accepted.set_result(factory())
        return accepted.result()

    server, address = await serve(None, make, ours)
    thread = asyncio.create_task(asyncio.to_thread(run, lambda: dial(address)))
    protocol: Recorder = await accepted
    await protocol.made
    made.set()
    server.close()
    return protocol, thread


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
