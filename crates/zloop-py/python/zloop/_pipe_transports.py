"""Pipe transports: what Python code asks of them once a pipe."""

from __future__ import annotations

import warnings

from . import _zloop
from ._transport import polling
from ._typing import Any


class ReadPipeTransport(_zloop.ReadPipeTransport):
    """Reads from a pipe, a FIFO, a socket or a terminal."""

    def __repr__(self) -> str:
        _, reads, _ = self._state()
        return _describe(self, polling(reads))

    def __del__(self, _warn: Any = warnings.warn) -> None:
        _close_if_open(self, _warn)


class WritePipeTransport(_zloop.WritePipeTransport):
    """Writes to a pipe, a FIFO, a socket or a terminal."""

    def __repr__(self) -> str:
        _, _, writes = self._state()
        return _describe(self, polling(writes), f"bufsize={self.get_write_buffer_size()}")

    def __del__(self, _warn: Any = warnings.warn) -> None:
        _close_if_open(self, _warn)


type PipeTransport = ReadPipeTransport | WritePipeTransport


def _describe(transport: PipeTransport, *details: str) -> str:
    state = transport._state()[0]
    parts = [type(transport).__name__]
    if state != "open":
        parts.append(state)
    parts.append(f"fd={transport._fileno}")
    if state == "closed":
        parts.append("closed")
    elif transport._loop.is_closed():
        parts.append("open")
    else:
        parts += details
    return f"<{' '.join(parts)}>"


def _close_if_open(transport: PipeTransport, warn: Any) -> None:
    pipe = transport._owner
    if pipe is not None:
        warn(f"unclosed transport {transport!r}", ResourceWarning, source=transport)
        pipe.close()
