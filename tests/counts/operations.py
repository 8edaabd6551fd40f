"""What is counted: operations that a loop repeats, alike each time and whatever the time of day.

Nothing here may depend on how fast the machine is. While callbacks are ready the loop polls every some
tens of microseconds, so those that a count is about are many a turn, or each takes longer than that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

Operation = Callable[[asyncio.AbstractEventLoop, int], None]

CHAINS = 100
MESSAGE = bytes(1024)


def _nothing(*arguments: object) -> None:
    pass


def call_soon(loop: asyncio.AbstractEventLoop, times: int) -> None:
    for _ in range(times):
        loop.call_soon(_nothing)
    loop.call_soon(loop.stop)
    loop.run_forever()


def call_soon_with_arguments(loop: asyncio.AbstractEventLoop, times: int) -> None:
    for _ in range(times):
        loop.call_soon(_nothing, 1, "two", loop)
    loop.call_soon(loop.stop)
    loop.run_forever()


def call_soon_threadsafe(loop: asyncio.AbstractEventLoop, times: int) -> None:
    for _ in range(times):
        loop.call_soon_threadsafe(_nothing)
    loop.call_soon_threadsafe(loop.stop)
    loop.run_forever()


def chained(loop: asyncio.AbstractEventLoop, times: int) -> None:
    """Callbacks that schedule the next one, a hundred of them a turn."""
    left = times

    def next_one() -> None:
        nonlocal left
        left -= 1
        if left >= CHAINS:
            loop.call_soon(next_one)
        elif left == 0:
            loop.stop()

    for _ in range(CHAINS):
        loop.call_soon(next_one)
    loop.run_forever()


def turn(loop: asyncio.AbstractEventLoop, times: int) -> None:
    """Turns with one callback each, which takes so long that the next turn polls."""
    left = times

    def next_one() -> None:
        nonlocal left
        time.sleep(0.0001)
        left -= 1
        if left > 0:
            loop.call_soon(next_one)
        else:
            loop.stop()

    loop.call_soon(next_one)
    loop.run_forever()


def timer_cancelled(loop: asyncio.AbstractEventLoop, times: int) -> None:
    timers = [loop.call_later(60 + number % 100, _nothing) for number in range(times)]
    for timer in timers:
        timer.cancel()
    loop.call_soon(loop.stop)
    loop.run_forever()


def timer_fired(loop: asyncio.AbstractEventLoop, times: int) -> None:
    now = loop.time()
    for number in range(times):
        loop.call_at(now - 1 + number % 100 * 1e-6, _nothing)
    loop.call_at(now, loop.stop)
    loop.run_forever()


def waiting_turn(loop: asyncio.AbstractEventLoop, times: int) -> None:
    """Turns that wait for a timer."""
    left = times

    def next_one() -> None:
        nonlocal left
        left -= 1
        if left > 0:
            loop.call_later(0.0005, next_one)
        else:
            loop.stop()

    loop.call_later(0.0005, next_one)
    loop.run_forever()


def sleep_zero(loop: asyncio.AbstractEventLoop, times: int) -> None:
    async def give_way() -> None:
        for _ in range(times // CHAINS):
            await asyncio.sleep(0)

    async def all_of_them() -> None:
        await asyncio.gather(*(give_way() for _ in range(CHAINS)))

    loop.run_until_complete(all_of_them())


def task(loop: asyncio.AbstractEventLoop, times: int) -> None:
    async def nothing() -> None:
        pass

    async def spawn() -> None:
        await asyncio.gather(*(loop.create_task(nothing()) for _ in range(times)))

    loop.run_until_complete(spawn())


class Bouncer(asyncio.Protocol):
    """Sends back what it receives, and ends it after so many times."""

    def __init__(self, ended: asyncio.Future[None] | None = None, times: int = 0) -> None:
        self._ended, self._left = ended, times

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = transport.write  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if self._ended is not None:
            self._left -= 1
            if self._left <= 0:
                self._ended.set_result(None)
                return
        self._write(data)


def echo(loop: asyncio.AbstractEventLoop, times: int) -> None:
    """A message there and back, between two transports of the loop."""

    async def exchange() -> None:
        ended = loop.create_future()
        server = await loop.create_server(Bouncer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport, _ = await loop.create_connection(
            lambda: Bouncer(ended, times), "127.0.0.1", port
        )
        transport.write(MESSAGE)
        await ended
        transport.abort()
        server.close()

    loop.run_until_complete(exchange())


def streams_echo(loop: asyncio.AbstractEventLoop, times: int) -> None:
    """A message there and back, between two pairs of asyncio's streams."""

    async def bounce(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(await reader.readexactly(len(MESSAGE)))
        except asyncio.IncompleteReadError:
            writer.close()

    async def exchange() -> None:
        server = await asyncio.start_server(bounce, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(times):
            writer.write(MESSAGE)
            await reader.readexactly(len(MESSAGE))
        writer.close()
        await writer.wait_closed()
        server.close()

    loop.run_until_complete(exchange())


# Its name in the table, and how many times the shorter of two runs repeats it.
OPERATIONS: dict[str, tuple[Operation, int]] = {
    "call_soon": (call_soon, 1000),
    "call_soon, 3 arguments": (call_soon_with_arguments, 1000),
    "call_soon_threadsafe": (call_soon_threadsafe, 1000),
    "chained callback": (chained, 1000),
    "turn": (turn, 200),
    "timer cancelled": (timer_cancelled, 1000),
    "timer fired": (timer_fired, 1000),
    "waiting turn": (waiting_turn, 100),
    "sleep(0)": (sleep_zero, 1000),
    "task": (task, 500),
    "echo 1 KiB": (echo, 200),
    "streams echo 1 KiB": (streams_echo, 200),
}
LONGER = 3
