"""One child process: its end, and signals to it and to nobody else.

A pidfd refers to one process for ever, while its number may be another's once it was reaped. It is
readable when the process has ended, so the loop waits for it as for any descriptor. Where the
system has no pidfds or none to spare, a thread waits.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from asyncio.log import logger
from collections.abc import Callable

from ._base import LoopBase
from ._typing import Any, Self

_CODE_IF_UNKNOWN = 255


class ChildProcess:
    """A child that `subprocess.Popen` has started; the loop calls `exited` with its return code."""

    def __init__(
        self, loop: LoopBase, process: subprocess.Popen[bytes], exited: Callable[[int], None]
    ) -> None:
        self._loop = loop
        self._process = process
        # Until it was told.
        self._exited: Callable[[int], None] | None = exited
        self._pidfd = _Pidfd.open(process.pid)
        if self._pidfd is None:
            name = f"zloop-waits-{process.pid}"
            threading.Thread(target=self._wait_on_thread, name=name, daemon=True).start()
        else:
            # Whoever has the Popen object signals this child, too, or nobody.
            process.send_signal = self._pidfd.send_signal  # type: ignore[method-assign]
            loop._add_reader(self._pidfd, self._reap)

    def forget(self) -> None:
        """Wait no longer: the loop has told of the end, or is closed."""
        pidfd, self._pidfd = self._pidfd, None
        if pidfd is not None:
            vars(self._process).pop("send_signal", None)
            pidfd.close()

    def _reap(self) -> None:
        pidfd, exited = self._pidfd, self._exited
        if exited is None:
            return
        self._exited = None
        if pidfd is None:
            code = self._take_return_code(os.P_PID, self._process.pid)
        else:
            self._loop._remove_reader(pidfd)
            code = self._take_return_code(os.P_PIDFD, pidfd.fileno())
            self.forget()
        exited(code)

    def _take_return_code(self, kind: int, identity: int) -> int:
        """The return code of the child, which has ended and may have been waited for."""
        try:
            result = os.waitid(kind, identity, os.WEXITED)
        except ChildProcessError:
            if self._process.returncode is not None:
                return self._process.returncode
            logger.warning(
                "child process pid %d exit status already read:  will report returncode 255",
                self._process.pid,
            )
            return _CODE_IF_UNKNOWN
        return return_code(result)

    def _wait_on_thread(self) -> None:
        try:
            # Leaves it unreaped, so that its number stays its own until the loop reaps it.
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            pass  # Somebody else has reaped it.
        try:
            self._loop.call_soon_threadsafe(self._reap)
        except RuntimeError:
            # The loop is closed: nobody else will reap it.
            self._process.poll()


def return_code(result: Any) -> int:
    """What `subprocess` makes of the way a process ended: the negative number of a signal."""
    status: int = result.si_status
    return status if result.si_code == os.CLD_EXITED else -status


class _Pidfd:
    """A descriptor that refers to one process for ever."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def open(cls, pid: int) -> Self | None:
        """Open one, unless the system has none or none to spare."""
        if not hasattr(os, "pidfd_open"):
            return None
        try:
            return cls(os.pidfd_open(pid))
        except OSError:
            return None

    def fileno(self) -> int:
        """The descriptor's number; -1 once it is closed."""
        return self._descriptor

    def send_signal(self, sig: int) -> None:
        """Signal the process, unless it has ended."""
        if self._descriptor == -1:
            return
        try:
            signal.pidfd_send_signal(self._descriptor, sig)
        except ProcessLookupError:
            pass  # The loop will hear of it.

    def close(self) -> None:
        """Close the descriptor."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor != -1:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()
