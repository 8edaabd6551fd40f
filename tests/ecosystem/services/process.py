"""Starts a program in a folder of its own, as a user without rights, and stops it."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 60.0
UNPRIVILEGED = "nobody"


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def service_folder() -> Iterator[Path]:
    """A folder that the user of the services can reach and owns, removed afterwards.

    pytest's own temporary folders are closed to other users.
    """
    folder = Path(tempfile.mkdtemp(prefix="zloop-"))
    try:
        give(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def give(path: Path, mode: int = 0o700) -> None:
    """Makes a file or folder the services' user's own."""
    path.chmod(mode)
    if os.geteuid() == 0:
        user = pwd.getpwnam(UNPRIVILEGED)
        os.chown(path, user.pw_uid, user.pw_gid)


def as_service_user() -> dict[str, Any]:
    """What subprocess needs to leave root's rights; nothing if this is not root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam(UNPRIVILEGED)
    return {
        "user": user.pw_uid,
        "group": grp.getgrgid(user.pw_gid).gr_gid,
        "extra_groups": [],
    }


@contextmanager
def running(
    command: Sequence[str | Path],
    folder: Path,
    is_ready: Callable[[], bool],
    *,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Iterator[None]:
    """Runs a program in a folder from when it is ready until the block ends.

    Raises RuntimeError with what the program wrote if it ends before, or is not ready in time.
    """
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            **as_service_user(),
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start:\n{log.read_text()}")
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(stop_signal)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(port: int) -> Callable[[], bool]:
    """Whether something listens on a port of the loopback."""

    def probe() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    return probe
