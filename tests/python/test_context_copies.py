"""Each callback has a copy of the context, even where copies that nobody can tell apart are shared."""

import asyncio
import contextvars
import gc
import threading
import weakref

import pytest

variable: contextvars.ContextVar[object] = contextvars.ContextVar("variable", default="unset")


class Value:
    """Something to refer to weakly."""


def run_once(loop):
    loop.call_soon(loop.stop)
    loop.run_forever()


def test_what_a_callback_sets_the_others_do_not_see(loop):
    seen = []

    def set_and_look(value):
        seen.append(variable.get())
        variable.set(value)

    for value in range(4):
        loop.call_soon(set_and_look, value)
    run_once(loop)
    assert seen == ["unset"] * 4


def test_callbacks_see_the_variables_of_the_moment_they_were_scheduled(loop):
    seen = []
    token = variable.set("first")
    try:
        loop.call_soon(lambda: seen.append(variable.get()))
        variable.set("second")
        loop.call_soon(lambda: seen.append(variable.get()))
        loop.call_soon(lambda: seen.append(variable.get()))
        variable.set("first")
        loop.call_soon(lambda: seen.append(variable.get()))
    finally:
        variable.reset(token)
    loop.call_soon(lambda: seen.append(variable.get()))
    run_once(loop)
    assert seen == ["first", "second", "second", "first", "unset"]


def test_what_a_callback_schedules_sees_what_it_set(loop):
    seen = []

    def outer():
        variable.set("outer")
        loop.call_soon(lambda: seen.append(variable.get()))
        variable.set("changed")
        loop.call_later(0, lambda: seen.append(variable.get()))

    async def all_seen():
        while len(seen) < 3:
            await asyncio.sleep(0)

    loop.call_soon(outer)
    loop.call_soon(lambda: seen.append(variable.get()))
    loop.run_until_complete(asyncio.wait_for(all_seen(), 10))
    assert sorted(seen) == ["changed", "outer", "unset"]


def test_contexts_that_are_shown_are_distinct(loop):
    handles = [loop.call_soon(int) for _ in range(3)] + [loop.call_later(0, int) for _ in range(3)]
    contexts = [handle.get_context() for handle in handles]
    assert len({id(context) for context in contexts}) == 6
    assert all(
        handle.get_context() is context for handle, context in zip(handles, contexts, strict=True)
    )
    run_once(loop)


def test_a_context_that_was_shown_is_the_one_that_is_run_in(loop):
    handle = loop.call_soon(variable.set, "shown")
    context = handle.get_context()
    run_once(loop)
    assert context[variable] == "shown"
    assert variable.get() == "unset"


def test_a_copy_made_by_a_callback_stays_as_it_was(loop):
    copies = []

    def copy():
        variable.set(len(copies))
        copies.append(contextvars.copy_context())

    for _ in range(3):
        loop.call_soon(copy)
    run_once(loop)
    assert [context[variable] for context in copies] == [0, 1, 2]


def test_nested_contexts_are_seen_by_what_they_schedule(loop):
    seen = []
    inner = contextvars.copy_context()
    inner.run(variable.set, "inner")

    def outer():
        inner.run(loop.call_soon, lambda: seen.append(variable.get()))
        loop.call_soon(lambda: seen.append(variable.get()))

    loop.call_soon(outer)
    run_once(loop)
    run_once(loop)
    assert seen == ["inner", "unset"]


def test_other_threads_schedule_with_their_own_variables(loop):
    seen = []

    def schedule():
        variable.set("thread")
        loop.call_soon_threadsafe(lambda: seen.append(variable.get()))

    loop.call_soon(lambda: seen.append(variable.get()))
    thread = threading.Thread(target=schedule)
    thread.start()
    thread.join()
    run_once(loop)
    assert seen == ["unset", "thread"]


@pytest.mark.parametrize("debug", [False, True])
def test_what_a_callback_raised_is_reported_in_its_context(loop, debug):
    seen = []
    loop.set_debug(debug)
    loop.set_exception_handler(lambda *_: seen.append(variable.get()))

    def fail():
        variable.set("failed")
        raise ValueError

    loop.call_soon(fail)
    loop.call_soon(lambda: seen.append(variable.get()))
    run_once(loop)
    assert seen == ["failed", "unset"]


@pytest.mark.parametrize("schedule", ["call_soon", "call_later"])
def test_values_of_ended_callbacks_are_not_kept(loop, schedule):
    values = []

    def set_one():
        value = Value()
        values.append(weakref.ref(value))
        variable.set(value)
        # A snapshot with the value in it, of which nothing is left once it ran.
        loop.call_soon(int)

    async def main():
        for _ in range(3):
            if schedule == "call_soon":
                loop.call_soon(set_one)
            else:
                loop.call_later(0, set_one)
            await asyncio.sleep(0.001)
        gc.collect()
        return [value() for value in values]

    assert loop.run_until_complete(main()) == [None] * 3


def test_closed_loops_keep_no_values(loop):
    value = Value()
    reference = weakref.ref(value)
    context = contextvars.copy_context()
    context.run(variable.set, value)
    context.run(loop.call_soon, int)
    del value, context
    loop.close()
    gc.collect()
    assert reference() is None


def test_what_is_scheduled_when_a_variables_value_goes_is_run(loop):
    variable = contextvars.ContextVar("variable")

    class Last:
        def __init__(self, done):
            self._done = done

        def __del__(self):
            loop.call_soon(self._done.set_result, None)

    async def work(done):
        variable.set(Last(done))
        loop.call_soon(int)

    async def main():
        done = loop.create_future()
        await loop.create_task(work(done))
        await done

    loop.run_until_complete(main())


class Ending:
    """A variable's value that does something when it ends."""

    def __init__(self, end):
        self._end = end

    def __del__(self):
        self._end()


@pytest.mark.parametrize("wake", ["call_soon", "stop", "timer"])
def test_the_loop_does_not_sleep_on_what_the_last_callbacks_values_do_when_they_end(loop, wake):
    stops = {
        "call_soon": lambda: loop.call_soon(loop.stop),
        "stop": loop.stop,
        "timer": lambda: loop.call_later(0, loop.stop),
    }
    loop.call_soon(lambda: variable.set(Ending(stops[wake])))
    late = loop.call_later(30, pytest.fail, "it slept")
    loop.run_forever()
    late.cancel()


def test_what_a_callbacks_value_cancels_when_it_ends_does_not_run(loop):
    ran = []
    loop.call_soon(lambda: variable.set(Ending(lambda: handle.cancel())))
    handle = loop.call_soon(ran.append, "cancelled")
    run_once(loop)
    assert ran == []


def test_what_a_callback_had_ends_outside_of_its_context(loop):
    seen = []

    def set_one(argument):
        variable.set("inside")

    def end():
        seen.append(variable.get())
        variable.set("set at the end")

    loop.call_soon(set_one, Ending(end))
    loop.call_soon(lambda: seen.append(variable.get()))
    token = variable.set("around")
    try:
        run_once(loop)
    finally:
        variable.reset(token)
    assert seen == ["around", "unset"]


def test_a_future_whose_error_nobody_took_is_reported_outside_of_the_callbacks_context(loop):
    seen = []
    loop.set_exception_handler(lambda *_: seen.append(variable.get()))

    def take(future):
        variable.set("inside")

    def give():
        future = loop.create_future()
        future.set_exception(ValueError())
        loop.call_soon(take, future)

    loop.call_soon(give)
    run_once(loop)
    run_once(loop)
    gc.collect()
    assert seen == ["unset"]


def test_values_that_end_late_are_not_seen_by_the_next_callback(loop):
    other = contextvars.ContextVar("other", default=None)
    own = contextvars.copy_context()
    seen = []

    def end():
        variable.set("from the end")

    def outer():
        other.set(Ending(end))
        loop.call_soon(int)

    def schedule():
        variable.set("mine")
        loop.call_soon(lambda: seen.append(variable.get()))
        loop.call_soon(loop.stop)

    loop.call_soon(outer)
    loop.call_soon(lambda: loop.call_soon(schedule, context=own))
    loop.run_forever()
    assert seen == ["mine"]


def test_a_token_belongs_to_the_callback_that_got_it(loop):
    tokens, refused = [], []

    def first():
        before = variable.set("one")
        tokens.append(variable.set("two"))
        variable.reset(before)

    def second():
        try:
            variable.reset(tokens[0])
        except ValueError as error:
            refused.append(error)

    contextvars.Context().run(lambda: (loop.call_soon(first), loop.call_soon(second)))
    run_once(loop)
    assert len(refused) == 1
