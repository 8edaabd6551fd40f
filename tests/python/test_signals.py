"""Signal handlers, and a loop that wakes for signals."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import socket
import threading

import pytest

USED = signal.SIGUSR1


@pytest.fixture(autouse=True)
def signals_as_they_were():
    """Check that handlers and the wakeup descriptor are back in place after each test."""
    handlers = {number: signal.getsignal(number) for number in (USED, signal.SIGINT)}
    yield
    assert signal.set_wakeup_fd(-1) == -1
    assert {number: signal.getsignal(number) for number in handlers} == handlers


def raise_from_thread(loop, number: int) -> threading.Thread:
    """Send a signal to this process once the loop runs, from a thread of its own."""

    def send():
        begun.wait(30)
        os.kill(os.getpid(), number)

    begun = threading.Event()
    loop.call_soon(begun.set)
    thread = threading.Thread(target=send)
    thread.start()
    return thread


def test_handler_is_called_with_its_arguments(loop):
    received = []

    def handle(*arguments):
        received.append(arguments)
        loop.stop()

    loop.add_signal_handler(USED, handle, 1, "two")
    thread = raise_from_thread(loop, USED)
    loop.run_forever()
    thread.join()
    assert received == [(1, "two")]
    assert loop.remove_signal_handler(USED)


def test_handler_is_called_each_time(loop):
    count = 0

    def handle():
        nonlocal count
        count += 1
        if count == 3:
            loop.stop()
        else:
            signal.raise_signal(USED)

    loop.add_signal_handler(USED, handle)
    loop.call_soon(signal.raise_signal, USED)
    loop.run_forever()
    assert count == 3
    loop.remove_signal_handler(USED)


def test_signal_between_runs_is_handled_in_the_next(loop):
    loop.add_signal_handler(USED, loop.stop)
    signal.raise_signal(USED)
    loop.run_forever()
    loop.remove_signal_handler(USED)


def test_handler_runs_in_its_context(loop):
    variable = contextvars.ContextVar("variable")
    seen = []

    def handle():
        seen.append(variable.get())
        loop.stop()

    variable.set("when it was added")
    loop.add_signal_handler(USED, handle)
    variable.set("later")
    loop.call_soon(signal.raise_signal, USED)
    loop.run_forever()
    assert seen == ["when it was added"]
    loop.remove_signal_handler(USED)


def test_second_handler_replaces_the_first(loop):
    loop.add_signal_handler(USED, pytest.fail)
    loop.add_signal_handler(USED, loop.stop)
    loop.call_soon(signal.raise_signal, USED)
    loop.run_forever()
    assert loop.remove_signal_handler(USED)
    assert not loop.remove_signal_handler(USED)


def test_removing_restores_the_default(loop):
    loop.add_signal_handler(USED, print)
    assert signal.getsignal(USED) is not signal.SIG_DFL
    assert loop.remove_signal_handler(USED)
    assert signal.getsignal(USED) is signal.SIG_DFL
    loop.add_signal_handler(signal.SIGINT, print)
    assert loop.remove_signal_handler(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_closing_removes_handlers(loop):
    loop.add_signal_handler(USED, print)
    loop.close()
    assert signal.getsignal(USED) is signal.SIG_DFL


@pytest.mark.parametrize(
    ("number", "error", "message"),
    [
        ("SIGUSR1", TypeError, "^sig must be an int, not 'SIGUSR1'$"),
        (0, ValueError, "^invalid signal number 0$"),
        (signal.NSIG + 1, ValueError, f"^invalid signal number {signal.NSIG + 1}$"),
    ],
)
def test_wrong_signals(loop, number, error, message):
    with pytest.raises(error, match=message):
        loop.add_signal_handler(number, print)
    with pytest.raises(error, match=message):
        loop.remove_signal_handler(number)


def test_uncatchable_signal(loop):
    with pytest.raises(RuntimeError, match=rf"^sig {signal.SIGKILL} cannot be caught$"):
        loop.add_signal_handler(signal.SIGKILL, print)
    assert not loop.remove_signal_handler(signal.SIGKILL)


def test_coroutines_are_refused(loop):
    async def handle():
        pass

    expected = r"^coroutines cannot be used with add_signal_handler\(\)$"
    with pytest.raises(TypeError, match=expected):
        loop.add_signal_handler(USED, handle)
    coroutine = handle()
    with pytest.raises(TypeError, match=expected):
        loop.add_signal_handler(USED, coroutine)
    coroutine.close()


def test_only_the_main_thread_may_add(loop):
    errors = []

    def add():
        try:
            loop.add_signal_handler(USED, print)
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=add)
    thread.start()
    thread.join()
    assert errors == ["set_wakeup_fd only works in main thread of the main interpreter"]


def test_interrupt_raises_out_of_an_idle_loop(zloop_loop):
    """asyncio's own loop sleeps through one that another thread of the process happens to get."""
    thread = raise_from_thread(zloop_loop, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        zloop_loop.run_forever()
    thread.join()
    assert zloop_loop.run_until_complete(asyncio.sleep(0, "went on")) == "went on"


def test_interrupt_cancels_the_main_task(loop_factory):
    cancelled = []

    async def main():
        signal.raise_signal(signal.SIGINT)
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    with pytest.raises(KeyboardInterrupt), asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())
    assert cancelled == [True]


def test_pythons_own_handler_wakes_an_idle_loop(zloop_loop):
    previous = signal.signal(USED, lambda *_: zloop_loop.stop())
    try:
        thread = raise_from_thread(zloop_loop, USED)
        zloop_loop.run_forever()
        thread.join()
    finally:
        signal.signal(USED, previous)


def test_wakeup_descriptor_is_ours_only_while_running(zloop_loop):
    async def current():
        found = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(found)
        return found

    assert zloop_loop.run_until_complete(current()) != -1
    assert signal.set_wakeup_fd(-1) == -1


def test_somebodys_wakeup_descriptor_is_left_alone_by_running(zloop_loop):
    async def current():
        found = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(found)
        return found

    reading, writing = socket.socketpair()
    with reading, writing:
        writing.setblocking(False)
        signal.set_wakeup_fd(writing.fileno())
        assert zloop_loop.run_until_complete(current()) == writing.fileno()
        assert signal.set_wakeup_fd(-1) == writing.fileno()


@pytest.mark.parametrize("end", ["remove", "close"])
def test_somebodys_wakeup_descriptor_comes_back(zloop_loop, end):
    reading, writing = socket.socketpair()
    with reading, writing:
        writing.setblocking(False)
        signal.set_wakeup_fd(writing.fileno())
        zloop_loop.add_signal_handler(USED, zloop_loop.stop)
        signal.raise_signal(USED)
        zloop_loop.run_forever()
        if end == "remove":
            zloop_loop.remove_signal_handler(USED)
        else:
            zloop_loop.close()
        assert signal.set_wakeup_fd(-1) == writing.fileno()


def test_descriptor_that_replaced_ours_stays(zloop_loop):
    reading, writing = socket.socketpair()
    with reading, writing:
        writing.setblocking(False)

        async def replace():
            signal.set_wakeup_fd(writing.fileno())

        zloop_loop.run_until_complete(replace())
        assert signal.set_wakeup_fd(-1) == writing.fileno()


def test_loop_of_another_thread_leaves_signals_alone(zloop_loop):
    found = []

    def run():
        zloop_loop.run_until_complete(asyncio.sleep(0))
        found.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [True]
    assert signal.set_wakeup_fd(-1) == -1
