"""Pipes: transports over descriptors that are read or written."""

from __future__ import annotations

import asyncio
import os
import stat
from asyncio.log import logger
from collections.abc import Callable

from ._base import LoopBase
from ._typing import Any


class PipeConnections(LoopBase):
    """`connect_read_pipe` and `connect_write_pipe`."""

    async def connect_read_pipe[P: asyncio.BaseProtocol](
        self, protocol_factory: Callable[[], P], pipe: Any
    ) -> tuple[asyncio.ReadTransport, P]:
        """Read from a file object over a pipe, FIFO, socket or terminal; the transport closes it."""
        protocol = protocol_factory()
        waiter = self.create_future()
        mode = os.fstat(pipe.fileno()).st_mode
        if not _can_be_waited_for(mode):
            raise ValueError("Pipe transport is for pipes/sockets only.")
        os.set_blocking(pipe.fileno(), False)
        transport = self._make_read_pipe_transport(pipe, protocol, waiter, {"pipe": pipe})
        await _ready(transport, waiter)
        if self.get_debug():
            logger.debug("Read pipe %r connected: (%r, %r)", pipe.fileno(), transport, protocol)
        return transport, protocol

    async def connect_write_pipe[P: asyncio.BaseProtocol](
        self, protocol_factory: Callable[[], P], pipe: Any
    ) -> tuple[asyncio.WriteTransport, P]:
        """Write to a file object over a pipe, FIFO, socket or terminal; the transport closes it."""
        protocol = protocol_factory()
        waiter = self.create_future()
        mode = os.fstat(pipe.fileno()).st_mode
        if not _can_be_waited_for(mode):
            raise ValueError("Pipe transport is only for pipes, sockets and character devices")
        os.set_blocking(pipe.fileno(), False)
        # A terminal is readable when somebody types.
        watches_peer = not stat.S_ISCHR(mode)
        transport = self._make_write_pipe_transport(
            pipe, protocol, watches_peer, waiter, {"pipe": pipe}
        )
        await _ready(transport, waiter)
        if self.get_debug():
            logger.debug("Write pipe %r connected: (%r, %r)", pipe.fileno(), transport, protocol)
        return transport, protocol


def _can_be_waited_for(mode: int) -> bool:
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)


async def _ready(transport: asyncio.BaseTransport, waiter: asyncio.Future[None]) -> None:
    """Wait until the transport has told its protocol."""
    try:
        await waiter
    except BaseException:
        transport.close()
        raise
