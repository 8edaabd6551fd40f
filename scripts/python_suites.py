"""The suites that test zloop in the interpreter that runs the script: pytest and CPython's own tests.

Run as a program, it runs them and writes the totals: the matrix starts it on each interpreter.
"""

from __future__ import annotations

import sys

import system_packages
from environment import Environment
from suite import Suite, from_json, from_junit, summarize
from workspace import RESULTS, ROOT, StepFailed, announce, fail
from zloop_build import zloop_environment

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def test_environment() -> Environment:
    """The environment of the Python tests, and the programs that TLS is tested with."""
    if missing := system_packages.ensure("openssl", "curl"):
        announce(f"the tests with {' and '.join(missing)} are skipped: not installed")
    return zloop_environment("test", [ROOT / "tests" / "requirements.txt"])


def python_suites(tests: Environment) -> list[Suite]:
    """pytest on tests/python, and the conformance runner."""
    junit = RESULTS / f"pytest-{VERSION}.xml"
    conformance = RESULTS / f"conformance-{VERSION}.json"
    return [
        Suite(
            f"Python tests on CPython {VERSION}",
            [tests.python, "-m", "pytest", "-q", f"--junit-xml={junit}"],
            budget=420,
            read_totals=from_junit(junit),
        ),
        Suite(
            f"CPython {VERSION}'s own asyncio tests",
            [tests.python, "tests/conformance", "--json", conformance],
            budget=420,
            read_totals=from_json(conformance),
        ),
    ]


def main() -> int:
    announce(f"CPython {sys.version.split()[0]}, {sys.executable}")
    try:
        suites = python_suites(test_environment())
    except StepFailed as error:
        fail(str(error))
    results = [suite.run() for suite in suites]
    return 0 if summarize(f"CPython {VERSION}", results, f"python-{VERSION}") else 1


if __name__ == "__main__":
    sys.exit(main())
