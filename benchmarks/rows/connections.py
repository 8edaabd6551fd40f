"""Connections made by the loop, and accepted by it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from frame import (
    CLIENTS,
    SOCKET_LOAD,
    Announcer,
    LoopFactory,
    measured,
    rate_of,
    run_service,
    served,
)

BATCH = 200


@measured("connects", unit="connections/s", goal=1.2)
def connects(loop: asyncio.AbstractEventLoop, seconds: float) -> float:
    async def connect(port: int) -> None:
        for _ in range(BATCH):
            transport, _protocol = await loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
            transport.abort()

    with _acceptor() as port:

        def batch() -> int:
            loop.run_until_complete(connect(port))
            return BATCH

        return rate_of(batch, seconds)


@contextmanager
def _acceptor() -> Iterator[int]:
    """A process that accepts connections and drops them."""
    command = [sys.executable, str(CLIENTS / "acceptor.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


class Greeter(asyncio.Protocol):
    """Says a word to whoever connects, and leaves."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(b"hello")  # type: ignore[attr-defined]
        transport.close()


@served("accepts", unit="connections/s", client=(*SOCKET_LOAD, "connections", "4"), bare="greet")
def accepts(factory: LoopFactory, announce: Announcer) -> None:
    run_service(factory, announce, _start)


async def _start(loop: asyncio.AbstractEventLoop) -> int:
    server = await loop.create_server(Greeter, "127.0.0.1", 0, backlog=1024)
    port: int = server.sockets[0].getsockname()[1]
    return port
