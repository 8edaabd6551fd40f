"""How much of what came by TLS is read in one turn."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading

import pytest
from tls_support import ENGINES, LIMIT, client_context, server_context

# Less than a turn reads, and more than one read brings.
SIZE = 200 * 1024
ROOM = 4 * 1024 * 1024


class Counter(asyncio.Protocol):
    """Notes at which poll of the loop all was there."""

    def __init__(self, loop):
        self.loop = loop
        self.missing = SIZE
        self.complete = loop.create_future()

    def data_received(self, data):
        self.missing -= len(data)
        if not self.missing:
            self.complete.set_result(self.loop.metrics().polls)


class Client:
    """A thread that connects, and sends all at once when it is told to."""

    def __init__(self, address):
        self.may_send, self.has_sent, self.may_end = (threading.Event() for _ in range(3))
        self.thread = threading.Thread(target=self._run, args=(address,))
        self.thread.start()

    def _run(self, address):
        plain = socket.create_connection(address, LIMIT)
        with client_context().wrap_socket(plain, server_hostname="localhost") as peer:
            peer.sendall(b"!")
            self.may_send.wait(LIMIT)
            peer.sendall(bytes(SIZE - 1))
            self.has_sent.set()
            self.may_end.wait(LIMIT)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_waits_is_read_in_one_turn(zloop_loop, engine):
    async def main():
        protocols = []

        def factory():
            protocols.append(Counter(zloop_loop))
            return protocols[-1]

        with socket.create_server(("127.0.0.1", 0)) as listener:
            # What was sent is to be here, and not on its way.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
            server = await zloop_loop.create_server(
                factory, sock=listener, ssl=server_context(ENGINES[engine])
            )
            client = Client(listener.getsockname())
            while not (protocols and protocols[0].missing < SIZE):
                await asyncio.sleep(0.001)
            client.may_send.set()
            client.has_sent.wait(LIMIT)
            before = zloop_loop.metrics().polls
            polls = await protocols[0].complete - before
            client.may_end.set()
            client.thread.join(LIMIT)
            server.close()
            await server.wait_closed()
        return polls

    assert zloop_loop.run_until_complete(asyncio.wait_for(main(), LIMIT)) <= 3


def test_a_pause_ends_the_turns_reading(zloop_loop):
    """A protocol that pauses is handed no more, however much has come, and loses nothing."""
    received = []

    class Pausing(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            assert self.transport.is_reading()
            received.append(len(data))
            self.transport.pause_reading()
            zloop_loop.call_soon(self.transport.resume_reading)
            if sum(received) == SIZE:
                complete.set_result(None)

    complete = zloop_loop.create_future()

    async def main():
        server = await zloop_loop.create_server(
            Pausing, "127.0.0.1", 0, ssl=server_context(ssl.SSLContext)
        )
        client = Client(server.sockets[0].getsockname())
        client.may_send.set()
        await complete
        client.may_end.set()
        client.thread.join(LIMIT)
        server.close()
        await server.wait_closed()

    zloop_loop.run_until_complete(asyncio.wait_for(main(), LIMIT))
    assert max(received) < SIZE - 1


@pytest.mark.parametrize("engine", ENGINES)
def test_what_was_written_before_an_interrupt_is_sent_by_the_next_run(zloop_loop, engine):
    class Interrupted(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            self.transport.write(data)
            raise KeyboardInterrupt

    def exchange(address):
        plain = socket.create_connection(address, LIMIT)
        with client_context().wrap_socket(plain, server_hostname="localhost") as peer:
            peer.sendall(b"reply")
            return peer.recv(100)

    async def main():
        server = await zloop_loop.create_server(
            Interrupted, "127.0.0.1", 0, ssl=server_context(ENGINES[engine])
        )
        async with server:
            return await asyncio.to_thread(exchange, server.sockets[0].getsockname())

    task = zloop_loop.create_task(main())
    with pytest.raises(KeyboardInterrupt):
        zloop_loop.run_until_complete(task)
    assert zloop_loop.run_until_complete(task) == b"reply"
