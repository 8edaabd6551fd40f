"""Work in threads: the default executor and the resolver's own pool."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import warnings
from collections.abc import Callable

from ._base import LoopBase
from ._handles import check_callback


class Executors(LoopBase):
    """`run_in_executor` and the pools that the loop owns.

    The class of pools is imported at its first use, by its full name.
    """

    def __init__(self) -> None:
        super().__init__()
        self._default_executor: concurrent.futures.ThreadPoolExecutor | None = None
        self._resolver: concurrent.futures.ThreadPoolExecutor | None = None
        self._executor_shutdown_called = False

    def run_in_executor[*Ts, T](
        self, executor: concurrent.futures.Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Call `func(*args)` in the executor, or in the default one where it is None."""
        self._check_closed()
        if self.get_debug():
            check_callback(func, "run_in_executor")
        if executor is None:
            self._check_default_executor()
            executor = self._default_executor
            if executor is None:
                executor = concurrent.futures.ThreadPoolExecutor(thread_name_prefix="asyncio")
                self._default_executor = executor
        return asyncio.wrap_future(executor.submit(func, *args), loop=self)

    def set_default_executor(self, executor: concurrent.futures.ThreadPoolExecutor) -> None:  # type: ignore[override]
        """Use `executor` where `run_in_executor` is told none."""
        if not isinstance(executor, concurrent.futures.ThreadPoolExecutor):
            raise TypeError("executor must be ThreadPoolExecutor instance")
        self._default_executor = executor

    def _run_in_resolver[*Ts, T](self, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Call `func(*args)` in the pool for names, which no busy default executor can starve."""
        self._check_closed()
        self._check_default_executor()
        if self._resolver is None:
            self._resolver = concurrent.futures.ThreadPoolExecutor(
                thread_name_prefix="zloop-resolver"
            )
        return asyncio.wrap_future(self._resolver.submit(func, *args), loop=self)

    def _check_default_executor(self) -> None:
        if self._executor_shutdown_called:
            raise RuntimeError("Executor shutdown has been called")

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for the loop's own threads to end, for `timeout` seconds at most."""
        self._executor_shutdown_called = True
        pools = self._pools()
        if not pools:
            return
        joined = self.create_future()
        thread = threading.Thread(target=self._join_pools, args=(pools, joined))
        thread.start()
        try:
            async with asyncio.timeout(timeout):
                await joined
        except TimeoutError:
            warnings.warn(
                f"The executor did not finishing joining its threads within {timeout} seconds.",
                RuntimeWarning,
                stacklevel=2,
            )
            for pool in pools:
                pool.shutdown(wait=False)
        else:
            thread.join()

    def _join_pools(
        self, pools: list[concurrent.futures.ThreadPoolExecutor], joined: asyncio.Future[None]
    ) -> None:
        try:
            for pool in pools:
                pool.shutdown(wait=True)
        except Exception as error:
            if not self.is_closed():
                self.call_soon_threadsafe(_set_exception_unless_done, joined, error)
        else:
            if not self.is_closed():
                self.call_soon_threadsafe(_set_result_unless_done, joined)

    def _close_executors(self) -> None:
        """Let the threads end by themselves, as the loop is closed."""
        self._executor_shutdown_called = True
        pools = self._pools()
        self._default_executor = None
        self._resolver = None
        for pool in pools:
            pool.shutdown(wait=False)

    def _pools(self) -> list[concurrent.futures.ThreadPoolExecutor]:
        return [pool for pool in (self._default_executor, self._resolver) if pool is not None]


def _set_result_unless_done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _set_exception_unless_done(future: asyncio.Future[None], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
