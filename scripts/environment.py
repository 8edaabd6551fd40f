"""Virtual environments below .cache/venvs, made once and remade when what they hold changes."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wheel import zloop_wheel
from workspace import CACHE, announce, digest_of, run

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


def environment(
    purpose: str,
    requirements: Sequence[Path] = (),
    *,
    packages: Sequence[str] = (),
    with_zloop: bool = True,
) -> Environment:
    """The environment for a purpose, holding the requirements, the packages and zloop as it is now."""
    made = Environment(CACHE / "venvs" / f"{purpose}-{_interpreter_tag()}")
    wanted = digest_of(requirements, sys.version, sys.executable, *packages)
    if _stamp(made, "requirements") != wanted:
        _make(made, requirements, packages)
        _set_stamp(made, "requirements", wanted)
    if with_zloop:
        wheel = zloop_wheel()
        if _stamp(made, "zloop") != wheel.parent.name:
            announce(f"installing {wheel.name} into {made.folder.name}")
            made.install("--no-deps", "--force-reinstall", wheel)
            _set_stamp(made, "zloop", wheel.parent.name)
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


def _stamp(made: Environment, name: str) -> str | None:
    path = made.folder / f".{name}"
    return path.read_text() if path.exists() and made.python.exists() else None


def _set_stamp(made: Environment, name: str, value: str) -> None:
    (made.folder / f".{name}").write_text(value)
