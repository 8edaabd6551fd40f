"""The class that every part of the loop builds on."""

from __future__ import annotations

import asyncio

from . import _zloop


class LoopBase(_zloop.EventLoop, asyncio.AbstractEventLoop):
    """The native engine, as an asyncio event loop that still lacks its services.

    Each part of `zloop.Loop` derives from this class and from the parts that it uses. What the
    engine has is found before what `AbstractEventLoop` declares.
    """
