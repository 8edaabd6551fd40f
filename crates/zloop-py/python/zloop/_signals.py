"""Signals: handlers on the loop, and a loop that wakes for them.

CPython writes the number of each signal that it catches into a wakeup descriptor. The loop offers
it one end of a socket pair and reads the other: while handlers are registered, and during
`run_forever` on the main thread if nobody else has offered a descriptor. What was there before
comes back afterwards.
"""

from __future__ import annotations

import contextvars
import errno
import signal
import socket
import sys
import threading
import warnings
from asyncio.log import logger
from collections.abc import Callable
from types import FrameType

from ._base import LoopBase
from ._handles import is_coroutine
from ._typing import Any

type _SignalCallback = tuple[Callable[..., object], tuple[Any, ...], contextvars.Context]
"""What a signal calls: a callback, its arguments, and the context to call it in."""


class SignalHandling(LoopBase):
    """`add_signal_handler`, `remove_signal_handler` and the wakeup descriptor."""

    def __init__(self) -> None:
        super().__init__()
        self._signal_handlers: dict[int, _SignalCallback] = {}
        self._signal_sockets: tuple[socket.socket, socket.socket] | None = None
        # The descriptor that ours stands in for (-1: none); None while ours is not installed.
        self._replaced_wakeup_fd: int | None = None

    def add_signal_handler[*Ts](
        self, sig: int, callback: Callable[[*Ts], object], *args: *Ts
    ) -> None:
        """Have `callback(*args)` called on the loop for each signal `sig`."""
        if is_coroutine(callback):
            raise TypeError("coroutines cannot be used with add_signal_handler()")
        _check_signal(sig)
        self._check_closed()
        try:
            self._install_wakeup_fd()
        except (ValueError, OSError) as error:
            raise RuntimeError(str(error)) from error
        self._signal_handlers[sig] = callback, args, contextvars.copy_context()
        try:
            # CPython writes to the descriptor only for signals that have a handler.
            signal.signal(sig, _ignore_signal)
            signal.siginterrupt(sig, False)
        except OSError as error:
            del self._signal_handlers[sig]
            if not self._signal_handlers:
                self._restore_wakeup_fd()
            if error.errno == errno.EINVAL:
                raise RuntimeError(f"sig {sig} cannot be caught") from error
            raise

    def remove_signal_handler(self, sig: int) -> bool:
        """Restore the default for `sig`; return whether there was a handler."""
        _check_signal(sig)
        if self._signal_handlers.pop(sig, None) is None:
            return False
        default = signal.default_int_handler if sig == signal.SIGINT else signal.SIG_DFL
        try:
            signal.signal(sig, default)
        except OSError as error:
            if error.errno == errno.EINVAL:
                raise RuntimeError(f"sig {sig} cannot be caught") from error
            raise
        if not self._signal_handlers and not (self.is_running() and self._replaced_wakeup_fd == -1):
            self._restore_wakeup_fd()
        return True

    def _begin_waking_on_signals(self) -> None:
        """Have signals end the loop's waiting, where this thread may and nobody else listens."""
        if self._replaced_wakeup_fd is not None:
            return
        if threading.current_thread() is not threading.main_thread():
            return
        try:
            current = signal.set_wakeup_fd(-1)
            if current != -1:
                signal.set_wakeup_fd(current)
                return
            self._install_wakeup_fd()
        except ValueError:
            # The main thread of a subinterpreter may not.
            return

    def _end_waking_on_signals(self) -> None:
        if not self._signal_handlers:
            self._restore_wakeup_fd()

    def _install_wakeup_fd(self) -> None:
        if self._signal_sockets is None:
            reading, writing = socket.socketpair()
            reading.setblocking(False)
            writing.setblocking(False)
            self._signal_sockets = reading, writing
            self._add_reader(reading.fileno(), self._read_signals, reading)
        descriptor = self._signal_sockets[1].fileno()
        current = signal.set_wakeup_fd(descriptor)
        if current != descriptor:
            self._replaced_wakeup_fd = current

    def _renew_signal_sockets(self) -> None:
        """In a forked child: leave the parent's signals to the parent, and have one's own."""
        if self._signal_sockets is None:
            return
        inherited, self._signal_sockets = self._signal_sockets, None
        replaced, self._replaced_wakeup_fd = self._replaced_wakeup_fd, None
        self._remove_reader(inherited[0].fileno())
        if replaced is not None:
            self._install_wakeup_fd()
            self._replaced_wakeup_fd = replaced
        for end in inherited:
            end.close()

    def _restore_wakeup_fd(self) -> None:
        """Put back what was there before, unless somebody has replaced ours since."""
        if self._replaced_wakeup_fd is None or self._signal_sockets is None:
            return
        replaced, self._replaced_wakeup_fd = self._replaced_wakeup_fd, None
        try:
            current = signal.set_wakeup_fd(-1)
            wanted = replaced if current == self._signal_sockets[1].fileno() else current
            if wanted != -1:
                signal.set_wakeup_fd(wanted)
        except (ValueError, OSError) as error:
            logger.info("set_wakeup_fd(-1) failed: %s", error)

    def _read_signals(self, reading: socket.socket) -> None:
        while True:
            try:
                numbers = reading.recv(4096)
            except InterruptedError:
                continue
            except BlockingIOError:
                return
            if not numbers:
                return
            for number in numbers:
                self._handle_signal(number)

    def _handle_signal(self, sig: int) -> None:
        registered = self._signal_handlers.get(sig)
        if registered is not None:
            callback, arguments, context = registered
            self.call_soon(callback, *arguments, context=context)

    def _close_signals(self) -> None:
        """Remove what is left of handlers and descriptors, as the loop is closed."""
        if sys.is_finalizing():
            if self._signal_handlers:
                warnings.warn(  # noqa: B028 -- as asyncio
                    f"Closing the loop {self!r} on interpreter shutdown stage, "
                    "skipping signal handlers removal",
                    ResourceWarning,
                    source=self,
                )
                self._signal_handlers.clear()
        else:
            for sig in list(self._signal_handlers):
                self.remove_signal_handler(sig)
            self._restore_wakeup_fd()
        if self._signal_sockets is not None:
            for end in self._signal_sockets:
                end.close()
            self._signal_sockets = None


def _ignore_signal(_sig: int, _frame: FrameType | None) -> None:
    """A handler must be there for CPython to write the signal's number; it has nothing to do."""


def _check_signal(sig: object) -> None:
    if not isinstance(sig, int):
        raise TypeError(f"sig must be an int, not {sig!r}")
    if sig not in signal.valid_signals():
        raise ValueError(f"invalid signal number {sig}")
