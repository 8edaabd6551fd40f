"""Runs real clients, servers and drivers on zloop, against real services.

--full runs the whole of the libraries' own suites, which takes long, instead of their quick part, and the
test with a browser.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import system_packages
import test_browser
from suite import Suite, from_json, from_junit, summarize
from workspace import RESULTS, ROOT, StepFailed, fail
from zloop_build import zloop_environment

ECOSYSTEM = Path("tests") / "ecosystem"
LIBRARIES = ("anyio", "aiohttp")


def suites(*, full: bool) -> list[Suite]:
    """The tests with real services, and the libraries' own suites."""
    missing = system_packages.ensure(*system_packages.SERVICES)
    if missing:
        fail(f"these programs are missing: {', '.join(missing)}")
    python = zloop_environment("ecosystem", [ROOT / ECOSYSTEM / "requirements.txt"]).python
    junit = RESULTS / "ecosystem.xml"
    pytest: list[str | Path] = [
        python,
        "-m",
        "pytest",
        "-q",
        "-c",
        ECOSYSTEM / "pytest.ini",
        ECOSYSTEM,
    ]
    services = Suite(
        "Libraries and services",
        [*pytest, f"--junit-xml={junit}"],
        budget=600,
        read_totals=from_junit(junit),
    )
    return [services, *(_own_suite(library, full=full) for library in LIBRARIES)]


def _own_suite(library: str, *, full: bool) -> Suite:
    """A library's own tests, compared with what they give on asyncio."""
    report = RESULTS / f"{library}.json"
    command: list[str | Path] = [sys.executable, "tests/library_suites", library, "--json", report]
    return Suite(
        f"{library}'s own suite" + ", all of it" * full,
        [*command, *["--full"] * full],
        budget=7200 if full else 600,
        read_totals=from_json(report),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="run the libraries' suites as a whole")
    options = parser.parse_args()
    try:
        chosen = suites(full=options.full)
        if options.full:
            chosen += test_browser.suites()
        results = [suite.run() for suite in chosen]
    except StepFailed as error:
        fail(str(error))
    name = "test-ecosystem-full" if options.full else "test-ecosystem"
    return 0 if summarize(f"make {name}", results, name) else 1


if __name__ == "__main__":
    sys.exit(main())
