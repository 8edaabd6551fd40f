"""What callers do that they should not."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import socket

import pytest
from fault_support import Protocol, connected, turns

import zloop
from zloop import _transport, _zloop


def test_transport_of_a_closed_loop(zloop_loop):
    protocol = zloop_loop.run_until_complete(made_protocol())
    transport, theirs = zloop_loop.run_until_complete(connected(protocol))
    zloop_loop.close()
    with pytest.raises(RuntimeError, match=r"^Event loop is closed$"):
        transport.close()
    assert transport.is_closing()
    transport.close()
    transport.write(b"x")
    assert "closing" in repr(transport)
    theirs.close()
    protocol.transport = None
    with pytest.warns(ResourceWarning, match="unclosed transport"):
        del transport
        gc.collect()


async def made_protocol():
    return Protocol()


@pytest.mark.parametrize(
    "use",
    [
        lambda transport: transport.write(b"x"),
        lambda transport: transport.writelines([]),
        lambda transport: transport.write_eof(),
        lambda transport: transport.pause_reading(),
        lambda transport: transport.resume_reading(),
        lambda transport: transport.is_reading(),
        lambda transport: transport.close(),
        lambda transport: transport.abort(),
        lambda transport: transport.get_write_buffer_size(),
        lambda transport: transport.get_write_buffer_limits(),
        lambda transport: transport.get_extra_info("peername"),
        lambda transport: transport.can_write_eof(),
        lambda transport: repr(transport),
        lambda transport: transport.get_protocol(),
    ],
)
def test_finished_transport_can_be_used(loop, use):
    async def main():
        protocol = Protocol()
        transport, theirs = await connected(protocol)
        transport.abort()
        await protocol.lost
        await turns(2)
        use(transport)
        theirs.close()

    loop.run_until_complete(main())


NATIVE = [
    zloop.Loop,
    _zloop.Handle,
    _zloop.TimerHandle,
    _zloop.EventLoop,
    _zloop.StreamTransport,
    _zloop.DatagramTransport,
    _zloop.ReadPipeTransport,
    _zloop.WritePipeTransport,
    _transport.StreamTransport,
]


@pytest.mark.parametrize("native", NATIVE)
def test_instances_cannot_be_made_without_their_native_part(native):
    with pytest.raises(TypeError):
        object.__new__(native)
    for base in native.__mro__[1:]:
        if base.__new__ is not native.__new__:
            with pytest.raises(TypeError):
                base.__new__(native)


@pytest.mark.parametrize("native", [each for each in NATIVE if not issubclass(each, NATIVE[3])])
def test_callers_cannot_make_native_parts(native):
    with pytest.raises(TypeError):
        native()
    with pytest.raises(TypeError):
        native.__new__(native)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_loop_that_was_not_initialized():
    raw = _zloop.EventLoop.__new__(zloop.Loop)
    raw.call_soon(print)
    assert raw.is_closed() is False
    raw._close_native()
    assert raw.is_closed()
    bare = _zloop.EventLoop()
    bare.call_soon(bare.stop)
    bare._run()
    bare._close_native()
    with pytest.raises(RuntimeError, match="closed"):
        bare._run()


def test_methods_of_one_class_refuse_instances_of_another(zloop_loop):
    handle = zloop_loop.call_soon(print)
    timer = zloop_loop.call_later(10, print)
    for method, wrong in [
        (_zloop.Handle.cancel, timer),
        (_zloop.TimerHandle.cancel, handle),
        (_zloop.EventLoop.call_soon, handle),
        (_zloop.StreamTransport.write, zloop_loop),
    ]:
        with pytest.raises(TypeError):
            method(wrong, b"")
    handle.cancel()
    timer.cancel()


def test_native_objects_are_not_copied(zloop_loop):
    handle = zloop_loop.call_soon(print)
    timer = zloop_loop.call_later(10, print)
    for each in (handle, timer, zloop_loop):
        for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError):
                duplicate(each)
    timer.cancel()


def test_asyncios_constructor_does_no_harm_to_a_timer_handle(zloop_loop):
    timer = zloop_loop.call_later(10, print)
    with pytest.raises((TypeError, AttributeError)):
        asyncio.TimerHandle.__init__(timer, 5.0, print, (), zloop_loop)
    timer.cancel()
    assert timer.cancelled()


def test_handles_can_be_run_by_hand(loop):
    calls = []
    handle = loop.call_soon(calls.append, 1)
    handle._run()
    assert calls == [1]
    handle.cancel()


def test_wrong_use_of_the_private_engine(zloop_loop):
    for use in (
        lambda: zloop_loop._make_socket_transport(None, None),
        lambda: zloop_loop._make_socket_transport(socket, asyncio.Protocol()),
        lambda: zloop_loop._start_accepting(5, Protocol, None, 100),
        lambda: zloop_loop._stop_accepting(object()),
        lambda: zloop_loop._make_socket_transport(),
    ):
        with pytest.raises((TypeError, AttributeError)):
            use()


def test_debug_mode_of_what_has_no_truth_stays_as_it_was(zloop_loop):
    class Undecided:
        def __bool__(self):
            raise LookupError("neither")

    zloop_loop.set_debug(True)
    with pytest.raises(LookupError, match="neither"):
        zloop_loop.set_debug(Undecided())
    assert zloop_loop.get_debug() is True
