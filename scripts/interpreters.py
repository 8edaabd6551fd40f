"""Other interpreters than the one that runs the script.

They are looked for on this machine, and then through the command that the variable
ZLOOP_PYTHONS_ENTER names: `COMMAND python3.14 ...` is to run that interpreter, in the current
folder, wherever it is.
"""

from __future__ import annotations

import os
import shlex
import subprocess

from workspace import ROOT, announce, fail


def find_interpreter(version: str) -> list[str] | None:
    """The command that starts a version of CPython, such as 3.14, or None."""
    finder = ["sh", str(ROOT / "scripts" / "find_python.sh"), version]
    here = subprocess.run(finder, capture_output=True, text=True, check=False).stdout.strip()
    if here:
        return [here]
    enter = os.environ.get("ZLOOP_PYTHONS_ENTER", "").strip()
    if enter:
        announce(f"looking for CPython {version} through {enter}")
        try:
            entered = [*shlex.split(enter), f"python{version}"]
            probe = [*entered, "-c", "import ensurepip"]
            probed = subprocess.run(probe, cwd=ROOT, stdin=subprocess.DEVNULL, check=False)
        except (OSError, ValueError) as error:
            fail(f"ZLOOP_PYTHONS_ENTER names a command that cannot be run: {error}")
        if probed.returncode == 0:
            return entered
    return None
