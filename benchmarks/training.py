"""What a profile-guided build learns from: the ways through the engine that programs take often.

    python benchmarks/training.py

maturin runs it with an instrumented build, in an environment that has nothing but zloop. It is the
compiler that is to learn from it: how long anything takes does not matter.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
import tempfile
from pathlib import Path

from frame import ROWS
from rows import (
    callbacks,
    connections,
    datagrams,
    echo,
    executors,
    names,
    processes,
    tasks,
    timers,
)

import zloop

SECONDS = 0.2
SIZES = (64, 1024, 16 * 1024, 300 * 1024)
MESSAGES = 400

Contexts = tuple[ssl.SSLContext, ssl.SSLContext] | tuple[None, None]


class Client(asyncio.Protocol):
    """Sends messages, each once the one before has come back, and closes."""

    def __init__(self, size: int) -> None:
        self._message = bytes(size)
        self._missing = 0
        self._left = MESSAGES
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._left -= 1
        self._missing = len(self._message)
        self._transport.write(self._message)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._missing -= len(data)
        if self._missing == 0:
            if self._left == 0:
                self._transport.close()
            else:
                self._send()

    def connection_lost(self, error: Exception | None) -> None:
        self.ended.set_result(error)


def main() -> None:
    for module in (callbacks, connections, executors, names, processes, tasks, timers):
        for row in [row for row in ROWS.values() if row.module == module.__name__]:
            if row.measure is not None:
                with contextlib.closing(zloop.new_event_loop()) as loop:
                    row.measure(loop, SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        certificate = _certificate(Path(folder))
        asyncio.run(_traffic(certificate), loop_factory=zloop.new_event_loop)


def _certificate(folder: Path) -> Path:
    """A certificate and its key, made on the spot."""
    path = folder / "localhost.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    subprocess.run(
        [
            *command.split(),
            "-subj",
            "/CN=localhost",
            "-keyout",
            path,
            "-out",
            folder / "certificate",
        ],
        check=True,
        capture_output=True,
    )
    with path.open("a") as whole:
        whole.write((folder / "certificate").read_text())
    return path


async def _traffic(certificate: Path) -> None:
    await _echo((None, None))
    await _echo(_contexts(ssl.SSLContext, certificate))
    await _echo(_contexts(zloop.SSLContext, certificate))
    await _datagrams()
    await _sockets()


def _contexts(kind: type[ssl.SSLContext], certificate: Path) -> Contexts:
    server, client = kind(ssl.PROTOCOL_TLS_SERVER), kind(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(certificate)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    return server, client


async def _echo(contexts: Contexts) -> None:
    """Protocols and streams, on one connection and on many."""
    loop = asyncio.get_running_loop()
    server_context, client_context = contexts
    host = None if client_context is None else "localhost"
    async with await loop.create_server(echo.Echo, "127.0.0.1", 0, ssl=server_context) as server:
        address = server.sockets[0].getsockname()

        async def talk(size: int) -> None:
            _, protocol = await loop.create_connection(
                lambda: Client(size), *address, ssl=client_context, server_hostname=host
            )
            await protocol.ended

        for size in SIZES:
            await talk(size)
        await asyncio.gather(*(talk(1024) for _ in range(20)))
        reader, writer = await asyncio.open_connection(
            *address, ssl=client_context, server_hostname=host
        )
        for _ in range(MESSAGES):
            writer.write(bytes(1024))
            await writer.drain()
            await reader.readexactly(1024)
        for _ in range(50):
            writer.write(bytes(256 * 1024))
            await reader.readexactly(256 * 1024)
        writer.close()
        await writer.wait_closed()


async def _datagrams() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(datagrams.Echo, local_addr=("127.0.0.1", 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.setblocking(False)
        peer.connect(transport.get_extra_info("sockname"))
        for flight in (1, 16):
            for _ in range(MESSAGES):
                for _ in range(flight):
                    peer.send(bytes(1024))
                for _ in range(flight):
                    await loop.sock_recv(peer, 2048)
    transport.close()


async def _sockets() -> None:
    """Sockets that the program keeps: by sock_*, and by add_reader."""
    loop = asyncio.get_running_loop()
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        right.setblocking(False)
        loop.add_reader(right, lambda: right.send(right.recv(2048)))
        for _ in range(MESSAGES * 4):
            await loop.sock_sendall(left, bytes(1024))
            await loop.sock_recv(left, 2048)
        loop.remove_reader(right)


if __name__ == "__main__":
    main()
