"""Builds zloop for the interpreter that runs the script, once for each state of the sources."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from environment import Environment, environment
from workspace import CACHE, ROOT, Stopwatch, alone, announce, digest_of, require_cargo, run

SOURCES = (
    ROOT / "Cargo.toml",
    ROOT / "Cargo.lock",
    ROOT / "pyproject.toml",
    *(ROOT / "crates" / name for name in ("zloop-core", "zloop-net", "zloop-tls", "zloop-py")),
)
MATURIN = "maturin>=1.9,<2"


def zloop_wheel() -> Path:
    """The wheel of the sources as they are, built if it is not there yet."""
    folder = CACHE / "wheels" / f"{sys.implementation.cache_tag}-{digest_of(SOURCES, sys.version)}"
    with alone(folder.parent):
        if not any(folder.glob("*.whl")):
            _build_into(folder)
    return next(folder.glob("*.whl"))


def _build_into(folder: Path) -> None:
    """Builds the wheel, and removes those of older sources."""
    require_cargo()
    watch = Stopwatch()
    announce(f"building zloop for CPython {sys.version.split()[0]} (some minutes the first time)")
    build_wheel(folder)
    announce(f"built in {watch.seconds:.0f} s")
    for old in folder.parent.glob(f"{sys.implementation.cache_tag}-*"):
        if old != folder:
            shutil.rmtree(old)


def build_wheel(folder: Path) -> None:
    """Builds a release wheel into a folder."""
    tools = environment("build", packages=[MATURIN])
    build: list[str | Path] = [tools.command("maturin"), "build", "--release", "--quiet"]
    run([*build, "--interpreter", sys.executable, "--out", folder])


def zloop_environment(
    purpose: str, requirements: Sequence[Path] = (), *, packages: Sequence[str] = ()
) -> Environment:
    """An environment as environment() makes it, with zloop as it is now."""
    made = environment(purpose, requirements, packages=packages)
    wheel = zloop_wheel()
    with alone(made.folder):
        if made.stamp("zloop") != wheel.parent.name:
            announce(f"installing zloop into {made.folder.name}")
            made.install("--no-deps", "--force-reinstall", wheel)
            made.set_stamp("zloop", wheel.parent.name)
    return made
