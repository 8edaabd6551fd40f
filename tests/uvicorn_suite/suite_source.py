"""uvicorn's source distribution, which holds its tests, and what they need to run."""

from __future__ import annotations

import tomllib
from pathlib import Path

VERSION = "0.54.0"


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
