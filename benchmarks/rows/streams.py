"""Messages sent back by a coroutine over asyncio's streams."""

from __future__ import annotations

import asyncio

from frame import SOCKET_LOAD, Announcer, LoopFactory, run_service, served

SIZE = 1024


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            writer.write(await reader.readexactly(SIZE))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _start(loop: asyncio.AbstractEventLoop) -> int:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    return port


@served(
    "streams echo 1 KiB",
    unit="messages/s",
    goal=1.2,
    client=(*SOCKET_LOAD, "echo", str(SIZE), "1"),
    bare="echo",
)
def streams_echo(factory: LoopFactory, announce: Announcer) -> None:
    run_service(factory, announce, _start)
