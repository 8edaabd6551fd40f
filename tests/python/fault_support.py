"""Protocols that fail where they are asked to, and peers for them."""

from __future__ import annotations

import asyncio
import socket


class Protocol(asyncio.Protocol):
    """A protocol that remembers what it was told, and fails where it is asked to."""

    def __init__(self, fails_in=None, error=ZeroDivisionError):
        self.fails_in = fails_in
        self.error = error
        self.calls: list[str] = []
        self.transport = None
        self.lost = asyncio.get_running_loop().create_future()

    def called(self, name):
        self.calls.append(name)
        if name == self.fails_in:
            self.fails_in = None
            raise self.error("on purpose")

    def connection_made(self, transport):
        self.transport = transport
        self.called("connection_made")

    def data_received(self, data):
        self.called("data_received")

    def eof_received(self):
        self.called("eof_received")

    def pause_writing(self):
        self.called("pause_writing")

    def resume_writing(self):
        self.called("resume_writing")

    def connection_lost(self, exc):
        self.lost.set_result(exc)
        self.called("connection_lost")


class Buffered(Protocol, asyncio.BufferedProtocol):
    """The same, with a buffer of its own."""

    def get_buffer(self, sizehint):
        self.called("get_buffer")
        return bytearray(100)

    def buffer_updated(self, nbytes):
        self.called("buffer_updated")


async def connected(protocol):
    """Make a transport over one end of a pair; return it with the other end."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    transport, _ = await asyncio.get_running_loop().create_connection(lambda: protocol, sock=ours)
    return transport, theirs


def tcp_pair():
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    return one, other


def reset(sock):
    """Close in a way that the other end sees as a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


async def until(condition):
    """Wait for what happens in the end; the test's time limit says when it does not."""
    while not condition():
        await asyncio.sleep(0.001)


async def turns(count=5):
    for _ in range(count):
        await asyncio.sleep(0)


async def exercise(protocol):
    """Have every method of the protocol called."""
    transport, theirs = await connected(protocol)
    theirs.send(b"x")
    await until(lambda: protocol.lost.done() or protocol.calls[-1] in RECEIVED)
    if not transport.is_closing():
        transport.set_write_buffer_limits(high=10)
        transport.write(b"x" * 100_000)
        received = 0
        while received < 100_000:
            received += len(await asyncio.get_running_loop().sock_recv(theirs, 100_000))
    theirs.close()
    return transport


METHODS = ["connection_made", "data_received", "eof_received", "connection_lost"]
BUFFERED_METHODS = ["get_buffer", "buffer_updated"]
RECEIVED = {"data_received", "buffer_updated"}
