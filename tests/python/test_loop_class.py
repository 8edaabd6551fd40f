"""What the loop's class is made of: native methods of its own, and slots for what it keeps."""

from __future__ import annotations

import asyncio
import signal

import pytest

import zloop
from zloop import _zloop


def test_a_loop_that_did_its_work_has_no_dictionary_to_search(zloop_loop):
    async def main() -> None:
        server = await zloop_loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        await zloop_loop.run_in_executor(None, str)
        zloop_loop.add_signal_handler(signal.SIGUSR1, str)
        zloop_loop.set_exception_handler(None)
        server.close()

    zloop_loop.run_until_complete(main())
    assert vars(zloop_loop) == {}


def test_native_methods_are_those_of_the_loops_own_class():
    assert zloop.Loop.call_soon.__objclass__ is zloop.Loop
    assert zloop.Loop.call_soon.__doc__ == _zloop.EventLoop.call_soon.__doc__


def test_a_subclass_may_override_them_and_call_them():
    called = []

    class Logging(zloop.Loop):
        def call_soon(self, callback, *args, context=None):
            called.append(callback)
            return super().call_soon(callback, *args, context=context)

    loop = Logging()
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    assert called == [loop.stop]


def test_they_refuse_what_is_no_loop():
    with pytest.raises(TypeError):
        zloop.Loop.call_soon(object(), print)


def test_only_a_subclass_can_adopt_them():
    with pytest.raises(TypeError, match="not a subclass of the native class"):
        _zloop.adopt_methods(int, _zloop.EventLoop)


def test_what_a_class_overrides_stays_overridden():
    class Own(_zloop.EventLoop):
        def time(self):
            return 7.0

    _zloop.adopt_methods(Own, _zloop.EventLoop)
    assert Own().time() == 7.0
    assert Own.call_soon.__objclass__ is Own
