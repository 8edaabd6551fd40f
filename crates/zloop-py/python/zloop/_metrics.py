"""What a loop counts and measures of itself."""

from __future__ import annotations

import asyncio
from functools import partial

import zloop

from ._base import LoopBase
from ._typing import Any


class Measuring(LoopBase):
    """`metrics` and what turns its timing on."""

    def metrics(self) -> zloop.Metrics:
        """Return what the loop has counted so far; any thread may ask, also of a closed loop."""
        return zloop.Metrics(*self._metrics())

    def set_metrics_timing(self, enabled: bool) -> None:
        """Time each poll and callback from now on, or stop that.

        Turning it on again begins again, from nothing: that is how to look for the longest
        callback of each minute.
        """
        self._set_timing(enabled)


def callback_name(callback: Any) -> str:
    """Return a short name for what a loop ran, without asking its `repr`; the engine calls this."""
    while isinstance(callback, partial):
        callback = callback.func
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        return f"{owner.get_name()}: {_name(owner.get_coro())}"
    if isinstance(callback, asyncio.BaseTransport):
        protocol = getattr(callback, "_protocol", None)
        return type(callback if protocol is None else protocol).__qualname__
    return _name(callback)


def _name(named: Any) -> str:
    name = getattr(named, "__qualname__", None)
    return name if isinstance(name, str) else type(named).__qualname__
