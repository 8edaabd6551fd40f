"""What stream transports tell of themselves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from transport_support import MEGABYTE, Recorder, connected, finished, small_pair, turns, until


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
    assert isinstance(info["socket"], asyncio.trsock.TransportSocket)
    assert info["sslcontext"] is None
    assert info["unknown"] is None


def test_threads_that_ask_at_once_are_told_of_one_socket(loop, monkeypatch):
    """While a socket object is made, another thread may run, and ask too."""
    both_are_there = threading.Barrier(2)
    make = socket.socket.__init__

    def make_slowly(self, *arguments, **options):
        with contextlib.suppress(threading.BrokenBarrierError):
            both_are_there.wait(1)
        make(self, *arguments, **options)

    async def main():
        server = await loop.create_server(Recorder, "127.0.0.1", 0)
        transport, client = await loop.create_connection(Recorder, *server.sockets[0].getsockname())
        with monkeypatch.context() as patch, ThreadPoolExecutor(2) as pool:
            patch.setattr(socket.socket, "__init__", make_slowly)
            asked = [pool.submit(transport.get_extra_info, "socket") for _ in range(2)]
            first, second = (each.result() for each in asked)
        assert first._sock is second._sock
        transport.close()
        await client.lost
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())


def test_the_system_does_not_hold_little_writes_back(loop):
    async def main():
        accepted = []
        server = await loop.create_server(
            lambda: accepted.append(Recorder()) or accepted[-1], "127.0.0.1", 0
        )
        address = server.sockets[0].getsockname()
        literal, _ = await loop.create_connection(Recorder, *address)
        named, _ = await loop.create_connection(Recorder, "localhost", address[1])
        given, _ = await loop.create_connection(Recorder, sock=socket.create_connection(address))
        await until(lambda: len(accepted) == 3 and all(one.transport for one in accepted))
        transports = [literal, named, given, *(one.transport for one in accepted)]
        for transport in transports:
            sock = transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
            transport.close()
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())


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


@pytest.mark.parametrize("abstract", [False, True])
def test_unix_addresses_asked_for_after_the_end(loop, tmp_path, abstract):
    path = b"\0zloop-%d" % os.getpid() if abstract else str(tmp_path / "socket")

    async def main():
        made = loop.create_future()

        class Accepted(Recorder):
            def connection_made(self, transport):
                super().connection_made(transport)
                made.set_result(self)

        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            server = await loop.create_unix_server(Accepted, sock=listening)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
            accepted = await made
            await accepted.lost
            await turns(1)
            check_extra_info(extra_info(accepted.transport), "", path)
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
        assert re.fullmatch(rf"<_?\w+Transport closed fd={number}.*>", repr(transport))

    loop.run_until_complete(main())
