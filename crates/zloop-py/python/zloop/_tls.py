"""TLS: `start_tls`, and connections that speak it from their first byte.

A TLS transport is the protocol of the transport below it. Its native part does the work, by
Python's `ssl` or by rustls, as the context has it.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import ssl
from asyncio import constants
from asyncio.streams import StreamReaderProtocol
from collections.abc import Callable

from . import _zloop
from ._base import LoopBase
from ._types import Connection
from ._typing import Any


class TlsConnections(LoopBase):
    """`start_tls`, and transports that speak TLS from their first byte."""

    async def start_tls(
        self,
        transport: asyncio.WriteTransport,
        protocol: asyncio.BaseProtocol,
        sslcontext: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> asyncio.Transport | None:
        """Go on in TLS on a connection; return the transport that `protocol` has from now on."""
        if not isinstance(sslcontext, ssl.SSLContext):
            raise TypeError(
                f"sslcontext is expected to be an instance of ssl.SSLContext, got {sslcontext!r}"
            )
        if not getattr(transport, "_start_tls_compatible", False):
            raise TypeError(f"transport {transport!r} is not supported by start_tls()")
        lower: Any = transport
        waiter = self.create_future()
        tls: _zloop.TlsTransport = self._make_tls_layer(
            protocol,
            sslcontext,
            waiter,
            server_side,
            server_hostname,
            ssl_handshake_timeout,
            ssl_shutdown_timeout,
            is_made=True,
        )
        # Nothing may be read before TLS knows its transport.
        lower.pause_reading()
        received = _take_received(protocol) if server_side else b""
        was_told = lower.get_protocol() is protocol
        lower.set_protocol(tls)
        made = self.call_soon(tls._start, lower, received, was_told)
        resumed = self.call_soon(lower.resume_reading)
        try:
            await waiter
        except BaseException:
            lower.close()
            made.cancel()
            resumed.cancel()
            raise
        if tls.is_closing() and tls.get_extra_info("cipher") is None:
            return None  # The connection had ended before.
        return tls

    def _make_ssl_transport(
        self,
        rawsock: Connection,
        protocol: asyncio.BaseProtocol,
        sslcontext: ssl.SSLContext | None,
        waiter: asyncio.Future[None] | None = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        extra: dict[str, Any] | None = None,
        server: asyncio.Server | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Transport:
        """Make a TLS transport over a connected socket, and begin the handshake."""
        tls: _zloop.TlsTransport = self._make_tls_layer(
            protocol,
            sslcontext,
            waiter,
            server_side,
            server_hostname,
            ssl_handshake_timeout,
            ssl_shutdown_timeout,
        )
        self._make_socket_transport(rawsock, _as_protocol(tls), None, extra, server, context)
        return tls

    def _tls_protocol_factory(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        sslcontext: ssl.SSLContext,
        ssl_handshake_timeout: float | None,
        ssl_shutdown_timeout: float | None,
    ) -> Callable[[], Any]:
        """Return a factory for the protocols of accepted connections, with TLS in between."""

        def make_protocol() -> Any:
            protocol = protocol_factory()
            waiter = self.create_future()
            tls = self._make_tls_layer(
                protocol,
                sslcontext,
                waiter,
                True,
                None,
                ssl_handshake_timeout,
                ssl_shutdown_timeout,
            )
            waiter.add_done_callback(functools.partial(self._handshake_done, protocol, tls))
            return tls

        return make_protocol

    def _handshake_done(
        self,
        protocol: asyncio.BaseProtocol,
        transport: asyncio.Transport,
        waiter: asyncio.Future[None],
    ) -> None:
        """Close an accepted connection whose handshake failed."""
        error = None if waiter.cancelled() else waiter.exception()
        if error is None:
            return
        transport.close()
        if self.get_debug():
            self.call_exception_handler(
                {
                    "message": "Error on transport creation for incoming connection",
                    "exception": error,
                    "protocol": protocol,
                    "transport": transport,
                }
            )

    def _make_tls_layer(
        self,
        protocol: asyncio.BaseProtocol,
        sslcontext: ssl.SSLContext | None,
        waiter: asyncio.Future[None] | None,
        server_side: bool,
        server_hostname: str | None,
        ssl_handshake_timeout: float | None,
        ssl_shutdown_timeout: float | None,
        is_made: bool = False,
    ) -> _zloop.TlsTransport:
        """Make a TLS transport that waits for the transport below it."""
        if ssl_handshake_timeout is None:
            ssl_handshake_timeout = constants.SSL_HANDSHAKE_TIMEOUT
        if ssl_shutdown_timeout is None:
            ssl_shutdown_timeout = constants.SSL_SHUTDOWN_TIMEOUT
        _check_timeout("ssl_handshake_timeout", ssl_handshake_timeout)
        _check_timeout("ssl_shutdown_timeout", ssl_shutdown_timeout)
        context = sslcontext or _default_context(server_side, server_hostname)
        name = None if server_side else server_hostname or None
        rustls, name = _choose_rustls(context, server_side, name)
        return self._make_tls_transport(
            protocol,
            context,
            server_side,
            name,
            ssl_handshake_timeout,
            ssl_shutdown_timeout,
            waiter,
            is_made,
            rustls,
        )


def _as_protocol(tls: Any) -> asyncio.BaseProtocol:
    """A TLS transport is, natively, the protocol of the transport below it."""
    protocol: asyncio.BaseProtocol = tls
    return protocol


def _check_timeout(name: str, seconds: float) -> None:
    if seconds <= 0:
        raise ValueError(f"{name} should be a positive number, got {seconds}")


def _default_context(server_side: bool, server_hostname: str | None) -> ssl.SSLContext:
    """Return what `ssl=True` stands for."""
    if server_side:
        raise ValueError("Server side SSL needs a valid SSLContext")
    context = ssl.create_default_context()
    if not server_hostname:
        context.check_hostname = False
    return context


def _choose_rustls(
    context: ssl.SSLContext, server_side: bool, name: str | None
) -> tuple[_zloop.RustlsContext | None, str | None]:
    """Return what rustls makes the connection from, or None for Python's `ssl`, and the name to send.

    Only a `zloop.SSLContext` has it made by rustls. It is known by the method of its class, which is not
    imported where nobody has one.
    """
    choose: Any = getattr(type(context), "_choose_rustls", None)
    return (None, name) if choose is None else choose(context, server_side, name)


def _take_received(protocol: asyncio.BaseProtocol) -> bytes:
    """Take what the client sent at once and a stream has read already."""
    reader: Any = getattr(protocol, "_stream_reader", None)
    if not isinstance(protocol, StreamReaderProtocol) or reader is None:
        return b""
    received = bytes(reader._buffer)
    reader._buffer.clear()
    return received
