"""The loop's life: running, stopping, closing, and the generators it iterates."""

from __future__ import annotations

import asyncio
import sys
import warnings
import weakref
from asyncio import constants, events
from asyncio.log import logger
from collections.abc import AsyncGenerator, Awaitable, Generator

from ._errors import ErrorReporting
from ._executors import Executors
from ._forks import Forking
from ._typing import Any


class Lifecycle(ErrorReporting, Executors, Forking):
    """Running and closing."""

    def __init__(self) -> None:
        super().__init__()
        self._asyncgens: weakref.WeakSet[AsyncGenerator[Any, Any]] = weakref.WeakSet()
        self._asyncgens_shutdown_called = False
        self._saved_origin_depth: int | None = None

    def __repr__(self) -> str:
        return (
            f"<{self.__class__.__name__} running={self.is_running()} "
            f"closed={self.is_closed()} debug={self.get_debug()}>"
        )

    def __del__(self, _warn: Any = warnings.warn) -> None:
        if self.is_closed():
            return
        _warn(f"unclosed event loop {self!r}", ResourceWarning, source=self)
        if not self.is_running():
            self.close()

    def run_forever(self) -> None:
        """Run until `stop` is called."""
        self._check_closed()
        self._check_running()
        hooks = sys.get_asyncgen_hooks()
        self._set_coroutine_origin_tracking(self.get_debug())
        try:
            sys.set_asyncgen_hooks(
                firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook
            )
            events._set_running_loop(self)
            self._begin_waking_on_signals()
            self._run()
        finally:
            events._set_running_loop(None)
            self._set_coroutine_origin_tracking(False)
            sys.set_asyncgen_hooks(*hooks)
            self._end_waking_on_signals()

    def run_until_complete[T](self, future: Awaitable[T] | Generator[Any, None, T]) -> T:
        """Run until the future, or the task made of the coroutine, is done; return its result."""
        self._check_closed()
        self._check_running()
        made_here = not asyncio.isfuture(future)
        ensure_future: Any = asyncio.ensure_future
        task = ensure_future(future, loop=self)
        if made_here:
            # Where it does not complete, the exception below says so.
            task._log_destroy_pending = False
        task.add_done_callback(_stop_loop)
        try:
            self.run_forever()
        except BaseException:
            if made_here and task.done() and not task.cancelled():
                # It is being raised already; the caller has no task to take it from.
                task.exception()
            raise
        finally:
            task.remove_done_callback(_stop_loop)
        if not task.done():
            raise RuntimeError("Event loop stopped before Future completed.")
        result: T = task.result()
        return result

    def close(self) -> None:
        """Close the loop, which must not be running; does not wait for executors."""
        if self.is_running():
            raise RuntimeError("Cannot close a running event loop")
        if self.is_closed():
            return
        if self.get_debug():
            logger.debug("Close %r", self)
        self._close_native()
        self._close_executors()
        self._close_signals()

    def _set_coroutine_origin_tracking(self, enabled: bool) -> None:
        """Have coroutines remember where they were made, while the loop runs in debug mode."""
        saved = self._saved_origin_depth
        if enabled and saved is None:
            self._saved_origin_depth = sys.get_coroutine_origin_tracking_depth()
            sys.set_coroutine_origin_tracking_depth(constants.DEBUG_STACK_DEPTH)
        elif not enabled and saved is not None:
            sys.set_coroutine_origin_tracking_depth(saved)
            self._saved_origin_depth = None

    async def shutdown_asyncgens(self) -> None:
        """Close all asynchronous generators that the loop has begun to iterate."""
        self._asyncgens_shutdown_called = True
        generators = list(self._asyncgens)
        if not generators:
            return
        self._asyncgens.clear()
        results = await asyncio.gather(
            *[generator.aclose() for generator in generators], return_exceptions=True
        )
        for generator, result in zip(generators, results, strict=True):
            if isinstance(result, Exception):
                self.call_exception_handler(
                    {
                        "message": "an error occurred during closing of "
                        f"asynchronous generator {generator!r}",
                        "exception": result,
                        "asyncgen": generator,
                    }
                )

    def _asyncgen_firstiter_hook(self, generator: AsyncGenerator[Any, Any]) -> None:
        if self._asyncgens_shutdown_called:
            warnings.warn(  # noqa: B028 -- as asyncio, whose caller is the interpreter itself
                f"asynchronous generator {generator!r} was scheduled after "
                "loop.shutdown_asyncgens() call",
                ResourceWarning,
                source=self,
            )
        self._asyncgens.add(generator)

    def _asyncgen_finalizer_hook(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._asyncgens.discard(generator)
        if not self.is_closed():
            self.call_soon_threadsafe(self.create_task, generator.aclose())


def _stop_loop(future: asyncio.Future[Any]) -> None:
    if not future.cancelled() and isinstance(future.exception(), SystemExit | KeyboardInterrupt):
        # It has ended the run by itself; a stop now would end the next one.
        return
    future.get_loop().stop()
