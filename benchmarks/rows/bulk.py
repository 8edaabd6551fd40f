"""A stream of bytes in one direction, as fast as it goes."""

from __future__ import annotations

import asyncio

from frame import Announcer, LoopFactory, run_service, served

CHUNK = bytes(256 * 1024)
AT_ONCE = 16


class Source(asyncio.Protocol):
    """Writes as long as the transport takes it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._paused = False
        self._fill()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._fill()

    def connection_lost(self, error: Exception | None) -> None:
        self._paused = True

    def _fill(self) -> None:
        for _ in range(AT_ONCE):
            if self._paused or self._transport.is_closing():
                return
            self._transport.write(CHUNK)  # type: ignore[attr-defined]
        # Of a client that is gone, some transports take whatever is written: the loop has to look.
        asyncio.get_running_loop().call_soon(self._fill)


@served("bulk received", unit="GB/s", goal=1.1, client=("bulk.py", "send"), bare="receive")
def bulk_received(factory: LoopFactory, announce: Announcer) -> None:
    run_service(factory, announce, lambda loop: _start(loop, asyncio.Protocol))


@served("bulk sent", unit="GB/s", goal=1.1, client=("bulk.py", "receive"), bare="send")
def bulk_sent(factory: LoopFactory, announce: Announcer) -> None:
    run_service(factory, announce, lambda loop: _start(loop, Source))


async def _start(loop: asyncio.AbstractEventLoop, protocol: type[asyncio.Protocol]) -> int:
    server = await loop.create_server(protocol, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    return port
