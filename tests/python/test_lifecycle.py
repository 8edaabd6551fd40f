"""Running, stopping and closing; asynchronous generators; what zloop itself exports."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import warnings

import pytest

import zloop


def run_python(code: str, **environment: str) -> str:
    """Run a program in another interpreter; return what it printed."""
    finished = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


def test_loop_is_zloops_own():
    with asyncio.Runner(loop_factory=zloop.new_event_loop) as runner:
        loop = runner.get_loop()
        assert type(loop) is zloop.Loop
        assert type(loop).__module__ == "zloop"
        assert isinstance(loop, asyncio.AbstractEventLoop)
        assert not isinstance(loop, asyncio.BaseEventLoop)


def test_repr(loop):
    name = type(loop).__name__.lstrip("_")
    assert repr(loop).lstrip("<_") == f"{name} running=False closed=False debug=False>"
    loop.close()
    assert "closed=True" in repr(loop)


def test_run_until_complete_returns_and_raises(loop):
    async def give(value):
        await asyncio.sleep(0)
        return value

    async def fail():
        raise ZeroDivisionError("on purpose")

    assert loop.run_until_complete(give(5)) == 5
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        loop.run_until_complete(fail())
    future = loop.create_future()
    loop.call_soon(future.set_result, "set")
    assert loop.run_until_complete(future) == "set"


def test_stopping_before_completion(loop):
    future = loop.create_future()
    loop.call_soon(loop.stop)
    with pytest.raises(RuntimeError, match=r"^Event loop stopped before Future completed\.$"):
        loop.run_until_complete(future)
    loop.call_soon(future.set_result, 1)
    assert loop.run_until_complete(future) == 1


def test_stop_runs_what_is_ready_and_no_more(loop):
    order = []
    loop.call_soon(order.append, 1)
    loop.call_soon(loop.stop)
    loop.call_soon(lambda: loop.call_soon(order.append, 3))
    loop.call_soon(order.append, 2)
    loop.run_forever()
    assert order == [1, 2]
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert order == [1, 2, 3]


def test_stop_before_run_runs_one_turn(loop):
    order = []
    loop.stop()
    loop.call_soon(order.append, "ready")
    loop.run_forever()
    assert order == ["ready"]


@pytest.mark.parametrize(
    "use",
    [
        lambda loop: loop.call_soon(print),
        lambda loop: loop.call_soon_threadsafe(print),
        lambda loop: loop.call_later(0, print),
        lambda loop: loop.call_at(0, print),
        lambda loop: loop.run_forever(),
        lambda loop: loop.run_until_complete(None),
        lambda loop: loop.run_in_executor(None, print),
        lambda loop: loop.add_reader(0, print),
        lambda loop: loop.add_writer(1, print),
        lambda loop: loop.add_signal_handler(signal.SIGUSR1, print),
    ],
)
def test_closed_loop_refuses_work(loop, use):
    loop.close()
    with pytest.raises(RuntimeError, match=r"^Event loop is closed$"):
        use(loop)


def test_closed_loop_refuses_tasks(loop):
    loop.close()
    coroutine = asyncio.sleep(0)
    with pytest.raises(RuntimeError, match=r"^Event loop is closed$"):
        loop.create_task(coroutine)
    coroutine.close()


def test_a_task_is_of_the_loop_that_makes_it(loop):
    coroutine = asyncio.sleep(0)
    with pytest.raises(TypeError, match=r"keyword argument 'loop'$"):
        loop.create_task(coroutine, loop=loop)
    coroutine.close()


def test_closing_twice_is_harmless(loop):
    loop.close()
    loop.close()
    assert loop.is_closed()


def test_running_loop_cannot_be_run_or_closed(zloop_loop):
    async def main():
        assert zloop_loop.is_running()
        assert asyncio.get_running_loop() is zloop_loop
        with pytest.raises(RuntimeError, match=r"^This event loop is already running$"):
            zloop_loop.run_forever()
        with pytest.raises(RuntimeError, match=r"^This event loop is already running$"):
            zloop_loop.run_until_complete(zloop_loop.create_future())
        with pytest.raises(RuntimeError, match=r"^Cannot close a running event loop$"):
            zloop_loop.close()
        assert zloop_loop.is_running()
        assert asyncio.get_running_loop() is zloop_loop

    zloop_loop.run_until_complete(main())
    assert not zloop_loop.is_running()


def test_two_loops_cannot_run_in_one_thread(zloop_loop):
    async def main():
        other = zloop.new_event_loop()
        message = "^Cannot run the event loop while another loop is running$"
        with pytest.raises(RuntimeError, match=message):
            other.run_forever()
        assert not other.is_running()
        other.close()
        assert asyncio.get_running_loop() is zloop_loop

    zloop_loop.run_until_complete(main())


@pytest.mark.parametrize("fatal", [KeyboardInterrupt, SystemExit])
def test_fatal_exception_ends_the_run_and_keeps_the_batch(loop, fatal):
    order = []

    def fail():
        raise fatal

    loop.call_soon(fail)
    loop.call_soon(order.append, "behind")
    with pytest.raises(fatal):
        loop.run_forever()
    assert not loop.is_running()
    assert asyncio._get_running_loop() is None
    assert order == []
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert order == ["behind"]


def test_fatal_exception_of_a_task_leaves_no_stop_behind(loop):
    async def fail():
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        loop.run_until_complete(fail())
    assert loop.run_until_complete(asyncio.sleep(0, "went on")) == "went on"


def test_unclosed_loop_warns(loop_factory):
    loop = loop_factory()
    loop.run_until_complete(asyncio.sleep(0))
    loop.call_later(3600, loop.stop)
    loop.call_soon(loop.stop)  # A cycle, for the collector alone to find.
    del loop
    with pytest.warns(ResourceWarning, match=r"^unclosed event loop <"):
        gc.collect()


def test_generator_hooks_are_the_loops_while_it_runs(loop):
    before = sys.get_asyncgen_hooks()

    async def main():
        return sys.get_asyncgen_hooks()

    during = loop.run_until_complete(main())
    assert during.firstiter is not None
    assert during.finalizer is not None
    assert sys.get_asyncgen_hooks() == before


def test_shutdown_asyncgens_closes_what_is_suspended(loop):
    closed = []

    async def numbers(name):
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            closed.append(name)

    generators = [numbers("a"), numbers("b")]

    async def main():
        for generator in generators:
            await anext(generator)
        await loop.shutdown_asyncgens()

    loop.run_until_complete(main())
    assert sorted(closed) == ["a", "b"]


def test_shutdown_asyncgens_reports_errors(loop):
    reports = []
    loop.set_exception_handler(lambda _, context: reports.append(context))

    async def failing():
        try:
            yield 1
        finally:
            raise ZeroDivisionError

    generator = failing()

    async def main():
        await anext(generator)
        await loop.shutdown_asyncgens()

    loop.run_until_complete(main())
    (report,) = reports
    message = f"an error occurred during closing of asynchronous generator {generator!r}"
    assert report["message"] == message
    assert isinstance(report["exception"], ZeroDivisionError)
    assert report["asyncgen"] is generator


def test_generator_begun_after_shutdown_warns(loop):
    async def numbers():
        yield 1

    async def main():
        await loop.shutdown_asyncgens()
        generator = numbers()
        with pytest.warns(ResourceWarning, match=r"was scheduled after loop.shutdown_asyncgens"):
            await anext(generator)
        await generator.aclose()

    loop.run_until_complete(main())


def test_abandoned_generator_is_closed_by_the_loop(loop):
    closed = []

    async def numbers():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    async def main():
        async for _ in numbers():
            break
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert closed == [True]


def test_debug_mode_tracks_origins_while_running(loop):
    async def depth():
        return sys.get_coroutine_origin_tracking_depth()

    assert loop.run_until_complete(depth()) == 0
    loop.set_debug(True)
    assert loop.run_until_complete(depth()) > 0
    assert sys.get_coroutine_origin_tracking_depth() == 0

    async def switch_off():
        loop.set_debug(False)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return sys.get_coroutine_origin_tracking_depth()

    assert loop.run_until_complete(switch_off()) == 0


def test_debug_mode_checks_the_thread(loop):
    loop.set_debug(True)
    errors = []

    def call_from_elsewhere():
        try:
            loop.call_soon(print)
        except RuntimeError as error:
            errors.append(str(error))

    async def main():
        thread = threading.Thread(target=call_from_elsewhere)
        thread.start()
        thread.join()

    loop.run_until_complete(main())
    expected = "Non-thread-safe operation invoked on an event loop other than the current one"
    assert errors == [expected]


def test_debug_mode_is_the_interpreters():
    code = "import zloop; loop = zloop.new_event_loop(); print(loop.get_debug()); loop.close()"
    assert run_python(code) == "False"
    assert run_python(code, PYTHONASYNCIODEBUG="1") == "True"
    assert run_python(code, PYTHONDEVMODE="1") == "True"


def test_run_runs_on_zloop():
    async def main():
        loop = asyncio.get_running_loop()
        return type(loop), loop.get_debug()

    assert zloop.run(main()) == (zloop.Loop, False)
    assert zloop.run(main(), debug=True) == (zloop.Loop, True)


def test_run_closes_the_loop():
    loops = []

    async def main():
        loops.append(asyncio.get_running_loop())

    zloop.run(main())
    assert loops[0].is_closed()


def test_importing_leaves_policies_alone():
    code = "import zloop; from asyncio import events; print(events._event_loop_policy)"
    assert run_python(code) == "None"


@pytest.mark.skipif(not hasattr(asyncio, "set_event_loop_policy"), reason="policies are gone")
def test_install_is_deprecated_and_works():
    code = """if True:
        import asyncio, warnings, zloop
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            zloop.install()
        assert [w.category for w in caught] == [DeprecationWarning], caught
        async def main():
            return type(asyncio.get_running_loop()).__module__
        print(asyncio.run(main()))
        """
    assert run_python(code) == "zloop"


@pytest.mark.skipif(not hasattr(asyncio, "set_event_loop_policy"), reason="policies are gone")
def test_policy_makes_zloops():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loop = zloop.EventLoopPolicy().new_event_loop()
    loop.close()
    assert type(loop) is zloop.Loop


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="module 'zloop' has no attribute 'nonsense'"):
        _ = zloop.nonsense


def test_everything_exported_is_there():
    for name in zloop.__all__:
        assert getattr(zloop, name) is not None
    assert set(zloop.__all__) <= set(dir(zloop))
