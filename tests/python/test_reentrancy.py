"""Callbacks, threads and destructors that use the loop which runs them."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading

import pytest
from fault_support import METHODS, Protocol, connected, exercise, turns


@pytest.mark.parametrize("method", METHODS)
def test_callbacks_cannot_close_or_run_the_loop(zloop_loop, method):
    errors = []

    class Meddling(Protocol):
        def called(self, name):
            super().called(name)
            if name != method:
                return
            for meddle in (zloop_loop.close, zloop_loop.run_forever, lambda: other.run_forever()):
                try:
                    meddle()
                except RuntimeError as error:
                    errors.append(str(error))

    other = type(zloop_loop)()

    async def main():
        protocol = Meddling()
        await exercise(protocol)
        assert await protocol.lost is None
        await turns(1)

    zloop_loop.run_until_complete(main())
    other.close()
    assert errors == [
        "Cannot close a running event loop",
        "This event loop is already running",
        "Cannot run the event loop while another loop is running",
    ]


def test_stopping_from_callbacks(loop):
    class Stopping(Protocol):
        def called(self, name):
            super().called(name)
            loop.stop()

    async def begin():
        protocol = Stopping()
        transport, theirs = await connected(protocol)
        return protocol, theirs

    task = loop.create_task(begin())
    task.add_done_callback(lambda _: loop.stop())
    while not task.done():
        loop.run_forever()
    protocol, theirs = task.result()
    theirs.send(b"x")
    theirs.close()
    for _ in range(20):
        if not protocol.lost.done():
            loop.run_forever()
    assert protocol.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]


def test_another_loop_may_run_in_another_thread(loop):
    results = []

    def in_thread():
        with asyncio.Runner(loop_factory=type(loop)) as runner:
            results.append(runner.run(asyncio.sleep(0.001, "other")))

    thread = threading.Thread(target=in_thread)

    async def main():
        thread.start()
        while thread.is_alive():
            await asyncio.sleep(0.001)

    loop.run_until_complete(main())
    assert results == ["other"]


def test_running_loop_is_protected_from_other_threads(loop):
    errors = []

    def in_thread():
        for meddle in (loop.close, loop.run_forever):
            try:
                meddle()
            except RuntimeError as error:
                errors.append(str(error))
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=in_thread)
    loop.call_soon(thread.start)
    loop.run_forever()
    thread.join()
    assert errors == ["Cannot close a running event loop", "This event loop is already running"]


def test_destructors_that_use_the_loop(loop):
    """Objects that die with a callback, a timer or a reader may call the loop again."""
    calls = []

    class Calling:
        def __call__(self):
            pass

        def __del__(self):
            loop.call_soon(calls.append, 1)
            loop.call_later(0, calls.append, 1).cancel()
            loop.remove_reader(reading.fileno())

    reading, writing = socket.socketpair()
    with reading, writing:
        loop.call_soon(Calling())
        loop.call_soon(Calling()).cancel()
        loop.call_later(0, Calling())
        loop.call_later(0, Calling()).cancel()
        loop.add_reader(reading, Calling())
        loop.add_reader(reading, Calling())
        loop.add_writer(reading, Calling())
        loop.remove_writer(reading)
        loop.remove_reader(reading)
        loop.call_later(0.002, loop.stop)
        loop.run_forever()
        loop.call_soon(loop.stop)
        loop.run_forever()
    assert len(calls) == 7


def test_destructors_that_use_a_loop_that_closes(loop):
    errors = []

    class Calling:
        def __call__(self):
            pass

        def __del__(self):
            try:
                loop.call_soon(print)
            except RuntimeError as error:
                errors.append(str(error))

    loop.call_soon(Calling())
    loop.call_later(100, Calling())
    reading, writing = socket.socketpair()
    with reading, writing:
        loop.add_reader(reading, Calling())
        loop.close()
    gc.collect()
    assert set(errors) <= {"Event loop is closed"}
    assert loop.is_closed()
