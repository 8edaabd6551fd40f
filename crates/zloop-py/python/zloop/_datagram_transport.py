"""Datagram transports: what Python code asks of them once an endpoint."""

from __future__ import annotations

import asyncio
import warnings

from . import _zloop
from ._transport import polling
from ._typing import Any


class DatagramTransport(_zloop.DatagramTransport, asyncio.Transport):
    """A datagram socket's transport: its native part moves the datagrams.

    As asyncio's own, it is an `asyncio.Transport` too, for the sake of reading's and flow control's
    methods.
    """

    def __repr__(self) -> str:
        state, reads, writes = self._state()
        parts = [type(self).__name__]
        if state != "open":
            parts.append(state)
        parts.append(f"fd={self._fileno}")
        if state != "closed" and not self._loop.is_closed():
            size = self.get_write_buffer_size()
            parts.append(f"read={polling(reads)}")
            parts.append(f"write=<{polling(writes)}, bufsize={size}>")
        return f"<{' '.join(parts)}>"

    def __del__(self, _warn: Any = warnings.warn) -> None:
        sock = self._owner
        if sock is not None:
            _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
            sock.close()
