"""Timers: those that are cancelled before their time, as most are, and those that fire."""

from __future__ import annotations

import asyncio

from frame import measured, rate_of

BATCH = 20_000


def _nothing() -> None:
    pass


@measured("timers cancelled", unit="timers/s", goal=1.2)
def timers_cancelled(loop: asyncio.AbstractEventLoop, seconds: float) -> float:
    def batch() -> int:
        timers = [loop.call_later(60 + number % 100, _nothing) for number in range(BATCH)]
        for timer in timers:
            timer.cancel()
        loop.call_soon(loop.stop)
        loop.run_forever()
        return BATCH

    return rate_of(batch, seconds)


@measured("timers fired", unit="timers/s", goal=1.5)
def timers_fired(loop: asyncio.AbstractEventLoop, seconds: float) -> float:
    """After 1 to 2 ms, and most are due once all are scheduled: nobody waits long.

    Less than half a millisecond is no time at all for uvloop, which calls back at once then.
    """

    def batch() -> int:
        for number in range(BATCH):
            loop.call_later(1e-3 + (number % 100) * 1e-5, _nothing)
        loop.call_later(2e-3, loop.stop)
        loop.run_forever()
        return BATCH

    return rate_of(batch, seconds)
