"""Child processes: started, and read from."""

from __future__ import annotations

import asyncio

from frame import measured, rate_of

SPAWNS = 20
MEGABYTES = 64


@measured("spawns", unit="processes/s", goal=1.1, bare="spawn")
def spawns(loop: asyncio.AbstractEventLoop, seconds: float) -> float:
    async def spawn() -> None:
        for _ in range(SPAWNS):
            process = await asyncio.create_subprocess_exec("true")
            await process.wait()

    def batch() -> int:
        loop.run_until_complete(spawn())
        return SPAWNS

    return rate_of(batch, seconds)


@measured("process pipe", unit="MB/s", goal=1.3, bare="pipe")
def process_pipe(loop: asyncio.AbstractEventLoop, seconds: float) -> float:
    async def read() -> None:
        process = await asyncio.create_subprocess_exec(
            "head",
            f"--bytes={MEGABYTES * 1_000_000}",
            "/dev/zero",
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        while await process.stdout.read(256 * 1024):
            pass
        await process.wait()

    def batch() -> int:
        loop.run_until_complete(read())
        return MEGABYTES

    return rate_of(batch, seconds)
