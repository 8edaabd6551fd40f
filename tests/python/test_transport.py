"""Stream transports: writing, flow control, reading, half-close, closing, and what they tell."""

from __future__ import annotations

import array
import asyncio
import contextvars
import hashlib
import random
import re
import socket
import sys
import weakref

import pytest

import zloop

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

MEGABYTE = 1024 * 1024


class Recorder(asyncio.Protocol):
    """Remember every call, in order."""

    def __init__(self, keep_open=False):
        self.calls: list[object] = []
        self.data = bytearray()
        self.transport = None
        self.keep_open = keep_open
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.calls.append("made")

    def data_received(self, data):
        assert type(data) is bytes
        if self.calls[-1] != "data":
            self.calls.append("data")
        self.data += data

    def eof_received(self):
        self.calls.append("eof")
        return self.keep_open

    def pause_writing(self):
        self.calls.append("pause")

    def resume_writing(self):
        self.calls.append("resume")

    def connection_lost(self, exc):
        self.calls.append("lost" if exc is None else exc)
        self.lost.set_result(exc)


class BufferedRecorder(asyncio.BufferedProtocol):
    """Receive into a buffer of one's own."""

    def __init__(self, size=1000):
        self.buffer = bytearray(size)
        self.data = bytearray()
        self.sizes = set()
        self.lost = asyncio.get_running_loop().create_future()
        self.ended = False

    def get_buffer(self, sizehint):
        self.sizes.add(sizehint)
        return self.buffer

    def buffer_updated(self, nbytes):
        self.data += self.buffer[:nbytes]

    def eof_received(self):
        self.ended = True

    def connection_lost(self, exc):
        self.lost.set_result(exc)


class Peer:
    """The other end: a plain socket."""

    def __init__(self, sock):
        sock.setblocking(False)
        self.sock = sock

    async def receive(self, count):
        """Receive exactly `count` bytes, or what comes before the end."""
        got = bytearray()
        while len(got) < count:
            data = await asyncio.get_running_loop().sock_recv(self.sock, 256 * 1024)
            if not data:
                break
            got += data
        return bytes(got)

    async def receive_all(self):
        return await self.receive(sys.maxsize)

    async def send(self, data):
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    def reset(self):
        """Close in a way that the other end sees as a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()


def tcp_pair():
    """Two connected TCP sockets."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    return one, other


def small_pair():
    """Two connected sockets that hold little."""
    one, other = socket.socketpair()
    for sock in (one, other):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return one, other


async def connected(protocol=None, pair=socket.socketpair):
    """Make a transport over one end of a pair."""
    ours, theirs = pair()
    protocol = protocol or Recorder()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(lambda: protocol, sock=ours)
    return transport, protocol, Peer(theirs)


async def finished(transport, protocol, peer):
    """Close both ends."""
    transport.abort()
    await protocol.lost
    peer.sock.close()


async def turns(count=5):
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition):
    """Wait for what happens in the end; the test's time limit says when it does not."""
    while not condition():
        await asyncio.sleep(0.001)


# Writing


def non_contiguous():
    return memoryview(b"a-b-c-d-")[::2]


@pytest.mark.parametrize(
    "data",
    [
        b"abcd",
        bytearray(b"abcd"),
        memoryview(b"abcd"),
        memoryview(bytearray(b"abcd")),
        memoryview(b"__abcd__")[2:6],
        non_contiguous(),
        memoryview(b"dcba")[::-1],
    ],
)
def test_every_bytes_like_type(loop, data):
    async def main():
        transport, protocol, peer = await connected()
        transport.write(data)
        assert await peer.receive(4) == b"abcd"
        transport.writelines([data, data])
        assert await peer.receive(8) == b"abcdabcd"
        await finished(transport, protocol, peer)

    is_gapless = not isinstance(data, memoryview) or data.contiguous
    if not is_gapless and not isinstance(loop, zloop.Loop):
        pytest.skip("asyncio cannot send it")
    loop.run_until_complete(main())


def test_subclass_of_bytes(loop):
    class Special(bytes):
        pass

    async def main():
        transport, protocol, peer = await connected()
        transport.write(Special(b"abcd"))
        assert await peer.receive(4) == b"abcd"
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_items_wider_than_a_byte(zloop_loop):
    async def main():
        transport, protocol, peer = await connected()
        numbers = array.array("I", [1, 2, 3])
        transport.write(memoryview(numbers))
        assert await peer.receive(12) == numbers.tobytes()
        await finished(transport, protocol, peer)

    zloop_loop.run_until_complete(main())


def test_mutable_data_is_sent_as_it_was(loop):
    """What the caller changes after the call does not reach the peer."""

    async def main():
        transport, protocol, peer = await connected()
        data = bytearray(b"before")
        transport.write(data)
        data[:] = b"after!"
        transport.write(b"|")
        assert await peer.receive(7) == b"before|"
        data.clear()
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


@pytest.mark.parametrize("wrong", ["text", 5, None, [b"x"], array.array("B", [1])])
def test_wrong_types(loop, wrong):
    async def main():
        transport, protocol, peer = await connected()
        name = type(wrong).__name__
        expected = (
            "bytes, bytearray, or memoryview" if sys.version_info >= (3, 14) else "bytes-like"
        )
        message = f"^data argument must be a {expected} object, not {re.escape(repr(name))}$"
        with pytest.raises(TypeError, match=message):
            transport.write(wrong)
        transport.write(b"fine")
        assert await peer.receive(4) == b"fine"
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_wrong_lines(zloop_loop):
    async def main():
        transport, protocol, peer = await connected()
        for wrong in (5, ["text"], [b"x", 5]):
            with pytest.raises(TypeError):
                transport.writelines(wrong)
        transport.writelines([])
        transport.writelines([b"", bytearray()])
        transport.writelines(line for line in (b"fi", b"", b"ne"))
        assert await peer.receive(4) == b"fine"
        await finished(transport, protocol, peer)

    zloop_loop.run_until_complete(main())


def test_writes_keep_their_order(loop):
    async def main():
        transport, protocol, peer = await connected(pair=small_pair)
        transport.set_write_buffer_limits(high=MEGABYTE * 16)
        expected = bytearray()
        random_numbers = random.Random(1)
        for _ in range(500):
            lines = [
                random_numbers.randbytes(random_numbers.choice([0, 1, 10, 1000, 5000]))
                for _ in range(3)
            ]
            transport.write(lines[0])
            transport.writelines(lines[1:])
            expected += b"".join(lines)
        assert await peer.receive(len(expected)) == expected
        assert transport.get_write_buffer_size() == 0
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


@pytest.mark.parametrize("pair", [socket.socketpair, tcp_pair])
def test_many_megabytes_both_ways(loop, pair):
    async def main():
        transport, protocol, peer = await connected(pair=pair)
        payload = random.Random(2).randbytes(8 * MEGABYTE)
        transport.write(payload)
        _, received = await asyncio.gather(peer.send(payload), peer.receive(len(payload)))
        await until(lambda: len(protocol.data) >= len(payload))
        digest = hashlib.sha256(payload).digest()
        assert hashlib.sha256(received).digest() == digest
        assert hashlib.sha256(protocol.data).digest() == digest
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


@pytest.mark.parametrize("size", [1, 2, 1000, 65535, 65536, 65537, 262144, 300000, MEGABYTE])
def test_reads_of_every_size(loop, size):
    async def main():
        transport, protocol, peer = await connected(pair=tcp_pair)
        random_numbers = random.Random(size)
        expected = bytearray()
        for _ in range(3):
            expected += random_numbers.randbytes(size)
            await peer.send(expected[-size:])
            await until(lambda: len(protocol.data) >= len(expected))  # noqa: B023 -- it is one
        assert protocol.data == expected
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_write_before_connection_made_returns(loop):
    class Eager(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.write(b"at once, ")
            transport.write(b"and more")

    async def main():
        transport, protocol, peer = await connected(Eager())
        assert await peer.receive(17) == b"at once, and more"
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_written_data_leaves_when_the_callback_returns(loop):
    """A peer in the same thread that looks in the next callback finds it."""

    async def main():
        transport, protocol, peer = await connected()
        transport.write(b"first ")
        transport.write(b"second")
        await asyncio.sleep(0)
        assert peer.sock.recv(100) == b"first second"
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_data_written_outside_a_callback_leaves_at_once(loop):
    transport, protocol, peer = loop.run_until_complete(connected())
    transport.write(b"no callback")
    assert peer.sock.recv(100) == b"no callback"
    loop.run_until_complete(finished(transport, protocol, peer))


def test_data_written_before_an_interrupt_leaves(loop):
    transport, protocol, peer = loop.run_until_complete(connected())

    def write_and_interrupt():
        transport.write(b"last words")
        raise KeyboardInterrupt

    loop.call_soon(write_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    assert peer.sock.recv(100) == b"last words"
    loop.run_until_complete(finished(transport, protocol, peer))


# Flow control


def test_limits(loop):
    async def main():
        transport, protocol, peer = await connected()
        assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
        transport.set_write_buffer_limits()
        assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
        transport.set_write_buffer_limits(1000)
        assert transport.get_write_buffer_limits() == (250, 1000)
        transport.set_write_buffer_limits(low=1000)
        assert transport.get_write_buffer_limits() == (1000, 4000)
        transport.set_write_buffer_limits(high=7, low=7)
        assert transport.get_write_buffer_limits() == (7, 7)
        transport.set_write_buffer_limits(high=0)
        assert transport.get_write_buffer_limits() == (0, 0)
        transport.set_write_buffer_limits(high=sys.maxsize)
        for high, low in ((1, 2), (-1, None), (5, -1)):
            with pytest.raises(ValueError, match=r"must be >= low \(.*\) must be >= 0$"):
                transport.set_write_buffer_limits(high=high, low=low)
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


@pytest.mark.parametrize("high", [0, 1000, 100_000])
def test_protocol_is_paused_and_resumed_once(loop, high):
    async def main():
        transport, protocol, peer = await connected(pair=small_pair)
        transport.set_write_buffer_limits(high=high)
        low = transport.get_write_buffer_limits()[0]
        written = 0
        while "pause" not in protocol.calls:
            transport.write(b"x" * 1000)
            written += 1000
            paused = "pause" in protocol.calls
            assert paused == (transport.get_write_buffer_size() > high)
        transport.write(b"y" * 5000)
        assert protocol.calls == ["made", "pause"]
        while protocol.calls[-1] == "pause":
            assert transport.get_write_buffer_size() > low
            try:
                peer.sock.recv(1000)
            except BlockingIOError:
                await asyncio.sleep(0.001)
            await turns(3)
        assert transport.get_write_buffer_size() <= low
        assert protocol.calls == ["made", "pause", "resume"]
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_pause_comes_within_the_call_that_crosses_the_limit(loop):
    async def main():
        transport, protocol, peer = await connected(pair=small_pair)
        transport.set_write_buffer_limits(high=100)
        transport.write(b"x" * MEGABYTE)
        assert protocol.calls == ["made", "pause"]
        await finished(transport, protocol, peer)
        assert protocol.calls == ["made", "pause", "lost"]

    loop.run_until_complete(main())


def test_lowering_the_limit_pauses(loop):
    async def main():
        transport, protocol, peer = await connected(pair=small_pair)
        transport.set_write_buffer_limits(high=2 * MEGABYTE)
        transport.write(b"x" * MEGABYTE)
        assert protocol.calls == ["made"]
        transport.set_write_buffer_limits(high=10)
        assert protocol.calls == ["made", "pause"]
        transport.set_write_buffer_limits(high=2 * MEGABYTE, low=2 * MEGABYTE)
        assert protocol.calls == ["made", "pause"]
        await peer.receive(1000)
        await until(lambda: protocol.calls == ["made", "pause", "resume"])
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_writing_in_resume_writing(loop):
    class Refilling(Recorder):
        rounds = 0

        def resume_writing(self):
            super().resume_writing()
            self.rounds += 1
            if self.rounds < 4:
                self.transport.write(b"%d" % self.rounds * 50_000)

    async def main():
        transport, protocol, peer = await connected(Refilling(), pair=small_pair)
        transport.set_write_buffer_limits(high=10_000)
        transport.write(b"0" * 50_000)
        expected = b"".join(b"%d" % number * 50_000 for number in range(4))
        assert await peer.receive(len(expected)) == expected
        assert protocol.calls == ["made", *["pause", "resume"] * 4]
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_streams_wait_for_a_slow_reader(loop):
    async def main():
        ours, theirs = small_pair()
        reader, writer = await asyncio.open_connection(sock=ours)
        peer = Peer(theirs)

        async def produce():
            for number in range(200):
                writer.write(b"%04d" % number * 250)
                await writer.drain()

        producing = asyncio.create_task(produce())
        received = await peer.receive(200 * 1000)
        await producing
        assert received == b"".join(b"%04d" % number * 250 for number in range(200))
        writer.close()
        await writer.wait_closed()
        theirs.close()

    loop.run_until_complete(main())


# Reading


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


# Protocols


def test_set_protocol_mid_stream(loop):
    async def main():
        transport, first, peer = await connected()
        assert transport.get_protocol() is first
        await peer.send(b"one")
        await until(lambda: first.data)
        second = Recorder()
        second.calls.append("set")
        transport.set_protocol(second)
        assert transport.get_protocol() is second
        await peer.send(b"two")
        await until(lambda: second.data)
        buffered = BufferedRecorder()
        transport.set_protocol(buffered)
        await peer.send(b"three")
        await until(lambda: buffered.data)
        transport.set_protocol(second)
        peer.sock.close()
        assert await second.lost is None
        assert (first.data, second.data, buffered.data) == (b"one", b"two", b"three")
        assert first.calls == ["made", "data"]
        assert second.calls == ["set", "data", "eof", "lost"]
        assert buffered.sizes == {-1}

    loop.run_until_complete(main())


def test_set_protocol_inside_data_received(loop):
    class Handing(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.set_protocol(self.next)

    async def main():
        transport, first, peer = await connected(Handing())
        first.next = second = Recorder()
        second.calls.append("set")
        await peer.send(b"one")
        await until(lambda: first.data)
        await peer.send(b"two")
        await until(lambda: second.data)
        transport.close()
        assert await second.lost is None
        assert not first.lost.done()
        peer.sock.close()

    loop.run_until_complete(main())


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
def test_buffered_protocol(loop, size):
    async def main():
        protocol = BufferedRecorder(size)
        transport, _, peer = await connected(protocol)
        payload = random.Random(size).randbytes(min(size * 50, MEGABYTE))
        await peer.send(payload)
        peer.sock.close()
        assert await protocol.lost is None
        assert protocol.data == payload
        assert protocol.ended

    loop.run_until_complete(main())


@pytest.mark.parametrize(
    ("buffer", "error", "failed"),
    [
        (bytearray(), RuntimeError, "protocol.get_buffer() call failed"),
        (None, TypeError, "protocol.get_buffer() call failed"),
        (b"cannot be written", (TypeError, BufferError), "read error on socket transport"),
        ("text", TypeError, "read error on socket transport"),
        (memoryview(bytearray(10))[::2], (TypeError, BufferError), "read error"),
    ],
)
def test_wrong_buffers(loop, buffer, error, failed):
    reports = []
    loop.set_exception_handler(lambda _, context: reports.append(context))

    async def main():
        protocol = BufferedRecorder()
        protocol.buffer = buffer
        transport, _, peer = await connected(protocol)
        await peer.send(b"x")
        lost = await protocol.lost
        assert isinstance(lost, error)
        (report,) = reports
        assert report["message"].startswith("Fatal ")
        assert failed in report["message"]
        assert report["exception"] is lost
        assert report["transport"] is transport
        assert report["protocol"] is protocol
        peer.sock.close()

    loop.run_until_complete(main())


@pytest.mark.parametrize("end", ["close", "abort"])
def test_ending_inside_get_buffer(loop, end):
    class Ending(BufferedRecorder):
        def get_buffer(self, sizehint):
            getattr(self.transport, end)()
            return super().get_buffer(sizehint)

    async def main():
        protocol = Ending()
        transport, _, peer = await connected(protocol)
        protocol.transport = transport
        await peer.send(b"x")
        assert await protocol.lost is None
        assert not protocol.ended
        peer.sock.close()

    loop.run_until_complete(main())


# Closing


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


# What transports tell


def test_classes(loop):
    async def main():
        transport, protocol, peer = await connected()
        assert isinstance(transport, asyncio.Transport)
        assert isinstance(transport, asyncio.ReadTransport)
        assert isinstance(transport, asyncio.WriteTransport)
        assert weakref.ref(transport)() is transport
        transport.anything = 5
        assert transport.anything == 5
        del transport.anything
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def extra_info(transport):
    return {
        name: transport.get_extra_info(name)
        for name in ("peername", "sockname", "socket", "sslcontext", "unknown")
    }


def check_extra_info(info, peername, sockname):
    assert info["peername"] == peername
    assert info["sockname"] == sockname
    assert type(info["socket"]) is asyncio.trsock.TransportSocket
    assert info["sslcontext"] is None
    assert info["unknown"] is None


def test_extra_info_of_both_ends(loop):
    async def main():
        made = loop.create_future()

        class Accepted(Recorder):
            def connection_made(self, transport):
                super().connection_made(transport)
                made.set_result(self)

        server = await loop.create_server(Accepted, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        client, ours = await loop.create_connection(Recorder, *address)
        accepted = await made
        local = client.get_extra_info("sockname")
        check_extra_info(extra_info(client), address, local)
        check_extra_info(extra_info(accepted.transport), local, address)
        assert accepted.transport.get_extra_info("unknown", "default") == "default"
        sock = accepted.transport.get_extra_info("socket")
        assert sock is accepted.transport.get_extra_info("socket")
        assert (sock.family, sock.type) == (socket.AF_INET, socket.SOCK_STREAM)
        assert sock.proto == server.sockets[0].proto
        assert sock.gettimeout() == 0
        assert sock.getsockname() == address
        assert sock.getpeername() == local
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert client.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        client.close()
        await ours.lost
        await accepted.lost
        await turns(1)
        check_extra_info(extra_info(client), address, local)
        check_extra_info(extra_info(accepted.transport), local, address)
        assert sock.fileno() == -1
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())


def test_extra_info_asked_for_after_the_end(loop):
    async def main():
        made = loop.create_future()

        class Accepted(Recorder):
            def connection_made(self, transport):
                super().connection_made(transport)
                made.set_result(self)

        server = await loop.create_server(Accepted, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        with socket.create_connection(address) as client:
            local = client.getsockname()
        accepted = await made
        await accepted.lost
        await turns(1)
        check_extra_info(extra_info(accepted.transport), local, address)
        assert accepted.transport.get_extra_info("socket").fileno() == -1
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())


def test_peername_of_one_who_left_before_being_accepted(loop):
    async def main():
        made = loop.create_future()

        class Accepted(Recorder):
            def connection_made(self, transport):
                super().connection_made(transport)
                made.set_result(transport.get_extra_info("peername"))

        sock = socket.create_server(("127.0.0.1", 0))
        with socket.create_connection(sock.getsockname()) as client:
            local = client.getsockname()
        server = await loop.create_server(Accepted, sock=sock)
        assert await made == local
        await turns(10)
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())


def test_ipv6_addresses(loop):
    try:
        sock = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")

    async def main():
        made = loop.create_future()

        class Accepted(Recorder):
            def connection_made(self, transport):
                super().connection_made(transport)
                made.set_result(self)

        server = await loop.create_server(Accepted, sock=sock)
        client, _ = await loop.create_connection(Recorder, *sock.getsockname()[:2])
        accepted = await made
        local = client.get_extra_info("sockname")
        assert len(local) == 4
        check_extra_info(extra_info(accepted.transport), local, sock.getsockname())
        client.abort()
        await accepted.lost
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())


def test_unix_addresses(loop, tmp_path):
    path = str(tmp_path / "socket")

    async def main():
        made = loop.create_future()

        class Accepted(Recorder):
            def connection_made(self, transport):
                super().connection_made(transport)
                made.set_result(self)

        server = await loop.create_unix_server(Accepted, path)
        client, ours = await loop.create_unix_connection(Recorder, path)
        accepted = await made
        check_extra_info(extra_info(client), path, "")
        check_extra_info(extra_info(accepted.transport), "", path)
        assert accepted.transport.get_extra_info("socket").family == socket.AF_UNIX
        client.write(b"x" * MEGABYTE)
        await until(lambda: len(accepted.data) == MEGABYTE)
        client.close()
        await ours.lost
        await accepted.lost
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())


def test_repr(loop):
    async def main():
        transport, protocol, peer = await connected(pair=small_pair)
        number = transport.get_extra_info("socket").fileno()
        pattern = rf"<_?\w+Transport fd={number} read=polling write=<idle, bufsize=0>>"
        assert re.fullmatch(pattern, repr(transport))
        transport.pause_reading()
        transport.write(b"x" * MEGABYTE)
        size = transport.get_write_buffer_size()
        pattern = rf"<_?\w+Transport fd={number} read=idle write=<polling, bufsize={size}>>"
        assert re.fullmatch(pattern, repr(transport))
        transport.close()
        assert re.match(rf"<_?\w+Transport closing fd={number} read=idle", repr(transport))
        await finished(transport, protocol, peer)
        await turns(1)
        assert re.match(r"<_?\w+Transport closed", repr(transport))

    loop.run_until_complete(main())


# Contexts


def test_contexts_of_callbacks(loop):
    """Each callback runs in a copy of what was current when it was registered."""
    seen = []

    class Looking(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            seen.append(("made", variable.get()))
            variable.set("set in connection_made")

        def data_received(self, data):
            super().data_received(data)
            seen.append(("data", variable.get()))
            variable.set("set in data_received")

        def eof_received(self):
            seen.append(("eof", variable.get()))

        def connection_lost(self, exc):
            super().connection_lost(exc)
            seen.append(("lost", variable.get()))

    async def main():
        variable.set("while connecting")
        transport, protocol, peer = await connected(Looking())
        variable.set("afterwards")
        await peer.send(b"x")
        await until(lambda: protocol.data)
        peer.sock.close()
        await protocol.lost
        return variable.get()

    assert loop.run_until_complete(main()) == "afterwards"
    found = dict(seen)
    assert found["made"] == "while connecting"
    first_data = "set in connection_made" if sys.version_info >= (3, 15) else "while connecting"
    assert seen[1] == ("data", first_data)
    assert found["eof"] == "set in data_received"
    assert found["lost"] == "set in data_received"


def test_context_of_connections_is_not_the_servers_callers(loop):
    seen = []

    class Looking(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            seen.append(variable.get())
            variable.set("leaked")
            transport.close()

    async def main():
        variable.set("server")
        server = await loop.create_server(Looking, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        variable.set("client")
        for _ in range(2):
            reader, writer = await asyncio.open_connection(*address)
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
        server.close()
        await server.wait_closed()
        assert variable.get() == "client"

    loop.run_until_complete(main())
    assert seen == ["server", "server"]
