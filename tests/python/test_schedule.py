"""Scheduling: order, contexts, timers, other threads, cancelling, debug mode."""

from __future__ import annotations

import asyncio
import contextvars
import fractions
import functools
import logging
import re
import socket
import sys
import threading
import time

import pytest

import zloop

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def run_briefly(loop: asyncio.AbstractEventLoop) -> None:
    """Run what is ready now, and nothing that it adds."""
    loop.call_soon(loop.stop)
    loop.run_forever()


def nothing() -> None:
    """Be a callback."""


async def coroutine_function() -> None:
    """Be what no callback may be."""


# Order


def test_callbacks_run_in_order_with_their_arguments(loop):
    calls = []
    for number in range(100):
        loop.call_soon(lambda *args: calls.append(args), *range(number % 9))
    run_briefly(loop)
    assert calls == [tuple(range(number % 9)) for number in range(100)]


def test_what_a_batch_adds_runs_in_the_next_one(loop):
    order = []

    def first():
        order.append("first")
        loop.call_soon(added)

    def added():
        order.append("added")

    loop.call_soon(first)
    loop.call_soon(order.append, "second")
    run_briefly(loop)
    assert order == ["first", "second"]
    run_briefly(loop)
    assert order == ["first", "second", "added"]


def test_chain_of_callbacks_does_not_starve_descriptors_or_timers(loop):
    ours, theirs = socket.socketpair()
    seen = set()

    def spin():
        if seen != {"timer", "reader"}:
            loop.call_soon(spin)
        else:
            loop.stop()

    with ours, theirs:
        loop.add_reader(ours, lambda: (ours.recv(1), seen.add("reader")))
        loop.call_later(0.01, seen.add, "timer")
        theirs.send(b"x")
        loop.call_soon(spin)
        loop.run_forever()
        loop.remove_reader(ours)


@pytest.mark.parametrize("fatal", [KeyboardInterrupt, SystemExit])
def test_interrupted_batch_goes_on_where_it_was(loop, fatal):
    order = []

    def interrupt():
        loop.call_soon(order.append, "added")
        raise fatal

    loop.call_soon(order.append, "before")
    loop.call_soon(interrupt)
    loop.call_soon(order.append, "behind")
    with pytest.raises(fatal):
        loop.run_forever()
    assert order == ["before"]
    run_briefly(loop)
    assert order == ["before", "behind", "added"]


def test_interrupted_timers_stay_queued(loop):
    order = []

    def interrupt():
        raise KeyboardInterrupt

    now = loop.time()
    loop.call_at(now - 3, interrupt)
    loop.call_at(now - 2, order.append, 1)
    loop.call_at(now - 1, order.append, 2)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    run_briefly(loop)
    assert order == [1, 2]


def test_failing_callback_keeps_none_from_running(loop, reports):
    order = []

    def fail():
        raise ZeroDivisionError

    loop.call_soon(order.append, 1)
    loop.call_soon(fail)
    loop.call_later(0, fail)
    loop.call_soon(order.append, 2)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert order == [1, 2]
    assert [type(report["exception"]) for report in reports] == [ZeroDivisionError] * 2


@pytest.mark.parametrize("error", [asyncio.CancelledError, GeneratorExit, BaseException])
def test_base_exceptions_that_are_not_fatal_are_reported(loop, reports, error):
    def fail():
        raise error

    loop.call_soon(fail)
    run_briefly(loop)
    (report,) = reports
    assert type(report["exception"]) is error


# Cancelling


def test_cancelled_callback_does_not_run(loop):
    order = []
    handle = loop.call_soon(order.append, "cancelled")
    timer = loop.call_later(0, order.append, "cancelled")
    assert not handle.cancelled()
    handle.cancel()
    timer.cancel()
    assert handle.cancelled()
    assert timer.cancelled()
    handle.cancel()
    timer.cancel()
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert order == []


def test_cancelling_inside_a_batch(loop):
    order = []
    handles = []

    def cancel_others():
        for handle in handles:
            handle.cancel()

    loop.call_soon(cancel_others)
    handles.append(loop.call_soon(order.append, "soon"))
    handles.append(loop.call_soon_threadsafe(order.append, "threadsafe"))
    handles.append(loop.call_later(-1, order.append, "timer"))
    loop.call_soon(order.append, "kept")
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert order == ["kept"]


def test_due_timers_of_one_batch_can_cancel_each_other(loop):
    order = []
    now = loop.time()
    loop.call_at(now - 2, lambda: second.cancel())
    second = loop.call_at(now - 1, order.append, "second")
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert order == []


def test_callback_may_cancel_itself(loop, reports):
    order = []

    def callback(handles):
        handles[0].cancel()
        order.append("ran")
        raise ZeroDivisionError

    for schedule in (loop.call_soon, functools.partial(loop.call_later, 0)):
        handles = []
        handles.append(schedule(callback, handles))
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert order == ["ran", "ran"]
    assert len(reports) == 2


def test_cancelling_after_the_run_is_harmless(loop):
    order = []
    handle = loop.call_soon(order.append, 1)
    timer = loop.call_later(0, order.append, 2)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    handle.cancel()
    timer.cancel()
    assert sorted(order) == [1, 2]


def test_handles_may_be_used_after_their_loop_was_closed(loop):
    handle = loop.call_soon(nothing)
    timer = loop.call_later(10, nothing)
    loop.close()
    for each in (handle, timer):
        assert not each.cancelled()
        assert type(each).__name__ in repr(each)
        each.cancel()
        assert each.cancelled()
    assert isinstance(timer.when(), float)


# Contexts


def test_callbacks_run_in_a_copy_of_the_context(loop):
    seen = []

    def look(name):
        seen.append((name, variable.get()))
        variable.set("changed by a callback")

    variable.set("outside")
    loop.call_soon(look, "soon")
    loop.call_later(0, look, "later")
    loop.call_at(loop.time(), look, "at")
    loop.call_soon_threadsafe(look, "threadsafe")
    variable.set("outside, later")
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert sorted(seen) == [(name, "outside") for name in ("at", "later", "soon", "threadsafe")]
    assert variable.get() == "outside, later"


def test_given_contexts_are_entered(loop):
    context = contextvars.copy_context()
    handles = [
        loop.call_soon(variable.set, "soon", context=context),
        loop.call_later(0, variable.set, "later", context=context),
        loop.call_at(0, variable.set, "at", context=context),
        loop.call_soon_threadsafe(variable.set, "threadsafe", context=context),
        loop.call_soon(variable.set, "elsewhere", context=None),
    ]
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert context[variable] in {"later", "at"}
    assert len(handles) == 5


def test_handle_tells_its_context(loop):
    context = contextvars.copy_context()
    assert loop.call_soon(nothing, context=context).get_context() is context
    assert loop.call_later(1, nothing, context=context).get_context() is context
    assert isinstance(loop.call_soon(nothing).get_context(), contextvars.Context)


def test_context_that_is_entered_already_is_reported(loop, caplog):
    context = contextvars.copy_context()
    ran = []
    loop.call_soon(ran.append, 1, context=context)
    loop.call_soon(loop.stop)
    context.run(loop.run_forever)
    assert ran == []
    (record,) = caplog.records
    assert record.getMessage().startswith("Exception in callback ")
    assert "cannot enter context" in str(record.exc_info[1])


def test_wrong_context_is_reported(loop, reports):
    loop.call_soon(nothing, context=5)
    run_briefly(loop)
    (report,) = reports
    assert report["message"].startswith("Exception in callback nothing()")
    # asyncio misses its `run`.
    expected = TypeError if isinstance(loop, zloop.Loop) else AttributeError
    assert isinstance(report["exception"], expected)


def test_tasks_have_their_context(loop):
    async def main():
        variable.set("in the task")
        await asyncio.sleep(0)
        return variable.get()

    variable.set("outside")
    assert loop.run_until_complete(main()) == "in the task"
    assert variable.get() == "outside"


# Timers


def test_time_is_the_monotonic_clock(loop):
    before = time.monotonic()
    now = loop.time()
    after = time.monotonic()
    assert isinstance(now, float)
    assert before <= now <= after


@pytest.mark.parametrize("delay", [0.0005, 0.001, 0.0123, 0.05])
def test_timers_are_never_early(zloop_loop, delay):
    for _ in range(5):
        timer = zloop_loop.call_later(delay, zloop_loop.stop)
        zloop_loop.run_forever()
        assert time.monotonic() >= timer.when()


def test_timers_run_in_order_of_their_deadlines(loop):
    order = []
    start = loop.time()
    steps = [7, 3, 9, 1, 5, 0, 8, 2, 6, 4]
    for step in steps:
        loop.call_at(start + step / 1000, order.append, step)
    loop.call_at(start + 0.02, loop.stop)
    loop.run_forever()
    assert order == sorted(steps)


def test_timers_of_one_deadline_run_in_order_of_insertion(zloop_loop):
    order = []
    when = zloop_loop.time() + 0.005
    timers = [zloop_loop.call_at(when, order.append, number) for number in range(200)]
    for timer in timers[::3]:
        timer.cancel()
    zloop_loop.call_at(when, zloop_loop.stop)
    zloop_loop.run_forever()
    assert order == [number for number in range(200) if number % 3]


@pytest.mark.parametrize("count", [4, 40])
def test_deadlines_before_the_clocks_zero_have_their_order(loop, count):
    log = []
    times = [float("-inf"), -1e30, *(-((7 * number) % count) - 0.25 for number in range(count)), 0]
    for when in (times[-1], *times[:-1]):
        loop.call_at(when, log.append, when)
    loop.call_later(0, loop.stop)
    loop.run_forever()
    assert log == sorted(times)


@pytest.mark.parametrize("when", [7, -7, True, 2.5, fractions.Fraction(1, 3), 10**6])
def test_when_is_what_was_passed(loop, when):
    timer = loop.call_at(when, print)
    assert timer.when() == when
    assert type(timer.when()) is type(when)
    assert repr(timer).startswith(f"<TimerHandle when={when}")
    assert timer < loop.call_at(10**7, print)


def test_due_timers_run_behind_what_is_ready(loop):
    order = []
    loop.call_later(-1, order.append, "timer")
    loop.call_soon(order.append, "ready")
    run_briefly(loop)
    assert order == ["ready", "timer"]


@pytest.mark.parametrize("delay", [0, 0.0, False, True, -5, fractions.Fraction(1, 1000), 1e-9])
def test_delays_of_any_kind_of_number(loop, delay):
    before = loop.time()
    timer = loop.call_later(delay, loop.stop)
    after = loop.time()
    assert before + delay <= timer.when() <= after + delay
    if delay is True:
        timer.cancel()
        loop.call_soon(loop.stop)
    loop.run_forever()


def test_infinity_never_comes(loop):
    order = []
    timer = loop.call_later(float("inf"), order.append, 1)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert order == []
    assert timer.when() == float("inf")
    timer.cancel()


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (lambda loop: loop.call_later(None, nothing), "delay must not be None"),
        (lambda loop: loop.call_at(None, nothing), "when cannot be None"),
        (
            lambda loop: loop.call_later("1", nothing),
            "unsupported operand type(s) for +: 'float' and 'str'",
        ),
        (
            lambda loop: loop.call_soon(),
            "call_soon() missing 1 required positional argument: 'callback'",
        ),
        (
            lambda loop: loop.call_later(1),
            "call_later() missing 1 required positional argument: 'callback'",
        ),
        (
            lambda loop: loop.add_reader(0),
            "add_reader() missing 1 required positional argument: 'callback'",
        ),
        (
            lambda loop: loop.add_writer(fd=0),
            "add_writer() missing 1 required positional argument: 'callback'",
        ),
        (
            lambda loop: loop.call_soon(nothing, keyword=1),
            "call_soon() got an unexpected keyword argument 'keyword'",
        ),
    ],
)
def test_wrong_arguments(loop, schedule, message):
    with pytest.raises(TypeError, match=f"{re.escape(message)}$"):
        schedule(loop)


def test_arguments_may_be_named(loop):
    order = []
    loop.call_soon(callback=functools.partial(order.append, "soon"))
    loop.call_soon_threadsafe(callback=functools.partial(order.append, "threadsafe"))
    loop.call_later(delay=0, callback=functools.partial(order.append, "later"))
    loop.call_at(0, callback=functools.partial(order.append, "at"), context=None)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert sorted(order) == ["at", "later", "soon", "threadsafe"]


def test_wrong_time_is_refused(zloop_loop):
    with pytest.raises(TypeError, match="must be real number, not str"):
        zloop_loop.call_at("1", nothing)
    with pytest.raises(OverflowError):
        zloop_loop.call_later(10**400, nothing)


def test_what_cannot_be_called_is_reported(loop, reports):
    loop.call_soon(5)
    loop.call_later(0, 6)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    messages = ["Exception in callback 5()", "Exception in callback 6()"]
    assert [report["message"] for report in reports] == messages
    assert str(reports[0]["exception"]) == "'int' object is not callable"


def test_timer_handles_are_asyncios_and_compare_by_time(loop):
    early, late = loop.call_at(5, nothing), loop.call_at(6, nothing)
    assert isinstance(early, asyncio.TimerHandle)
    assert early < late
    assert late >= early
    assert early != late
    assert early == loop.call_at(5, nothing)
    assert hash(early) == hash(5.0)
    assert early.when() == 5


# Other threads


def test_call_from_a_thread_wakes_the_loop(loop):
    order = []

    def in_thread():
        for number in range(1000):
            loop.call_soon_threadsafe(order.append, number)
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=in_thread)
    loop.call_soon(thread.start)
    loop.run_forever()
    thread.join()
    assert order == list(range(1000))


def test_every_wake_up_counts(loop):
    """Each call comes when the loop may have just gone to sleep."""
    rounds = 300
    answered = threading.Semaphore(0)

    def in_thread():
        for _ in range(rounds):
            loop.call_soon_threadsafe(answered.release)
            assert answered.acquire(timeout=30)
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=in_thread)
    thread.start()
    loop.run_forever()
    thread.join()


def test_calls_of_several_threads_all_run(loop):
    counts = dict.fromkeys(range(4), 0)

    def count(name):
        counts[name] += 1
        if sum(counts.values()) == 4 * 500:
            loop.stop()

    def in_thread(name):
        for _ in range(500):
            loop.call_soon_threadsafe(count, name)

    threads = [threading.Thread(target=in_thread, args=(name,)) for name in counts]
    for thread in threads:
        thread.start()
    loop.run_forever()
    for thread in threads:
        thread.join()
    assert counts == dict.fromkeys(range(4), 500)


def test_call_from_a_thread_before_the_run_is_kept(loop):
    order = []
    thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(order.append, 1))
    thread.start()
    thread.join()
    run_briefly(loop)
    assert order == [1]


# Debug mode


@pytest.mark.parametrize(
    ("schedule", "name"),
    [
        (lambda loop, callback: loop.call_soon(callback), "call_soon"),
        (lambda loop, callback: loop.call_soon_threadsafe(callback), "call_soon_threadsafe"),
        (lambda loop, callback: loop.call_later(0, callback), "call_at"),
        (lambda loop, callback: loop.call_at(0, callback), "call_at"),
    ],
)
def test_debug_mode_checks_callbacks(loop, schedule, name):
    loop.set_debug(True)
    with pytest.raises(TypeError, match=rf"^coroutines cannot be used with {name}\(\)$"):
        schedule(loop, coroutine_function)
    message = rf"^a callable object was expected by {name}\(\), got 5$"
    with pytest.raises(TypeError, match=message):
        schedule(loop, 5)


@pytest.mark.parametrize(
    "call",
    [
        lambda loop: loop.call_soon(nothing),
        lambda loop: loop.call_later(0, nothing),
        lambda loop: loop.call_at(0, nothing),
    ],
)
def test_debug_mode_refuses_other_threads(loop, call):
    loop.set_debug(True)
    errors = []

    def in_thread():
        try:
            call(loop)
        except RuntimeError as error:
            errors.append(str(error))
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=in_thread)
    loop.call_soon(thread.start)
    loop.run_forever()
    thread.join()
    assert errors == [
        "Non-thread-safe operation invoked on an event loop other than the current one"
    ]


def test_debug_mode_reports_slow_callbacks(loop, caplog):
    loop.set_debug(True)
    loop.slow_callback_duration = 0.002

    def slow_callback():
        time.sleep(0.005)

    async def slow_task():
        time.sleep(0.005)

    loop.call_soon(slow_callback)
    loop.call_later(0, slow_callback)
    with caplog.at_level(logging.WARNING, "asyncio"):
        loop.run_until_complete(slow_task())
    messages = [record.getMessage() for record in caplog.records]
    pattern = (
        r"Executing <(Timer)?Handle .*slow_callback\(\).* created at .*> took 0\.\d{3} seconds"
    )
    assert sum(re.fullmatch(pattern, message) is not None for message in messages) == 2
    pattern = r"Executing <Task (finished|pending) .*slow_task\(\).*> took 0\.\d{3} seconds"
    assert any(re.fullmatch(pattern, message) for message in messages), messages


def test_slow_callback_duration_can_be_set(loop):
    assert loop.slow_callback_duration == 0.1
    loop.slow_callback_duration = 2
    assert loop.slow_callback_duration == 2


def test_debug_mode_remembers_where_handles_were_made(loop):
    loop.set_debug(True)
    handle = loop.call_soon(nothing)
    timer = loop.call_later(1, nothing)
    name = "test_debug_mode_remembers_where_handles_were_made"
    for each in (handle, timer):
        assert each._source_traceback[-1].name == name
        assert f" created at {__file__}:" in repr(each)
    timer.cancel()


def test_debug_mode_tells_where_the_failing_callback_was_scheduled(loop, reports, caplog):
    loop.set_debug(True)

    def fail():
        raise ZeroDivisionError

    loop.call_soon(fail)
    run_briefly(loop)
    (report,) = reports
    name = "test_debug_mode_tells_where_the_failing_callback_was_scheduled"
    assert report["source_traceback"][-1].name == name
    caplog.clear()
    loop.default_exception_handler(report)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "source_traceback: Object created at (most recent call last):" in record.getMessage()


def test_debug_mode_tells_where_the_reporting_callback_was_scheduled(loop, caplog):
    loop.set_debug(True)
    loop.call_soon(loop.call_exception_handler, {"message": "a report"})
    loop.call_later(0, loop.call_exception_handler, {"message": "a report"})
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    loop.call_exception_handler({"message": "outside"})
    texts = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    title = "a report\nhandle_traceback: Handle created at (most recent call last):\n"
    assert [text.startswith(title) for text in texts] == [True, True, False]


# What handles say of themselves


def test_reprs(loop):
    place = rf"nothing\(\) at {re.escape(__file__)}:\d+"
    assert re.fullmatch(rf"<Handle {place}>", repr(loop.call_soon(nothing)))
    timer = loop.call_at(12.5, nothing)
    assert re.fullmatch(rf"<TimerHandle when=12\.5 {place}>", repr(timer))
    timer.cancel()
    assert repr(timer) == "<TimerHandle cancelled when=12.5>"
    handle = loop.call_soon(nothing)
    handle.cancel()
    assert repr(handle) == "<Handle cancelled>"


def test_reprs_of_cancelled_handles_in_debug_mode(loop):
    loop.set_debug(True)
    handle = loop.call_soon(nothing)
    timer = loop.call_at(12.5, nothing)
    handle.cancel()
    timer.cancel()
    where = rf"nothing\(\) at {re.escape(__file__)}:\d+ created at {re.escape(__file__)}:\d+"
    assert re.fullmatch(rf"<Handle cancelled {where}>", repr(handle))
    assert re.fullmatch(rf"<TimerHandle cancelled when=12\.5 {where}>", repr(timer))


@pytest.mark.skipif(sys.version_info < (3, 13), reason="arguments are hidden from 3.13 on")
def test_arguments_are_shown_in_debug_mode_alone(loop):
    handle = loop.call_soon(print, "secret")
    assert "secret" not in repr(handle)
    loop.set_debug(True)
    assert "secret" in repr(loop.call_soon(print, "secret"))


@pytest.mark.parametrize("method", ["stop", "time", "create_future", "get_debug", "is_running"])
def test_methods_without_arguments_take_none(loop, method):
    for arguments, named in (((1,), {}), ((), {"what": 1})):
        with pytest.raises(TypeError, match=rf"\.{method}\(\) "):
            getattr(loop, method)(*arguments, **named)
