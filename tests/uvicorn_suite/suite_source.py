"""uvicorn's source distribution, which holds its tests, and what they need to run."""

from __future__ import annotations

import shutil
import sys
import tarfile
import tomllib
from pathlib import Path

from workspace import CACHE, announce, run

VERSION = "0.54.0"
FOLDER = CACHE / "uvicorn"


def source() -> Path:
    """The unpacked source distribution, downloaded if it is not there."""
    unpacked = FOLDER / f"uvicorn-{VERSION}"
    if not (unpacked / "pyproject.toml").exists():
        announce(f"downloading uvicorn {VERSION} with its tests")
        shutil.rmtree(unpacked, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download"]
        pip += ["--no-deps", "--no-binary", "uvicorn", "--dest", str(FOLDER)]
        run([*pip, f"uvicorn=={VERSION}"])
        with tarfile.open(FOLDER / f"uvicorn-{VERSION}.tar.gz") as archive:
            archive.extractall(FOLDER, filter="data")
    return unpacked


def requirements(unpacked: Path) -> list[str]:
    """Everything that its development group names, itself and its extras, without uvloop.

    uvicorn's default loop is uvloop wherever that is installed.
    """
    with (unpacked / "pyproject.toml").open("rb") as file:
        description = tomllib.load(file)
    development: list[str] = description["dependency-groups"]["dev"]
    extras: list[str] = description["project"]["optional-dependencies"]["standard"]
    wanted = [name for name in development + extras if not name.startswith(("uvicorn", "uvloop"))]
    return [*wanted, str(unpacked)]
