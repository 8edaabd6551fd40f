"""Keeps cores from falling asleep while a row waits for the other side.

A virtual core that halts takes tens of microseconds to wake up, several times as long as a message takes
in the loop, and by how much differs from moment to moment. A process that spins at the lowest priority
(SCHED_IDLE) keeps the core running, and gives way at once.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def kept_awake(cores: list[int]) -> Iterator[None]:
    """Keeps the cores running inside the with block, where the system has such a priority."""
    if not hasattr(os, "SCHED_IDLE"):
        yield
        return
    with ExitStack() as stack:
        for core in cores:
            command = [sys.executable, "-I", "-S", __file__, str(core)]
            process = stack.enter_context(subprocess.Popen(command))
            stack.callback(process.kill)
        yield


def _spin(core: int) -> None:
    """Spins on one core for as long as the process that started this one is there."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    os.sched_setaffinity(0, {core})
    starter = os.getppid()
    while os.getppid() == starter:
        for _ in range(100_000):
            pass


if __name__ == "__main__":
    _spin(int(sys.argv[1]))
