"""The class that every part of the loop builds on."""

from __future__ import annotations

import asyncio

from . import _zloop


class LoopBase(_zloop.EventLoop, asyncio.AbstractEventLoop):
    """The native engine, as an asyncio event loop that still lacks its services.

    Each part of `zloop.Loop` derives from this class and from the parts that it uses. What the
    engine has is found before what `AbstractEventLoop` declares.

    The attributes of all parts have their slots here, so that a loop needs no dictionary as long as nobody
    gives it attributes of another name: the interpreter finds the methods of an object without one sooner.
    """

    __slots__ = (
        "_asyncgens",
        "_asyncgens_shutdown_called",
        "_default_executor",
        "_exception_handler",
        "_executor_shutdown_called",
        "_replaced_wakeup_fd",
        "_resolver",
        "_saved_origin_depth",
        "_signal_handlers",
        "_signal_sockets",
        "_unix_server_sockets",
    )
