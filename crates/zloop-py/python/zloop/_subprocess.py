"""Subprocesses."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from asyncio import base_subprocess
from asyncio.log import logger
from collections.abc import Callable

from ._child import ChildProcess
from ._pipes import PipeConnections
from ._typing import Any

type Stream = Any
"""What a child's stream is made of, as `subprocess.Popen` takes it."""


class Subprocesses(PipeConnections):
    """`subprocess_exec` and `subprocess_shell`."""

    async def subprocess_shell[P: asyncio.SubprocessProtocol](  # type: ignore[override]
        self,
        protocol_factory: Callable[[], P],
        cmd: str | bytes,
        *,
        stdin: Stream = subprocess.PIPE,
        stdout: Stream = subprocess.PIPE,
        stderr: Stream = subprocess.PIPE,
        universal_newlines: bool = False,
        shell: bool = True,
        bufsize: int = 0,
        encoding: str | None = None,
        errors: str | None = None,
        text: bool | None = None,
        **kwargs: Any,
    ) -> tuple[asyncio.SubprocessTransport, P]:
        """Run a shell command; return transport and protocol."""
        if not isinstance(cmd, (bytes, str)):
            raise ValueError("cmd must be a string")
        _check_binary(universal_newlines)
        if not shell:
            raise ValueError("shell must be True")
        _check_unbuffered(bufsize, encoding, errors, text)
        return await self._spawn(
            protocol_factory, f"run shell command {cmd!r}", cmd, True, stdin, stdout, stderr, kwargs
        )

    async def subprocess_exec[P: asyncio.SubprocessProtocol](  # type: ignore[override]
        self,
        protocol_factory: Callable[[], P],
        program: Any,
        *args: Any,
        stdin: Stream = subprocess.PIPE,
        stdout: Stream = subprocess.PIPE,
        stderr: Stream = subprocess.PIPE,
        universal_newlines: bool = False,
        shell: bool = False,
        bufsize: int = 0,
        encoding: str | None = None,
        errors: str | None = None,
        text: bool | None = None,
        **kwargs: Any,
    ) -> tuple[asyncio.SubprocessTransport, P]:
        """Run a program; return transport and protocol."""
        _check_binary(universal_newlines)
        if shell:
            raise ValueError("shell must be False")
        _check_unbuffered(bufsize, encoding, errors, text)
        arguments = (program, *args)
        return await self._spawn(
            protocol_factory,
            f"execute program {program!r}",
            arguments,
            False,
            stdin,
            stdout,
            stderr,
            kwargs,
        )

    async def _spawn[P: asyncio.SubprocessProtocol](
        self,
        protocol_factory: Callable[[], P],
        purpose: str,
        arguments: Any,
        shell: bool,
        stdin: Stream,
        stdout: Stream,
        stderr: Stream,
        options: dict[str, Any],
    ) -> tuple[asyncio.SubprocessTransport, P]:
        protocol = protocol_factory()
        debug = self.get_debug()
        if debug:
            # Without the arguments, which may hold a password.
            logger.debug(describe_streams(purpose, stdin, stdout, stderr))
        waiter = self.create_future()
        transport = SubprocessTransport(
            self,
            protocol,
            arguments,
            shell,
            stdin,
            stdout,
            stderr,
            0,
            waiter=waiter,
            **options,
        )
        try:
            await waiter
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:
            transport.close()
            # Not cut short by another cancellation: the child would not be waited for.
            await asyncio.shield(transport._wait())
            raise
        if debug:
            logger.info("%s: %r", purpose, transport)
        return transport, protocol


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
        stdin: Stream,
        stdout: Stream,
        stderr: Stream,
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


def _check_binary(universal_newlines: bool) -> None:
    if universal_newlines:
        raise ValueError("universal_newlines must be False")


def _check_unbuffered(
    bufsize: int, encoding: str | None, errors: str | None, text: bool | None
) -> None:
    if bufsize != 0:
        raise ValueError("bufsize must be 0")
    if not isinstance(bufsize, int):
        raise TypeError("bufsize must be an integer")
    if text:
        raise ValueError("text must be False")
    if encoding is not None:
        raise ValueError("encoding must be None")
    if errors is not None:
        raise ValueError("errors must be None")


def describe_streams(purpose: str, stdin: Stream, stdout: Stream, stderr: Stream) -> str:
    """Say what is run, and where its streams go."""
    parts = [purpose]
    if stdin is not None:
        parts.append(f"stdin={_describe_stream(stdin)}")
    if stdout is not None and stderr == subprocess.STDOUT:
        parts.append(f"stdout=stderr={_describe_stream(stdout)}")
    else:
        if stdout is not None:
            parts.append(f"stdout={_describe_stream(stdout)}")
        if stderr is not None:
            parts.append(f"stderr={_describe_stream(stderr)}")
    return " ".join(parts)


def _describe_stream(stream: Stream) -> str:
    if stream == subprocess.PIPE:
        return "<pipe>"
    if stream == subprocess.STDOUT:
        return "<stdout>"
    return repr(stream)
