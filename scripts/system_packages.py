"""Programs that come from the system's own packages."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from workspace import StepFailed, announce, run

# What tests/counts counts system calls and instructions with.
COUNTERS = ("strace", "valgrind", "addr2line")

# What the tests of the ecosystem talk to.
SERVICES = ("postgres", "redis-server", "nats-server", "nginx")

# The Debian packages of the programs that are not named as their package is.
PACKAGES = {"postgres": "postgresql", "nginx": "nginx-light", "addr2line": "binutils"}


def ensure(*programs: str) -> list[str]:
    """Installs the missing programs where that is possible; answers with those still missing.

    Each is taken from its Debian package, if this is root on a Debian system.
    """
    missing = [program for program in programs if find(program) is None]
    if not missing or shutil.which("apt-get") is None or os.geteuid() != 0:
        return missing
    announce(f"installing {', '.join(missing)} with apt-get")
    packages = [PACKAGES.get(program, program) for program in missing]
    try:
        run(["apt-get", "update", "-q"], quiet=True)
        without_questions = {"DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "install", "-yq", *packages], environment=without_questions, quiet=True)
    except StepFailed as error:
        print(error)
    return [program for program in missing if find(program) is None]


def find(program: str) -> Path | None:
    """The path of a program; Debian keeps some outside of PATH, and each version of PostgreSQL."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    others = [*map(str, versions), "/usr/sbin", "/usr/local/sbin"]
    found = shutil.which(program) or shutil.which(program, path=os.pathsep.join(others))
    return Path(found) if found else None


def _version(folder: Path) -> float:
    return float(folder.parent.name)
