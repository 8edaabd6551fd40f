"""Virtual environments below .cache/venvs, made once and remade when what they hold changes."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workspace import CACHE, alone, announce, digest_of, run

PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")


@dataclass(frozen=True)
class Environment:
    """A virtual environment of the interpreter that runs the script."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def command(self, name: str) -> Path:
        """The path of a program that one of its packages installed."""
        return self.folder / "bin" / name

    def install(self, *arguments: str | Path) -> None:
        """Runs pip install."""
        run([self.python, *PIP, "install", *arguments])

    def stamp(self, name: str) -> str | None:
        """What was recorded about its contents under a name."""
        path = self.folder / f".{name}"
        return path.read_text() if path.exists() and self.python.exists() else None

    def set_stamp(self, name: str, value: str) -> None:
        """Records something about its contents."""
        (self.folder / f".{name}").write_text(value)


def environment(
    purpose: str, requirements: Sequence[Path] = (), *, packages: Sequence[str] = ()
) -> Environment:
    """The environment for a purpose, holding what the requirements files and the packages name."""
    made = Environment(CACHE / "venvs" / f"{purpose}-{_interpreter_tag()}")
    wanted = digest_of(requirements, sys.version, str(Path(sys.executable).resolve()), *packages)
    with alone(made.folder):
        if made.stamp("requirements") != wanted:
            _make(made, requirements, packages)
            made.set_stamp("requirements", wanted)
    return made


def _make(made: Environment, requirements: Iterable[Path], packages: Sequence[str]) -> None:
    announce(f"making the virtual environment {made.folder.name}")
    shutil.rmtree(made.folder, ignore_errors=True)
    run([sys.executable, "-m", "venv", made.folder])
    options = [option for path in requirements for option in ("-r", str(path))]
    if options or packages:
        made.install(*options, *packages)


def _interpreter_tag() -> str:
    """Such as cpython-313, or cpython-314t for the free-threaded build."""
    return f"{sys.implementation.cache_tag}{sysconfig.get_config_var('abiflags') or ''}"
