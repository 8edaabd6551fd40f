"""Stream transports: what Python code asks of them once a connection."""

from __future__ import annotations

import socket
import warnings
from asyncio import constants
from asyncio.trsock import TransportSocket
from typing import Any

from . import _zloop


class StreamTransport(_zloop.StreamTransport):
    """A connection's transport: its native part moves the bytes."""

    _start_tls_compatible = True
    _sendfile_compatible = constants._SendfileMode.TRY_NATIVE

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the connection: `socket`, `sockname`, `peername` and more."""
        known = self._extra
        if name in known:
            return known[name]
        if name == "peername":
            known[name] = self._peername
        elif name == "socket":
            sock = self._sock
            # After the connection's end, a socket that is closed.
            known[name] = TransportSocket(sock or socket.socket.__new__(socket.socket))
        elif name == "sockname":
            sock = self._sock
            try:
                known[name] = self._local_name if sock is None else sock.getsockname()
            except OSError:
                known[name] = None
        else:
            return default
        return known[name]

    def __repr__(self) -> str:
        state, is_polled_for_reading, is_polled_for_writing = self._state()
        parts = [type(self).__name__]
        if state in ("closing", "closed"):
            parts.append(state)
        parts.append(f"fd={self._sock_fd}")
        if not self._loop.is_closed() and state != "closed":
            parts.append(f"read={polling(is_polled_for_reading)}")
            size = self.get_write_buffer_size()
            parts.append(f"write=<{polling(is_polled_for_writing)}, bufsize={size}>")
        return f"<{' '.join(parts)}>"

    def __del__(self, _warn: Any = warnings.warn) -> None:
        if self._sock_fd < 0:
            return
        _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
        self._close_unused()


def polling(is_polled: bool) -> str:
    """Say whether the selector waits for something, as `repr` has it."""
    return "polling" if is_polled else "idle"
