"""Protocols, peers and pairs of sockets for the tests of stream transports."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import ExitStack, asynccontextmanager

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


@asynccontextmanager
async def accepted(count, make=Recorder):
    """So many accepted connections: their protocols, and peers in the same order, which block."""
    protocols = []

    def factory():
        protocols.append(make())
        return protocols[-1]

    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    async with server:
        with ExitStack() as stack:
            peers = []
            for number in range(count):
                peer = socket.create_connection(server.sockets[0].getsockname())
                peers.append(stack.enter_context(peer))
                peer.settimeout(30)
                await until(lambda wanted=number + 1: len(protocols) == wanted)
            await turns()
            yield protocols, peers
        for protocol in protocols:
            await protocol.lost


def receive(peer, count):
    """Receive from a socket that blocks exactly `count` bytes, or what comes before the end."""
    received = bytearray()
    while len(received) < count and (data := peer.recv(count - len(received))):
        received += data
    return bytes(received)


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
