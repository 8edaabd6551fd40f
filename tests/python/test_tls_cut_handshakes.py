"""Handshakes that are cut off at every byte, in each direction, by FIN and by RST."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct

import pytest
from tls_support import ENGINES, LIMIT, Recorder, client_context, server_context

import zloop

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(params=ENGINES)
def engine(request):
    return ENGINES[request.param]


class Cut(Exception):
    """The peer has sent as much as it is to send."""


class Peer:
    """One side of a handshake over a socket of the loop's, which sends so many bytes and goes."""

    def __init__(self, sock, context, server_side, limit, ending):
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if server_side else "localhost"
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side, name)
        self.left = limit
        self.ending = ending
        self.sent = 0

    async def flush(self):
        loop = asyncio.get_running_loop()
        data = self.outgoing.read()[: self.left]
        await loop.sock_sendall(self.sock, data)
        self.sent += len(data)
        self.left -= len(data)
        if self.left == 0:
            raise Cut

    async def talk(self):
        """Shake hands until it is cut, or done, then wait for the other side to end."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(Cut, ssl.SSLError, OSError):
            if self.left == 0:
                raise Cut
            while True:
                try:
                    self.tls.do_handshake()
                except ssl.SSLWantReadError:
                    await self.flush()
                    data = await loop.sock_recv(self.sock, 65536)
                    if not data:
                        break
                    self.incoming.write(data)
                else:
                    await self.flush()
                    break
        if self.ending == "RST":
            linger = struct.pack("ii", 1, 0)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        else:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)
                while await loop.sock_recv(self.sock, 65536):
                    pass
        self.sock.close()


def run(loop, coroutine):
    reports = []
    loop.set_exception_handler(lambda _, report: reports.append(report))
    loop.run_until_complete(asyncio.wait_for(coroutine, 3 * LIMIT))
    assert not reports


def offsets(total, loop):
    """Every byte, and for asyncio's loop, which only shows what is compatible, some."""
    return range(0, total, 1 if isinstance(loop, zloop.Loop) else 41)


@pytest.mark.parametrize("ending", ["FIN", "RST"])
@pytest.mark.parametrize("version", VERSIONS, ids=["TLSv1.2", "TLSv1.3"])
def test_a_client_is_cut_off(loop, engine, version, ending):
    server_side, client_side = server_context(engine), client_context()
    client_side.maximum_version = version

    async def main():
        served = []

        def factory():
            served.append(Recorder())
            return served[-1]

        server = await loop.create_server(factory, "127.0.0.1", 0, ssl=server_side)
        address = server.sockets[0].getsockname()

        async def attempt(limit):
            sock = socket.socket()
            sock.setblocking(False)
            await loop.sock_connect(sock, address)
            peer = Peer(sock, client_side, False, limit, ending)
            await peer.talk()
            return peer.sent

        total = await attempt(100_000)
        assert total > 200
        for limit in offsets(total, loop):
            await attempt(limit)
        while len(served) < len(offsets(total, loop)) + 1:
            await asyncio.sleep(0)
        server.close()
        await server.wait_closed()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        for protocol in served[:1]:
            await protocol.lost
        for protocol in served[1:]:
            assert protocol.told in ([], ["made", "lost"], ["made", "eof", "lost"])
        # The last byte is that of the client's Finished.
        assert not any(protocol.told for protocol in served[1:-1])

    run(loop, main())


@pytest.mark.parametrize("ending", ["FIN", "RST"])
@pytest.mark.parametrize("version", VERSIONS, ids=["TLSv1.2", "TLSv1.3"])
def test_a_server_is_cut_off(loop, engine, version, ending):
    server_side, client_side = server_context(), client_context(engine)
    server_side.maximum_version = version
    server_side.num_tickets = 0
    server_side.options |= ssl.OP_NO_TICKET

    async def main():
        listener = socket.create_server(("127.0.0.1", 0), backlog=10)
        listener.setblocking(False)
        address = listener.getsockname()

        async def attempt(limit):
            async def answer():
                sock, _ = await loop.sock_accept(listener)
                peer = Peer(sock, server_side, True, limit, ending)
                await peer.talk()
                return peer.sent

            answering = asyncio.create_task(answer())
            protocol = Recorder()
            try:
                transport, _ = await loop.create_connection(
                    lambda: protocol, *address, ssl=client_side, server_hostname="localhost"
                )
            except ConnectionResetError:
                assert protocol.told == []
                return await answering, False
            if ending == "FIN":
                transport.close()
            await protocol.lost
            assert protocol.told in (["made", "lost"], ["made", "eof", "lost"])
            return await answering, True

        total, is_made = await attempt(100_000)
        assert total > 200
        assert is_made
        for limit in offsets(total, loop):
            _, is_made = await attempt(limit)
            # Signatures differ in length, so that the end is not always at the same byte.
            assert not is_made or limit > total - 8
        listener.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(loop, main())
