"""Datagram endpoints."""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio.log import logger
from asyncio.trsock import TransportSocket
from collections.abc import Callable

from ._serve import remove_stale_socket, set_reuse_port
from ._sockets import SocketOperations
from ._types import Address
from ._typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._zloop import DatagramTransport


type _Attempt = tuple[int, int, Any, Any]
"""A way to make the endpoint's socket, of which the first that works is taken: a family, a protocol,
a local and a remote address."""


class DatagramEndpoints(SocketOperations):
    """`create_datagram_endpoint`."""

    async def create_datagram_endpoint[P: asyncio.DatagramProtocol](  # type: ignore[override]
        self,
        protocol_factory: Callable[[], P],
        local_addr: tuple[str, int] | str | None = None,
        remote_addr: tuple[str, int] | str | None = None,
        *,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        reuse_port: bool | None = None,
        allow_broadcast: bool | None = None,
        sock: socket.socket | None = None,
    ) -> tuple[asyncio.DatagramTransport, P]:
        """Open a datagram socket, or take one; return transport and protocol."""
        address: Address | None = None
        made_here = sock is None
        if sock is None:
            attempts = await self._datagram_attempts(local_addr, remote_addr, family, proto, flags)
            sock, address = await self._open_datagram_socket(attempts, reuse_port, allow_broadcast)
        else:
            _check_only_socket(
                sock,
                local_addr=local_addr,
                remote_addr=remote_addr,
                family=family,
                proto=proto,
                flags=flags,
                reuse_port=reuse_port,
                allow_broadcast=allow_broadcast,
            )
            sock.setblocking(False)

        try:
            protocol = protocol_factory()
            waiter = self.create_future()
            transport = self._open_datagram_transport(sock, protocol, address, waiter)
        except BaseException:
            # No transport owns it.
            if made_here:
                sock.close()
            raise
        if self.get_debug():
            if local_addr:
                logger.info(
                    "Datagram endpoint local_addr=%r remote_addr=%r created: (%r, %r)",
                    local_addr,
                    remote_addr,
                    transport,
                    protocol,
                )
            else:
                logger.debug(
                    "Datagram endpoint remote_addr=%r created: (%r, %r)",
                    remote_addr,
                    transport,
                    protocol,
                )
        try:
            await waiter
        except BaseException:
            transport.close()
            raise
        return transport, protocol

    def _open_datagram_transport(
        self,
        sock: socket.socket,
        protocol: asyncio.DatagramProtocol,
        address: Address | None,
        waiter: asyncio.Future[None],
    ) -> DatagramTransport:
        extra = {
            "socket": TransportSocket(sock),
            "sockname": _name_or_none(sock.getsockname),
            "peername": _name_or_none(sock.getpeername),
        }
        return self._make_datagram_transport(sock, protocol, address, waiter, extra)

    async def _datagram_attempts(
        self, local: Any, remote: Any, family: int, proto: int, flags: int
    ) -> list[_Attempt]:
        """What to try, in order, for addresses that may have to be resolved."""
        if not (local or remote):
            if family == 0:
                raise ValueError("unexpected address family")
            return [(family, proto, None, None)]
        if family == socket.AF_UNIX:
            for address in (local, remote):
                if address is not None and not isinstance(address, str):
                    raise TypeError("string is expected")
            if local and not local.startswith("\0"):
                remove_stale_socket(local)
            return [(family, proto, local, remote)]

        # The last answer for each family and protocol, in the order of the first ones.
        local_of: dict[tuple[int, int], Any] = {}
        remote_of: dict[tuple[int, int], Any] = {}
        for address, answers in ((local, local_of), (remote, remote_of)):
            if address is None:
                continue
            if not (isinstance(address, tuple) and len(address) == 2):
                raise TypeError("2-tuple is expected")
            infos = await self._ensure_resolved(
                address, family=family, type=socket.SOCK_DGRAM, proto=proto, flags=flags
            )
            if not infos:
                raise OSError("getaddrinfo() returned empty list")
            for info_family, _, info_proto, _, resolved in infos:
                answers[info_family, info_proto] = resolved
        attempts = [
            (*key, local_of.get(key), remote_of.get(key))
            for key in dict.fromkeys([*local_of, *remote_of])
            if not (local and key not in local_of) and not (remote and key not in remote_of)
        ]
        if not attempts:
            raise ValueError("can not get address information")
        return attempts

    async def _open_datagram_socket(
        self, attempts: list[_Attempt], reuse_port: bool | None, allow_broadcast: bool | None
    ) -> tuple[socket.socket, Address | None]:
        """Make, bind and connect a socket; return it with the one address to send to, if any."""
        first_error: OSError | None = None
        try:
            for family, proto, local, remote in attempts:
                sock = None
                try:
                    sock = socket.socket(family, socket.SOCK_DGRAM, proto)
                    if reuse_port:
                        set_reuse_port(sock)
                    if allow_broadcast:
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                    sock.setblocking(False)
                    if local:
                        sock.bind(local)
                    # A broadcast's answers come from other addresses, which a connected socket
                    # would not hear.
                    if remote and not allow_broadcast:
                        await self.sock_connect(sock, remote)
                    return sock, remote or None
                except OSError as error:
                    if sock is not None:
                        sock.close()
                    first_error = first_error or error
                except BaseException:
                    if sock is not None:
                        sock.close()
                    raise
            raise first_error or OSError("no address to open a datagram socket for")
        finally:
            # The error's traceback refers to this frame.
            first_error = None


def _check_only_socket(sock: socket.socket, **modifiers: Any) -> None:
    """Refuse a stream socket, and whatever else describes a socket next to the one given."""
    if sock.type == socket.SOCK_STREAM:
        expected = "datagram socket" if sys.version_info >= (3, 13) else "UDP Socket"
        raise ValueError(f"A {expected} was expected, got {sock!r}")
    given = [f"{name}={value}" for name, value in modifiers.items() if value]
    if given:
        raise ValueError(
            "socket modifier keyword arguments can not be used when sock is specified. "
            f"({', '.join(given)})"
        )


def _name_or_none(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except OSError:
        return None
