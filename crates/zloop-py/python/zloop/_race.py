"""A race of attempts that start one after another, as happy eyeballs has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable

from ._types import Connection
from ._typing import Any

type Attempt = Callable[[], Coroutine[Any, Any, Connection]]


async def first_to_connect(
    loop: asyncio.AbstractEventLoop, attempts: Iterable[Attempt], delay: float
) -> Connection | None:
    """Return the connection of the first attempt that succeeds, or None where none does.

    An attempt starts when the one before it has failed, or after `delay` seconds. When this
    returns no attempt is left running, and no socket but the winner's is open.
    """
    running: set[asyncio.Task[Connection]] = set()
    winner: asyncio.Task[Connection] | None = None
    try:
        for attempt in attempts:
            latest = loop.create_task(attempt())
            running.add(latest)
            winner = await _wait_for_winner(loop, running, latest, loop.time() + delay)
            if winner is not None:
                break
        if winner is None:
            winner = await _wait_for_winner(loop, running, None, None)
    finally:
        await _abandon(running, winner)
    return winner.result() if winner is not None else None


async def _wait_for_winner(
    loop: asyncio.AbstractEventLoop,
    running: set[asyncio.Task[Connection]],
    latest: asyncio.Task[Connection] | None,
    deadline: float | None,
) -> asyncio.Task[Connection] | None:
    """Wait until an attempt succeeds, the latest one fails, or the deadline comes."""
    while running:
        timeout = None if deadline is None else deadline - loop.time()
        if timeout is not None and timeout <= 0:
            return None
        done, _ = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not task.cancelled() and task.exception() is None:
                return task
        running -= done
        if latest in done:
            return None
    return None


async def _abandon(
    running: set[asyncio.Task[Connection]], winner: asyncio.Task[Connection] | None
) -> None:
    """Cancel all attempts but the winner, and close what they connected all the same."""
    losers = {task for task in running if task is not winner}
    for task in losers:
        if task.done():
            _close_result(task)
        else:
            task.add_done_callback(_close_result)
            task.cancel()
    if losers:
        try:
            await asyncio.wait(losers)
        except BaseException:
            if winner is not None:
                winner.result().close()
            raise


def _close_result(task: asyncio.Task[Connection]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()
