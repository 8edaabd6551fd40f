"""zloop: an asyncio event loop whose engine is native.

Pass `zloop.new_event_loop` wherever a loop factory is taken, or run a coroutine by `zloop.run`.
"""

from __future__ import annotations

import asyncio as _asyncio

from ._loop import Loop, new_event_loop
from ._run import run
from ._ssl_context import SSLContext, create_default_context, uvicorn_ssl_context
from ._tracing import disable_tracing, enable_tracing
from ._typing import TYPE_CHECKING, Any
from ._zloop import __version__

if TYPE_CHECKING:
    from ._policy import EventLoopPolicy, install
    from ._records import Engine, Metrics

__all__ = [
    "Engine",
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

_OF_RECORDS = ("Engine", "Metrics")
_OF_POLICIES = ("EventLoopPolicy", "install")

if not hasattr(_asyncio, "set_event_loop_policy"):
    __all__ = [name for name in __all__ if name not in _OF_POLICIES]


def __getattr__(name: str) -> Any:
    """Import what few programs want when it is asked for; policies only where asyncio has them."""
    if name in _OF_RECORDS:
        from . import _records

        found = getattr(_records, name)
    elif name in _OF_POLICIES and hasattr(_asyncio, "set_event_loop_policy"):
        from . import _policy

        found = getattr(_policy, name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
