"""The `sock_*` coroutines: operations on sockets that the caller keeps.

Each one tries at once, and where it would block waits for readiness and tries again itself. The
wait carries no data, so a cancelled operation has taken none: bytes and connections stay in the
socket for the next one.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

from ._names import NameResolution
from ._typing import Any
from ._validation import check_ssl_socket
from ._zloop import PendingConnection

_NON_BLOCKING: int = getattr(socket, "SOCK_NONBLOCK", 0)

_stdlib_socket = socket.socket
_stdlib_connect = socket.socket.connect


def non_blocking_socket(family: int, kind: int, proto: int = 0) -> socket.socket:
    """Make a socket that does not block, by one system call where there is one for it."""
    sock = socket.socket(family, kind | _NON_BLOCKING, proto)
    if not _NON_BLOCKING:
        sock.setblocking(False)
    return sock


class SocketOperations(NameResolution):
    """Receiving, sending, connecting and accepting on non-blocking sockets."""

    async def sock_recv(self, sock: socket.socket, n: int) -> bytes:
        """Receive up to `n` bytes."""
        self._check_socket(sock)
        while True:
            try:
                return sock.recv(n)
            except (BlockingIOError, InterruptedError):
                await self._wait_ready(sock, self._wake_when_readable)

    async def sock_recv_into(self, sock: socket.socket, buf: Any) -> int:
        """Receive into a writable buffer; return how many bytes came."""
        self._check_socket(sock)
        while True:
            try:
                return sock.recv_into(buf)
            except (BlockingIOError, InterruptedError):
                await self._wait_ready(sock, self._wake_when_readable)

    async def sock_recvfrom(self, sock: socket.socket, bufsize: int) -> tuple[bytes, Any]:
        """Receive a datagram of up to `bufsize` bytes, and who sent it."""
        self._check_socket(sock)
        while True:
            try:
                return sock.recvfrom(bufsize)
            except (BlockingIOError, InterruptedError):
                await self._wait_ready(sock, self._wake_when_readable)

    async def sock_recvfrom_into(
        self, sock: socket.socket, buf: Any, nbytes: int = 0
    ) -> tuple[int, Any]:
        """Receive a datagram into a writable buffer; return its length, and who sent it."""
        self._check_socket(sock)
        nbytes = nbytes or len(buf)
        while True:
            try:
                return sock.recvfrom_into(buf, nbytes)
            except (BlockingIOError, InterruptedError):
                await self._wait_ready(sock, self._wake_when_readable)

    async def sock_sendall(self, sock: socket.socket, data: Any) -> None:
        """Send all of `data`; after an error nobody knows how much of it went out."""
        self._check_socket(sock)
        try:
            sent = sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        # Of other types, the length need not be one of bytes.
        if type(data) is not bytes or sent < len(data):
            await self._send_rest(sock, data, sent)

    async def _send_rest(self, sock: socket.socket, data: Any, sent: int) -> None:
        with memoryview(data) as view, view.cast("B") as octets:
            while sent < len(octets):
                await self._wait_ready(sock, self._wake_when_writable)
                try:
                    sent += sock.send(octets[sent:])
                except (BlockingIOError, InterruptedError):
                    continue

    async def sock_sendto(self, sock: socket.socket, data: Any, address: Any) -> int:
        """Send one datagram; return how many bytes of it went out."""
        self._check_socket(sock)
        while True:
            try:
                return sock.sendto(data, address)
            except (BlockingIOError, InterruptedError):
                await self._wait_ready(sock, self._wake_when_writable)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect to `address`, resolving a host name first."""
        self._check_socket(sock)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            infos = await self._ensure_resolved(
                address, family=sock.family, type=sock.type, proto=sock.proto
            )
            address = infos[0][4]
        try:
            sock.connect(address)
        except (BlockingIOError, InterruptedError) as error:
            if error.errno == errno.EAGAIN:
                # A Unix listener's backlog is full: nothing is under way that readiness could tell of.
                raise
        else:
            return
        await self._wait_ready(sock, self._wake_when_writable)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code != 0:
            raise OSError(code, f"Connect call failed {address}")

    def _connects_natively(self, family: int, kind: int, proto: int) -> bool:
        """Tell whether a connection needs no socket object until somebody asks for it.

        That is so for TCP, unless the class or a method that makes connections was replaced.
        """
        return (
            proto == socket.IPPROTO_TCP
            and kind == socket.SOCK_STREAM
            and family in (socket.AF_INET, socket.AF_INET6)
            and socket.socket is _stdlib_socket
            and socket.socket.connect is _stdlib_connect
            and getattr(self.sock_connect, "__func__", None) is SocketOperations.sock_connect
        )

    async def sock_accept(self, sock: socket.socket) -> tuple[socket.socket, Any]:
        """Accept one connection; return its non-blocking socket and the peer's address."""
        self._check_socket(sock)
        while True:
            try:
                connection, address = sock.accept()
            except (BlockingIOError, InterruptedError):
                await self._wait_ready(sock, self._wake_when_readable)
            else:
                connection.setblocking(False)
                return connection, address

    def _check_socket(self, sock: socket.socket) -> None:
        if type(sock) is not _stdlib_socket:
            check_ssl_socket(sock)
        if self.get_debug() and sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")

    async def _wait_ready(
        self,
        sock: socket.socket | PendingConnection,
        wake_when_ready: Callable[[int, asyncio.Future[None]], None],
    ) -> None:
        descriptor = sock.fileno()
        ready = self.create_future()
        try:
            wake_when_ready(descriptor, ready)
            await ready
        except BaseException:
            self._wake_no_more(descriptor, ready)
            raise
