"""TLS over native transports.

Everything that knows how TLS is done stands here: asyncio's own protocol for it, with the
connection's native transport below.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import socket
import ssl
from asyncio import sslproto
from asyncio.streams import StreamReaderProtocol
from collections.abc import Callable
from typing import Any

from ._base import LoopBase


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
        tls = self._make_tls_protocol(
            protocol,
            sslcontext,
            waiter,
            server_side,
            server_hostname,
            ssl_handshake_timeout,
            ssl_shutdown_timeout,
            call_connection_made=False,
        )
        # Nothing may be read before the TLS protocol knows its transport.
        lower.pause_reading()
        if server_side:
            _hand_over_received(protocol, tls)
        lower.set_protocol(tls)
        made = self.call_soon(tls.connection_made, lower)
        resumed = self.call_soon(lower.resume_reading)
        try:
            await waiter
        except BaseException:
            lower.close()
            made.cancel()
            resumed.cancel()
            raise
        upper: asyncio.Transport | None = tls._app_transport
        return upper

    def _make_ssl_transport(
        self,
        rawsock: socket.socket,
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
        tls = self._make_tls_protocol(
            protocol,
            sslcontext,
            waiter,
            server_side,
            server_hostname,
            ssl_handshake_timeout,
            ssl_shutdown_timeout,
        )
        self._make_socket_transport(rawsock, tls, None, extra, server, context)
        transport: asyncio.Transport = tls._app_transport
        return transport

    def _tls_protocol_factory(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        sslcontext: ssl.SSLContext,
        ssl_handshake_timeout: float | None,
        ssl_shutdown_timeout: float | None,
    ) -> Callable[[], asyncio.BaseProtocol]:
        """Return a factory for the protocols of accepted connections, with TLS in between."""

        def make_protocol() -> asyncio.BaseProtocol:
            protocol = protocol_factory()
            waiter = self.create_future()
            tls = self._make_tls_protocol(
                protocol,
                sslcontext,
                waiter,
                True,
                None,
                ssl_handshake_timeout,
                ssl_shutdown_timeout,
            )
            waiter.add_done_callback(
                functools.partial(self._handshake_done, protocol, tls._app_transport)
            )
            made: asyncio.BaseProtocol = tls
            return made

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

    def _make_tls_protocol(
        self,
        protocol: asyncio.BaseProtocol,
        sslcontext: ssl.SSLContext | None,
        waiter: asyncio.Future[None] | None,
        server_side: bool,
        server_hostname: str | None,
        ssl_handshake_timeout: float | None,
        ssl_shutdown_timeout: float | None,
        call_connection_made: bool = True,
    ) -> Any:
        make: Any = sslproto.SSLProtocol
        return make(
            self,
            protocol,
            sslcontext,
            waiter,
            server_side,
            server_hostname,
            call_connection_made,
            ssl_handshake_timeout,
            ssl_shutdown_timeout,
        )


def _hand_over_received(protocol: asyncio.BaseProtocol, tls: Any) -> None:
    """Give the TLS protocol what the client sent at once and a stream has read already."""
    if not isinstance(protocol, StreamReaderProtocol):
        return
    reader: Any = getattr(protocol, "_stream_reader", None)
    if reader is not None and reader._buffer:
        tls._incoming.write(reader._buffer)
        reader._buffer.clear()
