"""TLS transports: what Python code asks of them once a connection."""

from __future__ import annotations

import warnings
from asyncio import constants

from . import _zloop
from ._typing import Any


class SSLTransport(_zloop.TlsTransport):
    """A TLS connection's transport: its native part moves the bytes, by either engine."""

    _start_tls_compatible = True
    _sendfile_compatible = constants._SendfileMode.FALLBACK

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the connection: `ssl_object`, `peercert` and what is below."""
        known = self._extra
        if name in known:
            return known[name]
        lower = self._lower
        return default if lower is None else lower.get_extra_info(name, default)

    def __repr__(self) -> str:
        state = "closing" if self.is_closing() else "open"
        return f"<{type(self).__name__} {state} over {self._lower!r}>"

    def __del__(self, _warn: Any = warnings.warn) -> None:
        if not self.is_closing() and self._lower is not None:
            _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
