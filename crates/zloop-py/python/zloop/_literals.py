"""Address literals: what is known of them without asking anybody."""

from __future__ import annotations

import functools
import socket
import sys

from ._types import AddressInfo
from ._typing import Any

_stdlib_getaddrinfo = socket.getaddrinfo

# With these, an address literal never leads to a lookup. (Plain numbers: members are slow.)
_LOCAL_FLAGS = (
    int(socket.AI_PASSIVE)
    | int(socket.AI_CANONNAME)
    | int(socket.AI_NUMERICHOST)
    | int(socket.AI_NUMERICSERV)
    | int(socket.AI_V4MAPPED)
    | int(socket.AI_ALL)
    | int(socket.AI_ADDRCONFIG)
)

_ADDRESS_CONFIGURATION = int(socket.AI_ADDRCONFIG)

_PROTOCOLS = {
    socket.SOCK_STREAM: socket.IPPROTO_TCP,
    socket.SOCK_DGRAM: socket.IPPROTO_UDP,
}


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


def local_answer(
    host: Any, port: Any, family: int, type: int, proto: int, flags: int
) -> list[AddressInfo] | None:
    """Return what `socket.getaddrinfo` answers where that cannot block, else None.

    It is the function itself that answers. Only for a literal, whose answer depends on nothing
    but the question, is it remembered.
    """
    if socket.getaddrinfo is not _stdlib_getaddrinfo or not isinstance(flags, int):
        return None
    question = (host, port, family, type, proto, flags)
    if isinstance(host, (str, bytes)) and not flags & _ADDRESS_CONFIGURATION:
        try:
            remembered = _answer_to_literal(*question)
        except TypeError:
            return None  # It is raised again where the question is asked next.
        if remembered is None:
            return None
        sys.audit("socket.getaddrinfo", host, port, family, type, proto)
        return list(remembered)
    return socket.getaddrinfo(*question) if _is_local_question(host, port, flags) else None


@functools.lru_cache(maxsize=1024, typed=True)
def _answer_to_literal(
    host: Any, port: Any, family: int, type: int, proto: int, flags: int
) -> tuple[AddressInfo, ...] | None:
    if not _is_local_question(host, port, flags):
        return None
    return tuple(_stdlib_getaddrinfo(host, port, family, type, proto, flags))


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
    try:
        return host is None or (isinstance(host, str) and _literal_family(host) is not None)
    except ValueError:
        return False


def _literal_family(host: str) -> socket.AddressFamily | None:
    """The family of an address in its strict form, without a zone; None for anything else.

    Raises ValueError for a null character, at which the system would take the name to end.
    """
    if "%" in host:
        return None
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host)
    except OSError:
        return None
    return family
