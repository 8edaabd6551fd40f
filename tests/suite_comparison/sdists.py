"""Source distributions, which hold a project's tests."""

from __future__ import annotations

import shutil
import sys
import tarfile
from pathlib import Path

from workspace import CACHE, announce, run

FOLDER = CACHE / "suites"


def unpacked(project: str, version: str) -> Path:
    """The unpacked source distribution of a project, downloaded if it is not there."""
    name = f"{project}-{version}"
    folder = FOLDER / name
    if not (folder / "pyproject.toml").exists():
        announce(f"downloading {project} {version} with its tests")
        shutil.rmtree(folder, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download"]
        pip += ["--no-deps", "--no-binary", project, "--dest", str(FOLDER)]
        run([*pip, f"{project}=={version}"])
        with tarfile.open(FOLDER / f"{name}.tar.gz") as archive:
            archive.extractall(FOLDER, filter="data")
    return folder
