"""Where things are in this repository, and how the scripts run and announce their steps."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
LOGS = CACHE / "logs"
RESULTS = CACHE / "results"

# The crates; what they are compared with, and the fuzz targets, are workspaces of their own.
RUST_FOLDERS = (".", "benchmarks/rust", "fuzz")

SUPPORTED_PYTHONS = ("3.12", "3.13", "3.14", "3.15")

# What a step begins with where it is announced.
STEP = "==>"

Argument = str | Path


class StepFailed(Exception):
    """A command that a script needs has failed; the message says which and how."""


def announce(message: str) -> None:
    """Prints what the script is about to do."""
    print(f"{STEP} {message}", flush=True)


def fail(message: str) -> NoReturn:
    """Ends the script with a message for a person."""
    raise SystemExit(f"zloop: {message}")


def run(
    command: Sequence[Argument],
    *,
    environment: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    quiet: bool = False,
) -> None:
    """Runs a command to its end; quiet shows its output only if it fails.

    Raises StepFailed if it exits with another status than 0.
    """
    words = [str(word) for word in command]
    finished = subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        if quiet:
            print(finished.stdout, file=sys.stderr)
        raise StepFailed(f"{shlex.join(words)} exited with status {finished.returncode}")


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Holds a lock on what is at a path, so that of two commands one sets it up and the other waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            announce(f"waiting for another command, which sets up {path.name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def require_cargo() -> None:
    """Ends the script if there is no Rust toolchain."""
    if shutil.which("cargo") is None:
        fail("no cargo on PATH: install a Rust toolchain, for example with rustup.")


def digest_of(paths: Iterable[Path], *words: str) -> str:
    """A short name for the contents of files (and all files below folders) and some words."""
    digest = hashlib.sha256("\0".join(words).encode())
    for path in paths:
        for file in sorted(_files_below(path)):
            digest.update(str(file).encode() + b"\0")
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _files_below(path: Path) -> Iterable[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        for file in path.rglob("*"):
            built = file.suffix in {".so", ".pyc"} or "target" in file.parts
            if file.is_file() and not built:
                yield file


class Stopwatch:
    """Measures how long a step takes."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started
