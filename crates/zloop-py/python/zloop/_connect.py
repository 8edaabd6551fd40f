"""Connections that this side opens, or that somebody else has accepted."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import itertools
import os
import socket
import ssl as ssl_module
import sys
from asyncio.log import logger
from collections.abc import Callable

from ._sockets import SocketOperations, non_blocking_socket
from ._tls import TlsConnections
from ._types import AddressInfo, ClientTls, Connection
from ._typing import Any
from ._validation import (
    check_ssl_socket,
    check_stream_socket,
    check_tls_timeouts,
    check_unix_stream_socket,
    reason,
)
from ._zloop import PendingConnection


class Connecting(SocketOperations, TlsConnections):
    """`create_connection` and its like."""

    async def create_connection[P: asyncio.BaseProtocol](
        self,
        protocol_factory: Callable[[], P],
        host: str | bytes | None = None,
        port: str | bytes | int | None = None,
        *,
        ssl: ClientTls = None,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        sock: socket.socket | None = None,
        local_addr: tuple[str, int] | None = None,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        happy_eyeballs_delay: float | None = None,
        interleave: int | None = None,
        all_errors: bool = False,
    ) -> tuple[asyncio.Transport, P]:
        """Connect to a TCP server, or take a connected socket; return transport and protocol."""
        if server_hostname is not None and not ssl:
            raise ValueError("server_hostname is only meaningful with ssl")
        if server_hostname is None and ssl:
            if not host:
                raise ValueError("You must set server_hostname when using ssl without a host")
            server_hostname = host  # type: ignore[assignment]
        check_tls_timeouts(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
        if sock is not None:
            check_ssl_socket(sock)
        if happy_eyeballs_delay is not None and interleave is None:
            interleave = 1

        if host is not None or port is not None:
            if sock is not None:
                raise ValueError("host/port and sock can not be specified at the same time")
            infos = await self._resolve_endpoint((host, port), family, proto, flags)
            local_infos = None
            if local_addr is not None:
                local_infos = await self._resolve_endpoint(local_addr, family, proto, flags)
            if interleave:
                infos = interleave_by_family(infos, interleave)
            connection = await self._connect_any(
                infos, local_infos, happy_eyeballs_delay, all_errors
            )
        elif sock is None:
            raise ValueError("host and port was not specified and no sock specified")
        else:
            check_stream_socket(sock)
            connection = sock

        transport, protocol = await self._create_connection_transport(
            connection,
            protocol_factory,
            ssl,
            server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )
        if self.get_debug():
            logger.debug(
                "%r connected to %s:%r: (%r, %r)",
                transport.get_extra_info("socket"),
                host,
                port,
                transport,
                protocol,
            )
        return transport, protocol

    async def create_unix_connection[P: asyncio.BaseProtocol](
        self,
        protocol_factory: Callable[[], P],
        path: str | None = None,
        *,
        ssl: ClientTls = None,
        sock: socket.socket | None = None,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> tuple[asyncio.Transport, P]:
        """Connect to a Unix server, or take a connected socket; return transport and protocol."""
        if ssl and server_hostname is None:
            raise ValueError("you have to pass server_hostname when using ssl")
        if not ssl and server_hostname is not None:
            raise ValueError("server_hostname is only meaningful with ssl")
        check_tls_timeouts(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)

        if path is not None:
            if sock is not None:
                raise ValueError("path and sock can not be specified at the same time")
            sock = non_blocking_socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                await self.sock_connect(sock, os.fspath(path))
            except BaseException:
                sock.close()
                raise
        elif sock is None:
            raise ValueError("no path and sock were specified")
        else:
            check_unix_stream_socket(sock)

        return await self._create_connection_transport(
            sock,
            protocol_factory,
            ssl,
            server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )

    async def connect_accepted_socket[P: asyncio.BaseProtocol](
        self,
        protocol_factory: Callable[[], P],
        sock: socket.socket,
        *,
        ssl: ClientTls = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> tuple[asyncio.Transport, P]:
        """Serve a connection that was accepted outside; return transport and protocol."""
        check_stream_socket(sock)
        check_tls_timeouts(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
        check_ssl_socket(sock)
        transport, protocol = await self._create_connection_transport(
            sock,
            protocol_factory,
            ssl,
            "",
            server_side=True,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )
        if self.get_debug():
            connection = transport.get_extra_info("socket")
            logger.debug("%r handled: (%r, %r)", connection, transport, protocol)
        return transport, protocol

    async def _create_connection_transport[P: asyncio.BaseProtocol](
        self,
        connection: Connection,
        protocol_factory: Callable[[], P],
        ssl: ClientTls,
        server_hostname: str | None,
        server_side: bool = False,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> tuple[asyncio.Transport, P]:
        """Make the transport of a connected socket, and wait until it has told its protocol."""
        transport: asyncio.Transport
        try:
            if not isinstance(connection, PendingConnection) and connection.gettimeout() != 0:
                connection.setblocking(False)
            # One context for the whole connection, from 3.15 on; before, each callback copies its own.
            context = contextvars.copy_context() if sys.version_info >= (3, 15) else None
            protocol = protocol_factory()
            waiter = self.create_future()
            if ssl:
                transport = self._make_ssl_transport(
                    connection,
                    protocol,
                    ssl if isinstance(ssl, ssl_module.SSLContext) else None,
                    waiter,
                    server_side=server_side,
                    server_hostname=server_hostname,
                    ssl_handshake_timeout=ssl_handshake_timeout,
                    ssl_shutdown_timeout=ssl_shutdown_timeout,
                    context=context,
                )
            else:
                transport = self._make_socket_transport(
                    connection, protocol, waiter, None, None, context
                )
        except BaseException:
            # No transport owns it.
            connection.close()
            raise
        try:
            await waiter
        except BaseException:
            transport.close()
            raise
        return transport, protocol

    async def _resolve_endpoint(
        self, address: Any, family: int, proto: int, flags: int
    ) -> list[AddressInfo]:
        infos = await self._ensure_resolved(address, family=family, proto=proto, flags=flags)
        if not infos:
            raise OSError("getaddrinfo() returned empty list")
        return infos

    async def _connect_any(
        self,
        infos: list[AddressInfo],
        local_infos: list[AddressInfo] | None,
        happy_eyeballs_delay: float | None,
        all_errors: bool,
    ) -> Connection:
        """Connect to the first address that answers, in turn or in a race."""
        errors_by_attempt: list[list[OSError]] = []
        connection = None
        try:
            if happy_eyeballs_delay is None:
                for info in infos:
                    try:
                        connection = await self._connect_sock(errors_by_attempt, info, local_infos)
                        break
                    except OSError:
                        continue
            else:
                from ._race import first_to_connect  # Few programs ask for a race.

                connection = await first_to_connect(
                    self,
                    [
                        functools.partial(self._connect_sock, errors_by_attempt, info, local_infos)
                        for info in infos
                    ],
                    happy_eyeballs_delay,
                )
            if connection is None:
                raise _connection_error(errors_by_attempt, all_errors)
            return connection
        finally:
            # The errors' tracebacks refer to this frame.
            errors_by_attempt = []

    async def _connect_sock(
        self,
        errors_by_attempt: list[list[OSError]],
        info: AddressInfo,
        local_infos: list[AddressInfo] | None,
    ) -> Connection:
        """Make, bind and connect one socket; keep the errors for the report."""
        errors: list[OSError] = []
        errors_by_attempt.append(errors)
        family, kind, proto, _, address = info
        connection: Connection | None = None
        try:
            try:
                if local_infos is None and self._connects_natively(family, kind, proto):
                    # There is no socket object to tell of.
                    sys.audit("socket.connect", self, address)
                    connection = PendingConnection.begin(address)
                    if connection is not None:
                        await self._wait_connected(connection, address)
                        return connection
                connection = sock = non_blocking_socket(family, kind, proto)
                if local_infos is not None:
                    _bind_locally(sock, family, local_infos, errors)
                await self.sock_connect(sock, address)
                return sock
            except OSError as error:
                errors.append(error)
                raise
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        finally:
            # An error's traceback refers to this frame.
            errors = []
            errors_by_attempt = []

    async def _wait_connected(self, connection: PendingConnection, address: Any) -> None:
        try:
            while not connection.is_connected():
                await self._wait_ready(connection, self._wake_when_writable)
        except OSError as error:
            raise OSError(error.errno, f"Connect call failed {address}") from None


def interleave_by_family(infos: list[AddressInfo], first_family_count: int) -> list[AddressInfo]:
    """Alternate between address families, after some of the first one."""
    by_family: dict[int, list[AddressInfo]] = {}
    for info in infos:
        by_family.setdefault(info[0], []).append(info)
    first, *others = by_family.values()
    lead = max(first_family_count - 1, 0)
    rounds = itertools.zip_longest(first[lead:], *others)
    return first[:lead] + [info for infos in rounds for info in infos if info is not None]


def _bind_locally(
    sock: socket.socket, family: int, local_infos: list[AddressInfo], errors: list[OSError]
) -> None:
    for local_family, _, _, _, address in local_infos:
        if local_family != family:
            continue
        try:
            sock.bind(address)
            return
        except OSError as error:
            message = (
                f"error while attempting to bind on address {address!r}: {reason(error).lower()}"
            )
            errors.append(OSError(error.errno, message))
    if errors:
        raise errors.pop()
    raise OSError(f"no matching local address with {family=} found")


def _connection_error(errors_by_attempt: list[list[OSError]], all_errors: bool) -> Exception:
    """The one exception that tells why no address could be connected to."""
    errors = list(itertools.chain.from_iterable(errors_by_attempt))
    if all_errors and errors:
        return ExceptionGroup("create_connection failed", errors)
    if not errors:
        return TimeoutError("create_connection failed")
    if len({str(error) for error in errors}) == 1:
        return errors[0]
    return OSError(f"Multiple exceptions: {', '.join(str(error) for error in errors)}")
