"""The interpreter that `make` builds for, and what it says where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FINDER = Path(__file__).parents[2] / "scripts" / "find_python.sh"

OLD_PYTHON = """\
#!/bin/sh
exec {python} -c '
import platform, sys
sys.version_info = (3, 11, 7)
platform.python_version = lambda: "3.11.7"
exec(sys.argv[1])
' "$2"
"""


def find(python: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", FINDER],
        env={**os.environ, "PYTHON": str(python)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def program(folder: Path, text: str) -> Path:
    path = folder / "python"
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_the_named_interpreter_is_taken():
    found = find(sys.executable)
    assert (found.returncode, found.stdout) == (0, f"{sys.executable}\n")


def test_one_that_is_too_old_is_named_and_what_to_install_said(tmp_path):
    old = program(tmp_path, OLD_PYTHON.format(python=sys.executable))
    found = find(old)
    assert (found.returncode, found.stdout) == (1, "")
    first, *rest = found.stderr.splitlines()
    assert first.startswith(f"PYTHON={old} is CPython 3.11.7; a CPython from 3.12 on is needed")
    assert rest[0] == "Install one, for example:"


@pytest.mark.parametrize("text", [None, "#!/bin/sh\nexit 0\n", "#!/bin/sh\nexit 3\n"])
def test_what_is_no_interpreter_is_refused(tmp_path, text):
    path = tmp_path / "python" if text is None else program(tmp_path, text)
    found = find(path)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith(f"PYTHON={path} cannot be run as a Python interpreter;")
    assert "Install one" in found.stderr
