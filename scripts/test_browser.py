"""Has Chromium use the example by HTTPS on rustls: WebSocket, upload, download, live metrics."""

from __future__ import annotations

import shutil
import sys

import system_packages
from suite import Suite, pytest_suite, summarize
from workspace import ROOT, StepFailed, fail
from zloop_build import zloop_environment

# By the program, the Debian package it comes in.
PROGRAMS = {"chromium": "chromium", "chromedriver": "chromium-driver"}


def suites() -> list[Suite]:
    """One suite, once the browser is there."""
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            system_packages.ensure(package)
        if shutil.which(program) is None:
            fail(f"{program} is missing")
    requirements = [
        ROOT / "examples" / "fastapi_app" / "requirements.txt",
        ROOT / "tests" / "requirements-browser.txt",
    ]
    python = zloop_environment("browser", requirements).python
    return [pytest_suite("browser", python, "tests/browser", budget=300)]


def main() -> int:
    try:
        results = [suite.run() for suite in suites()]
    except StepFailed as error:
        fail(str(error))
    return 0 if summarize("make test-browser", results, "test-browser") else 1


if __name__ == "__main__":
    sys.exit(main())
