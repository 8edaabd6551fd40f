"""Asks a web server again and again on some connections: PORT CONNECTIONS REQUESTS-EACH."""

from __future__ import annotations

import asyncio
import sys

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def client(port: int, requests: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(requests):
        writer.write(REQUEST)
        await reader.readuntil(b"ok")
    writer.close()
    await writer.wait_closed()


async def main(port: int, connections: int, requests: int) -> None:
    await asyncio.gather(*[client(port, requests) for _ in range(connections)])


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
