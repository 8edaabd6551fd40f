"""Builds a wheel and an sdist into dist/, and tries both as a person would get them.

The wheel is used in a new environment with no Rust on PATH; a second wheel is built from nothing but the
sdist, and used too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from environment import PIP, Environment, environment
from workspace import ROOT, StepFailed, announce, fail, require_cargo, run
from zloop_build import MATURIN, build_wheel

DIST = ROOT / "dist"

TRIAL = """
import asyncio, shutil, zloop

assert shutil.which("cargo") is None and shutil.which("rustc") is None, "Rust is on PATH"

async def main():
    async def answer(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"there and back\\n")
        assert await reader.read() == b"there and back\\n"
        writer.close()
    return type(asyncio.get_running_loop()).__module__

assert asyncio.run(main(), loop_factory=zloop.new_event_loop) == "zloop"
print("    used:", zloop.__file__)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--profile-guided",
        action="store_true",
        help="build it twice, the second time guided by what the first one did: as it is released",
    )
    options = parser.parse_args()
    require_cargo()
    try:
        announce("building the wheel")
        shutil.rmtree(DIST, ignore_errors=True)
        build_wheel(DIST, profile_guided=options.profile_guided)
        announce("building the sdist")
        maturin = environment("build", packages=[MATURIN]).command("maturin")
        run([maturin, "sdist", "--out", DIST], quiet=True)
        (wheel,) = DIST.glob("*.whl")
        (sdist,) = DIST.glob("*.tar.gz")
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            announce(f"using {wheel.name} where there is no Rust")
            _use(wheel, folder / "wheel")
            announce(f"building a wheel from {sdist.name}")
            _build_from(sdist, folder / "built")
            announce("using that wheel where there is no Rust")
            _use(next((folder / "built").glob("*.whl")), folder / "sdist")
    except StepFailed as error:
        fail(str(error))
    print(f"{wheel}\n{sdist}")


def _build_from(sdist: Path, folder: Path) -> None:
    """Builds as pip does; the compiled crates of the workspace are used again."""
    target = {"CARGO_TARGET_DIR": os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target"))}
    build: list[str | Path] = [sys.executable, *PIP, "wheel", "--no-deps"]
    run([*build, "--wheel-dir", folder, sdist], environment=target, cwd=folder.parent)


def _use(wheel: Path, folder: Path) -> None:
    """Installs a wheel into a new environment and runs a server and a client, without Rust."""
    run([sys.executable, "-m", "venv", folder])
    clean = Environment(folder)
    without_rust = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "PYTHONPATH": ""}
    if any((Path(place) / "cargo").exists() for place in ("/usr/bin", "/bin")):
        without_rust["PATH"] = str(folder / "bin")
    run([clean.python, *PIP, "install", "--no-index", wheel], environment=without_rust)
    run([clean.python, "-c", TRIAL], environment=without_rust, cwd=folder)


if __name__ == "__main__":
    main()
