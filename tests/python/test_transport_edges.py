"""Accepted TCP connections, of which zloop is told once when something comes: nothing may be left behind.

The sockets of the other tests are brought by the program. Those are told of for as long as something is left.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import transport_support as support
from conftest import FACTORIES, closing
from hypothesis import given, settings
from hypothesis import strategies as st
from transport_support import MEGABYTE, BufferedRecorder, Recorder, receive, turns, until

# What a turn reads of a connection, in pieces, until it is as much or more.
READ_SIZE = 256 * 1024


@asynccontextmanager
async def accepted[P: asyncio.BaseProtocol](
    make: Callable[[], P],
) -> AsyncIterator[tuple[P, socket.socket]]:
    """A protocol whose connection a server accepted, and its peer, which blocks."""
    async with support.accepted(1, make) as ([protocol], [peer]):
        yield protocol, peer


class Buffered(BufferedRecorder):
    """Knows its transport."""

    def connection_made(self, transport):
        self.transport = transport


def send_unread(protocol, peer, data):
    """Sends what fits into the sockets' buffers while the protocol reads nothing."""
    protocol.transport.pause_reading()
    peer.setblocking(False)
    sent = 0
    try:
        while sent < len(data):
            sent += peer.send(data[sent:])
    except BlockingIOError:
        pass
    peer.setblocking(True)
    protocol.transport.resume_reading()
    return data[:sent]


@pytest.mark.parametrize("size", [READ_SIZE, READ_SIZE - 1, READ_SIZE + 1, 2 * READ_SIZE])
def test_all_that_came_at_once_arrives(loop, size):
    async def main():
        async with accepted(Recorder) as (protocol, peer):
            sent = send_unread(protocol, peer, bytes(size))
            await until(lambda: len(protocol.data) == len(sent))

    loop.run_until_complete(main())


@pytest.mark.parametrize("size", [1, 10, 1000, 999, 1001])
def test_a_small_buffer_gets_everything(loop, size):
    async def main():
        async with accepted(lambda: Buffered(size)) as (protocol, peer):
            peer.sendall(b"x" * 1000)
            await until(lambda: len(protocol.data) == 1000)
            peer.sendall(b"y" * 1000)
            await until(lambda: len(protocol.data) == 2000)

    loop.run_until_complete(main())


@pytest.mark.parametrize("make", [Recorder, lambda: Buffered(10), lambda: Buffered(100)])
@pytest.mark.parametrize("way", ["shutdown", "close"])
def test_the_end_that_came_with_data_is_told(loop, make, way):
    async def main():
        async with accepted(make) as (protocol, peer):
            protocol.transport.pause_reading()
            peer.sendall(b"x" * 100)
            if way == "shutdown":
                peer.shutdown(socket.SHUT_WR)
            else:
                peer.close()
            protocol.transport.resume_reading()
            await protocol.lost
            assert protocol.data == b"x" * 100

    loop.run_until_complete(main())


def test_what_stands_behind_urgent_data_arrives(loop):
    async def main():
        async with accepted(Recorder) as (protocol, peer):
            protocol.transport.pause_reading()
            peer.send(b"before")
            peer.send(b"!", socket.MSG_OOB)
            peer.send(b"after")
            protocol.transport.resume_reading()
            await until(lambda: protocol.data == b"beforeafter")
            peer.send(b"!", socket.MSG_OOB)
            peer.shutdown(socket.SHUT_WR)
            await protocol.lost
            assert protocol.data == b"beforeafter"

    loop.run_until_complete(main())


def test_another_protocol_gets_what_the_first_one_left(loop):
    async def main():
        async with accepted(Recorder) as (first, peer):
            second = Recorder()
            second.calls.append("set")

            class Handing(Recorder):
                def data_received(self, data):
                    super().data_received(data)
                    self.transport.set_protocol(second)

            handing = Handing()
            handing.connection_made(first.transport)
            first.transport.set_protocol(handing)
            first.lost.set_result(None)
            sent = send_unread(first, peer, bytes(2 * MEGABYTE))
            await until(lambda: len(handing.data) + len(second.data) == len(sent))
            assert handing.data
            assert second.data

    loop.run_until_complete(main())


def test_pausing_keeps_the_rest(loop):
    class Sipping(Buffered):
        def buffer_updated(self, nbytes):
            super().buffer_updated(nbytes)
            self.transport.pause_reading()

    async def main():
        async with accepted(lambda: Sipping(10)) as (protocol, peer):
            peer.sendall(b"x" * 30)
            for count in (10, 20, 30):
                await until(lambda least=count: len(protocol.data) >= least)
                await turns()
                assert len(protocol.data) == count
                protocol.transport.resume_reading()

    loop.run_until_complete(main())


def test_a_filled_buffer_may_be_the_only_one_for_now(loop):
    """A protocol of messages of one size has no room for another one until it has answered."""

    class Answering(Buffered):
        def get_buffer(self, sizehint):
            return self.buffer if self.room else bytearray()

        def connection_made(self, transport):
            super().connection_made(transport)
            self.room = True

        def buffer_updated(self, nbytes):
            assert nbytes == len(self.buffer)
            self.room = False
            asyncio.get_running_loop().call_later(0.01, self.answer)

        def answer(self):
            self.room = True
            self.transport.write(bytes(self.buffer))

    async def main():
        async with accepted(lambda: Answering(100)) as (protocol, peer):
            for number in range(3):
                peer.sendall(bytes([number]) * 100)
                answer = await asyncio.to_thread(peer.recv, 1000)
                assert answer == bytes([number]) * 100
            protocol.transport.pause_reading()
            protocol.transport.resume_reading()

    loop.run_until_complete(main())


def test_what_a_read_caused_runs_before_the_next_one(loop):
    """A task that a header wakes may have another protocol read on, as `start_tls` does."""

    class Heading(Buffered):
        def __init__(self):
            super().__init__(16)
            self.header = asyncio.get_running_loop().create_future()

        def buffer_updated(self, nbytes):
            super().buffer_updated(nbytes)
            if not self.header.done():
                self.header.set_result(None)

    async def main():
        async with accepted(Heading) as (protocol, peer):
            rest = Recorder()
            rest.calls.append("set")
            rest.lost = protocol.lost
            peer.sendall(b"h" * 16 + b"rest")
            await protocol.header
            protocol.transport.set_protocol(rest)
            await until(lambda: rest.data)
            assert protocol.data == b"h" * 16
            assert rest.data == b"rest"

    loop.run_until_complete(main())


def test_closing_within_a_read_is_the_end(loop):
    class Satisfied(Buffered):
        def buffer_updated(self, nbytes):
            super().buffer_updated(nbytes)
            self.transport.close()

    async def main():
        async with accepted(lambda: Satisfied(10)) as (protocol, peer):
            peer.sendall(b"x" * 100)
            await protocol.lost
            await turns()
            assert len(protocol.data) == 10

    loop.run_until_complete(main())


def test_a_flood_gets_one_read_a_turn(loop):
    class Restless(Buffered):
        reads = 0

        def buffer_updated(self, nbytes):
            super().buffer_updated(nbytes)
            self.reads += 1
            self.transport.pause_reading()
            self.transport.resume_reading()

    async def main():
        async with accepted(lambda: Restless(100)) as (protocol, peer):
            peer.sendall(bytes(100_000))
            most = 0
            while len(protocol.data) < 100_000:
                before = protocol.reads
                await asyncio.sleep(0)
                most = max(most, protocol.reads - before)
            assert most == 1

    loop.run_until_complete(main())


class Interrupting(Recorder):
    """Raises once, which ends the run."""

    raised = False

    def data_received(self, data):
        super().data_received(data)
        if not self.raised:
            self.raised = True
            raise KeyboardInterrupt


class InterruptingBuffered(Buffered):
    """Raises before a read, or after one, which ends the run."""

    def __init__(self, where):
        super().__init__(10)
        self.where = where

    def _raise(self, where):
        if where == self.where:
            self.where = None
            raise KeyboardInterrupt

    def get_buffer(self, sizehint):
        self._raise("before")
        return super().get_buffer(sizehint)

    def buffer_updated(self, nbytes):
        super().buffer_updated(nbytes)
        self._raise("after")


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (Interrupting, 2 * MEGABYTE),
        (lambda: InterruptingBuffered("before"), 100),
        (lambda: InterruptingBuffered("after"), 100),
    ],
    ids=["data_received", "get_buffer", "buffer_updated"],
)
@pytest.mark.parametrize("ends", [False, True])
def test_a_run_that_was_interrupted_loses_nothing(loop, make, size, ends):
    async def begin():
        context = accepted(make)
        return context, *await context.__aenter__()

    async def go_on(context, protocol, sent):
        await until(lambda: len(protocol.data) == len(sent))
        if ends:
            await protocol.lost
        await context.__aexit__(None, None, None)

    context, protocol, peer = loop.run_until_complete(begin())
    sent = send_unread(protocol, peer, bytes(size))
    if ends:
        peer.shutdown(socket.SHUT_WR)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    loop.run_until_complete(go_on(context, protocol, sent))


def test_room_is_used_after_an_interrupted_run(loop):
    """Room and data are told of together, and the protocol raises at the data."""
    size = 8 * MEGABYTE

    async def begin():
        context = accepted(Interrupting)
        protocol, peer = await context.__aenter__()
        protocol.transport.write(bytes(size))
        await turns()
        assert protocol.transport.get_write_buffer_size()
        return context, protocol, peer

    async def go_on(context, protocol, peer):
        received = await asyncio.to_thread(receive, peer, size - len(first))
        assert len(first) + len(received) == size
        await context.__aexit__(None, None, None)

    context, protocol, peer = loop.run_until_complete(begin())
    # Makes room, and what there is to read, while the loop does not look.
    first = receive(peer, MEGABYTE)
    peer.sendall(b"x")
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    loop.run_until_complete(go_on(context, protocol, peer))


def test_stopping_within_a_read_keeps_the_rest(loop):
    class Stopping(Buffered):
        def buffer_updated(self, nbytes):
            super().buffer_updated(nbytes)
            asyncio.get_running_loop().stop()

    async def begin():
        context = accepted(lambda: Stopping(10))
        return context, *await context.__aenter__()

    context, protocol, peer = loop.run_until_complete(begin())
    peer.sendall(bytes(100))
    for count in range(10, 110, 10):
        loop.run_forever()
        assert len(protocol.data) == count
    loop.run_until_complete(context.__aexit__(None, None, None))


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 3 * READ_SIZE)),
        st.tuples(st.just("size"), st.integers(1, 2000)),
        st.tuples(st.just("pause"), st.just(0)),
        st.tuples(st.just("resume"), st.just(0)),
        st.tuples(st.just("buffered"), st.booleans()),
        st.tuples(st.just("turns"), st.integers(0, 3)),
    ),
    max_size=12,
)


@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES)
@settings(max_examples=60, deadline=None)
@given(operations=OPERATIONS, ends=st.booleans())
def test_random_programs_lose_nothing(factory, operations, ends):
    """Whatever is sent, paused and exchanged, what was sent is what arrives."""

    async def main():
        async with accepted(Recorder) as (first, peer):
            peer.setblocking(False)
            both = {False: first, True: Buffered(100)}
            both[True].transport = first.transport
            both[True].lost = first.lost
            sent = 0
            for name, value in operations:
                match name:
                    case "send":
                        try:
                            sent += peer.send(bytes(value))
                        except BlockingIOError:
                            pass
                    case "size":
                        both[True].buffer = bytearray(value)
                    case "pause":
                        first.transport.pause_reading()
                    case "resume":
                        first.transport.resume_reading()
                    case "buffered":
                        first.transport.set_protocol(both[value])
                    case "turns":
                        for _ in range(value):
                            await asyncio.sleep(0)
            if ends:
                peer.shutdown(socket.SHUT_WR)
            first.transport.resume_reading()
            await until(lambda: len(first.data) + len(both[True].data) == sent)
            if ends:
                await first.lost

    with closing(factory()) as loop:
        loop.run_until_complete(main())
