"""What the engine tells about itself, as records of Python's `logging`."""

from __future__ import annotations

import logging
import threading

from . import _zloop

TRACE = 5

_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO, 4: logging.DEBUG, 5: TRACE}


def enable_tracing(level: int | str = logging.DEBUG) -> None:
    """Have the engine's events, from `level` on, come out of Python's `logging`.

    `level` is one of `logging`'s, as a number or by name; below `DEBUG` there is `"TRACE"` (5),
    which also tells of every poll and registration. The loggers are `zloop.core`, `zloop.net`,
    `zloop.tls` and `zloop.loop`. They too have a level: this function does not set it.

    It is one switch for the process, which may be set again. Raises `ValueError` for a name that
    `logging` does not know, and `TypeError` for what is neither a number nor a name.
    """
    number = _number(level)
    if number <= TRACE and logging.getLevelName(TRACE) == f"Level {TRACE}":
        logging.addLevelName(TRACE, "TRACE")
    fitting = [verbosity for verbosity, least in _LEVELS.items() if least >= number]
    _zloop.set_tracing(max(fitting, default=1))


def disable_tracing() -> None:
    """Have the engine keep silent again, which costs nothing."""
    _zloop.set_tracing(0)


def _number(level: int | str) -> int:
    if isinstance(level, bool) or not isinstance(level, int | str):
        raise TypeError(f"a level is a number or a name, not {type(level).__name__}")
    if isinstance(level, int):
        return level
    if level.upper() == "TRACE":
        return TRACE
    try:
        return logging.getLevelNamesMapping()[level.upper()]
    except KeyError:
        raise ValueError(f"unknown level: {level!r}") from None


def log_event(
    target: str,
    verbosity: int,
    message: str,
    path: str,
    line: int,
    when: float,
    thread: int,
) -> None:
    """Log one event of the engine, which calls this; `target` begins with a crate's name."""
    logger = logging.getLogger(target.partition("::")[0].replace("_", "."))
    level = _LEVELS[verbosity]
    if not logger.isEnabledFor(level):
        return
    record = logger.makeRecord(logger.name, level, path, line, "%s", (message,), None)
    record.created = when
    record.msecs = when % 1 * 1000
    if thread != record.thread:
        record.thread = thread
        names = {each.ident: each.name for each in threading.enumerate()}
        record.threadName = names.get(thread, f"thread {thread}")
    logger.handle(record)
