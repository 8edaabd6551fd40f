"""Datagram endpoints."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys

import pytest


class Recorder(asyncio.DatagramProtocol):
    """Keeps what it is told, and lets tests wait for it."""

    def __init__(self):
        self.transport = None
        self.received = []
        self.errors = []
        self.flow = []
        self.lost = asyncio.get_running_loop().create_future()
        self._changed = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.received.append((data, addr))
        self._changed.set()

    def error_received(self, exc):
        self.errors.append(exc)
        self._changed.set()

    def pause_writing(self):
        self.flow.append("pause")

    def resume_writing(self):
        self.flow.append("resume")
        self._changed.set()

    def connection_lost(self, exc):
        self.lost.set_result(exc)

    async def until(self, condition):
        async with asyncio.timeout(10):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def datagrams(self, count):
        await self.until(lambda: len(self.received) >= count)
        return [data for data, _ in self.received]


class Echo(Recorder):
    def datagram_received(self, data, addr):
        super().datagram_received(data, addr)
        self.transport.sendto(data, addr)


async def bound(loop, protocol=Recorder, host="127.0.0.1", **options):
    return await loop.create_datagram_endpoint(protocol, local_addr=(host, 0), **options)


async def connected_to(loop, transport, **options):
    address = transport.get_extra_info("sockname")[:2]
    return await loop.create_datagram_endpoint(Recorder, remote_addr=address, **options)


async def close(*transports):
    protocols = [transport.get_protocol() for transport in transports]
    for transport in transports:
        transport.close()
    for protocol in protocols:
        assert await protocol.lost is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_echo(loop, host):
    async def main():
        server, echo = await bound(loop, Echo, host)
        client, protocol = await connected_to(loop, server)
        assert protocol.transport is client
        assert isinstance(client, asyncio.DatagramTransport)
        for data in (b"bytes", bytearray(b"bytearray"), memoryview(b"memoryview")):
            client.sendto(data)
        assert await protocol.datagrams(3) == [b"bytes", b"bytearray", b"memoryview"]
        assert {addr for _, addr in protocol.received} == {server.get_extra_info("sockname")}
        assert {addr for _, addr in echo.received} == {client.get_extra_info("sockname")}
        assert client.get_extra_info("peername") == server.get_extra_info("sockname")
        assert client.get_extra_info("socket").type == socket.SOCK_DGRAM
        assert client.get_extra_info("nothing", "default") == "default"
        await close(client, server)

    loop.run_until_complete(main())


def test_one_endpoint_and_many_peers(loop):
    async def main():
        server, _ = await bound(loop, Echo)
        clients = [await connected_to(loop, server) for _ in range(5)]
        for round_number in range(4):
            for index, (client, _) in enumerate(clients):
                client.sendto(b"%d of %d" % (round_number, index))
        for index, (_, protocol) in enumerate(clients):
            assert await protocol.datagrams(4) == [b"%d of %d" % (n, index) for n in range(4)]
        await close(server, *[client for client, _ in clients])

    loop.run_until_complete(main())


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1", "127.1"])
def test_an_unconnected_endpoint_sends_to_any_form_of_address(loop, address):
    async def main():
        server, protocol = await bound(loop)
        client, _ = await bound(loop)
        port = server.get_extra_info("sockname")[1]
        client.sendto(b"data", (address, port))
        assert await protocol.datagrams(1) == [b"data"]
        await close(client, server)

    loop.run_until_complete(main())


def test_a_burst_comes_in_order_and_whole(loop):
    async def main():
        server, protocol = await bound(loop)
        client, _ = await connected_to(loop, server)
        # Few enough for the socket's buffer, which drops what it has no room for.
        expected = [b"%03d" % number * (number % 7 + 1) for number in range(100)]
        for data in expected:
            client.sendto(data)
        assert await protocol.datagrams(100) == expected
        await close(client, server)

    loop.run_until_complete(main())


def test_a_burst_without_end_leaves_others_their_turns(loop):
    class Forwarder(Recorder):
        def datagram_received(self, data, addr):
            self.received.append((data, addr))
            self.transport.sendto(data, self.transport.get_extra_info("sockname"))

    async def main():
        transport, protocol = await bound(loop, Forwarder)
        for number in range(50):
            transport.sendto(b"%d" % number, transport.get_extra_info("sockname"))
        for _ in range(20):
            before = len(protocol.received)
            async with asyncio.timeout(10):
                while len(protocol.received) < before + 50:
                    await asyncio.sleep(0)
        names = [data for data, _ in protocol.received]
        assert names[:1000] == [b"%d" % (number % 50) for number in range(1000)]
        await close(transport)

    loop.run_until_complete(main())


class Burst:
    """Datagrams that wait for an endpoint before its loop looks at them, so that they come as one."""

    def __init__(self, peer, transport):
        peer.setblocking(False)
        for number in range(20):
            peer.sendto(b"%d" % number, transport.get_extra_info("sockname"))
        self._peer = peer

    def answers(self):
        answers = []
        while True:
            try:
                answers.append(self._peer.recv(100_000))
            except BlockingIOError:
                return answers


@pytest.fixture
def peer():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        yield peer


def answer_burst(loop, peer, protocol_factory):
    """Have a protocol handle a burst; return it, and what it answered."""

    async def main():
        transport, protocol = await bound(loop, protocol_factory)
        # Twice, because a first datagram is received alone.
        for count in (20, 40):
            burst = Burst(peer, transport)
            await protocol.until(
                lambda count=count: transport.is_closing() or len(protocol.received) >= count
            )
        if not transport.is_closing():
            transport.close()
        await protocol.lost
        return protocol, burst.answers()

    return loop.run_until_complete(main())


def test_answers_to_a_burst_come_in_order(loop, peer):
    numbers = [b"%d" % number for number in range(20)]
    _, answers = answer_burst(loop, peer, Echo)
    assert answers == numbers * 2


def test_nothing_of_a_burst_s_answers_shows_as_buffered(loop, peer):
    class Counting(Recorder):
        def datagram_received(self, data, addr):
            self.transport.sendto(data, addr)
            sizes.append(self.transport.get_write_buffer_size())
            super().datagram_received(data, addr)

    sizes = []
    _, answers = answer_burst(loop, peer, Counting)
    assert len(answers) == 40
    assert sizes == [0] * 40


def test_answers_are_sent_before_the_endpoint_closes(loop, peer):
    class Closing(Recorder):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            self.transport.sendto(data, addr)
            if len(self.received) == 25:
                self.transport.close()

    protocol, answers = answer_burst(loop, peer, Closing)
    assert answers == [data for data, _ in protocol.received]
    assert len(answers) == 25


def test_a_refused_answer_in_a_burst_stops_no_other(loop, peer):
    class Oversized(Recorder):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            self.transport.sendto(data, addr)
            self.transport.sendto(bytes(70_000), addr)
            told.append(len(self.errors))

    told = []
    protocol, answers = answer_burst(loop, peer, Oversized)
    assert answers == [data for data, _ in protocol.received]
    assert told == list(range(1, 41))


def test_an_unreachable_peer_in_a_burst_stops_no_other(loop, peer):
    unreachable = ("255.255.255.255", 9)

    class Mixed(Recorder):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            self.transport.sendto(data, unreachable)
            self.transport.sendto(data, addr)

    protocol, answers = answer_burst(loop, peer, Mixed)
    assert answers == [data for data, _ in protocol.received]
    assert [type(error) for error in protocol.errors] == [PermissionError] * 40


def test_a_failing_protocol_s_answers_are_sent(loop, peer):
    class Failing(Recorder):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            self.transport.sendto(data, addr)
            raise ZeroDivisionError

    loop.set_exception_handler(lambda loop, context: reports.append(context["exception"]))
    reports = []
    _, answers = answer_burst(loop, peer, Failing)
    assert len(answers) == 40
    assert [type(error) for error in reports] == [ZeroDivisionError] * 40


def test_the_longest_datagram(loop):
    async def main():
        server, protocol = await bound(loop)
        client, _ = await connected_to(loop, server)
        client.sendto(b"x" * 65507)
        assert await protocol.datagrams(1) == [b"x" * 65507]
        await close(client, server)

    loop.run_until_complete(main())


def test_an_oversized_datagram_is_an_error_at_once(loop):
    async def main():
        server, _ = await bound(loop)
        client, protocol = await connected_to(loop, server)
        client.sendto(b"x" * 65508)
        [error] = protocol.errors
        assert isinstance(error, OSError)
        assert not client.is_closing()
        await close(client, server)

    loop.run_until_complete(main())


@pytest.mark.skipif(sys.version_info < (3, 13), reason="dropped before 3.13")
def test_an_empty_datagram_is_sent(loop):
    async def main():
        server, protocol = await bound(loop)
        client, _ = await connected_to(loop, server)
        client.sendto(b"")
        client.sendto(b"end")
        assert await protocol.datagrams(2) == [b"", b"end"]
        await close(client, server)

    loop.run_until_complete(main())


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="sent since 3.13")
def test_an_empty_datagram_is_dropped(loop):
    async def main():
        server, protocol = await bound(loop)
        client, _ = await connected_to(loop, server)
        client.sendto(b"")
        client.sendto(b"end")
        assert await protocol.datagrams(1) == [b"end"]
        await close(client, server)

    loop.run_until_complete(main())


def test_a_refused_datagram_is_told_to_error_received(loop):
    async def main():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
            nobody.bind(("127.0.0.1", 0))
            address = nobody.getsockname()
        client, protocol = await loop.create_datagram_endpoint(Recorder, remote_addr=address)
        client.sendto(b"anybody there?")
        await protocol.until(lambda: protocol.errors)
        assert isinstance(protocol.errors[0], ConnectionRefusedError)
        assert not client.is_closing()
        await close(client)

    loop.run_until_complete(main())


def test_wrong_arguments_of_sendto(loop):
    async def main():
        server, _ = await bound(loop)
        client, _ = await connected_to(loop, server)
        peer = client.get_extra_info("peername")
        with pytest.raises(TypeError, match="data argument must be a bytes-like object, not 'str'"):
            client.sendto("text")
        with pytest.raises(ValueError, match="Invalid address: must be None or"):
            client.sendto(b"data", ("127.0.0.1", 1))
        client.sendto(b"data", peer)
        await close(client, server)

    loop.run_until_complete(main())


def test_an_impossible_address_ends_the_transport(loop):
    reports = []
    loop.set_exception_handler(lambda _, context: reports.append(context))

    async def main():
        transport, protocol = await bound(loop)
        transport.sendto(b"data", ("127.0.0.1", 1, 2, 3, 4))
        assert transport.is_closing()
        assert isinstance(await protocol.lost, TypeError)

    loop.run_until_complete(main())
    [report] = reports
    assert report["message"] == "Fatal write error on datagram transport"


def test_flow_control(loop):
    """On Unix sockets, a full receiver blocks the sender."""

    async def main():
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with left:
            left.setblocking(False)
            right.bind("")  # A name: without one it counts as unconnected.
            left.connect(right.getsockname())
            sender, protocol = await loop.create_datagram_endpoint(Recorder, sock=left)
            sender.set_write_buffer_limits(high=1000, low=100)
            count = 0
            while not protocol.flow:
                sender.sendto(b"x" * 100)
                count += 1
            assert protocol.flow == ["pause"]
            assert sender.get_write_buffer_size() > 1000
            assert sender.get_write_buffer_limits() == (100, 1000)
            sender.close()
            right.setblocking(False)
            received = 0
            async with asyncio.timeout(10):
                while received < count:
                    assert await loop.sock_recv(right, 1000) == b"x" * 100
                    received += 1
                assert await protocol.lost is None
            assert protocol.flow == ["pause", "resume"]
        right.close()

    loop.run_until_complete(main())


def test_abort_drops_what_waits(zloop_loop):
    async def main():
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        right.bind("")
        left.connect(right.getsockname())
        with right:
            sender, protocol = await zloop_loop.create_datagram_endpoint(Recorder, sock=left)
            while not sender.get_write_buffer_size():
                sender.sendto(b"x" * 100)
            sender.abort()
            assert sender.get_write_buffer_size() == 0
            assert await protocol.lost is None
            assert left.fileno() == -1

    zloop_loop.run_until_complete(main())


def test_what_comes_while_reading_is_paused_is_kept(loop):
    class PausesAtEach(Recorder):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            self.transport.pause_reading()
            loop.call_soon(self.transport.resume_reading)

    async def main():
        server, protocol = await bound(loop, PausesAtEach)
        client, _ = await connected_to(loop, server)
        for number in range(40):
            client.sendto(b"%d" % number)
        assert await protocol.datagrams(40) == [b"%d" % number for number in range(40)]
        assert server.is_reading() in (True, False)
        await close(client, server)

    loop.run_until_complete(main())


def test_nothing_comes_after_close(loop):
    class ClosesAtFirst(Recorder):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            if data == b"last":
                self.transport.close()

    async def main():
        server, protocol = await bound(loop, ClosesAtFirst)
        client, _ = await connected_to(loop, server)
        for data in (b"1", b"2", b"3", b"last", b"lost", b"lost"):
            client.sendto(data)
        await protocol.lost
        assert [data for data, _ in protocol.received] == [b"1", b"2", b"3", b"last"]
        await close(client)

    loop.run_until_complete(main())


def test_what_the_protocol_raises_is_reported(loop):
    reports = []
    loop.set_exception_handler(lambda _, context: reports.append(context))

    class Raises(Recorder):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            raise ZeroDivisionError(data)

    async def main():
        server, protocol = await bound(loop, Raises)
        client, _ = await connected_to(loop, server)
        for data in (b"1", b"2", b"3"):
            client.sendto(data)
        await protocol.datagrams(3)
        assert not server.is_closing()
        await close(client, server)

    loop.run_until_complete(main())
    assert [str(report["exception"]) for report in reports] == ["b'1'", "b'2'", "b'3'"]


def test_another_protocol(loop):
    async def main():
        server, first = await bound(loop)
        client, _ = await connected_to(loop, server)
        client.sendto(b"first")
        await first.datagrams(1)
        second = Recorder()
        server.set_protocol(second)
        assert server.get_protocol() is second
        client.sendto(b"second")
        assert await second.datagrams(1) == [b"second"]
        assert len(first.received) == 1
        await close(client, server)

    loop.run_until_complete(main())


def test_unix_endpoints(loop, tmp_path):
    async def main():
        path = str(tmp_path / "server")
        server, _ = await loop.create_datagram_endpoint(
            Echo, local_addr=path, family=socket.AF_UNIX
        )
        client, protocol = await loop.create_datagram_endpoint(
            Recorder,
            local_addr=str(tmp_path / "client"),
            remote_addr=path,
            family=socket.AF_UNIX,
        )
        client.sendto(b"data")
        assert await protocol.datagrams(1) == [b"data"]
        assert protocol.received == [(b"data", path)]
        await close(client, server)
        # A file that is left behind does not keep the next one from the address.
        again, _ = await loop.create_datagram_endpoint(
            Recorder, local_addr=path, family=socket.AF_UNIX
        )
        await close(again)

    loop.run_until_complete(main())


def test_broadcast_and_reuse_port(loop):
    async def main():
        first, _ = await bound(loop, reuse_port=True, allow_broadcast=True)
        sock = first.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
        second, _ = await loop.create_datagram_endpoint(
            Recorder, local_addr=first.get_extra_info("sockname"), reuse_port=True
        )
        await close(first, second)

    loop.run_until_complete(main())


def test_a_broadcasting_endpoint_is_not_connected(loop):
    async def main():
        server, _ = await bound(loop, Echo)
        client, protocol = await connected_to(loop, server, allow_broadcast=True)
        assert client.get_extra_info("peername") is None
        client.sendto(b"data")
        assert await protocol.datagrams(1) == [b"data"]
        await close(client, server)

    loop.run_until_complete(main())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "unexpected address family"),
        ({"local_addr": "nowhere"}, TypeError, "2-tuple is expected"),
        ({"local_addr": ("127.0.0.1",)}, TypeError, "2-tuple is expected"),
        ({"local_addr": b"x", "family": socket.AF_UNIX}, TypeError, "string is expected"),
        (
            {"local_addr": ("127.0.0.1", 0), "remote_addr": ("::1", 1)},
            ValueError,
            "can not get address information",
        ),
    ],
)
def test_wrong_arguments(loop, options, error, message):
    with pytest.raises(error, match=message):
        loop.run_until_complete(loop.create_datagram_endpoint(Recorder, **options))


def test_a_socket_excludes_what_describes_another(loop):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        with pytest.raises(ValueError, match=r"when sock is specified. \(reuse_port=True\)"):
            loop.run_until_complete(
                loop.create_datagram_endpoint(Recorder, sock=sock, reuse_port=True)
            )
        assert sock.fileno() != -1


def test_a_stream_socket_is_refused(loop):
    expected = "datagram socket" if sys.version_info >= (3, 13) else "UDP Socket"
    with (
        socket.socket() as sock,
        pytest.raises(ValueError, match=f"A {expected} was expected, got"),
    ):
        loop.run_until_complete(loop.create_datagram_endpoint(Recorder, sock=sock))


def test_an_address_in_use(loop):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="in use"):
            loop.run_until_complete(
                loop.create_datagram_endpoint(Recorder, local_addr=sock.getsockname())
            )


def test_sending_after_the_end_is_harmless(zloop_loop):
    async def main():
        server, _ = await bound(zloop_loop)
        client, protocol = await connected_to(zloop_loop, server)
        await close(client, server)
        for _ in range(3):
            client.sendto(b"late")
            server.sendto(b"late", ("127.0.0.1", 9))
        client.close()
        client.abort()
        assert protocol.errors == []

    zloop_loop.run_until_complete(main())


def test_an_unclosed_transport_warns(loop_factory):
    loop = loop_factory()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))

    loop.run_until_complete(loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=sock))
    with pytest.warns(ResourceWarning, match="unclosed transport"):
        loop.close()
        del loop
        gc.collect()
    assert sock.fileno() == -1


def test_no_watcher_beside_the_transport(loop):
    async def main():
        transport, _ = await bound(loop)
        descriptor = transport.get_extra_info("socket").fileno()
        with pytest.raises(RuntimeError, match="is used by transport"):
            loop.add_reader(descriptor, print)
        await close(transport)

    loop.run_until_complete(main())


def test_a_protocol_that_takes_no_datagrams_is_reported(loop):
    reported = loop.create_future()
    loop.set_exception_handler(lambda _, context: reported.set_result(context["exception"]))

    async def main():
        server, _ = await bound(loop, asyncio.BaseProtocol)
        client, _ = await connected_to(loop, server)
        client.sendto(b"data")
        assert isinstance(await reported, AttributeError)
        loop.set_exception_handler(lambda _, context: None)
        server.close()
        await close(client)

    loop.run_until_complete(main())
