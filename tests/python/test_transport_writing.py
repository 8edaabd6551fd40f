"""Writing by stream transports: types, order, sizes, and when bytes leave."""

from __future__ import annotations

import array
import asyncio
import hashlib
import os
import random
import re
import socket
import sys
import time

import pytest
from transport_support import MEGABYTE, Recorder, connected, finished, small_pair, tcp_pair, until

import zloop


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


def test_lines_of_whatever_has_a_buffer(loop):
    async def main():
        transport, protocol, peer = await connected()
        transport.writelines([b"a", array.array("B", b"bc"), memoryview(b"d")])
        assert await peer.receive(4) == b"abcd"
        transport.writelines(None)
        transport.writelines(())
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (5, "'int' object is not iterable"),
        (["text"], "memoryview: a bytes-like object is required, not 'str'"),
        ([5, b"x"], "memoryview: a bytes-like object is required, not 'int'"),
        (b"bytes", "memoryview: a bytes-like object is required, not 'int'"),
    ],
)
def test_wrong_lines(loop, wrong, message):
    async def main():
        transport, protocol, peer = await connected()
        with pytest.raises(TypeError, match=f"^{message}$"):
            transport.writelines(wrong)
        transport.write(b"fine")
        assert await peer.receive(4) == b"fine"
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_lines_before_a_wrong_one_are_not_sent(zloop_loop):
    # asyncio's buffers them from 3.15 on, and sends nothing any more.
    async def main():
        transport, protocol, peer = await connected()
        with pytest.raises(TypeError):
            transport.writelines([b"x", 5])
        transport.write(b"fine")
        assert await peer.receive(4) == b"fine"
        await finished(transport, protocol, peer)

    zloop_loop.run_until_complete(main())


def test_lines_without_bytes(zloop_loop):
    async def main():
        transport, protocol, peer = await connected()
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


def test_written_data_leaves_before_the_next_turn(loop):
    """A peer in the same thread that looks in a callback scheduled after the write finds it."""

    async def main():
        transport, protocol, peer = await connected()
        transport.write(b"first ")
        transport.write(b"second")
        await asyncio.sleep(0)
        assert peer.sock.recv(100) == b"first second"
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_transports_send_in_the_order_of_their_first_writes(zloop_loop):
    """The last one to be written to is not the first to be sent."""

    async def main():
        ends = [await connected() for _ in range(5)]
        received = []
        loop = asyncio.get_running_loop()
        for _, _, peer in ends:
            loop.add_reader(peer.sock, lambda peer=peer: received.append(peer.sock.recv(10)))
        for number, (transport, _, _) in enumerate(ends):
            loop.call_soon(transport.write, b"%d" % number)
        await until(lambda: len(received) == 5)
        assert received == [b"0", b"1", b"2", b"3", b"4"]
        for transport, protocol, peer in ends:
            loop.remove_reader(peer.sock)
            await finished(transport, protocol, peer)

    zloop_loop.run_until_complete(main())


def test_slow_callbacks_do_not_hold_back_what_others_wrote(loop):
    """An answer does not wait for a whole batch of them."""

    async def main():
        transport, protocol, peer = await connected()
        found = asyncio.get_running_loop().create_future()
        loop.call_soon(transport.write, b"answer")
        loop.call_soon(time.sleep, 0.05)
        loop.call_soon(lambda: found.set_result(peer.sock.recv(100)))
        assert await found == b"answer"
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_data_written_before_a_callback_that_fails_leaves(loop):
    loop.set_exception_handler(lambda *_: None)

    async def main():
        transport, protocol, peer = await connected()

        def fail():
            transport.write(b"before")
            raise ValueError

        loop.call_soon(fail)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert peer.sock.recv(100) == b"before"
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


class Through(asyncio.Protocol):
    """Use the transport's socket past the transport, behind a write."""

    def __init__(self, use):
        self.use = use

    def connection_made(self, transport):
        self.transport = transport
        self.lost = asyncio.get_running_loop().create_future()

    def data_received(self, data):
        self.transport.write(b"first")
        self.use(self.transport)

    def connection_lost(self, exc):
        self.lost.set_result(exc)


def shut_down(sock):
    sock.shutdown(socket.SHUT_WR)


def send_by_number(sock):
    with socket.socket(fileno=os.dup(sock.fileno())) as other:
        other.send(b" second")


def send_by_copy(sock):
    with sock.dup() as other:
        other.send(b" second")


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize(
    ("use", "received"),
    [
        (shut_down, b"first"),
        (send_by_number, b"first second"),
        (send_by_copy, b"first second"),
    ],
)
def test_what_was_written_leaves_before_the_socket_is_used(loop, use, received, kept):
    """The socket is got beforehand, as programs do, or when it is needed."""

    async def main():
        sockets = []

        def through(transport):
            use(sockets[0] if kept else transport.get_extra_info("socket"))

        protocol = Through(through)
        transport, _, peer = await connected(protocol, pair=tcp_pair)
        if kept:
            sockets.append(transport.get_extra_info("socket"))
        await peer.send(b"go")
        assert await peer.receive(len(received)) == received
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_options_of_the_socket_find_nothing_unsent(loop):
    """What the system has not sent on yet is told by the socket's options."""

    async def main():
        transport, protocol, peer = await connected(pair=small_pair)
        sock = transport.get_extra_info("socket")
        transport.write(b"x" * 100)
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        assert peer.sock.recv(100) == b"x" * 100
        transport.write(b"y" * 100)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        assert peer.sock.recv(100) == b"y" * 100
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_what_is_written_to_a_socket_that_others_have_leaves_at_once(loop):
    """They may use it past the transport, and nothing would tell."""

    async def main():
        ours, theirs = socket.socketpair()
        protocol = Recorder()
        transport, _ = await loop.create_connection(lambda: protocol, sock=ours)
        for _ in range(2):
            transport.write(b"first")
            ours.send(b"second")
            assert theirs.recv(100) == b"firstsecond"
            transport.get_extra_info("socket")
        transport.write(b"last")
        ours.shutdown(socket.SHUT_WR)
        assert theirs.recv(100) == b"last"
        assert theirs.recv(100) == b""
        theirs.close()
        await protocol.lost

    loop.run_until_complete(main())
