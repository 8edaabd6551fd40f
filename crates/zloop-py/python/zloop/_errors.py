"""What happens to exceptions that nobody awaits."""

from __future__ import annotations

import traceback
from asyncio.log import logger
from collections.abc import Callable

from ._base import LoopBase
from ._typing import Any

type ExceptionContext = dict[str, Any]
type ExceptionHandler = Callable[[Any, ExceptionContext], object]

_TRACEBACK_TITLES = {
    "source_traceback": "Object created at (most recent call last):\n",
    "handle_traceback": "Handle created at (most recent call last):\n",
}


class ErrorReporting(LoopBase):
    """The exception handler and asyncio's default one."""

    def __init__(self) -> None:
        super().__init__()
        self._exception_handler: ExceptionHandler | None = None

    def get_exception_handler(self) -> ExceptionHandler | None:
        """Return the exception handler, or None where the default one is in use."""
        return self._exception_handler

    def set_exception_handler(self, handler: ExceptionHandler | None) -> None:
        """Have `handler(loop, context)` called for exceptions; None restores the default."""
        if handler is not None and not callable(handler):
            raise TypeError(f"A callable object or None is expected, got {handler!r}")
        self._exception_handler = handler

    def default_exception_handler(self, context: ExceptionContext) -> None:
        """Log the message, the exception and whatever else the context tells."""
        message = context.get("message") or "Unhandled exception in event loop"
        exception = context.get("exception")
        if "source_traceback" not in context:
            created_at = self._current_source_traceback()
            if created_at:
                context["handle_traceback"] = created_at

        lines = [message]
        for key in sorted(context.keys() - {"message", "exception"}):
            value = context[key]
            title = _TRACEBACK_TITLES.get(key)
            if title is None:
                lines.append(f"{key}: {value!r}")
            else:
                lines.append(f"{key}: {title}{''.join(traceback.format_list(value)).rstrip()}")
        exc_info = (
            (type(exception), exception, exception.__traceback__)
            if exception is not None
            else False
        )
        logger.error("\n".join(lines), exc_info=exc_info)

    def _current_source_traceback(self) -> traceback.StackSummary | None:
        """Where the callback that is running was scheduled, if debug mode knows."""
        running = getattr(self, "_current_handle", None)
        return getattr(running, "_source_traceback", None)

    def call_exception_handler(self, context: ExceptionContext) -> None:
        """Report a problem to the exception handler; a failing one is reported in its turn."""
        handler = self._exception_handler
        if handler is None:
            try:
                self.default_exception_handler(context)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException:
                # A subclass may have its own default handler.
                logger.error("Exception in default exception handler", exc_info=True)
            return

        try:
            run = _context_run(context)
            if run is None:
                handler(self, context)
            else:
                run(handler, self, context)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._report_failed_handler(error, context)

    def _report_failed_handler(self, error: BaseException, context: ExceptionContext) -> None:
        try:
            self.default_exception_handler(
                {
                    "message": "Unhandled error in exception handler",
                    "exception": error,
                    "context": context,
                }
            )
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:
            logger.error(
                "Exception in default exception handler while handling an unexpected error "
                "in custom exception handler",
                exc_info=True,
            )


def _context_run(context: ExceptionContext) -> Callable[..., object] | None:
    """The `run` of the contextvars context that the reported task or handle lives in."""
    for key in ("task", "future", "handle"):
        subject = context.get(key)
        if subject is not None:
            if not hasattr(subject, "get_context"):
                return None
            run: Callable[..., object] | None = getattr(subject.get_context(), "run", None)
            return run
    return None
