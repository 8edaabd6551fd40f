"""Closing of stream transports, and the sockets under them."""

from __future__ import annotations

import asyncio
import socket

import pytest
from transport_support import MEGABYTE, Peer, Recorder, connected, small_pair, turns


def test_close_sends_what_is_buffered(loop):
    async def main():
        transport, protocol, peer = await connected(pair=small_pair)
        transport.write(b"x" * MEGABYTE)
        transport.write(b"y" * MEGABYTE)
        transport.close()
        transport.close()
        assert transport.is_closing()
        assert not protocol.lost.done()
        received = await peer.receive_all()
        assert received == b"x" * MEGABYTE + b"y" * MEGABYTE
        assert await protocol.lost is None
        assert protocol.calls == ["made", "pause", "resume", "lost"]
        peer.sock.close()

    loop.run_until_complete(main())


def test_write_to_a_closing_transport_that_has_something_to_send(loop):
    async def main():
        transport, protocol, peer = await connected(pair=small_pair)
        transport.write(b"x" * MEGABYTE)
        transport.close()
        transport.write(b"appended")
        received = await peer.receive_all()
        assert received == b"x" * MEGABYTE + b"appended"
        await protocol.lost
        peer.sock.close()

    loop.run_until_complete(main())


def test_abort_drops_what_is_buffered(loop):
    async def main():
        transport, protocol, peer = await connected(pair=small_pair)
        transport.write(b"x" * 8 * MEGABYTE)
        transport.abort()
        transport.abort()
        transport.close()
        assert transport.is_closing()
        assert transport.get_write_buffer_size() == 0
        assert "lost" not in protocol.calls
        assert await protocol.lost is None
        assert len(await peer.receive_all()) < 8 * MEGABYTE
        peer.sock.close()

    loop.run_until_complete(main())


def test_abort_after_close(loop):
    async def main():
        transport, protocol, peer = await connected(pair=small_pair)
        transport.write(b"x" * 8 * MEGABYTE)
        transport.close()
        await turns()
        assert not protocol.lost.done()
        transport.abort()
        assert await protocol.lost is None
        peer.sock.close()

    loop.run_until_complete(main())


@pytest.mark.parametrize("end", ["close", "abort"])
def test_writes_after_the_end_are_dropped_and_logged(loop, caplog, end):
    async def main():
        transport, protocol, peer = await connected()
        getattr(transport, end)()
        for _ in range(8):
            transport.write(b"x")
        messages = [record.getMessage() for record in caplog.records]
        assert set(messages) == {"socket.send() raised exception."}
        assert 3 <= len(messages) <= 4
        await protocol.lost
        assert await peer.receive_all() == b""
        with pytest.raises(TypeError):
            transport.write("text")
        peer.sock.close()

    loop.run_until_complete(main())


def test_connection_lost_comes_later(loop):
    async def main():
        transport, protocol, peer = await connected()
        transport.close()
        assert protocol.calls == ["made"]
        await asyncio.sleep(0)
        assert protocol.calls == ["made", "lost"]
        peer.sock.close()

    loop.run_until_complete(main())


@pytest.mark.parametrize("end", ["close", "abort"])
def test_ending_in_connection_made(loop, end):
    class Leaving(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.write(b"bye")
            getattr(transport, end)()

    async def main():
        transport, protocol, peer = await connected(Leaving())
        assert await protocol.lost is None
        assert protocol.calls == ["made", "lost"]
        assert await peer.receive_all() == b"bye"
        peer.sock.close()

    loop.run_until_complete(main())


def test_ending_in_data_received(loop):
    class Leaving(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.write(b"bye")
            self.transport.close()

    async def main():
        transport, protocol, peer = await connected(Leaving())
        await peer.send(b"x" * 10)
        assert await protocol.lost is None
        assert protocol.calls == ["made", "data", "lost"]
        assert await peer.receive_all() == b"bye"
        peer.sock.close()

    loop.run_until_complete(main())


def test_given_socket_is_closed_by_its_own_method(loop):
    closed = []

    class Watched(socket.socket):
        def close(self):
            closed.append(self.fileno())
            super().close()

    async def main():
        ours, theirs = socket.socketpair()
        watched = Watched(fileno=ours.detach())
        number = watched.fileno()
        protocol = Recorder()
        transport, _ = await loop.create_connection(lambda: protocol, sock=watched)
        assert watched.fileno() == number
        transport.close()
        await protocol.lost
        await turns(1)
        assert closed == [number]
        assert watched.fileno() == -1
        theirs.close()

    loop.run_until_complete(main())


def test_given_socket_closed_by_its_user_is_not_mixed_up(zloop_loop):
    """Nothing is written to whoever gets the number of a socket that was closed too early."""

    async def main():
        ours, theirs = socket.socketpair()
        protocol = Recorder()
        transport, _ = await zloop_loop.create_connection(lambda: protocol, sock=ours)
        ours.close()
        others = socket.socketpair()
        transport.write(b"for theirs")
        assert await Peer(theirs).receive(10) == b"for theirs"
        for other in others:
            other.setblocking(False)
            with pytest.raises(BlockingIOError):
                other.recv(1)
        for other in others:
            other.close()
        transport.close()
        await protocol.lost
        await turns(1)
        assert ours.fileno() == -1
        theirs.close()

    zloop_loop.run_until_complete(main())


@pytest.mark.parametrize("paused", [False, True])
def test_what_was_not_read_before_close_is_not_delivered(loop, paused):
    async def main():
        transport, protocol, peer = await connected()
        if paused:
            transport.pause_reading()
        peer.sock.send(b"x")
        transport.close()
        transport.resume_reading()
        assert await protocol.lost is None
        assert protocol.calls == ["made", "lost"]
        peer.sock.close()

    loop.run_until_complete(main())


def stream(loop, sock):
    return loop.create_connection(asyncio.Protocol, sock=sock)


def datagram(loop, sock):
    return loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=sock)


def write_pipe(loop, sock):
    return loop.connect_write_pipe(asyncio.BaseProtocol, sock)


@pytest.mark.parametrize("method", ["close", "abort"])
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (stream, socket.SOCK_STREAM),
        (datagram, socket.SOCK_DGRAM),
        (write_pipe, socket.SOCK_STREAM),
    ],
)
def test_debug_mode_refuses_to_close_on_another_thread(zloop_loop, make, kind, method):
    """As on asyncio, whose transport cannot be closed any more then; here it can."""
    zloop_loop.set_debug(True)
    message = "^Non-thread-safe operation invoked on an event loop other than the current one$"

    async def main():
        ours, theirs = socket.socketpair(type=kind)
        ours.setblocking(False)
        transport, _ = await make(zloop_loop, ours)
        with pytest.raises(RuntimeError, match=message):
            await asyncio.to_thread(getattr(transport, method))
        transport.abort()
        await turns(3)
        assert ours.fileno() == -1
        theirs.close()

    zloop_loop.run_until_complete(main())
