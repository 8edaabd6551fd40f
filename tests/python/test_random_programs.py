"""Random programs of scheduling calls: zloop runs them in the order in which asyncio does."""

from __future__ import annotations

import asyncio
import threading
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

import zloop


class Soon(NamedTuple):
    children: tuple


class Threadsafe(NamedTuple):
    children: tuple


class FromThread(NamedTuple):
    children: tuple


class At(NamedTuple):
    step: int
    children: tuple


class Cancel(NamedTuple):
    index: int


class Fail(NamedTuple):
    pass


leaves = st.one_of(
    st.builds(Soon, st.just(())),
    st.builds(At, st.integers(0, 9), st.just(())),
    st.builds(Cancel, st.integers(0, 20)),
    st.builds(Fail),
)
actions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Soon, st.lists(inner, max_size=4).map(tuple)),
        st.builds(Threadsafe, st.lists(inner, max_size=3).map(tuple)),
        st.builds(FromThread, st.lists(inner, max_size=2).map(tuple)),
        st.builds(At, st.integers(0, 9), st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=20,
)
programs = st.lists(actions, max_size=8).map(tuple)


class Interpreter:
    """Runs a program on a loop, and remembers in which order its callbacks ran.

    All timers are due already, so that the order follows from their deadlines and not from how
    fast the machine is; no two deadlines are equal, because asyncio's heap does not keep those in
    order.
    """

    def __init__(self, loop):
        self.loop = loop
        self.order = []
        self.handles = []
        self.scheduled = 0
        self.start = loop.time() - 100
        loop.set_exception_handler(lambda _, context: self.order.append(repr(context["exception"])))

    def schedule(self, action):
        name = self.scheduled
        self.scheduled += 1
        match action:
            case Soon(children):
                self.handles.append(self.loop.call_soon(self.run, name, children))
            case Threadsafe(children):
                self.handles.append(self.loop.call_soon_threadsafe(self.run, name, children))
            case FromThread(children):
                call = self.loop.call_soon_threadsafe
                thread = threading.Thread(target=call, args=(self.run, name, children))
                thread.start()
                thread.join()
            case At(step, children):
                when = self.start + step + name / 1000
                self.handles.append(self.loop.call_at(when, self.run, name, children))
            case Cancel(index):
                if self.handles:
                    self.handles[index % len(self.handles)].cancel()
            case Fail():
                self.handles.append(self.loop.call_soon(self.fail, name))

    def run(self, name, children):
        self.order.append(name)
        for child in children:
            self.schedule(child)

    def fail(self, name):
        self.order.append(name)
        raise ValueError(name)


def order_of(loop, program):
    """What ran, in which order, and in which turn."""
    try:
        interpreter = Interpreter(loop)
        for action in program:
            interpreter.schedule(action)
        for turn in range(12):
            loop.call_soon(loop.stop)
            loop.run_forever()
            interpreter.order.append(f"turn {turn}")
        cancelled = [handle.cancelled() for handle in interpreter.handles]
        return interpreter.order, cancelled
    finally:
        loop.close()


@settings(max_examples=300, deadline=None)
@given(programs)
def test_zloop_runs_programs_as_asyncio_does(program):
    expected = order_of(asyncio.SelectorEventLoop(), program)
    assert order_of(zloop.new_event_loop(), program) == expected


@settings(max_examples=100, deadline=None)
@given(programs)
def test_debug_mode_changes_no_order(program):
    plain = order_of(zloop.new_event_loop(), program)
    loop = zloop.new_event_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 3600
    assert order_of(loop, program) == plain


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=60))
def test_timers_run_by_deadline_then_by_insertion(timers):
    loop = zloop.new_event_loop()
    try:
        order = []
        start = loop.time() - 1000
        handles = [
            loop.call_at(start + step, order.append, (step, number))
            for number, (step, _) in enumerate(timers)
        ]
        for handle, (_, is_cancelled) in zip(handles, timers, strict=True):
            if is_cancelled:
                handle.cancel()
        loop.call_soon(loop.stop)
        loop.run_forever()
        kept = [(step, n) for n, (step, is_cancelled) in enumerate(timers) if not is_cancelled]
        assert order == sorted(kept)
    finally:
        loop.close()
