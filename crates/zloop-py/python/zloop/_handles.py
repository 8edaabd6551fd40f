"""What native handles say about themselves, in asyncio's words; the engine calls these."""

from __future__ import annotations

import asyncio
import sys
from asyncio import coroutines, format_helpers
from asyncio.log import logger
from collections.abc import Callable

from ._typing import Any

# asyncio's own test, by the name that does not warn.
_is_coroutine_function: Callable[[object], bool] = getattr(
    coroutines, "_iscoroutinefunction", coroutines.iscoroutinefunction
)


def is_coroutine(callback: object) -> bool:
    """Tell whether somebody passed a coroutine, or the function that makes one, as a callback."""
    return coroutines.iscoroutine(callback) or _is_coroutine_function(callback)


def check_callback(callback: object, method: str) -> None:
    """Refuse what cannot be called back, as debug mode does."""
    if is_coroutine(callback):
        raise TypeError(f"coroutines cannot be used with {method}()")
    if not callable(callback):
        raise TypeError(f"a callable object was expected by {method}(), got {callback!r}")


def describe(handle: Any) -> str:
    """Return what `repr` says of a `Handle` or a `TimerHandle`."""
    parts = [type(handle).__name__]
    if handle._cancelled:
        parts.append("cancelled")
    if isinstance(handle, asyncio.TimerHandle):
        parts.append(f"when={handle.when()}")
    if handle._callback is not None:
        debug = handle._source_traceback is not None
        parts.append(_describe_callback(handle._callback, handle._args, debug))
    if handle._source_traceback:
        frame = handle._source_traceback[-1]
        parts.append(f"created at {frame[0]}:{frame[1]}")
    return f"<{' '.join(parts)}>"


def report_error(loop: asyncio.AbstractEventLoop, handle: Any, error: BaseException) -> None:
    """Tell the loop's exception handler what a callback raised."""
    callback = _describe_callback(handle._callback, handle._args, loop.get_debug())
    report: dict[str, Any] = {
        "message": f"Exception in callback {callback}",
        "exception": error,
        "handle": handle,
    }
    if handle._source_traceback:
        report["source_traceback"] = handle._source_traceback
    loop.call_exception_handler(report)


def report_waiter_error(
    loop: asyncio.AbstractEventLoop, future: object, error: BaseException
) -> None:
    """Tell the loop's exception handler what a future raised that was to be woken."""
    waking = getattr(future, "set_result", future)
    callback = _describe_callback(waking, (None,), loop.get_debug())
    loop.call_exception_handler(
        {"message": f"Exception in callback {callback}", "exception": error, "future": future}
    )


def report_protocol_error(
    loop: asyncio.AbstractEventLoop,
    protocol: object,
    method: str,
    argument: object,
    error: BaseException,
) -> None:
    """Tell the loop's exception handler what a protocol raised at a connection's begin or end."""
    known = getattr(protocol, method, None)
    if known is None:
        callback = f"{type(protocol).__name__}.{method}()"
    else:
        callback = _describe_callback(known, (argument,), loop.get_debug())
    loop.call_exception_handler(
        {
            "message": f"Exception in callback {callback}",
            "exception": error,
            "protocol": protocol,
        }
    )


def report_slow(subject: object, seconds: float) -> None:
    """Warn of a callback that held the loop up; `subject` is its handle, or what was ready."""
    step_of = getattr(getattr(subject, "_callback", None), "__self__", None)
    shown = repr(step_of) if isinstance(step_of, asyncio.Task) else str(subject)
    logger.warning("Executing %s took %.3f seconds", shown, seconds)


def _describe_callback(callback: object, arguments: tuple[Any, ...] | None, debug: bool) -> str:
    options = {"debug": debug} if sys.version_info >= (3, 13) else {}
    describe_source: Callable[..., str] = format_helpers._format_callback_source
    return describe_source(callback, arguments or (), **options)
