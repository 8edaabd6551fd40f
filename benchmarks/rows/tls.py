"""TLS by Python's ssl and by rustls, which only zloop has.

In a row that names rustls, the other loops serve by Python's ssl, the only engine that they have. A
connection by another engine than the row's ends the server, and so the row fails.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import trustme
from frame import Announcer, LoopFactory, run_service, served

import zloop
from rows.bulk import Source
from rows.connections import Greeter
from rows.echo import Echo
from rows.http import answering, serve_by_uvicorn


class Engine:
    """How a service gets its TLS."""

    def __init__(self, factory: LoopFactory, *, rustls: bool) -> None:
        self.is_rustls = rustls and factory.__module__.partition(".")[0] == "zloop"

    def context(self) -> ssl.SSLContext:
        """A server's context, with a new certificate for the keys that are usual now, ECDSA P-256."""
        make = zloop.SSLContext if self.is_rustls else ssl.SSLContext
        context = make(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("localhost").configure_cert(context)
        return context

    def check(self, transport: asyncio.BaseTransport) -> None:
        """Ends the server if a connection has another engine than it should have."""
        context, used = map(transport.get_extra_info, ("sslcontext", "ssl_object"))
        if isinstance(used, (ssl.SSLObject, ssl.SSLSocket)):
            is_rustls = False
        else:
            is_rustls = isinstance(context, zloop.SSLContext) and context.engine.name == "rustls"
        if is_rustls != self.is_rustls:
            raise SystemExit(f"a connection under {context!r} was served by {used!r}")


def _checked(protocol: type[asyncio.BaseProtocol], engine: Engine) -> type[asyncio.BaseProtocol]:
    """A protocol's class that checks the engine first."""

    def connection_made(self: Any, transport: asyncio.BaseTransport) -> None:
        engine.check(transport)
        protocol.connection_made(self, transport)

    return type(protocol.__name__, (protocol,), {"connection_made": connection_made})


async def _start(
    loop: asyncio.AbstractEventLoop, protocol: type[asyncio.BaseProtocol], engine: Engine
) -> int:
    server = await loop.create_server(
        _checked(protocol, engine), "127.0.0.1", 0, ssl=engine.context(), backlog=1024
    )
    port: int = server.sockets[0].getsockname()[1]
    return port


def _add_row(
    name: str,
    unit: str,
    load: tuple[str, ...],
    protocol: type[asyncio.BaseProtocol],
    goals: tuple[float, float],
) -> None:
    """Registers a service twice: by Python's ssl, and by rustls."""
    for suffix, rustls, goal in (("", False, goals[0]), (", rustls", True, goals[1])):

        def serve(factory: LoopFactory, announce: Announcer, rustls: bool = rustls) -> None:
            engine = Engine(factory, rustls=rustls)
            run_service(factory, announce, lambda loop: _start(loop, protocol, engine))

        served(
            f"TLS {name}{suffix}",
            unit=unit,
            goal=goal,
            client=("compiled.py", "tls_load", *load),
        )(serve)


_add_row("echo 1 KiB", "messages/s", ("echo", "1024", "1"), Echo, (1.2, 2))
_add_row("echo 1 KiB, 50 connections", "messages/s", ("echo", "1024", "50"), Echo, (1.2, 2))
_add_row("bulk received", "GB/s", ("send",), asyncio.Protocol, (1, 1.5))
_add_row("bulk sent", "GB/s", ("receive",), Source, (1, 1.5))
_add_row("handshakes", "connections/s", ("handshakes", "4"), Greeter, (1, 1.3))


def _serve_https(factory: LoopFactory, announce: Announcer, *, rustls: bool) -> None:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    engine = Engine(factory, rustls=rustls)
    serve_by_uvicorn(
        answering(b"Hello, world!"),
        factory,
        announce,
        http=_checked(HttpToolsProtocol, engine),
        ssl_context_factory=lambda _config, _default: engine.context(),
    )


@served("uvicorn HTTPS", unit="requests/s", goal=1.1, client=("http_load.py", "64", "https"))
def uvicorn_https(factory: LoopFactory, announce: Announcer) -> None:
    _serve_https(factory, announce, rustls=False)


@served(
    "uvicorn HTTPS, rustls", unit="requests/s", goal=1.5, client=("http_load.py", "64", "https")
)
def uvicorn_https_rustls(factory: LoopFactory, announce: Announcer) -> None:
    _serve_https(factory, announce, rustls=True)
