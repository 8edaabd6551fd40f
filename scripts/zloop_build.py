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
TRAINING = ROOT / "benchmarks" / "training.py"
MATURIN = "maturin>=1.16,<2"


def zloop_wheel(*, profile_guided: bool = False) -> Path:
    """The wheel of the sources as they are; built, in place of older ones, if it is not there yet."""
    sources = (*SOURCES, TRAINING) if profile_guided else SOURCES
    kind = f"{'guided-' * profile_guided}{sys.implementation.cache_tag}"
    folder = CACHE / "wheels" / f"{kind}-{digest_of(sources, sys.version)}"
    with alone(folder.parent):
        if not any(folder.glob("*.whl")):
            _build_into(folder, profile_guided=profile_guided)
            for old in folder.parent.glob(f"{kind}-*"):
                if old != folder:
                    shutil.rmtree(old)
    return next(folder.glob("*.whl"))


def _build_into(folder: Path, *, profile_guided: bool) -> None:
    require_cargo()
    watch = Stopwatch()
    announce(f"building zloop for CPython {sys.version.split()[0]} (some minutes the first time)")
    build_wheel(folder, profile_guided=profile_guided)
    announce(f"built in {watch.seconds:.0f} s")


def build_wheel(folder: Path, *, profile_guided: bool = False) -> None:
    """Builds a release wheel into a folder.

    A profile-guided one is built twice: the second build learns from a run of the first one.
    """
    tools = environment("build", packages=[MATURIN])
    build: list[str | Path] = [tools.command("maturin"), "build", "--release"]
    if profile_guided:
        announce("building it twice, guided by a profile: it takes three times as long")
        if shutil.which("rustup"):
            run(["rustup", "component", "add", "llvm-tools"], quiet=True)
        build.append("--pgo")
    run([*build, "--quiet", "--interpreter", sys.executable, "--out", folder])


def zloop_environment(
    purpose: str,
    requirements: Sequence[Path] = (),
    *,
    packages: Sequence[str] = (),
    profile_guided: bool = False,
) -> Environment:
    """An environment as environment() makes it, with zloop as it is now."""
    made = environment(purpose, requirements, packages=packages)
    wheel = zloop_wheel(profile_guided=profile_guided)
    with alone(made.folder):
        if made.stamp("zloop") != wheel.parent.name:
            announce(f"installing zloop into {made.folder.name}")
            made.install("--no-deps", "--force-reinstall", wheel)
            made.set_stamp("zloop", wheel.parent.name)
    return made
