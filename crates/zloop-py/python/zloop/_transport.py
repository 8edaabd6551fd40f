"""Stream transports: what Python code asks of them once a connection."""

from __future__ import annotations

import socket
import warnings
import weakref
from asyncio import constants, trsock

from . import _zloop
from ._typing import Any


class TransportSocket(trsock.TransportSocket):
    """The socket of a transport; what was written before it is used has been sent."""

    __slots__ = ("_transport",)

    def __init__(self, transport: StreamTransport) -> None:
        # After the connection's end, a socket that is closed.
        super().__init__(transport._show_socket() or socket.socket.__new__(socket.socket))
        self._transport = weakref.ref(transport)

    def _send_gathered(self) -> None:
        transport = self._transport()
        if transport is not None:
            transport._send_gathered()

    def fileno(self) -> int:
        """Return the descriptor's number."""
        self._send_gathered()
        return super().fileno()

    def dup(self) -> socket.socket:
        """Return a socket that shares the connection."""
        self._send_gathered()
        return super().dup()

    def shutdown(self, how: int) -> None:
        """End one direction of the connection, or both."""
        self._send_gathered()
        super().shutdown(how)

    def getsockopt(self, *args: Any, **kwargs: Any) -> Any:
        """Ask for an option of the socket."""
        self._send_gathered()
        return super().getsockopt(*args, **kwargs)

    def setsockopt(self, *args: Any, **kwargs: Any) -> None:
        """Set an option of the socket."""
        self._send_gathered()
        super().setsockopt(*args, **kwargs)


class StreamTransport(_zloop.StreamTransport):
    """A connection's transport: its native part moves the bytes."""

    _start_tls_compatible = True
    _sendfile_compatible = constants._SendfileMode.TRY_NATIVE

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the connection: `socket`, `sockname`, `peername` and more."""
        known = self._extra
        if name == "socket":
            self._send_gathered()
        if name in known:
            return known[name]
        if name == "peername":
            known[name] = self._peername
        elif name == "socket":
            known[name] = TransportSocket(self)
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
        if self._state()[0] == "closed":
            return
        _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
        self._close_unused()


def polling(is_polled: bool) -> str:
    """Say whether the selector waits for something, as `repr` has it."""
    return "polling" if is_polled else "idle"
