"""Messages sent back by a protocol."""

from __future__ import annotations

import asyncio
import os

from frame import SOCKET_LOAD, Announcer, LoopFactory, run_service, served


class Echo(asyncio.Protocol):
    """Sends back what it receives."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = transport.write  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._write(data)


async def _start(loop: asyncio.AbstractEventLoop) -> int:
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    return port


# Decorators apply from the last to the first.
@served(
    "echo 100 KiB",
    unit="messages/s",
    goal=1.1,
    client=(*SOCKET_LOAD, "echo", "102400", "1"),
    bare="echo",
)
@served(
    "echo 1 KiB, 50 connections",
    unit="messages/s",
    goal=1.2,
    client=(*SOCKET_LOAD, "echo", "1024", "50"),
)
@served(
    "echo 1 KiB",
    unit="messages/s",
    goal=1.2,
    client=(*SOCKET_LOAD, "echo", "1024", "1"),
    bare="echo",
)
def echo(factory: LoopFactory, announce: Announcer) -> None:
    run_service(factory, announce, _start)


@served(
    "echo 1 KiB, Unix socket",
    unit="messages/s",
    client=(*SOCKET_LOAD, "echo", "1024", "1"),
    bare="echo-unix",
)
def unix_echo(factory: LoopFactory, announce: Announcer) -> None:
    async def start(loop: asyncio.AbstractEventLoop) -> str:
        # A name of Linux's own, of which no file is left when the process is killed.
        name = f"benchmark-echo-{os.getpid()}"
        await loop.create_unix_server(Echo, f"\0{name}")
        return f"@{name}"

    run_service(factory, announce, start)
