"""Servers: listening sockets, and the hooks that `asyncio.Server` calls."""

from __future__ import annotations

import asyncio
import collections.abc
import contextvars
import errno
import itertools
import os
import socket
import ssl as ssl_module
import stat
import sys
from asyncio.log import logger
from collections.abc import Callable, Iterable, Sequence

from ._names import NameResolution
from ._tls import TlsConnections
from ._types import AddressInfo
from ._typing import Any
from ._validation import (
    check_server_tls,
    check_ssl_socket,
    check_stream_socket,
    check_unix_stream_socket,
    reason,
)

_REMOVES_SOCKET_FILES = sys.version_info >= (3, 13)
_SKIPS_MISSING_ADDRESSES = sys.version_info >= (3, 13)


class Serving(NameResolution, TlsConnections):
    """`create_server` and `create_unix_server`."""

    def __init__(self) -> None:
        super().__init__()
        # The inode of each listening socket's file that is to be removed with it.
        self._unix_server_sockets: dict[socket.socket, int] = {}

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | Sequence[str] | None = None,
        port: int | str | None = None,
        *,
        family: int = socket.AF_UNSPEC,
        flags: int = socket.AI_PASSIVE,
        sock: socket.socket | None = None,
        backlog: int = 100,
        ssl: ssl_module.SSLContext | None = None,
        reuse_address: bool | None = None,
        reuse_port: bool | None = None,
        keep_alive: bool | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        start_serving: bool = True,
    ) -> asyncio.Server:
        """Serve TCP on one host or several, or on a listening socket."""
        check_server_tls(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
        if sock is not None:
            check_ssl_socket(sock)

        if host is not None or port is not None:
            if sock is not None:
                raise ValueError("host/port and sock can not be specified at the same time")
            hosts: Iterable[Any]
            if host == "":
                hosts = [None]
            elif isinstance(host, str) or not isinstance(host, collections.abc.Iterable):
                hosts = [host]
            else:
                hosts = host
            answers = await asyncio.gather(
                *[self._resolve_host(each, port, family, flags) for each in hosts]
            )
            # A set without the disorder: each address is bound once.
            infos = list(dict.fromkeys(itertools.chain.from_iterable(answers)))
            sockets = self._bind_all(infos, reuse_address is not False, reuse_port, keep_alive)
        elif sock is None:
            raise ValueError("Neither host/port nor sock were specified")
        else:
            check_stream_socket(sock)
            sockets = [sock]

        server = await self._serve(
            sockets,
            protocol_factory,
            ssl,
            backlog,
            ssl_handshake_timeout,
            ssl_shutdown_timeout,
            start_serving,
        )
        if self.get_debug():
            logger.info("%r is serving", server)
        return server

    async def create_unix_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        path: Any = None,
        *,
        sock: socket.socket | None = None,
        backlog: int = 100,
        ssl: ssl_module.SSLContext | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        start_serving: bool = True,
        cleanup_socket: bool = _REMOVES_SOCKET_FILES,
    ) -> asyncio.Server:
        """Serve on a Unix socket; its file is removed with the server, from Python 3.13 on."""
        check_server_tls(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
        if path is not None:
            if sock is not None:
                raise ValueError("path and sock can not be specified at the same time")
            sock = _bind_unix(os.fspath(path))
        elif sock is None:
            raise ValueError("path was not specified, and no sock specified")
        else:
            check_unix_stream_socket(sock)
        if cleanup_socket:
            name = sock.getsockname()
            if _is_file(name):
                try:
                    self._unix_server_sockets[sock] = os.stat(name).st_ino
                except FileNotFoundError:
                    pass
        return await self._serve(
            [sock],
            protocol_factory,
            ssl,
            backlog,
            ssl_handshake_timeout,
            ssl_shutdown_timeout,
            start_serving,
        )

    async def _serve(
        self,
        sockets: list[socket.socket],
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        ssl: ssl_module.SSLContext | None,
        backlog: int,
        ssl_handshake_timeout: float | None,
        ssl_shutdown_timeout: float | None,
        start_serving: bool,
    ) -> asyncio.Server:
        for sock in sockets:
            sock.setblocking(False)
        server = asyncio.Server(
            self,
            sockets,
            protocol_factory,
            ssl,
            backlog,
            ssl_handshake_timeout,
            ssl_shutdown_timeout,
        )
        if start_serving:
            await server.start_serving()
        return server

    def _start_serving(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        sock: socket.socket,
        sslcontext: ssl_module.SSLContext | None = None,
        server: asyncio.Server | None = None,
        backlog: int = 100,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        context: contextvars.Context | None = None,
    ) -> None:
        """Accept connections on a listening socket; `asyncio.Server` calls this."""
        if sslcontext is not None:
            protocol_factory = self._tls_protocol_factory(
                protocol_factory, sslcontext, ssl_handshake_timeout, ssl_shutdown_timeout
            )
        self._start_accepting(sock, protocol_factory, server, backlog, context)

    def _stop_serving(self, sock: socket.socket) -> None:
        """Accept no more, and close the socket; `asyncio.Server` calls this."""
        inode = self._unix_server_sockets.pop(sock, None)
        path = sock.getsockname() if inode is not None else None
        self._stop_accepting(sock)
        sock.close()
        if path is not None:
            _remove_socket_file(path, inode)

    async def _resolve_host(
        self, host: Any, port: Any, family: int, flags: int
    ) -> list[AddressInfo]:
        infos = await self._ensure_resolved((host, port), family=family, flags=flags)
        if not infos:
            raise OSError(f"getaddrinfo({host!r}) returned empty list")
        return infos

    def _bind_all(
        self,
        infos: list[AddressInfo],
        reuse_address: bool,
        reuse_port: bool | None,
        keep_alive: bool | None,
    ) -> list[socket.socket]:
        """Bind a socket to each address, or none at all."""
        sockets: list[socket.socket] = []
        try:
            for family, kind, proto, _, address in infos:
                try:
                    sock = socket.socket(family, kind, proto)
                except OSError:
                    # The system has no such family.
                    if self.get_debug():
                        logger.warning(
                            "create_server() failed to create socket.socket(%r, %r, %r)",
                            family,
                            kind,
                            proto,
                            exc_info=True,
                        )
                    continue
                sockets.append(sock)
                if reuse_address:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
                if reuse_port and family in (socket.AF_INET, socket.AF_INET6):
                    set_reuse_port(sock)
                if keep_alive:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, True)
                if family == socket.AF_INET6:
                    # IPv4 has a socket of its own.
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, True)
                try:
                    sock.bind(address)
                except OSError as error:
                    message = (
                        "error while attempting to bind on address "
                        f"{address!r}: {reason(error).lower()}"
                    )
                    if error.errno == errno.EADDRNOTAVAIL and _SKIPS_MISSING_ADDRESSES:
                        # The family may be switched off.
                        sockets.pop().close()
                        if self.get_debug():
                            logger.warning(message)
                        continue
                    raise OSError(error.errno, message) from None
            if not sockets:
                addresses = [info[4] for info in infos]
                raise OSError(f"could not bind on any address out of {addresses!r}")
        except BaseException:
            for sock in sockets:
                sock.close()
            raise
        return sockets


def set_reuse_port(sock: socket.socket) -> None:
    """Let several sockets listen on one port."""
    if not hasattr(socket, "SO_REUSEPORT"):
        raise ValueError("reuse_port not supported by socket module")
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError:
        raise ValueError(
            "reuse_port not supported by socket module, SO_REUSEPORT defined but not implemented."
        ) from None


def _is_file(path: str | bytes) -> bool:
    """Tell a path from the name of an abstract socket, and from no name at all."""
    return bool(path) and path[0] not in (0, "\0")


def _bind_unix(path: str | bytes) -> socket.socket:
    """Bind a socket to `path`, in place of a stale one."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if _is_file(path):
            remove_stale_socket(path)
        sock.bind(path)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise OSError(errno.EADDRINUSE, f"Address {path!r} is already in use") from None
        raise
    except BaseException:
        sock.close()
        raise
    return sock


def remove_stale_socket(path: str | bytes) -> None:
    """Remove the file of a socket that was bound to `path` before."""
    try:
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        # Binding may be allowed where removing is not.
        logger.error("Unable to check or remove stale UNIX socket %r: %r", path, error)


def _remove_socket_file(path: str | bytes, inode: int | None) -> None:
    """Remove the socket's file, unless another has taken its place."""
    try:
        if os.stat(path).st_ino == inode:
            os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        logger.error("Unable to clean up listening UNIX socket %r: %r", path, error)
