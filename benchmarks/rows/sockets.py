"""Messages sent back by whoever watches or reads sockets by hand."""

from __future__ import annotations

import asyncio
import socket

from frame import SOCKET_LOAD, Announcer, LoopFactory, run_service, served

SIZE = 64 * 1024


@served(
    "sock_* echo 1 KiB",
    unit="messages/s",
    goal=1.1,
    client=(*SOCKET_LOAD, "echo", "1024", "1"),
    bare="echo",
)
def sock_echo(factory: LoopFactory, announce: Announcer) -> None:
    tasks: set[asyncio.Task[None]] = set()

    async def accept(loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
        while True:
            peer, _ = await loop.sock_accept(listener)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            tasks.add(loop.create_task(echo(loop, peer)))

    async def echo(loop: asyncio.AbstractEventLoop, peer: socket.socket) -> None:
        with peer:
            while data := await loop.sock_recv(peer, SIZE):
                await loop.sock_sendall(peer, data)

    async def start(loop: asyncio.AbstractEventLoop) -> int:
        listener = _listener()
        tasks.add(loop.create_task(accept(loop, listener)))
        return _port_of(listener)

    run_service(factory, announce, start)


@served(
    "add_reader echo 1 KiB",
    unit="messages/s",
    client=(*SOCKET_LOAD, "echo", "1024", "1"),
    bare="echo",
)
def add_reader_echo(factory: LoopFactory, announce: Announcer) -> None:
    async def start(loop: asyncio.AbstractEventLoop) -> int:
        def accept() -> None:
            peer, _ = listener.accept()
            peer.setblocking(False)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            loop.add_reader(peer.fileno(), echo, peer)

        def echo(peer: socket.socket) -> None:
            data = peer.recv(SIZE)
            if data:
                peer.send(data)
            else:
                loop.remove_reader(peer.fileno())
                peer.close()

        listener = _listener()
        loop.add_reader(listener.fileno(), accept)
        return _port_of(listener)

    run_service(factory, announce, start)


def _listener() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    return listener


def _port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port
