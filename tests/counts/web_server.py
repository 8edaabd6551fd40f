"""Answers HTTP requests on zloop, and marks two moments: FIRST LAST, in requests since the start."""

from __future__ import annotations

import asyncio
import os
import sys

import zloop


class Web(asyncio.Protocol):
    """Writes head and body apart, as HTTP servers do."""

    answered = 0
    marks: frozenset[int] = frozenset()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if Web.answered in Web.marks:
            os.getppid()
        Web.answered += 1
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")  # type: ignore[attr-defined]
        self._transport.write(b"ok")  # type: ignore[attr-defined]


async def main() -> None:
    Web.marks = frozenset(map(int, sys.argv[1:]))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Web, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)


if __name__ == "__main__":
    zloop.run(main())
