"""Programs that come from the system's own packages."""

from __future__ import annotations

import os
import shutil

from workspace import StepFailed, announce, run

# What tests/counts counts system calls and instructions with.
COUNTERS = ("strace", "valgrind")


def ensure(*programs: str) -> list[str]:
    """Installs the missing programs where that is possible; answers with those still missing.

    Each is taken from the Debian package of the same name, if this is root on a Debian system.
    """
    missing = [program for program in programs if shutil.which(program) is None]
    if not missing or shutil.which("apt-get") is None or os.geteuid() != 0:
        return missing
    announce(f"installing {', '.join(missing)} with apt-get")
    try:
        run(["apt-get", "update", "-q"], quiet=True)
        without_questions = {"DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "install", "-yq", *missing], environment=without_questions, quiet=True)
    except StepFailed as error:
        print(error)
    return [program for program in missing if shutil.which(program) is None]
