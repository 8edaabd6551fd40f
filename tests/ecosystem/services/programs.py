"""The services' programs, which `make test-ecosystem` installs on Debian."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3] / "scripts"))

import system_packages


def program(name: str) -> Path:
    """The path of a program. Raises FileNotFoundError if it is not there."""
    found = system_packages.find(name)
    if found is None:
        raise FileNotFoundError(f"no {name}: `make test-ecosystem` installs it on Debian")
    return found
