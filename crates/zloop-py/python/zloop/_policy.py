"""An event loop policy, for interpreters that still have policies.

Imported only when somebody asks for it: asyncio warns where its policies are so much as named.
"""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING

from ._loop import Loop, new_event_loop

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    if TYPE_CHECKING:
        from asyncio import DefaultEventLoopPolicy as _DefaultPolicy
    else:
        _DefaultPolicy = asyncio.DefaultEventLoopPolicy


class EventLoopPolicy(_DefaultPolicy):
    """asyncio's default policy, making zloop loops.

    Deprecated with asyncio's policies: pass `zloop.new_event_loop` as a loop factory.
    """

    __module__ = "zloop"

    def new_event_loop(self) -> Loop:
        """Make an event loop."""
        return new_event_loop()


def install() -> None:
    """Make zloop the loop of `asyncio.run` where no loop factory is passed.

    Deprecated with asyncio's policies: use `zloop.run`, or pass `zloop.new_event_loop` as a loop
    factory.
    """
    warnings.warn(
        "zloop.install() is deprecated with asyncio's event loop policies: use zloop.run(), "
        "or pass zloop.new_event_loop as a loop factory",
        DeprecationWarning,
        stacklevel=2,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.set_event_loop_policy(EventLoopPolicy())


install.__module__ = "zloop"
