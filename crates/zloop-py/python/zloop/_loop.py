"""The event loop, put together from its parts."""

from __future__ import annotations

from asyncio import coroutines

from . import _zloop
from ._connect import Connecting
from ._datagrams import DatagramEndpoints
from ._lifecycle import Lifecycle
from ._metrics import Measuring
from ._sendfile import FileSending
from ._serve import Serving
from ._subprocess import Subprocesses
from ._tasks import TaskFactories


class Loop(
    Lifecycle,
    TaskFactories,
    Connecting,
    Serving,
    DatagramEndpoints,
    Subprocesses,
    FileSending,
    Measuring,
):
    """An asyncio event loop whose engine is native.

    Make one with `zloop.new_event_loop`, or let `zloop.run`, `asyncio.run` or `asyncio.Runner` do.
    """

    __module__ = "zloop"

    def __init__(self) -> None:
        super().__init__()
        self.set_debug(coroutines._is_debug_mode())  # type: ignore[attr-defined]


_zloop.adopt_methods(Loop, _zloop.EventLoop)


def new_event_loop() -> Loop:
    """Make an event loop; this is what is passed as a loop factory.

    >>> import asyncio, zloop
    >>> async def main():
    ...     return type(asyncio.get_running_loop()).__module__
    >>> with asyncio.Runner(loop_factory=zloop.new_event_loop) as runner:
    ...     runner.run(main())
    'zloop'
    """
    return Loop()


new_event_loop.__module__ = "zloop"
