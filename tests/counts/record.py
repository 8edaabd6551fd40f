"""The recorded counts, of each minor version of CPython."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counting import Counts

FILE = Path(__file__).resolve().parent / "recorded.json"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
RENEW = "make counts"


@dataclass(frozen=True)
class Record:
    """The counts of one version, and with which build of it they were made."""

    build: str
    counts: Counts


def this_build() -> str:
    """What decides how many instructions the interpreter itself takes."""
    libc = " ".join(platform.libc_ver())
    return (
        f"{platform.python_version()}, {platform.python_compiler()}, {libc}, {platform.machine()}"
    )


def read() -> Record | None:
    """The record of this version, if there is one."""
    found = _all().get(VERSION)
    return Record(**found) if found else None


def write(counts: Counts) -> None:
    """Replaces the record of this version."""
    everything = {**_all(), VERSION: {"build": this_build(), "counts": counts}}
    FILE.write_text(json.dumps(dict(sorted(everything.items())), indent=2) + "\n")


def _all() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(FILE.read_text()) if FILE.exists() else {}
    return found
