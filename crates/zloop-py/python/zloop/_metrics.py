"""What a loop counts and measures of itself."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, NamedTuple

from ._base import LoopBase


class Metrics(NamedTuple):
    """What `Loop.metrics` answers: counts since the loop was made, and how it stands now.

    What is measured in seconds is there while `Loop.set_metrics_timing` is on, and is `None` else.
    """

    turns: int
    """How many turns were begun."""
    polls: int
    """How often the selector was asked what is ready; a system call each."""
    callbacks: int
    """How many callbacks had their place in a turn, cancelled ones included."""
    ready: int
    """How many callbacks wait for the next turn."""
    timers: int
    """How many timers wait for their time."""
    descriptors: int
    """How many descriptors are registered, listening sockets and the loop's own included."""
    connections: int
    """How many stream transports are open; one with TLS counts once."""
    connections_made: int
    """How many there ever were."""
    bytes_received: int
    """What transports read: of streams, datagrams and pipes; with TLS, as it came."""
    bytes_sent: int
    """What they sent, likewise."""
    poll_seconds: float | None
    """Time in the selector, waiting for work included."""
    callback_seconds: float | None
    """Time in callbacks, and sending what they wrote."""
    longest_callback_seconds: float | None
    """The longest that one callback took."""
    longest_callback: str | None
    """That callback's name; a task's goes with its coroutine's."""


class Measuring(LoopBase):
    """`metrics` and what turns its timing on."""

    def metrics(self) -> Metrics:
        """Return what the loop has counted so far; any thread may ask, also of a closed loop."""
        return Metrics(*self._metrics())

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
