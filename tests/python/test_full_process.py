"""A process that has no descriptors left."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket

import pytest
from fault_support import Protocol, turns, until

import zloop


@pytest.fixture
def few_descriptors():
    """Let the process open no more than it has open now."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    filler = []

    def fill(spare):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(limits[0], 512), limits[1]))
        while True:
            try:
                filler.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                break
        for _ in range(spare):
            os.close(filler.pop())

    def empty():
        while filler:
            os.close(filler.pop())

    fill.empty = empty
    yield fill
    empty()
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_out_of_descriptors_while_accepting(loop, reports, few_descriptors):
    async def main():
        made = []

        def make():
            made.append(Protocol())
            return made[-1]

        server = await loop.create_server(make, "127.0.0.1", 0)
        (sock,) = server.sockets
        clients = [socket.socket() for _ in range(3)]
        few_descriptors(spare=1)
        for client in clients:
            client.setblocking(False)
            client.connect_ex(sock.getsockname())
        await until(lambda: reports)
        assert len(made) == 1
        report = reports[0]
        assert report["message"] == "socket.accept() out of system resource"
        assert report["exception"].errno == errno.EMFILE
        assert report["socket"].fileno() == sock.fileno()
        assert type(report["socket"]) is asyncio.trsock.TransportSocket
        few_descriptors.empty()
        await until(lambda: len(made) == 3)
        for client in clients:
            client.close()
        for protocol in made:
            await protocol.lost
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())


def test_server_closed_while_out_of_descriptors(loop, reports, few_descriptors):
    async def main():
        server = await loop.create_server(Protocol, "127.0.0.1", 0)
        with socket.socket() as client:
            few_descriptors(spare=0)
            client.setblocking(False)
            client.connect_ex(server.sockets[0].getsockname())
            await until(lambda: reports)
            server.close()
            few_descriptors.empty()
            await server.wait_closed()
            await turns()

    loop.run_until_complete(main())


def test_no_spinning_while_out_of_descriptors(zloop_loop, few_descriptors):
    reports = []
    zloop_loop.set_exception_handler(lambda _, context: reports.append(context))

    async def main():
        server = await zloop_loop.create_server(Protocol, "127.0.0.1", 0)
        with socket.socket() as client:
            few_descriptors(spare=0)
            client.setblocking(False)
            client.connect_ex(server.sockets[0].getsockname())
            await until(lambda: reports)
            for _ in range(20):
                await asyncio.sleep(0.001)
            assert len(reports) <= 2
            few_descriptors.empty()
            server.close()
            await server.wait_closed()

    zloop_loop.run_until_complete(main())


def test_no_descriptors_for_a_loop(few_descriptors):
    few_descriptors(spare=0)
    try:
        with pytest.raises(OSError) as raised:
            zloop.new_event_loop()
        assert raised.value.errno == errno.EMFILE
    finally:
        few_descriptors.empty()
