"""What programs are told of a loop and of a context, in named tuples.

Imported when the first one is asked for: `typing` takes half as long to import as all of zloop.
"""

from __future__ import annotations

from typing import NamedTuple


class Engine(NamedTuple):
    """Which engine serves a context's connections, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})"


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


# Where they are asked for, and found again by pickle.
for _record in (Engine, Metrics):
    _record.__module__ = "zloop"
