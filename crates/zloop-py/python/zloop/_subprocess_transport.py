"""The transport of a child process: asyncio's own bookkeeping over a pidfd and native pipes."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from asyncio import base_subprocess
from asyncio.log import logger
from collections.abc import Callable

from ._child import ChildProcess
from ._typing import Any


class SubprocessTransport(base_subprocess.BaseSubprocessTransport):
    """A child process: asyncio's own bookkeeping over a pidfd and native pipes."""

    # As asyncio has them, whose stubs are narrower than what it does.
    _loop: Any
    _proc: Any
    _pipes: dict[int, Any]
    _pending_calls: Any
    _child: ChildProcess | None = None

    def _start(
        self,
        args: Any,
        shell: bool,
        stdin: Any,
        stdout: Any,
        stderr: Any,
        bufsize: int,
        **kwargs: Any,
    ) -> None:
        self._proc = process = subprocess.Popen(
            args,
            shell=shell,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            universal_newlines=False,
            bufsize=bufsize,
            **kwargs,
        )
        try:
            self._child = ChildProcess(self._loop, process, self._process_exited)
        except BaseException:
            # Nobody would hear of its end. The context manager closes its pipes, and waits.
            with process:
                process.kill()
            raise

    async def _connect_pipes(self, waiter: asyncio.Future[None] | None) -> None:
        process, loop = self._proc, self._loop
        try:
            if process.stdin is not None:
                await self._connect_pipe(0, loop.connect_write_pipe, process.stdin)
            if process.stdout is not None:
                await self._connect_pipe(1, loop.connect_read_pipe, process.stdout)
            if process.stderr is not None:
                await self._connect_pipe(2, loop.connect_read_pipe, process.stderr)
            pending, self._pending_calls = self._pending_calls, None
            loop.call_soon(self._protocol.connection_made, self)
            for callback, arguments in pending:
                loop.call_soon(callback, *arguments)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._close_pipes()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
            if waiter is not None and not waiter.cancelled():
                waiter.set_exception(error)
        else:
            if waiter is not None and not waiter.cancelled():
                waiter.set_result(None)

    async def _connect_pipe(self, number: int, connect: Callable[..., Any], pipe: Any) -> None:
        kind = (
            base_subprocess.WriteSubprocessPipeProto
            if number == 0
            else base_subprocess.ReadSubprocessPipeProto
        )
        transport, self._pipes[number] = await connect(lambda: kind(self, number), pipe)
        if self._closed:
            transport.close()

    def send_signal(self, signal: int) -> None:
        """Send a signal to the child; one that has ended hears nothing, nor does any other."""
        self._check_proc()
        if self._returncode is None:
            self._proc.send_signal(signal)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Close the pipes, and kill the child if it still runs."""
        if self._closed:
            return
        self._closed = True
        self._close_pipes()
        process, child = self._proc, self._child
        if child is None or self._returncode is not None or process.returncode is not None:
            return
        if self._loop.get_debug():
            logger.warning("Close running child process: kill %r", self)
        try:
            process.kill()
        except PermissionError:
            pass  # It runs as another user.
        if self._loop.is_closed():
            child.forget()

    def _close_pipes(self) -> None:
        if self._loop is None or self._loop.is_closed():
            # Their transports, which cannot tell anybody any more, close them when they are freed.
            return
        for protocol in self._pipes.values():
            if protocol is not None:
                protocol.pipe.close()
