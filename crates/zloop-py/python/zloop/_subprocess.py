"""Subprocesses."""

from __future__ import annotations

import asyncio
import subprocess
from asyncio.log import logger
from collections.abc import Callable

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
        from ._subprocess_transport import SubprocessTransport  # Few programs have children.

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
