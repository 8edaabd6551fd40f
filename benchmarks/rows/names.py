"""Looking up what needs no looking up: an address."""

from __future__ import annotations

import asyncio
import socket

from frame import measured, rate_of

BATCH = 1_000


@measured("getaddrinfo, literal", unit="lookups/s", goal=1.2)
def getaddrinfo_literal(loop: asyncio.AbstractEventLoop, seconds: float) -> float:
    async def look_up() -> None:
        for _ in range(BATCH):
            await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)

    def batch() -> int:
        loop.run_until_complete(look_up())
        return BATCH

    return rate_of(batch, seconds)
