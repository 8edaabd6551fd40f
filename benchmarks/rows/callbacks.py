"""Callbacks: scheduled in a batch, with arguments, one after the other, from another thread."""

from __future__ import annotations

import asyncio
import threading

from frame import measured, rate_of

BATCH = 20_000


def _nothing(*arguments: object) -> None:
    pass


@measured("call_soon", unit="callbacks/s", goal=2.0)
def call_soon(loop: asyncio.AbstractEventLoop, seconds: float) -> float:
    def batch() -> int:
        for _ in range(BATCH):
            loop.call_soon(_nothing)
        loop.call_soon(loop.stop)
        loop.run_forever()
        return BATCH

    return rate_of(batch, seconds)


@measured("call_soon, 3 arguments", unit="callbacks/s", goal=2.0)
def call_soon_with_arguments(loop: asyncio.AbstractEventLoop, seconds: float) -> float:
    def batch() -> int:
        for number in range(BATCH):
            loop.call_soon(_nothing, number, "two", loop)
        loop.call_soon(loop.stop)
        loop.run_forever()
        return BATCH

    return rate_of(batch, seconds)


@measured("chained", unit="callbacks/s", goal=1.1)
def chained(loop: asyncio.AbstractEventLoop, seconds: float) -> float:
    def batch() -> int:
        left = BATCH

        def next_one() -> None:
            nonlocal left
            left -= 1
            if left:
                loop.call_soon(next_one)
            else:
                loop.stop()

        loop.call_soon(next_one)
        loop.run_forever()
        return BATCH

    return rate_of(batch, seconds)


@measured("call_soon_threadsafe", unit="callbacks/s", goal=1.1)
def call_soon_threadsafe(loop: asyncio.AbstractEventLoop, seconds: float) -> float:
    def from_thread() -> None:
        for _ in range(BATCH):
            loop.call_soon_threadsafe(_nothing)
        loop.call_soon_threadsafe(loop.stop)

    def batch() -> int:
        thread = threading.Thread(target=from_thread)
        loop.call_soon(thread.start)
        loop.run_forever()
        thread.join()
        return BATCH

    return rate_of(batch, seconds)
