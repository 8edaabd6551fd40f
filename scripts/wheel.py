"""Builds zloop's wheel for the interpreter that runs the script, once for each state of the sources."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import environment
from workspace import CACHE, ROOT, Stopwatch, announce, digest_of, require_cargo, run

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
    built = sorted(folder.glob("*.whl"))
    if built:
        return built[0]
    require_cargo()
    for old in folder.parent.glob(f"{sys.implementation.cache_tag}-*"):
        shutil.rmtree(old)
    watch = Stopwatch()
    announce(f"building zloop for CPython {sys.version.split()[0]} (some minutes the first time)")
    build_wheel(folder)
    announce(f"built in {watch.seconds:.0f} s")
    return next(folder.glob("*.whl"))


def build_wheel(folder: Path) -> None:
    """Builds a release wheel into a folder."""
    tools = environment.environment("build", packages=[MATURIN], with_zloop=False)
    command = [tools.command("maturin"), "build", "--release", "--quiet"]
    run([*command, "--interpreter", sys.executable, "--out", folder])
