"""Names and addresses: `getaddrinfo` and `getnameinfo`."""

from __future__ import annotations

import socket
from asyncio.log import logger
from typing import Any

from ._executors import Executors
from ._types import Address, AddressInfo

_stdlib_getaddrinfo = socket.getaddrinfo

# With these, an address literal never leads to a lookup.
_LOCAL_FLAGS = (
    socket.AI_PASSIVE
    | socket.AI_CANONNAME
    | socket.AI_NUMERICHOST
    | socket.AI_NUMERICSERV
    | socket.AI_V4MAPPED
    | socket.AI_ALL
    | socket.AI_ADDRCONFIG
)

_PROTOCOLS = {
    socket.SOCK_STREAM: socket.IPPROTO_TCP,
    socket.SOCK_DGRAM: socket.IPPROTO_UDP,
}


class NameResolution(Executors):
    """Names are looked up in a pool of threads; literals are answered at once."""

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """Answer as `socket.getaddrinfo` does, without blocking the loop."""
        lookup: Any = self._getaddrinfo_debug if self.get_debug() else socket.getaddrinfo
        if (
            socket.getaddrinfo is _stdlib_getaddrinfo
            and _is_local_question(host, port, flags)
            and not self._executor_shutdown_called
        ):
            self._check_closed()
            answer: list[AddressInfo] = lookup(host, port, family, type, proto, flags)
            return answer
        return await self._run_in_resolver(lookup, host, port, family, type, proto, flags)

    async def getnameinfo(self, sockaddr: Address, flags: int = 0) -> tuple[str, str]:
        """Answer as `socket.getnameinfo` does, without blocking the loop."""
        lookup: Any = socket.getnameinfo
        answer: tuple[str, str] = await self._run_in_resolver(lookup, sockaddr, flags)
        return answer

    def _getaddrinfo_debug(
        self, host: Any, port: Any, family: int, type: int, proto: int, flags: int
    ) -> list[AddressInfo]:
        options = {"family": family, "type": type, "proto": proto, "flags": flags}
        question = ", ".join(
            [f"{host}:{port!r}"] + [f"{name}={value!r}" for name, value in options.items() if value]
        )
        logger.debug("Get address info %s", question)
        started = self.time()
        answer: list[Any] = socket.getaddrinfo(host, port, family, type, proto, flags)
        elapsed = self.time() - started
        message = f"Getting address info {question} took {elapsed * 1e3:.3f}ms: {answer!r}"
        if elapsed >= self.slow_callback_duration:
            logger.info(message)
        else:
            logger.debug(message)
        return answer

    async def _ensure_resolved(
        self,
        address: Any,
        *,
        family: int = 0,
        type: int = socket.SOCK_STREAM,
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """Resolve `address` for a socket, keeping flow label and scope of a literal."""
        host, port = address[:2]
        info = literal_info(host, port, family, type, proto, *address[2:])
        if info is not None:
            return [info]
        return await self.getaddrinfo(
            host, port, family=family, type=type, proto=proto, flags=flags
        )


def literal_info(
    host: Any,
    port: Any,
    family: int,
    type: int,
    proto: int,
    flow_label: int = 0,
    scope_id: int = 0,
) -> AddressInfo | None:
    """Return what to connect or bind to where `host` is an address and `port` a number."""
    if host is None or proto not in (0, socket.IPPROTO_TCP, socket.IPPROTO_UDP):
        return None
    protocol = _PROTOCOLS.get(type)  # type: ignore[call-overload]
    if protocol is None:
        return None
    try:
        number = int(port or 0)
    except (TypeError, ValueError):
        return None
    if isinstance(host, bytes):
        host = host.decode("idna")
    actual = _literal_family(host)
    if actual is None or family not in (socket.AF_UNSPEC, actual):
        return None
    if actual == socket.AF_INET6:
        return actual, type, protocol, "", (host, number, flow_label, scope_id)
    return actual, type, protocol, "", (host, number)


def _is_local_question(host: Any, port: Any, flags: Any) -> bool:
    """Tell whether answering needs neither a name service nor the list of services."""
    if not isinstance(flags, int) or flags & ~_LOCAL_FLAGS:
        return False
    if isinstance(port, str | bytes):
        if port and not (port.isascii() and port.isdigit()):
            return False
    elif port is not None and not isinstance(port, int):
        return False
    if isinstance(host, bytes):
        try:
            host = host.decode("ascii")
        except UnicodeDecodeError:
            return False
    return host is None or (isinstance(host, str) and _literal_family(host) is not None)


def _literal_family(host: str) -> socket.AddressFamily | None:
    """The family of an address in its strict form, without a zone; None for anything else."""
    if "%" in host:
        return None
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host)
    except (OSError, ValueError):
        return None
    return family
