"""Work in threads."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest


def test_default_executor_is_made_and_runs(loop):
    def work(left, right):
        return left + right, threading.current_thread().name

    total, name = loop.run_until_complete(loop.run_in_executor(None, work, 1, 2))
    assert total == 3
    assert name.startswith("asyncio_")


def test_given_executor_runs(loop):
    with ThreadPoolExecutor(thread_name_prefix="given") as executor:
        name = loop.run_until_complete(
            loop.run_in_executor(executor, lambda: threading.current_thread().name)
        )
    assert name.startswith("given")


FIRST_WORK = """
import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import zloop

os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])

async def main():
    with ThreadPoolExecutor(1) as executor:
        for _ in range(20):
            await asyncio.get_running_loop().run_in_executor(executor, int)

zloop.run(main())
print("done")
"""


@pytest.mark.parametrize("attempt", range(10))
def test_a_thread_may_be_the_first_to_schedule_something(attempt):
    """What is found out once must not let other threads in while the loop is at work."""
    command = [sys.executable, "-c", FIRST_WORK]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (finished.stdout, finished.stderr) == ("done\n", "")


def test_errors_come_back(loop):
    with pytest.raises(ZeroDivisionError):
        loop.run_until_complete(loop.run_in_executor(None, lambda: 1 / 0))


def test_default_executor_can_be_set(loop):
    executor = ThreadPoolExecutor(thread_name_prefix="chosen")
    loop.set_default_executor(executor)
    name = loop.run_until_complete(
        loop.run_in_executor(None, lambda: threading.current_thread().name)
    )
    assert name.startswith("chosen")


def test_default_executor_must_have_threads(loop):
    with pytest.raises(TypeError, match=r"^executor must be ThreadPoolExecutor instance$"):
        loop.set_default_executor(ProcessPoolExecutor)


def test_debug_mode_refuses_coroutines(loop):
    async def work():
        pass

    loop.set_debug(True)
    expected = r"^coroutines cannot be used with run_in_executor\(\)$"
    with pytest.raises(TypeError, match=expected):
        loop.run_in_executor(None, work)
    expected = r"^a callable object was expected by run_in_executor\(\), got 'x'$"
    with pytest.raises(TypeError, match=expected):
        loop.run_in_executor(None, "x")


def test_no_work_after_shutdown(loop):
    async def main():
        await loop.run_in_executor(None, int)
        await loop.shutdown_default_executor()
        with pytest.raises(RuntimeError, match=r"^Executor shutdown has been called$"):
            loop.run_in_executor(None, int)
        await loop.shutdown_default_executor()

    loop.run_until_complete(main())


def test_shutdown_waits_for_the_threads(loop):
    done = []
    begun = threading.Event()
    release = threading.Event()

    def work():
        begun.set()
        release.wait(30)
        done.append(True)

    async def main():
        future = loop.run_in_executor(None, work)
        await asyncio.to_thread(begun.wait, 30)
        shutdown = asyncio.create_task(loop.shutdown_default_executor())
        await asyncio.sleep(0)
        assert not shutdown.done()
        release.set()
        await shutdown
        assert done == [True]
        await future

    loop.run_until_complete(main())


def test_shutdown_gives_up_after_its_timeout(zloop_loop):
    release = threading.Event()

    async def main():
        future = zloop_loop.run_in_executor(None, release.wait, 30)
        expected = r"^The executor did not finishing joining its threads within 0\.01 seconds\.$"
        with pytest.warns(RuntimeWarning, match=expected):
            await zloop_loop.shutdown_default_executor(0.01)
        assert not future.done()
        release.set()
        await future

    zloop_loop.run_until_complete(main())


def test_closing_does_not_wait(zloop_loop):
    release = threading.Event()
    ended = threading.Event()

    def work():
        release.wait(30)
        ended.set()

    zloop_loop.run_in_executor(None, work)
    zloop_loop.close()
    assert not ended.is_set()
    release.set()
    assert ended.wait(30)


def test_busy_executor_does_not_hold_up_names(zloop_loop):
    release = threading.Event()
    zloop_loop.set_default_executor(ThreadPoolExecutor(max_workers=1))

    async def main():
        busy = zloop_loop.run_in_executor(None, release.wait, 30)
        answer = await zloop_loop.getaddrinfo("localhost", 80)
        assert answer
        assert not busy.done()
        release.set()
        await busy

    zloop_loop.run_until_complete(main())
