"""Tasks: giving way to each other, and being made and gathered."""

from __future__ import annotations

import asyncio

from frame import measured, rate_of

TASKS = 10
TURNS = 5_000
SPAWNED = 10_000


@measured("sleep(0)", unit="sleeps/s", goal=1.1)
def sleep_zero(loop: asyncio.AbstractEventLoop, seconds: float) -> float:
    async def give_way() -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def all_of_them() -> None:
        await asyncio.gather(*(give_way() for _ in range(TASKS)))

    def batch() -> int:
        loop.run_until_complete(all_of_them())
        return TASKS * TURNS

    return rate_of(batch, seconds)


@measured("tasks", unit="tasks/s", goal=1.1)
def tasks(loop: asyncio.AbstractEventLoop, seconds: float) -> float:
    async def nothing() -> None:
        pass

    async def spawn() -> None:
        await asyncio.gather(*(loop.create_task(nothing()) for _ in range(SPAWNED)))

    def batch() -> int:
        loop.run_until_complete(spawn())
        return SPAWNED

    return rate_of(batch, seconds)
