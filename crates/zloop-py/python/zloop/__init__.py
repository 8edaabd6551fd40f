"""zloop: an asyncio event loop whose engine is native.

Pass `zloop.new_event_loop` wherever a loop factory is taken, or run a coroutine by `zloop.run`.
"""

from __future__ import annotations

import asyncio as _asyncio

from ._loop import Loop, new_event_loop
from ._typing import TYPE_CHECKING, Any
from ._zloop import __version__

if TYPE_CHECKING:
    from ._policy import EventLoopPolicy, install
    from ._records import Engine, Metrics
    from ._run import run
    from ._ssl_context import SSLContext, create_default_context, uvicorn_ssl_context
    from ._tracing import disable_tracing, enable_tracing

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

# What a program may do without is imported when it is asked for, by its module.
_MODULES = {
    "Engine": "_records",
    "Metrics": "_records",
    "SSLContext": "_ssl_context",
    "create_default_context": "_ssl_context",
    "disable_tracing": "_tracing",
    "enable_tracing": "_tracing",
    "run": "_run",
    "uvicorn_ssl_context": "_ssl_context",
}
_OF_POLICIES = ("EventLoopPolicy", "install")

# Policies are only where asyncio has them.
if hasattr(_asyncio, "set_event_loop_policy"):
    _MODULES |= dict.fromkeys(_OF_POLICIES, "_policy")
else:
    __all__ = [name for name in __all__ if name not in _OF_POLICIES]


if not TYPE_CHECKING:  # To a type checker, a name that is not above is a mistake.

    def __getattr__(name: str) -> Any:
        """Import what not every program wants when it is asked for."""
        module = _MODULES.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        found = getattr(import_module(f".{module}", __name__), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
