"""Servers that are closed while connections come."""

from __future__ import annotations

import asyncio
import errno
import re
import socket

import pytest
from fault_support import Protocol, turns, until


def test_server_closed_with_connections_waiting(loop):
    async def main():
        made = []
        server = await loop.create_server(lambda: made.append(1) or Protocol(), "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        clients = [socket.create_connection(address) for _ in range(5)]
        server.close()
        await turns(10)
        await asyncio.wait_for(server.wait_closed(), 30)
        for client in clients:
            client.settimeout(30)
            with pytest.raises(ConnectionError):
                if client.recv(1) == b"":
                    raise ConnectionResetError
            client.close()
        assert made == []

    loop.run_until_complete(main())


def test_server_closed_by_its_factory(zloop_loop):
    async def main():
        protocols = []

        def make():
            server.close()
            protocols.append(Protocol())
            return protocols[-1]

        server = await zloop_loop.create_server(make, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        clients = [socket.create_connection(address) for _ in range(3)]
        await until(lambda: protocols)
        await turns(10)
        assert not server.is_serving()
        for client in clients:
            client.close()
        for protocol in protocols:
            if protocol.transport is not None:
                await protocol.lost

    zloop_loop.run_until_complete(main())


def test_closing_everything_twice(loop):
    async def main():
        server = await loop.create_server(Protocol, "127.0.0.1", 0)
        protocol = Protocol()
        transport, _ = await loop.create_connection(
            lambda: protocol, *server.sockets[0].getsockname()
        )
        transport.close()
        transport.close()
        transport.abort()
        await protocol.lost
        await turns(2)
        transport.close()
        transport.abort()
        assert transport.is_closing()
        server.close()
        server.close()
        await server.wait_closed()
        await server.wait_closed()

    loop.run_until_complete(main())
    loop.close()
    loop.close()


def test_message_of_a_port_in_use(loop):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
        message = re.escape(f"error while attempting to bind on address {address!r}: ")
        with pytest.raises(OSError, match=message) as raised:
            loop.run_until_complete(loop.create_server(Protocol, *address))
        assert raised.value.errno == errno.EADDRINUSE
    server = loop.run_until_complete(loop.create_server(Protocol, *address))
    server.close()
    loop.run_until_complete(server.wait_closed())
