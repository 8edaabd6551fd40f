"""Reading by stream transports: pausing, the end, half-closed connections."""

from __future__ import annotations

import asyncio
import random
import socket
import statistics

import pytest
from transport_support import (
    MEGABYTE,
    Recorder,
    connected,
    finished,
    small_pair,
    tcp_pair,
    turns,
    until,
)

import zloop


def test_pausing_and_resuming(loop):
    async def main():
        transport, protocol, peer = await connected()
        assert transport.is_reading()
        transport.pause_reading()
        transport.pause_reading()
        assert not transport.is_reading()
        await peer.send(b"held back")
        await turns()
        assert protocol.data == b""
        transport.resume_reading()
        transport.resume_reading()
        assert transport.is_reading()
        await until(lambda: protocol.data)
        assert protocol.data == b"held back"
        await finished(transport, protocol, peer)
        assert not transport.is_reading()
        transport.pause_reading()
        transport.resume_reading()

    loop.run_until_complete(main())


def test_pausing_in_connection_made(loop):
    class Reluctant(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.pause_reading()

    async def main():
        transport, protocol, peer = await connected(Reluctant())
        await peer.send(b"x")
        await turns()
        assert protocol.data == b""
        transport.resume_reading()
        await until(lambda: protocol.data)
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_pausing_in_data_received(loop):
    class Sipping(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.pause_reading()

    async def main():
        transport, protocol, peer = await connected(Sipping(), pair=tcp_pair)
        await peer.send(b"x" * 10)
        await until(lambda: protocol.data)
        await peer.send(b"y" * 10)
        await turns()
        assert len(protocol.data) == 10
        transport.resume_reading()
        await until(lambda: len(protocol.data) == 20)
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_end_is_told_after_what_came_before(loop):
    async def main():
        transport, protocol, peer = await connected()
        transport.pause_reading()
        await peer.send(b"farewell")
        peer.sock.close()
        await turns()
        assert protocol.calls == ["made"]
        transport.resume_reading()
        assert await protocol.lost is None
        assert protocol.calls == ["made", "data", "eof", "lost"]
        assert protocol.data == b"farewell"

    loop.run_until_complete(main())


def test_half_closed_by_the_peer(loop):
    async def main():
        transport, protocol, peer = await connected(Recorder(keep_open=True))
        peer.sock.shutdown(socket.SHUT_WR)
        await until(lambda: "eof" in protocol.calls)
        await turns(20)
        assert protocol.calls == ["made", "eof"]
        assert not transport.is_closing()
        transport.write(b"x" * MEGABYTE)
        assert len(await peer.receive(MEGABYTE)) == MEGABYTE
        transport.close()
        assert await protocol.lost is None
        assert protocol.calls[-1] == "lost"
        assert await peer.receive(1) == b""
        peer.sock.close()

    loop.run_until_complete(main())


def test_half_closed_by_us(loop):
    async def main():
        transport, protocol, peer = await connected(pair=small_pair)
        assert transport.can_write_eof()
        transport.write(b"x" * MEGABYTE)
        transport.write_eof()
        transport.write_eof()
        for write in (lambda: transport.write(b"y"), lambda: transport.write(b"")):
            with pytest.raises(RuntimeError, match=r"^Cannot call write\(\) after write_eof\(\)$"):
                write()
        with pytest.raises(RuntimeError, match=r"^Cannot call writelines\(\) after write_eof\(\)$"):
            transport.writelines([b"y"])
        assert len(await peer.receive_all()) == MEGABYTE
        await peer.send(b"an answer")
        await until(lambda: protocol.data)
        assert protocol.data == b"an answer"
        assert not transport.is_closing()
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_ending_with_nothing_to_send(loop):
    async def main():
        transport, protocol, peer = await connected()
        transport.write_eof()
        assert await peer.receive(1) == b""
        await finished(transport, protocol, peer)
        transport.write_eof()

    loop.run_until_complete(main())


# The system's buffers between two sockets grow to some ten megabytes.
MORE_THAN_BUFFERS_HOLD = 64 * MEGABYTE


class Counting(Recorder):
    """Do something once so many bytes have come."""

    def __init__(self, at, act):
        super().__init__()
        self._at = at
        self._act = act

    def data_received(self, data):
        super().data_received(data)
        if self._act is not None and len(self.data) >= self._at:
            act, self._act = self._act, None
            act(self)


async def given_up(sending, peer):
    """Close the peer, who sends still, or was told of the reset already."""
    peer.sock.close()
    sending.cancel()
    await asyncio.wait([sending])
    assert sending.cancelled() or isinstance(sending.exception(), OSError)


@pytest.fixture(params=["copied", "as it comes"])
def bulk_loop(loop, request):
    """A loop that reads bulk in either way, whichever this machine's processor does better."""
    if isinstance(loop, zloop.Loop):
        loop._copies_bulk = request.param == "copied"
    return loop


class Measuring(Recorder):
    """Know how long each piece was."""

    def __init__(self):
        super().__init__()
        self.lengths = []

    def data_received(self, data):
        super().data_received(data)
        self.lengths.append(len(data))


@pytest.mark.parametrize(("copies", "most"), [(True, 64 * 1024), (False, 128 * 1024)])
def test_bulk_comes_in_pieces_that_suit_the_processor(zloop_loop, copies, most):
    zloop_loop._copies_bulk = copies

    async def main():
        transport, protocol, peer = await connected(Measuring(), tcp_pair)
        await peer.send(bytes(MORE_THAN_BUFFERS_HOLD))
        await until(lambda: len(protocol.data) == MORE_THAN_BUFFERS_HOLD)
        assert statistics.mode(protocol.lengths) == most
        await finished(transport, protocol, peer)

    zloop_loop.run_until_complete(main())


@pytest.mark.parametrize("copies", [True, False])
@pytest.mark.parametrize("size", [100_000, 128 * 1024])
def test_a_large_message_comes_whole_again_after_bulk(zloop_loop, copies, size):
    """Once the first of them has shown how long they are."""
    zloop_loop._copies_bulk = copies

    async def main():
        transport, protocol, peer = await connected(Measuring(), tcp_pair)
        await peer.send(bytes(MEGABYTE))
        await until(lambda: len(protocol.data) == MEGABYTE)
        protocol.lengths.clear()
        for number in range(1, 21):
            await peer.send(bytes(size))
            sent = MEGABYTE + number * size
            await until(lambda sent=sent: len(protocol.data) == sent)
        assert statistics.mode(protocol.lengths) == size
        await finished(transport, protocol, peer)

    zloop_loop.run_until_complete(main())


@pytest.mark.parametrize("at", [1, 300_000, 2 * MEGABYTE])
def test_pausing_amid_bulk(bulk_loop, at):
    """No more is handed on, however much waits, until reading goes on; then all of it, in order."""
    sent = random.Random(at).randbytes(4 * MEGABYTE)

    async def main():
        protocol = Counting(at, lambda protocol: protocol.transport.pause_reading())
        transport, protocol, peer = await connected(protocol, tcp_pair)
        sending = asyncio.ensure_future(peer.send(sent))
        await until(lambda: not transport.is_reading())
        held = len(protocol.data)
        await turns(20)
        assert len(protocol.data) == held
        transport.resume_reading()
        await sending
        await until(lambda: len(protocol.data) == len(sent))
        assert bytes(protocol.data) == sent
        await finished(transport, protocol, peer)

    bulk_loop.run_until_complete(main())


@pytest.mark.parametrize("end", ["close", "abort"])
def test_closing_amid_bulk(bulk_loop, end):
    """Nothing is handed on after the call."""

    async def main():
        counts = []

        def act(protocol):
            getattr(protocol.transport, end)()
            counts.append(len(protocol.data))

        transport, protocol, peer = await connected(Counting(MEGABYTE, act), tcp_pair)
        sending = asyncio.ensure_future(peer.send(bytes(MORE_THAN_BUFFERS_HOLD)))
        await protocol.lost
        assert counts == [len(protocol.data)]
        await given_up(sending, peer)

    bulk_loop.run_until_complete(main())


def test_changing_the_protocol_amid_bulk(bulk_loop):
    """Every byte goes to the protocol that is there when it is handed on."""
    sent = random.Random(1).randbytes(4 * MEGABYTE)

    async def main():
        second = Recorder()
        second.calls.append("made")
        protocol = Counting(MEGABYTE, lambda first: first.transport.set_protocol(second))
        transport, first, peer = await connected(protocol, tcp_pair)
        sending = asyncio.ensure_future(peer.send(sent))
        await until(lambda: len(first.data) + len(second.data) == len(sent))
        assert bytes(first.data + second.data) == sent
        assert second.data
        await sending
        await finished(transport, second, peer)

    bulk_loop.run_until_complete(main())


def test_failing_amid_bulk(bulk_loop):
    """A protocol that raises is handed nothing more."""
    reported = []
    bulk_loop.set_exception_handler(lambda _, context: reported.append(context["message"]))

    async def main():
        def act(protocol):
            raise ValueError

        transport, protocol, peer = await connected(Counting(MEGABYTE, act), tcp_pair)
        sending = asyncio.ensure_future(peer.send(bytes(MORE_THAN_BUFFERS_HOLD)))
        assert isinstance(await protocol.lost, ValueError)
        assert reported == ["Fatal error: protocol.data_received() call failed."]
        await given_up(sending, peer)

    bulk_loop.run_until_complete(main())
