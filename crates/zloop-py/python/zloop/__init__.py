"""zloop: an asyncio event loop whose engine is native.

Pass `zloop.new_event_loop` wherever a loop factory is taken, or run a coroutine by `zloop.run`.
"""

from __future__ import annotations

import asyncio as _asyncio

from ._loop import Loop, new_event_loop
from ._run import run
from ._ssl_context import SSLContext, create_default_context, uvicorn_ssl_context
from ._tracing import disable_tracing, enable_tracing
from ._zloop import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._policy import EventLoopPolicy, install
    from ._records import Metrics

__all__ = [
    "EventLoopPolicy",
    "Loop",
    "Metrics",
    "SSLContext",
    "__version__",
    "create_default_context",
    "disable_tracing",
    "enable_tracing",
    "install",
    "new_event_loop",
    "run",
    "uvicorn_ssl_context",
]

_OF_POLICIES = ("EventLoopPolicy", "install")

if not hasattr(_asyncio, "set_event_loop_policy"):
    __all__ = [name for name in __all__ if name not in _OF_POLICIES]


def __getattr__(name: str) -> Any:
    """Import what few programs want when it is asked for: policies only where asyncio has them."""
    if name == "Metrics":
        from ._records import Metrics

        return Metrics
    if name in _OF_POLICIES and hasattr(_asyncio, "set_event_loop_policy"):
        from . import _policy

        return getattr(_policy, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
