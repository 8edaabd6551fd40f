"""Checks of arguments, in asyncio's words, that several parts of the loop share."""

from __future__ import annotations

import math
import socket
import ssl
import sys

from ._typing import Any


def check_ssl_socket(sock: object) -> None:
    """Refuse a socket that does TLS by itself, and so is never ready when the loop thinks."""
    if isinstance(sock, ssl.SSLSocket):
        raise TypeError("Socket cannot be of type SSLSocket")


def check_stream_socket(sock: socket.socket) -> None:
    """Refuse anything but a stream socket."""
    if sock.type != socket.SOCK_STREAM:
        raise ValueError(f"A Stream Socket was expected, got {sock!r}")


def check_unix_stream_socket(sock: socket.socket) -> None:
    """Refuse anything but a Unix stream socket."""
    if sock.family != socket.AF_UNIX or sock.type != socket.SOCK_STREAM:
        raise ValueError(f"A UNIX Domain Stream Socket was expected, got {sock!r}")


def check_tls_timeouts(tls: object, handshake: float | None, shutdown: float | None) -> None:
    """Refuse TLS timeouts where there is no TLS."""
    if handshake is not None and not tls:
        raise ValueError("ssl_handshake_timeout is only meaningful with ssl")
    if shutdown is not None and not tls:
        raise ValueError("ssl_shutdown_timeout is only meaningful with ssl")


def check_server_tls(tls: object, handshake: float | None, shutdown: float | None) -> None:
    """Refuse a server's TLS arguments that make no sense together."""
    if isinstance(tls, bool):
        raise TypeError("ssl argument must be an SSLContext or None")
    check_tls_timeouts(tls, handshake, shutdown)


def flow_limits(high: Any, low: Any, default: int) -> tuple[int, int]:
    """Fill in the limits of flow control that were not given, and refuse what makes no sense."""
    if high is None:
        high = default if low is None else 4 * low
    if low is None:
        low = high // 4
    if not high >= low >= 0:
        raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
    return math.floor(min(high, sys.maxsize)), math.floor(min(low, sys.maxsize))


def check_sendfile_arguments(file: Any, offset: Any, count: Any) -> None:
    """Refuse a text file, and an offset or count that is no proper number."""
    if "b" not in getattr(file, "mode", "b"):
        raise ValueError("file should be opened in binary mode")
    if count is not None:
        wrong_count = f"count must be a positive integer (got {count!r})"
        if not isinstance(count, int):
            raise TypeError(wrong_count)
        if count <= 0:
            raise ValueError(wrong_count)
    wrong_offset = f"offset must be a non-negative integer (got {offset!r})"
    if not isinstance(offset, int):
        raise TypeError(wrong_offset)
    if offset < 0:
        raise ValueError(wrong_offset)


def reason(error: OSError) -> str:
    """What asyncio quotes of the error of a failed bind, which differs between versions."""
    return str(error) if sys.version_info >= (3, 13) else str(error.strerror)
