"""What is dropped and when: loops, handles, transports and servers that nobody closed."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref

import pytest

import zloop


class Thing:
    """Something that can be watched going away, and that a loop can call."""

    def __call__(self, *_):
        """Do nothing."""


async def turns(count=5):
    for _ in range(count):
        await asyncio.sleep(0)


def run_briefly(loop):
    loop.call_soon(loop.stop)
    loop.run_forever()


def count_of(kind):
    return sum(type(each) is kind for each in gc.get_objects())


# Loops that nobody closed


@pytest.mark.parametrize(
    "refer",
    [
        lambda loop: loop.call_soon(loop.stop),
        lambda loop: loop.call_soon(print, loop),
        lambda loop: loop.call_later(1000, loop.stop),
        lambda loop: loop.call_later(1000, print, 1, 2, 3, 4, 5, 6, loop),
        lambda loop: loop.call_soon_threadsafe(lambda: loop),
        lambda loop: loop.call_soon(print).cancel(),
        lambda loop: loop.set_exception_handler(lambda *_: loop),
        lambda loop: loop.set_task_factory(lambda *_: loop),
        lambda loop: setattr(loop, "itself", loop),
        lambda loop: setattr(loop, "timer", loop.call_later(1000, loop.stop)),
        lambda loop: setattr(loop, "handle", loop.call_soon(loop.stop)),
        lambda loop: setattr(loop, "handle", loop.call_soon_threadsafe(print, loop)),
        lambda loop: setattr(loop, "future", loop.create_future()),
    ],
)
def test_unclosed_loop_is_collected_and_reported(loop_factory, refer):
    loop = loop_factory()
    run_briefly(loop)
    refer(loop)
    watched = weakref.ref(loop)
    with pytest.warns(ResourceWarning, match=r"^unclosed event loop <"):
        del loop
        gc.collect()
    gc.collect()  # the warning itself kept the loop for a while
    assert watched() is None


def test_unclosed_loop_with_watched_descriptors_is_collected(loop_factory):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        loop = loop_factory()
        loop.add_reader(ours, loop.stop)
        loop.add_writer(ours, print, loop)
        watched = weakref.ref(loop)
        with pytest.warns(ResourceWarning, match=r"^unclosed event loop <"):
            del loop
            gc.collect()
        gc.collect()  # the warning itself kept the loop for a while
        assert watched() is None


def test_unclosed_loop_with_a_waiting_operation_is_collected(loop_factory):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        loop = loop_factory()
        receiving = loop.create_task(loop.sock_recv(ours, 1))
        run_briefly(loop)
        run_briefly(loop)
        assert not receiving.done()
        watched = weakref.ref(loop)
        with pytest.warns(ResourceWarning, match=r"^unclosed event loop <"):
            del loop, receiving
            gc.collect()
        gc.collect()  # the warning itself kept the loop for a while
        assert watched() is None


@pytest.mark.parametrize("watch", ["add_reader", "sock_recv"])
def test_interrupted_loop_with_a_ready_descriptor_is_collected(watch):
    """A reader is held twice then: by its registration and by the queue."""
    ours, theirs = socket.socketpair()

    def interrupt():
        raise KeyboardInterrupt

    with ours, theirs:
        ours.setblocking(False)
        loop = zloop.new_event_loop()
        if watch == "add_reader":
            loop.add_reader(ours, print, loop)
        else:
            loop.receiving = loop.create_task(loop.sock_recv(ours, 1))
            run_briefly(loop)
            run_briefly(loop)
        theirs.send(b"x")
        loop.call_soon(loop.call_soon, interrupt)
        loop.call_soon(interrupt)
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
        watched = weakref.ref(loop)
        with pytest.warns(ResourceWarning, match=r"^unclosed event loop <"):
            del loop
            gc.collect()
        gc.collect()  # the warning itself kept the loop for a while
        assert watched() is None


def test_closed_loops_go_away_by_themselves(loop_factory):
    gc.collect()
    gc.disable()
    try:
        loop = loop_factory()
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.call_soon(loop.stop)
        loop.call_later(1000, loop.stop)
        loop.close()
        watched = weakref.ref(loop)
        del loop
        assert watched() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("debug", [False, True])
def test_handles_that_are_done_hide_no_loop(debug):
    """Whoever keeps them; asyncio's own keep their callbacks."""
    loop = zloop.new_event_loop()
    loop.set_debug(debug)
    kept = [loop.call_soon(print, loop), loop.call_soon_threadsafe(print, loop)]
    kept[0].cancel()
    run_briefly(loop)
    watched = weakref.ref(loop)
    with pytest.warns(ResourceWarning, match=r"^unclosed event loop <"):
        del loop
        gc.collect()
    gc.collect()  # the warning itself kept the loop for a while
    assert watched() is None


def test_a_loop_that_only_handles_refer_to_is_collected():
    """A handle can do nothing with it, and is empty afterwards."""
    loop = zloop.new_event_loop()
    argument = [Thing()]
    handles = [loop.call_soon(print, loop, argument), loop.call_soon(loop.stop)]
    watched = weakref.ref(loop), weakref.ref(argument[0])
    with pytest.warns(ResourceWarning, match=r"^unclosed event loop <"):
        del loop
        gc.collect()
    gc.collect()
    assert [each() for each in watched] == [None, argument[0]]
    assert [repr(handle) for handle in handles] == ["<Handle>", "<Handle>"]
    for handle in handles:
        handle.cancel()
        assert handle.cancelled()


# Handles


@pytest.mark.parametrize(
    "schedule",
    [
        lambda loop: loop.call_soon(print),
        lambda loop: loop.call_soon_threadsafe(print),
        lambda loop: loop.call_later(1000, print),
        lambda loop: loop.call_at(0, print),
    ],
)
def test_handles_are_weakly_referenced(loop, schedule):
    handle = schedule(loop)
    ended = []
    watched = weakref.ref(handle, ended.append)
    assert watched() is handle
    assert handle in weakref.WeakSet([handle])
    handle.cancel()
    run_briefly(loop)
    del handle
    # What takes the memory over is not what was referred to.
    others = [schedule(loop) for _ in range(100)]
    assert watched() is None
    assert ended == [watched]
    for other in others:
        other.cancel()


@pytest.mark.parametrize("end", ["run", "cancel"])
@pytest.mark.parametrize("kind", ["soon", "later", "threadsafe"])
def test_finished_handles_hold_nothing(zloop_loop, kind, end):
    thing, argument = Thing(), Thing()
    watched = weakref.ref(thing), weakref.ref(argument)
    if kind == "soon":
        handle = zloop_loop.call_soon(thing, argument)
    elif kind == "later":
        handle = zloop_loop.call_later(0, thing, argument)
    else:
        handle = zloop_loop.call_soon_threadsafe(thing, argument)
    del thing, argument
    if end == "cancel":
        handle.cancel()
    else:
        zloop_loop.call_later(0.002, zloop_loop.stop)
        zloop_loop.run_forever()
    assert [each() for each in watched] == [None, None]
    assert handle.get_context() is None
    assert handle.cancelled() == (end == "cancel")


def test_failed_handles_hold_nothing(zloop_loop):
    class Failing(Thing):
        def __call__(self):
            raise ZeroDivisionError

    zloop_loop.set_exception_handler(lambda *_: None)
    thing = Failing()
    watched = weakref.ref(thing)
    handles = [zloop_loop.call_soon(thing), zloop_loop.call_later(-1, thing)]
    del thing
    run_briefly(zloop_loop)
    gc.collect()
    assert watched() is None
    assert len(handles) == 2


def test_removed_readers_hold_nothing(loop):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        thing = Thing()
        watched = weakref.ref(thing)
        loop.add_reader(ours, thing)
        loop.add_writer(ours, thing)
        del thing
        run_briefly(loop)
        loop.remove_reader(ours)
        loop.remove_writer(ours)
        run_briefly(loop)
        assert watched() is None


def test_cancelled_timers_do_not_pile_up(zloop_loop):
    kept = zloop_loop.call_later(1000, print)
    gc.collect()
    before = count_of(type(kept))
    for _ in range(100_000):
        zloop_loop.call_later(3600, print).cancel()
    assert count_of(type(kept)) == before
    kept.cancel()


def test_timers_cancelled_out_of_order_do_not_pile_up(zloop_loop):
    timers = [zloop_loop.call_later(3600 + number % 7, print) for number in range(10_000)]
    kind = type(timers[0])
    for timer in timers[::2] + timers[1::2]:
        timer.cancel()
    del timer
    timers.clear()
    assert count_of(kind) == 0


def test_finished_tasks_are_dropped(loop):
    class Special(asyncio.Future):
        pass

    async def main():
        watched = []
        for _ in range(100):
            future = Special()
            watched.append(weakref.ref(future))
            asyncio.get_running_loop().call_soon(future.set_result, None)
            await future
            del future
        await turns()
        return [each() for each in watched]

    assert set(loop.run_until_complete(main())) == {None}


# Transports and servers


class Protocol(asyncio.Protocol):
    """A protocol that can be watched going away, which asyncio's own cannot."""

    transport = None


async def connected():
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_connection(Protocol, sock=ours)
    return transport, protocol, theirs


def test_finished_transports_go_away_by_themselves(loop):
    async def main():
        transport, protocol, theirs = await connected()
        watched = weakref.ref(transport), weakref.ref(protocol)
        transport.write(b"x")
        transport.close()
        del transport, protocol
        await turns()
        theirs.close()
        return [each() for each in watched]

    gc.collect()
    gc.disable()
    try:
        assert loop.run_until_complete(main()) == [None, None]
    finally:
        gc.enable()


def test_protocol_that_holds_its_transport_is_dropped_with_the_connection(loop):
    class Holding(Protocol):
        def connection_made(self, transport):
            self.transport = transport

    async def main():
        ours, theirs = socket.socketpair()
        transport, protocol = await loop.create_connection(Holding, sock=ours)
        watched = weakref.ref(transport), weakref.ref(protocol)
        theirs.close()
        await asyncio.sleep(0.05)  # the loop need not poll at each turn
        del transport, protocol
        gc.collect()
        return [each() for each in watched]

    assert loop.run_until_complete(main()) == [None, None]


def test_open_transport_is_kept_alive_by_its_loop(loop):
    async def main():
        transport, protocol, theirs = await connected()
        watched = weakref.ref(transport)
        del transport, protocol
        gc.collect()
        assert watched() is not None
        theirs.close()
        await turns(20)
        gc.collect()
        assert watched() is None

    loop.run_until_complete(main())


def test_unclosed_transports_warn_and_free_their_descriptor(loop_factory):
    loop = loop_factory()
    transport, _, theirs = loop.run_until_complete(connected())
    number = transport.get_extra_info("socket").fileno()
    sock = transport.get_extra_info("socket")
    loop.close()
    with pytest.warns(ResourceWarning, match=rf"^unclosed transport <.*fd={number}"):
        del transport
        gc.collect()
    assert sock.fileno() == -1
    theirs.settimeout(30)
    assert theirs.recv(1) == b""
    theirs.close()


def test_unclosed_server_frees_its_descriptors():
    loop = zloop.new_event_loop()
    server = loop.run_until_complete(loop.create_server(asyncio.Protocol, "127.0.0.1", 0))
    address = server.sockets[0].getsockname()
    loop.close()
    with pytest.warns(ResourceWarning, match="unclosed"):
        del server
        gc.collect()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_connections_do_not_pile_up(loop):
    kinds = set()

    class Leaving(asyncio.Protocol):
        def connection_made(self, transport):
            kinds.add(type(transport))
            transport.write(b"bye")
            transport.close()

    async def main():
        server = await loop.create_server(Leaving, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        for _ in range(50):
            reader, writer = await asyncio.open_connection(*address)
            assert await reader.read() == b"bye"
            writer.close()
            await writer.wait_closed()
            del reader, writer
        await turns(20)
        gc.collect()
        (kind,) = kinds
        left = count_of(kind)
        server.close()
        await server.wait_closed()
        return left

    assert loop.run_until_complete(main()) == 0
