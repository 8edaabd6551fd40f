"""`zloop.run`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from ._loop import new_event_loop
from ._typing import Any


def run[T](
    main: Coroutine[Any, Any, T],
    *,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = new_event_loop,
    debug: bool | None = None,
) -> T:
    """Run a coroutine on a new zloop loop, and close the loop; as `asyncio.run` does.

    >>> import asyncio, zloop
    >>> zloop.run(asyncio.sleep(0, "done"))
    'done'
    """
    return asyncio.run(main, debug=debug, loop_factory=loop_factory)


run.__module__ = "zloop"
