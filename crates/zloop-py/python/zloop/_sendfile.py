"""Sending files: the kernel's `sendfile`, and reading and writing where it does not serve."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import socket
import sys
from asyncio import constants, exceptions

from ._sockets import SocketOperations
from ._typing import Any
from ._validation import check_sendfile_arguments, check_ssl_socket

_LARGEST_STEP = sys.maxsize // 2 + 1
_TRANSPORT_BLOCK = 16 * 1024


class FileSending(SocketOperations):
    """`sock_sendfile` and `sendfile`."""

    async def sock_sendfile(
        self,
        sock: socket.socket,
        file: Any,
        offset: int = 0,
        count: int | None = None,
        *,
        fallback: bool | None = True,
    ) -> int:
        """Send a file's bytes over a stream socket; return how many were sent."""
        if self.get_debug() and sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")
        check_ssl_socket(sock)
        if sock.type != socket.SOCK_STREAM:
            check_sendfile_arguments(file, 0, None)
            raise ValueError("only SOCK_STREAM type sockets are supported")
        check_sendfile_arguments(file, offset, count)
        try:
            return await self._sock_sendfile_native(sock, file, offset, count)
        except exceptions.SendfileNotAvailableError:
            if not fallback:
                raise
        return await self._sock_sendfile_fallback(sock, file, offset, count)

    async def sendfile(
        self,
        transport: asyncio.WriteTransport,
        file: Any,
        offset: int = 0,
        count: int | None = None,
        *,
        fallback: bool = True,
    ) -> int:
        """Send a file's bytes over a transport; return how many were sent.

        The file's position is behind the last byte sent, afterwards, also after an error. Raises
        `asyncio.SendfileNotAvailableError` where the system cannot send the file by itself and
        `fallback` is false.
        """
        if transport.is_closing():
            raise RuntimeError("Transport is closing")
        modes = constants._SendfileMode
        mode = getattr(transport, "_sendfile_compatible", modes.UNSUPPORTED)
        if mode is modes.UNSUPPORTED:
            raise RuntimeError(f"sendfile is not supported for transport {transport!r}")
        if mode is modes.TRY_NATIVE:
            try:
                return await self._sendfile_native(transport, file, offset, count)
            except exceptions.SendfileNotAvailableError:
                if not fallback:
                    raise
        if not fallback:
            raise RuntimeError(
                "fallback is disabled and native sendfile is not "
                f"supported for transport {transport!r}"
            )
        return await self._sendfile_fallback(transport, file, offset, count)

    async def _sock_sendfile_native(
        self, sock: socket.socket, file: Any, offset: int, count: int | None
    ) -> int:
        try:
            source = file.fileno()
            size = os.fstat(source).st_size
        except (AttributeError, io.UnsupportedOperation, OSError):
            raise exceptions.SendfileNotAvailableError("not a regular file") from None
        if not (count or size):
            return 0
        sent = 0
        try:
            while count is None or sent < count:
                step = min(size if count is None else count - sent, _LARGEST_STEP)
                try:
                    length = os.sendfile(sock.fileno(), source, offset + sent, step)
                except (BlockingIOError, InterruptedError):
                    await self._wait_ready(sock, self._wake_when_writable)
                    continue
                except OSError as error:
                    if sent == 0:
                        # Most often a file that the kernel cannot map; reading it may work.
                        raise exceptions.SendfileNotAvailableError(
                            "os.sendfile call failed"
                        ) from error
                    if error.errno == errno.ENOTCONN:
                        raise ConnectionError("socket is not connected", errno.ENOTCONN) from error
                    raise
                if length == 0:
                    break
                sent += length
                if sent != count:
                    # Also where the socket takes all at once, the other callbacks get their turn.
                    await self._wait_ready(sock, self._wake_when_writable)
            return sent
        finally:
            if sent > 0 or sys.version_info >= (3, 14):
                os.lseek(source, offset + sent, os.SEEK_SET)

    async def _sock_sendfile_fallback(
        self, sock: socket.socket, file: Any, offset: int, count: int | None
    ) -> int:
        seekable = hasattr(file, "seek")
        if seekable or offset:
            file.seek(offset)
        limit = constants.SENDFILE_FALLBACK_READBUFFER_SIZE
        buffer = memoryview(bytearray(min(count or limit, limit)))
        sent = 0
        try:
            while count is None or sent < count:
                block = buffer if count is None else buffer[: count - sent]
                length = await self.run_in_executor(None, file.readinto, block)
                if not length:
                    break
                await self.sock_sendall(sock, block[:length])
                sent += length
            return sent
        finally:
            if sent > 0 and seekable:
                file.seek(offset + sent)

    async def _sendfile_native(
        self, transport: Any, file: Any, offset: int, count: int | None
    ) -> int:
        """Send past the transport: it is drained first, and neither reads nor writes meanwhile."""
        drained = transport._make_empty_waiter()
        detour = FileDetour(self, transport)
        try:
            await drained
            # A descriptor of its own: the transport's has its registration, and may be closed
            # while the kernel's buffer is full.
            with transport._sock.dup() as sock:
                detour.shut_down_when_lost(sock)
                sent = await self.sock_sendfile(sock, file, offset, count, fallback=False)
                self._count_sent(sent)
                return sent
        finally:
            transport._reset_empty_waiter()
            detour.restore()

    async def _sendfile_fallback(
        self, transport: Any, file: Any, offset: int, count: int | None
    ) -> int:
        seekable = hasattr(file, "seek")
        if seekable or offset:
            file.seek(offset)
        # As asyncio has it here, and only here: 0 is no limit.
        count = count or None
        buffer = memoryview(bytearray(min(count or _TRANSPORT_BLOCK, _TRANSPORT_BLOCK)))
        sent = 0
        detour = FileDetour(self, transport)
        try:
            while count is None or sent < count:
                block = buffer if count is None else buffer[: count - sent]
                length = await self.run_in_executor(None, file.readinto, block)
                if not length:
                    break
                detour.check_connected()
                transport.write(bytes(block[:length]))
                await detour.drain()
                sent += length
            return sent
        finally:
            if sent > 0 and seekable:
                file.seek(offset + sent)
            detour.restore()


class FileDetour(asyncio.Protocol):
    """The protocol of a transport while a file goes through it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: Any) -> None:
        self._loop = loop
        self._transport = transport
        self._protocol: Any = transport.get_protocol()
        self._was_reading: bool = transport.is_reading()
        self._was_paused: bool = transport._protocol_paused
        self._resumed: asyncio.Future[None] | None = None
        self._lost = False
        self._socket: socket.socket | None = None
        transport.pause_reading()
        transport.set_protocol(self)
        if self._was_paused:
            self._resumed = loop.create_future()

    def shut_down_when_lost(self, sock: socket.socket) -> None:
        """Shut `sock` down with the transport's connection, which ends the waiting for it."""
        self._socket = sock

    def check_connected(self) -> None:
        """Refuse to send more where nobody gets it."""
        if self._transport.is_closing():
            raise ConnectionError("Connection closed by peer")

    async def drain(self) -> None:
        """Wait until the transport takes more."""
        self.check_connected()
        if self._resumed is not None:
            await self._resumed

    def restore(self) -> None:
        """Give the transport its protocol back, and tell it what it missed."""
        self._socket = None
        resumed = self._resumed
        if resumed is not None and not resumed.cancel() and not resumed.cancelled():
            # Nobody may have waited for it.
            resumed.exception()
        if self._lost:
            return
        self._transport.set_protocol(self._protocol)
        if self._was_reading:
            self._transport.resume_reading()
        is_paused = self._transport._protocol_paused
        if self._was_paused and not is_paused:
            self._protocol.resume_writing()
        elif is_paused and not self._was_paused:
            self._protocol.pause_writing()

    def connection_made(self, _transport: asyncio.BaseTransport) -> None:
        """Never happens: the connection was there before."""
        raise RuntimeError("Invalid state: connection should have been established already.")

    def data_received(self, _data: bytes) -> None:
        """Never happens: reading is paused."""
        raise RuntimeError("Invalid state: reading should be paused")

    def eof_received(self) -> None:
        """Never happens: reading is paused."""
        raise RuntimeError("Invalid state: reading should be paused")

    def pause_writing(self) -> None:
        """Have `drain` wait."""
        if self._resumed is None:
            self._resumed = self._loop.create_future()

    def resume_writing(self) -> None:
        """Let `drain` go on."""
        resumed, self._resumed = self._resumed, None
        if resumed is not None and not resumed.done():
            resumed.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the sending, and pass the news on."""
        self._lost = True
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # The peer has shut it down.
        if self._resumed is not None and not self._resumed.done():
            # The file is not sent, so a connection that ended in peace is an error here.
            self._resumed.set_exception(exc or ConnectionError("Connection is closed by peer"))
        self._protocol.connection_lost(exc)
