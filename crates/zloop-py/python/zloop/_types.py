"""Names for the types that the loop's signatures share."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Buffer, Callable

from ._typing import Any
from ._zloop import PendingConnection

type Address = tuple[Any, ...] | str | Buffer
"""A socket address, as the socket module has it for each family."""

type AddressInfo = tuple[Any, Any, int, str, Any]
"""One answer of `socket.getaddrinfo`: family, type, protocol, canonical name and address."""

type Connection = socket.socket | PendingConnection
"""What a stream transport is made over."""

type ProtocolFactory[P: asyncio.BaseProtocol] = Callable[[], P]

type ClientTls = ssl.SSLContext | bool | None
"""The `ssl` argument of the methods that connect; `True` asks for a default context."""
