"""Functions that run in threads."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from frame import measured, rate_of

BATCH = 1_000


@measured("run_in_executor", unit="calls/s")
def run_in_executor(loop: asyncio.AbstractEventLoop, seconds: float) -> float:
    async def call(executor: ThreadPoolExecutor) -> None:
        for _ in range(BATCH):
            await loop.run_in_executor(executor, int)

    with ThreadPoolExecutor(1) as executor:

        def batch() -> int:
            loop.run_until_complete(call(executor))
            return BATCH

        return rate_of(batch, seconds)
