"""Handles of callbacks that ran may serve again, and nobody can tell: who still has one has that one."""

import asyncio
import contextvars
import functools
import gc
import weakref

import pytest

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def run_once(loop):
    loop.call_soon(loop.stop)
    loop.run_forever()


@pytest.fixture(params=["call_soon", "call_soon_threadsafe", "call_later", "call_at"])
def schedule(request, loop):
    """Each way to schedule something for the next turn."""
    method = getattr(loop, request.param)
    takes_time = request.param in ("call_later", "call_at")
    return functools.partial(method, 0) if takes_time else method


def test_a_handle_that_somebody_keeps_does_not_become_another_ones(loop, schedule):
    kept = [schedule(int) for _ in range(3)]
    run_once(loop)
    ran = []
    others = [schedule(ran.append, number) for number in range(6)]
    assert {id(handle) for handle in kept}.isdisjoint(id(handle) for handle in others)
    for handle in kept:
        handle.cancel()
    run_once(loop)
    # asyncio keeps timers of one deadline in no order.
    assert sorted(ran) == list(range(6))
    assert not any(handle.cancelled() for handle in others)


def test_a_weak_reference_ends_with_its_handle(loop, schedule):
    ended = []
    reference = weakref.ref(schedule(int), ended.append)
    run_once(loop)
    assert ended == [reference]
    assert reference() is None
    schedule(int)
    assert reference() is None
    run_once(loop)


def test_a_cancelled_handle_is_no_longer_cancelled_when_it_serves_again(loop, schedule):
    ran = []
    for _ in range(3):
        schedule(ran.append, "cancelled").cancel()
        run_once(loop)
    schedule(ran.append, "run")
    run_once(loop)
    assert ran == ["run"]


def test_what_a_callback_had_goes_when_it_ran(loop, schedule):
    class Argument:
        pass

    argument = Argument()
    reference = weakref.ref(argument)
    schedule(type, argument)
    del argument
    run_once(loop)
    assert reference() is None


def test_arguments_of_the_callbacks_before_are_not_passed_again(loop, schedule):
    seen = []
    for count in (5, 3, 0, 1, 4, 2):
        schedule(lambda *given: seen.append(given), *range(count))
        run_once(loop)
    assert seen == [tuple(range(count)) for count in (5, 3, 0, 1, 4, 2)]


def test_a_timer_tells_its_own_time(loop):
    when = [loop.time() + delay for delay in (0, 0.001, 0.002)]
    for each in when:
        assert loop.call_at(each, int).when() == each
        loop.call_at(each, loop.stop)
        loop.run_forever()
    timer = loop.call_at(0, int)
    assert timer.when() == 0
    assert isinstance(timer.when(), int)
    run_once(loop)
    assert loop.call_at(0.5, int).when() == 0.5


def test_a_loop_that_ran_many_timers_goes_when_nobody_has_it(loop_factory):
    loop = loop_factory()
    for _ in range(100):
        loop.call_later(0, int)
    run_once(loop)
    reference = weakref.ref(loop)
    loop.close()
    del loop
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_the_callers_context_is_current_again_after_an_interrupted_run(loop, error):
    def interrupt():
        variable.set("inside")
        raise error

    loop.call_soon(interrupt)
    with pytest.raises(error):
        loop.run_forever()
    assert variable.get() == "unset"
    # The caller's context can be copied and entered as before.
    assert contextvars.copy_context().run(variable.get) == "unset"


def test_a_handle_that_is_run_by_hand_inside_a_callback_has_its_own_context(loop):
    seen = []

    def inner():
        seen.append(variable.get())
        variable.set("inner")

    def outer():
        handle._run()
        seen.append(variable.get())

    handle = loop.call_soon(inner)
    handle.cancel()
    handle = loop.call_later(3600, inner)
    loop.call_soon(outer)
    loop.call_soon(lambda: seen.append(variable.get()))
    run_once(loop)
    handle.cancel()
    assert seen == ["unset"] * 3


def test_protocols_and_callbacks_of_one_batch_do_not_see_each_others_variables(loop):
    seen = []

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport):
            seen.append(("made", variable.get()))
            variable.set("made")

        def connection_lost(self, error):
            seen.append(("lost", variable.get()))
            done.set_result(None)

    def set_and_look():
        seen.append(("called", variable.get()))
        variable.set("called")

    done = loop.create_future()

    async def main():
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport, _ = await loop.create_connection(Protocol, "127.0.0.1", port)
        loop.call_soon(set_and_look)
        transport.abort()
        loop.call_soon(set_and_look)
        await done
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())
    assert [value for what, value in seen if what == "called"] == ["unset", "unset"]
    assert [value for what, value in seen if what == "made"] == ["unset"]


def test_bound_methods_and_closures_are_called_as_functions_are(loop, schedule):
    class Counter:
        def __init__(self):
            self.count = 0

        def add(self, amount=1):
            self.count += amount

    counter = Counter()
    for amount in range(3):
        schedule(counter.add)
        schedule(counter.add, amount)
        schedule(lambda amount=amount: counter.add(amount))
        schedule(Counter().add)
    run_once(loop)
    assert counter.count == 3 + 3 + 3
